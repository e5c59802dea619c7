"""``immunoprofile inspect``."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.spillover import Spillover

PERSONAL = {
    "$OP": "OPERATOR-CANARY", "$EXP": "EXPERIMENTER-CANARY", "$SRC": "PATIENT-CANARY", "$SMNO": "SPECIMEN-CANARY",
    "$INST": "HOSPITAL-CANARY", "$COM": "COMMENT-CANARY", "$PROJ": "PROJECT-CANARY", "EXPORT USER NAME": "USER-CANARY",
    "PATIENT ID": "ID-CANARY", "TUBE NAME": "TUBE-CANARY", "FIL": "FILE-CANARY", "SAMPLE ID": "SAMPLE-CANARY",
    "$CYTSN": "SERIAL-CANARY", "@PATIENT": "BECKMAN-CANARY",
}  # fmt: skip


@pytest.fixture
def fcs(tmp_path):
    """Write a file with two fluorescence channels and keywords; its path."""

    def write(name="a.fcs", keywords=None, markers=("CD3", "CD4"), spillover=True):
        path = tmp_path / name
        channels = [
            ChannelSpec("FSC-A", None, 262144),
            *(ChannelSpec(f"FL{i}-A", m, 1024) for i, m in enumerate(markers, 1)),
        ]
        matrix = Spillover(("FL1-A", "FL2-A"), np.array([[1.0, 0.2], [0.1, 1.0]])) if spillover else None
        values = np.arange(30, dtype=np.float32).reshape(10, 3)
        write_fcs(
            path,
            values,
            channels,
            keywords=keywords or {"$CYT": "Testometer", "$DATE": "02-JAN-2024"},
            spillover=matrix,
        )
        return path

    return write


def test_inspect__shows_what_a_person_looks_for(immunoprofile, fcs):
    outcome = immunoprofile("inspect", fcs())
    assert outcome.exit_code == 0
    for words in ("FCS3.1, 10 events, 3 channels", "Cytometer: Testometer", "Acquired: 2024-01-02", "Findings: "):
        assert words in outcome.stdout
    assert [line.split()[:4] for line in outcome.stdout.splitlines() if line[:1].isdigit()] == [
        ["1", "FSC-A", "scatter", "262144"],
        ["2", "FL1-A", "CD3", "fluorescence"],
        ["3", "FL2-A", "CD4", "fluorescence"],
    ]


def test_inspect__condition_is_that_of_the_matrix(immunoprofile, fcs):
    condition = np.linalg.cond(np.array([[1.0, 0.2], [0.1, 1.0]]))
    assert f"Spillover: 2 x 2, condition {condition:.3g}" in immunoprofile("inspect", fcs()).stdout


def test_inspect__says_that_there_is_no_matrix(immunoprofile, fcs):
    assert "Spillover: none that can be used" in immunoprofile("inspect", fcs(spillover=False)).stdout


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_inspect__shows_no_personal_data_unasked(immunoprofile, fcs, as_json):
    outcome = immunoprofile("inspect", fcs(keywords=PERSONAL), *as_json)
    assert "CANARY" not in outcome.stdout + outcome.stderr


def test_inspect__a_name_that_a_finding_quotes_is_withheld_too(immunoprofile, fcs, tmp_path):
    raw = fcs(keywords={"$SRC": "M1ller-CANARY"}).read_bytes()
    path = tmp_path / "latin.fcs"
    path.write_bytes(raw.replace(b"M1ller", b"M\xfcller"))
    outcome = immunoprofile("inspect", path)
    assert "FCS-TEXT-ENCODING" in outcome.stdout
    assert "CANARY" not in outcome.stdout
    assert "Müller-CANARY" in immunoprofile("inspect", path, "--all-keywords").stdout


def test_inspect__shows_every_keyword_when_asked(immunoprofile, fcs):
    path = fcs(keywords=PERSONAL)
    shown = immunoprofile("inspect", path, "--all-keywords").stdout
    assert [v for v in PERSONAL.values() if v not in shown] == []
    (described,) = json.loads(immunoprofile("inspect", path, "--all-keywords", "--json").stdout)
    assert PERSONAL.items() <= described["keywords"].items()


def test_inspect__json_describes_each_file(immunoprofile, fcs):
    (described,) = json.loads(immunoprofile("inspect", fcs(), "--json").stdout)
    assert (described["version"], described["n_events"]) == ("FCS3.1", 10)
    assert (described["acquisition"]["cytometer"], described["acquisition"]["day"]) == ("Testometer", "2024-01-02")
    assert described["channels"][1] | {"detector": "FL1-A", "marker": "CD3", "number": 2} == described["channels"][1]
    assert described["spillover"]["matrix"] == [[1.0, 0.2], [0.1, 1.0]]
    assert described["spillover"]["is_identity"] is False


def test_inspect__hostile_names_are_shown_as_text_within_the_terminal(immunoprofile, fcs):
    path = fcs(markers=("[red]CD3\x1b[2J", "\u202e" + "long" * 40), keywords={"$CYT": "x\x07" * 200})
    shown = immunoprofile("inspect", path).stdout
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}
    assert "[red]CD3" in shown.replace("\n", "")
    assert max(len(line) for line in shown.splitlines() if str(path) not in line) <= 80


def test_inspect__goes_on_after_a_bad_file(immunoprofile, fcs, tmp_path):
    bad = tmp_path / "bad.fcs"
    bad.write_text("sample,count\n1,2\n", encoding="utf-8")
    outcome = immunoprofile("inspect", bad, fcs("b.fcs"), fcs("c.fcs"))
    assert outcome.exit_code == 3
    assert outcome.stdout.count("FCS3.1, 10 events") == 2
    assert outcome.stderr.splitlines()[-1] == "1 of 3 files could not be read."


def test_inspect__json_lists_the_bad_file_too(immunoprofile, fcs, tmp_path):
    outcome = immunoprofile("inspect", tmp_path / "none.fcs", fcs(), "--json")
    assert outcome.exit_code == 3
    first, second = json.loads(outcome.stdout)
    assert first["error"]["code"] == "FCS-MISSING"
    assert second["n_events"] == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "file does not exist. Check the path."),
        (b"FCS3.1 but,a,text,file\n", "Copy the file again from the cytometer"),
        (b"sample_id;count\nA;3\n" * 9, "is not an FCS file"),
        (b"", "Copy the file again from the cytometer"),
    ],
    ids=["missing", "text-that-begins-well", "text", "empty"],
)
def test_inspect__a_file_that_is_none_is_refused_with_a_remedy(immunoprofile, tmp_path, content, message):
    path = tmp_path / "a.fcs"
    if content is not None:
        path.write_bytes(content)
    outcome = immunoprofile("inspect", path)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"Error: {path}: ")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_inspect__a_truncated_file_says_how_many_events_are_there(immunoprofile, fcs):
    path = fcs()
    path.write_bytes(path.read_bytes()[:-50])
    outcome = immunoprofile("inspect", path)
    assert outcome.exit_code == 2
    assert "whole events of 10 are there" in outcome.stderr


def test_inspect__salvage_shows_what_is_left_of_a_truncated_file(immunoprofile, fcs):
    path = fcs()
    path.write_bytes(path.read_bytes()[:-50])
    outcome = immunoprofile("inspect", path, "--strictness", "salvage")
    assert outcome.exit_code == 0
    assert "error FCS-SALVAGED" in outcome.stdout


def test_inspect__a_pipe_does_not_hang(immunoprofile, tmp_path):
    os.mkfifo(tmp_path / "pipe.fcs")
    outcome = immunoprofile("inspect", tmp_path / "pipe.fcs")
    assert outcome.exit_code == 2
    assert "not a file" in outcome.stderr


@pytest.mark.shared
def test_inspect__real_files_fit_the_terminal(immunoprofile, shared_data):
    files = sorted(p for p in (shared_data / "instruments").rglob("*") if p.suffix.lower() in {".fcs", ".lmd"})
    outcome = immunoprofile("inspect", *files)
    assert outcome.exit_code == 3
    wide = [line for line in outcome.stdout.splitlines() if len(line) > 80 and not line.startswith(str(shared_data))]
    assert wide == []


def test_inspect__serial_number_is_shown_only_when_asked(immunoprofile, fcs):
    path = fcs(keywords={"$CYTSN": "SN-4711"})
    assert "SN-4711" not in immunoprofile("inspect", path).stdout
    assert "SN-4711" not in immunoprofile("inspect", path, "--json").stdout
    assert "Serial number: SN-4711" in immunoprofile("inspect", path, "--all-keywords").stdout


def test_inspect__losses_are_told(immunoprofile, fcs):
    shown = immunoprofile("inspect", fcs(keywords={"$ABRT": "12", "$LOST": "3456"})).stdout
    assert "Aborted, lost: 12, 3,456" in shown


def test_inspect__checks_data_on_request(immunoprofile, tmp_path):
    import numpy as np

    from immunoprofile.fcs import ChannelSpec, write_fcs

    values = np.array([[1.0, np.nan], [2.0, np.inf]], dtype=np.float32)
    write_fcs(tmp_path / "n.fcs", values, [ChannelSpec("A"), ChannelSpec("B")])
    assert "FCS-NONFINITE" not in immunoprofile("inspect", tmp_path / "n.fcs").stdout
    assert "FCS-NONFINITE" in immunoprofile("inspect", tmp_path / "n.fcs", "--check-data").stdout


def test_inspect__shows_progress_over_many_files(immunoprofile, fcs):
    outcome = immunoprofile("inspect", *[fcs()] * 30, "--json")
    assert "inspecting: 30 of 30" in outcome.stderr
    assert len(json.loads(outcome.stdout)) == 30
