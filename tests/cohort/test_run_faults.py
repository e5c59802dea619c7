"""A disk that fails under a whole run, report page and all: no wrong table, no bug, and the same command goes on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import killed_runs
from faulty_disk import Disk
from immunoprofile.cli import program
from immunoprofile.cohort.journal import check_journal
from immunoprofile.simulation import simulate_cohort
from immunoprofile.verification import verify_folder

LONG = os.environ.get("IMMUNOPROFILE_FAULTS")
"""Every third call that is not one sample's where it is set, to a folder for the list of cases; a few at commit."""

KINDS = {"EIO": 3, "ENOSPC": 11, "EACCES": 13, "torn": 1} if LONG else {"EIO": 400, "torn": 40}
"""Each kind and the step through the calls; of ``torn`` through the writes."""

OF_SAMPLES = re.compile(r"\.fcs$|\.result|SIM-.*\.json")
"""What `test_faults` goes through call by call."""

ENDS = {2: "cannot be used as it is", 3: "some failed", 6: "could not be finished"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects at two visits with platelets, treatments, bleeding: gates, tables, response, change, association."""
    folder = tmp_path_factory.mktemp("cohort") / "c"
    study = simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=200, panels=("tbnk",))
    head, *rows = (folder / "samples.csv").read_text(encoding="utf-8").splitlines()
    rows = [r for r in rows if re.match(r"SIM-00[12]_(BL|W4),", r)]
    (folder / "samples.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    study.write_text(study.read_text(encoding="utf-8").replace('["W4", "W8"]', '["W4"]'), encoding="utf-8")
    return study


def _run(study: Path, out: Path) -> Result:
    return CliRunner().invoke(program, ["run", str(study), "--out", str(out), "--jobs", "1", "-q"])


def _tables(out: Path) -> dict[str, str]:
    """Digests of what a run gives; the page says when it was made."""
    return {n: d for n, d in killed_runs.tables(out).items() if n != "report.html"}


@pytest.fixture(scope="module")
def clean(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """The tables of a run in which nothing failed, and its calls."""
    folder = tmp_path_factory.mktemp("clean")
    with Disk(folder.parent) as disk:
        done = _run(study, folder / "out")
    assert done.exit_code == 0, done.stderr
    assert {"association.csv", "change.csv", "response.csv"} < set(_tables(folder / "out"))
    assert (folder / "out" / "report.html").is_file()
    return _tables(folder / "out"), disk.calls


def _moments(kind: str, calls: list[str]) -> Iterator[int]:
    """Numbers of the calls that fail: of writes where only writes do."""
    if kind == "torn":
        calls = [c for c in calls if c.startswith("write")]
    own = [n for n, c in enumerate(calls, start=1) if not OF_SAMPLES.search(c)]
    return iter(own[7 % KINDS[kind] :: KINDS[kind]])


@pytest.mark.requirement("R-BATCH-03")
@pytest.mark.parametrize("kind", KINDS)
def test_run__whose_disk_fails_at_any_call_ends_cleanly_and_goes_on(
    kind: str, study: Path, clean, tmp_path: Path
) -> None:
    expected, calls = clean
    cases = []
    for at in _moments(kind, calls):
        out = tmp_path / f"{at}" / "out"
        with Disk(tmp_path.parent, kind, at) as disk:
            first = _run(study, out)
        wrong = _wrong_at_once(first, out, expected)
        second = _run(study, out)
        wrong += [] if second.exit_code == 0 else [f"then ended with {second.exit_code}: {second.stderr}"]
        wrong += [] if _tables(out) == expected else ["other bytes once it was given again"]
        wrong += [] if (out / "report.html").read_text().rstrip().endswith("</html>") else ["half a page"]
        wrong += [] if check_journal(out) == [] and verify_folder(out).holds else ["does not verify"]
        cases.append({"at": at, "call": disk.failed, "ended": first.exit_code, "wrong": wrong})
        write_down(kind, cases)
    assert [c for c in cases if c["wrong"]] == []
    assert cases
    assert all(c["call"] for c in cases[: max(1, len(cases) * 9 // 10)])


def write_down(kind: str, cases: list[dict[str, object]]) -> None:
    """For the benchmark that counts them, and for who looks on."""
    if LONG:
        (Path(LONG) / f"run {kind}.json").write_text(json.dumps(cases))


def _wrong_at_once(done: Result, out: Path, expected: dict[str, str]) -> list[str]:
    """What is wrong with the end of a run whose disk failed once."""
    if done.exit_code == 0:
        return [] if _tables(out) == expected else ["finished with other bytes"]
    wrong = [] if done.exit_code in ENDS else [f"ended with {done.exit_code}: {done.stderr} {done.exc_info}"]
    wrong += [] if done.stderr.startswith("Error: ") or done.exit_code == 3 else [f"said {done.stderr}"]
    left = [p.name for p in out.rglob("*.tmp")] if out.is_dir() else []
    return wrong + [f"left behind: {name}" for name in left]
