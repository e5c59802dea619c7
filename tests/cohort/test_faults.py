"""A disk that fails or takes the process with it, at one call after the other: no wrong result, and the run goes on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import killed_runs
from faulty_disk import KINDS, OF_WRITES, Disk
from immunoprofile.cohort.journal import check_journal
from immunoprofile.errors import InputError, OutputError
from immunoprofile.verification import verify_folder

LONG = os.environ.get("IMMUNOPROFILE_FAULTS")
"""Every call of a run where it is set, to a folder for the list of cases; a few of them at commit."""

STEPS = {k: (1 if k in {"EIO", *OF_WRITES} else 5) if LONG else 9 if k in OF_WRITES else 131 for k in KINDS}
"""The number of an error matters less than where it comes: the others take every fifth call, each its own."""

KILL_STEP = 1 if LONG else 97


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killed_runs.three_samples(tmp_path_factory.mktemp("cohort") / "c")


@pytest.fixture(scope="module")
def clean(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """The tables of a run in which nothing failed, and its calls."""
    folder = tmp_path_factory.mktemp("clean")
    with Disk(folder.parent) as disk:
        killed_runs.profile(sheet, folder / "out")
    return killed_runs.tables(folder / "out"), disk.calls


def test_disk__sees_every_kind_of_call(clean, sheet: Path, tmp_path: Path) -> None:
    with Disk(tmp_path.parent) as disk:
        killed_runs.profile(sheet, tmp_path / "out")
    kinds = {c.split()[0] for c in disk.calls}
    assert kinds == {"open", "read", "write", "fsync", "close", "replace", "mkdir", "chmod", "stat", "fstat"}
    assert abs(len(disk.calls) - len(clean[1])) < 5


@pytest.mark.requirement("R-BATCH-03")
@pytest.mark.parametrize("kind", KINDS)
def test_disk__that_fails_at_any_call_costs_no_byte(kind: str, sheet: Path, clean, tmp_path: Path) -> None:
    expected, calls = clean
    n_calls = sum(c.startswith("write") for c in calls) if kind in OF_WRITES else len(calls)
    cases = []
    for at in range(1 + KINDS.index(kind) * (1 if LONG else 20) % STEPS[kind], n_calls + 1, STEPS[kind]):
        out = tmp_path / f"{at}" / "out"
        with Disk(tmp_path.parent, kind, at) as disk:
            try:
                killed_runs.profile(sheet, out)
            except (OutputError, InputError) as problem:
                ended = str(problem)
                assert problem.problems[0].remedy, ended
            else:
                ended = None
        said = f"{kind} at {at} ({disk.failed}): {ended}"
        assert not [p for p in out.rglob("*.tmp") if disk.failed and not disk.failed.startswith("unlink")], said
        if ended is None:
            check_finished(out, expected, said)
        killed_runs.profile(sheet, out)
        assert killed_runs.tables(out) == expected, said
        assert check_journal(out) == [], said
        assert verify_folder(out).holds, said
        assert disk.failed, said
        cases.append({"at": at, "call": disk.failed, "ended": ended, "wrong": []})
    write_down(kind, cases)


def write_down(kind: str, cases: list[dict[str, object]]) -> None:
    """For the benchmark that counts them."""
    if LONG:
        (Path(LONG) / f"{kind}.json").write_text(json.dumps(cases))


def check_finished(out: Path, expected: dict[str, str], said: str) -> None:
    """A run that says it finished has the right tables, or names the sample that it could not read."""
    failures = (out / "failures.csv").read_text().splitlines()[1:]
    assert failures or killed_runs.tables(out) == expected, said
    assert all(re.search(",sample,(read|gate|tabulate),FCS-(ACCESS|PERMISSION),", f) for f in failures), said


@pytest.mark.requirement("R-BATCH-03")
@pytest.mark.parametrize("kind", ["kill", "power"])
def test_process__killed_at_any_call_goes_on_to_the_same_bytes(kind: str, sheet: Path, tmp_path: Path) -> None:
    first = 1 if LONG else 30 if kind == "kill" else 70
    command = [sys.executable, killed_runs.__file__, sheet, tmp_path, kind, first, KILL_STEP]
    paths = os.pathsep.join([str(Path(killed_runs.__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [str(c) for c in command], env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *kills, last = map(json.loads, done.stdout.splitlines())
    assert [k for k in kills if k["wrong"]] == []
    assert len(kills) >= (400 if LONG else 3)
    assert last["same"]
    write_down(kind, kills)
