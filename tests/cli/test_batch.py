"""A batch as it is seen from outside: what would be done, what is said while it runs, and what of failures."""

from __future__ import annotations

import json
import re

import pytest

from immunoprofile.cli.console import describe_pace
from immunoprofile.cli.failures import describe_failures
from immunoprofile.study import load_samples


@pytest.fixture
def batch(study):
    """A sheet of four samples that stands alone."""
    sheet = study.parent / "samples.csv"
    lines = sheet.read_text(encoding="utf-8").splitlines()
    sheet.write_text("\n".join(lines[:5]) + "\n", encoding="utf-8")
    return sheet


def _profile(immunoprofile, batch, *options):
    return immunoprofile("profile", batch, "--template", "immune14", "--out", batch.parent / "out", *options)


def test_dry_run__says_what_would_be_done_and_writes_nothing(immunoprofile, batch):
    missing = load_samples(batch)[1]
    missing.file.rename(missing.file.with_suffix(".away"))
    outcome = _profile(immunoprofile, batch, "--dry-run")
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines() == ["3 samples to do", "1 sample without a file"]
    assert outcome.stderr == f"no file: {missing.sample_id}\n"
    assert not (batch.parent / "out").exists()


def test_counts_only__leaves_intensities_and_pictures_out(immunoprofile, batch):
    assert _profile(immunoprofile, batch, "--counts-only").exit_code == 0
    assert (batch.parent / "out" / "populations.csv").is_file()
    assert not [p.name for p in (batch.parent / "out").iterdir() if p.name.startswith(("intensities", "pictures"))]
    assert json.loads(_profile(immunoprofile, batch, "--dry-run", "--counts-only", "--json").stdout)["finished"] is True


def test_dry_run__knows_what_is_done(immunoprofile, batch):
    assert _profile(immunoprofile, batch).exit_code == 0
    found = json.loads(_profile(immunoprofile, batch, "--dry-run", "--json").stdout)
    names = [s.sample_id for s in load_samples(batch)]
    assert (found["finished"], found["done"], found["to_do"]) == (True, names, [])
    load_samples(batch)[2].file.touch()
    found = json.loads(_profile(immunoprofile, batch, "--dry-run", "--json").stdout)
    assert (found["finished"], found["done"], found["to_do"]) == (False, [*names[:2], names[3]], [names[2]])


def test_dry_run__of_a_study_refuses_what_the_run_would(immunoprofile, study):
    (study.parent / "results").mkdir()
    (study.parent / "results" / "notes.txt").write_text("mine", encoding="utf-8")
    outcome = immunoprofile("run", study, "--dry-run")
    assert outcome.exit_code == 2
    assert "holds files that are not results" in outcome.stderr


def test_dry_run__of_a_study_counts_its_samples(immunoprofile, study):
    n_samples = len((study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert immunoprofile("run", study, "--dry-run").stdout == f"{n_samples} samples to do\n"


def test_again__says_that_nothing_is_to_do(immunoprofile, batch):
    first, second = (_profile(immunoprofile, batch) for _ in range(2))
    assert "Nothing to do" not in first.stderr
    assert "Nothing to do" in second.stderr
    assert "gating" not in second.stderr
    assert second.stdout == first.stdout


def test_json__is_a_line_a_sample_on_standard_error(immunoprofile, batch):
    load_samples(batch)[1].file.write_bytes(b"no FCS")
    outcome = _profile(immunoprofile, batch, "--json")
    assert outcome.exit_code == 3
    assert json.loads(outcome.stdout)["n_samples"] == 4
    lines = [json.loads(line) for line in outcome.stderr.splitlines() if line.startswith("{")]
    assert [(x["sample_id"], x["number"], x["total"]) for x in lines] == [
        (s.sample_id, n, 4) for n, s in enumerate(load_samples(batch), start=1)
    ]
    assert [x["state"] for x in lines] == ["done", "failed", "done", "done"]
    assert lines[1]["code"].startswith("FCS-")


def test_scheduler__that_does_not_answer_is_refused(immunoprofile, batch, monkeypatch):
    monkeypatch.setattr("immunoprofile.cohort.cluster._SECONDS", 0.2)
    outcome = _profile(immunoprofile, batch, "--scheduler", "tcp://127.0.0.1:1")
    assert outcome.exit_code == 2
    assert re.search(r"does not answer as a Dask scheduler|which is not installed", outcome.stderr)


def _failure(name, message, code="FCS-HEADER"):
    return {"item_id": name, "item_kind": "sample", "stage": "read", "code": code, "message": message}


def test_failures__of_one_cause_are_one_line():
    rows = [_failure(f"S{i}", f"S{i}.fcs: HEADER: ends after {i} bytes. Copy it again.") for i in range(5)]
    rows.append(_failure("X", "X.fcs: is a folder.", "FCS-NOT-REGULAR"))
    assert describe_failures(rows) == [
        "failed: 5 samples (S0, S1, S2 and 2 more) for one cause. The first: S0.fcs: HEADER: ends after 0 bytes. "
        "Copy it again.",
        "failed: X: X.fcs: is a folder.",
    ]


def test_failures__of_two_causes_stay_apart():
    rows = [_failure("A", "A.fcs: TEXT: a"), _failure("B", "B.fcs: TEXT: b"), _failure("C", "C.fcs: TEXT: b", "OTHER")]
    assert len(describe_failures(rows)) == 3


@pytest.mark.parametrize(
    ("done", "total", "seconds", "said"),
    [
        pytest.param(10, 40, 0.5, "", id="too-early"),
        pytest.param(40, 40, 9.0, "", id="done"),
        pytest.param(20, 620, 10.0, "2 a second, 5:00 left", id="minutes"),
        pytest.param(1, 1001, 8.0, "8 seconds each, 2:13:20 left", id="hours"),
    ],
)
def test_pace__is_rate_and_time_left(done, total, seconds, said):
    assert describe_pace(done, total, seconds) == said
