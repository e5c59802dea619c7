"""What scan-phi lists: what names somebody, a time, a place or a machine, and what it could not look into."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from canaries import CANARY, KEY, WORDS, write_named_study
from immunoprofile.cohort import run_study
from immunoprofile.cohort.made import Made
from immunoprofile.cohort.store import Entry, Store
from immunoprofile.columns import TABLES
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.report import write_report
from immunoprofile.report.exports import export_results
from immunoprofile.study import load_study
from immunoprofile.study.deidentify import mark_of
from immunoprofile.tables import Columns
from immunoprofile.verification import Exposed, scan_files
from immunoprofile.verification.exposed import CODE, Names, kind_of_column
from immunoprofile.verification.keywords import kind_of_keyword
from immunoprofile.verification.traces import traces_of


def write_named(path: Path, **keywords: str) -> Path:
    write_fcs(path, np.ones((3, 1), dtype=np.float32), [ChannelSpec("A", "CD4")], keywords=keywords)
    return path


@pytest.mark.requirement("R-SEC-06")
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("$SRC", "person"), ("$SMNO", "person"), ("$OP", "person"), ("$EXP", "person"), ("PATIENT ID", "person"),
        ("EXPORT USER NAME", "person"), ("SAMPLE ID", "person"), ("SAMPLE_ID", "person"), ("@SAMPLEID1", "person"),
        ("TUBE NAME", "person"), ("$DATE", "time"), ("$BTIM", "time"), ("EXPORT TIME", "time"), ("$CYTSN", "machine"),
        ("$SYS", "machine"), ("$INST", "machine"), ("CYTNUM", "machine"), ("$FIL", "place"), ("FIL", "place"),
        ("$COM", "text"), ("$PROJ", "text"), ("NEVER HEARD OF", "text"), ("$PAR", None), ("$P12S", None),
        ("$TOT", None), ("$SPILLOVER", None), ("$TIMESTEP", None),
    ],
)  # fmt: skip
def test_keyword__is_listed_by_kind_unless_it_is_known_to_be_harmless(key: str, kind: str | None) -> None:
    assert kind_of_keyword(key) == kind


def test_keyword__a_harmless_one_with_a_date_in_it_is_listed() -> None:
    assert kind_of_keyword("$P1S", "Miller 1961-04-12") == "time"


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        (None, "surname", "person"), (None, "batch", "text"), (None, "note", "text"), (None, "dose", None),
        ("failures", "item_id", "person"), ("failures", "message", "text"), ("change", "post_sample_ids", "person"),
        ("intensities", "fmo_sample_id", "person"), ("control_shifts", "from_sample_id", "person"),
        ("control_shifts", "batch_to", "text"), ("gates_resolved", "reason", "text"), ("response", "reason", None),
        ("association", "note", None), ("populations", "pop_id", None), ("populations", "template_version", None),
    ],
)  # fmt: skip
def test_column__is_listed_by_kind(table: str | None, column: str, kind: str | None) -> None:
    assert kind_of_column(table, column) == kind


@pytest.mark.requirement("R-SEC-06")
def test_scan__lists_each_keyword_with_its_value(tmp_path: Path) -> None:
    write_named(tmp_path / "a.fcs", **{"$SRC": "Ada Lovelace", "$DATE": "12-APR-1961", "PATIENT ID": "4711"})
    found = {(e.where, e.kind, e.value) for e in scan_files([tmp_path])}
    assert found == {
        ("file name", "text", "a.fcs"),
        ("$SRC", "person", "Ada Lovelace"),
        ("$DATE", "time", "12-APR-1961"),
        ("PATIENT ID", "person", "4711"),
    }


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("seen 1961-04-12.", "time", "1961-04-12"),
        ("S_19610412_BL", "time", "19610412"),
        ("12.04.1961", "time", "12.04.1961"),
        ("12-APR-1961", "time", "12-APR-1961"),
        ("3 March 1961", "time", "3 March 1961"),
        ("mail ada@example.org now", "person", "ada@example.org"),
        ("file /home/ada/x.fcs, row", "place", "/home/ada/x.fcs"),
        (r"C:\Users\ada\x.fcs", "place", r"C:\Users\ada\x.fcs"),
        (r"at \\server\share\x", "place", r"\\server\share\x"),
    ],
)
def test_traces__of_persons_times_and_places(text: str, kind: str, value: str) -> None:
    assert (kind, value) in {(t.kind, t.value) for t in traces_of(text)}


@pytest.mark.parametrize(
    "text",
    [
        "262144 events", "0.19610412 of 1", "CD4/CD8", "20 / 30 / 40", "http://x.org/a",
        "c0ffee19610412abdecade00" + "0" * 40,
    ],
    ids=lambda t: t[:20],
)  # fmt: skip
def test_traces__are_not_seen_in_numbers_names_and_digests(text: str) -> None:
    assert list(traces_of(text)) == []


def test_traces__a_word_of_a_million_letters_is_looked_at_once() -> None:
    # As a picture is in a page: begun again at each letter, this would not end.
    text = "iVBORw0KGgo+aB9-x_" * 60_000 + " ada.lovelace@example.org"
    assert [(t.kind, t.value) for t in traces_of(text)] == [("person", "ada.lovelace@example.org")]


def test_scan__columns_of_sheets_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"subject_id": ["P1", "P2"], "surname": ["Lovelace", None], "count": [1, 2]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    found = [(e.path, e.where, e.kind, e.value, e.n, e.n_values) for e in scan_files([tmp_path])]
    assert found == [
        (p, w, "person", v, n, n)
        for p in ("a.csv", "b.parquet")
        for w, v, n in (("column subject_id", "P1", 2), ("column surname", "Lovelace", 1))
    ]


def test_scan__ids_of_sheets_are_found_in_other_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "samples.csv").write_text("sample_id,file,subject_id\nAda_BL,x.fcs,Ada L.\nB7,y.fcs,12\n")
    write_named(tmp_path / "Ada_BL.fcs")
    (tmp_path / "note.txt").write_text("12 tubes, B7 and Ada_BL2 fine")
    (tmp_path / "page.html").write_text("<td>Ada L.</td><td>Ada_BL</td>")
    (tmp_path / "list.json").write_text('{"inputs": {"fcs Ada_BL": "0"}}')
    found = {(e.path, e.where, e.value, e.n) for e in scan_files([tmp_path]) if e.kind == "person"}
    # ids of two letters, and short numbers, would be found anywhere
    assert {f for f in found if not f[1].startswith("column")} == {
        ("Ada_BL.fcs", "file name", "Ada_BL", 1),
        ("page.html", "ids in the text", "Ada L.", 2),
        ("list.json", "ids in the text", "Ada_BL", 1),
    }


def test_names__that_are_too_short_are_not_looked_for() -> None:
    assert Names(["S1", "123", "12345", "Ada"]).in_text("S1 123 12345 Ada") == ["12345", "Ada"]


@pytest.mark.requirement("R-SEC-06")
def test_scan__what_cannot_be_looked_into_is_listed(tmp_path: Path) -> None:
    (tmp_path / "broken.fcs").write_bytes(b"FCS3.1 nothing")
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    (tmp_path / "table.csv").write_bytes(b"subject_id\n\xff\xfe\n")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "part.results").write_bytes(b"immunoprofile sample 1\n")
    (tmp_path / "link").symlink_to(tmp_path / "photo.jpg")
    os.mkfifo(tmp_path / "pipe.fcs")
    unread = {e.path: e.value for e in scan_files([tmp_path]) if e.kind == "unread"}
    assert set(unread) == {"broken.fcs", "table.parquet", "table.csv", "photo.jpg", "part.results", "link", "pipe.fcs"}
    assert unread["pipe.fcs"] == "is no regular file, and was not opened"
    assert unread["table.csv"].startswith("cannot be read as a table: ")


@pytest.mark.requirement("R-SEC-06")
def test_scan__numbers_of_kept_results_are_not_read_as_words_and_what_they_say_is(tmp_path: Path) -> None:
    (number,) = struct.unpack("<d", b"B:\\Zebed")
    row = {"sample_id": "S", "rule_id": "r", "item": "", "value": number, "detail": "seen at D:\\Lab\\Zebedee"}
    made = Made({"samples_qc": Columns.of_rows(TABLES["samples_qc"], [row])})
    (kept,) = Store(tmp_path).save([Entry("ab" * 32, "S", {"pictures": "by zebedee@example.org"}, made)])
    assert b"B:\\Zebed" in kept.path.read_bytes()
    found = [e.value for e in scan_files([tmp_path]) if e.where == "in the text"]
    assert any("zebedee@example.org" in v for v in found) and any("D:\\Lab" in v for v in found)
    assert not any(v.startswith("B:") for v in found)


@pytest.mark.requirement("R-SEC-06")
@pytest.mark.parametrize("dtype", ["string", "object"])
def test_scan__words_of_a_parquet_table_are_read(dtype: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"remark": pd.Series(["ask zebedee@example.org", None], dtype=dtype), "n": [1, 2]})
    frame.to_parquet(tmp_path / "table.parquet")
    assert [e.value for e in scan_files([tmp_path]) if e.where == "in the text"] == ["zebedee@example.org"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Exposed]]:
    """What a study full of canaries gives away in its results, with names and under codes, and where they lie."""
    place = tmp_path_factory.mktemp("results")
    study = load_study(write_named_study(place))
    (place / "lab.key").write_bytes(KEY)
    write_report(run_study(study, place / "named", jobs=2), place / "named")
    write_report(run_study(study, place / "coded", jobs=2, deidentify=place / "lab.key"), place / "coded")
    return {name: scan_files([place / name]) for name in ("named", "coded")}


@pytest.mark.requirement("R-SEC-06")
def test_results__with_names_list_whom_they_name_and_where(results: dict[str, list[Exposed]]) -> None:
    found = {(e.path, e.where): (e.kind, e.value, e.n_values) for e in results["named"]}
    one = CANARY.format(90) + "K1"
    for table in ("populations.csv", "populations.parquet"):
        assert found[table, "column subject_id"] == ("person", one, 6)
        assert found[table, "column sample_id"][::2] == ("person", 12)
    assert found["failures.csv", "column item_id"] == ("person", CANARY.format(83), 1)
    # a note on a moved gate, and a message, may say anything
    assert CANARY.format(89) in found["gates_resolved.csv", "column gates_resolved.reason"][1]
    assert CANARY.format(81) in found["failures.csv", "column failures.message"][1]
    assert CANARY.format(92) in found["checks_unanswered.csv", "column checks_unanswered.reason"][1]
    assert found["gates_resolved.csv", "in the text"] == ("time", "2031-06-01", 1)
    # twelve samples and one that failed; the report has the six subjects too
    assert found["journal.jsonl", "ids in the text"][2] == 13
    assert found["manifest.json", "ids in the text"][2] >= 12
    assert found["report.html", "ids in the text"][2] >= 18
    pictures = [e for e in results["named"] if e.path.startswith("pictures/") and e.where == "file name"]
    assert {e.kind for e in pictures} == {"person"}
    assert len(pictures) == 12
    kept = [e for e in results["named"] if e.path.endswith(".results") and e.where == "column sample_id"]
    assert {CANARY.format(90) in e.value for e in kept} == {True}
    kind, path, n = found[".work/files.json", "path of a file"]
    assert (kind, CANARY.format(91) in path, n) == ("place", True, 14)
    assert found[".lock", "host of a run"][0] == "machine"


@pytest.mark.requirement("R-SEC-06")
def test_results__under_codes_list_codes_and_no_person(results: dict[str, list[Exposed]]) -> None:
    found = results["coded"]
    assert {e.kind for e in found} == {"code", "time", "text"}
    codes = [e for e in found if e.kind == "code"]
    assert all(CODE.fullmatch(e.value) for e in codes)
    named = [e for e in results["named"] if e.kind == "person" and e.where.startswith("column")]
    places = [{(e.path, e.where) for e in listed if ".work" not in e.path} for listed in (codes, named)]
    assert places[0] == places[1]
    # what is free text is listed still: the program does not judge its own words
    assert {e.where for e in found if e.kind == "text"} == {
        "column failures.message", "column gates_resolved.reason", "column checks_unanswered.reason",
    }  # fmt: skip
    assert not any(w in str(found) for w in WORDS)


@pytest.mark.requirement("R-SEC-06")
@pytest.mark.parametrize("kind", ["names", "codes"])
def test_exports__are_looked_into_as_the_tables_they_are_made_of(kind: str, known: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.key").write_bytes(KEY)
    study = load_study(known / "study.toml")
    out = tmp_path / "out"
    results = run_study(study, out, deidentify=tmp_path / "lab.key" if kind == "codes" else None)
    for target in ("xpt", "stata", "cp", "wide", "immport", "loaders"):
        export_results(results, target, out / "export")
    found = [e for e in scan_files([out]) if e.path.startswith("export/")]
    own = "person" if kind == "names" else "code"
    # whichever file is handed over alone: of Stata, SAS and CDISC too
    for name, where in (
        ("pops.xpt", "subject_id"), ("populations.dta", "subject_id"), ("populations_wide.csv", "subject_id"),
        ("cp.csv", "USUBJID"), ("cp.xpt", "USUBJID"), ("change.dta", "post_sample_ids"),
    ):  # fmt: skip
        listed = [e for e in found if e.path == f"export/{name}" and e.where == f"column {where}"]
        assert [(e.kind, e.n_values) for e in listed] == [(own, 6)], name
    assert {e.kind for e in found} == {own}


def test_results__an_id_among_codes_that_is_no_code_is_a_person(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"options": {"deidentified": mark_of(KEY)}}))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "mine.csv").write_text("subject_id\nP-7I2ITVX2E3T5\nAda Lovelace\n")
    found = [(e.kind, e.value, e.n) for e in scan_files([tmp_path]) if e.path == "below/mine.csv"]
    assert found == [("code", "P-7I2ITVX2E3T5", 1), ("person", "Ada Lovelace", 1)]


def test_results__a_code_is_a_name_where_no_manifest_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("subject_id\nP-7I2ITVX2E3T5\n")
    assert [e.kind for e in scan_files([tmp_path])] == ["person"]


def test_verb__lists_for_people_and_for_programs(tmp_path: Path, immunoprofile) -> None:
    write_named(tmp_path / "a.fcs", **{"$SRC": "Ada\x1b[31mLovelace"})
    shown = immunoprofile("scan-phi", tmp_path)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Persons and their samples\n  $SRC: Ada\\x1b[31mLovelace, in a.fcs\n")
    assert "\x1b" not in shown.stdout
    ended = "2 findings in 1 file. Results without names: --deidentify KEYFILE of run and profile."
    assert " ".join(shown.stdout.split()).endswith(ended)
    found = json.loads(immunoprofile("scan-phi", tmp_path / "a.fcs", "--json").stdout)
    assert {e["where"] for e in found} == {"file name", "$SRC"}


def test_verb__tells_what_stands_in_many_files_once(tmp_path: Path, immunoprofile) -> None:
    for number in range(5):
        write_named(tmp_path / f"{number}.fcs", **{"$SRC": f"Person {number % 4}"})
    assert (
        "\n  $SRC: Person 0, Person 1, Person 2 and 1 more, in 5 files\n" in immunoprofile("scan-phi", tmp_path).stdout
    )
    said = immunoprofile("scan-phi", tmp_path, "-v").stdout
    assert "$SRC: Person 0, Person 1, Person 2, Person 3, in 0.fcs, 1.fcs, 2.fcs, 3.fcs," in said


def test_verb__says_whether_a_folder_holds_names_or_codes(tmp_path: Path, immunoprofile, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("manifest.json").write_text(json.dumps({"options": {"deidentified": "K-A"}}))
    Path("mine.csv").write_text("subject_id\nP-7I2ITVX2E3T5\n")
    said = immunoprofile("scan-phi", ".").stdout
    assert said.startswith(".: de-identified results, written under the key with the mark K-A\n\n")
    assert "Codes, which name nobody to who has no key\n  column subject_id: P-7I2ITVX2E3T5, in mine.csv\n" in said
    assert "0 findings in 0 files. No name, place or machine was found beside codes;" in said
    Path("manifest.json").write_text(json.dumps({"options": {}}))
    assert immunoprofile("scan-phi", ".").stdout.startswith(".: results with names\n\n")


def test_verb__fits_a_terminal(results: dict[str, list[Exposed]]) -> None:
    from immunoprofile.cli.scan_phi import render_exposed

    lines = [line for found in results.values() for line in render_exposed(found)]
    assert max(map(len, lines)) <= 80


def test_verb__what_does_not_exist_is_refused(tmp_path: Path, immunoprofile) -> None:
    outcome = immunoprofile("scan-phi", tmp_path / "nothing")
    assert outcome.exit_code == 2
    assert "does not exist" in outcome.stderr
