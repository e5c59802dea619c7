"""Runs that are killed at their k-th call on the disk, each in a fork of one warm process, and then go on.

    python tests/killed_runs.py SHEET FOLDER KIND FIRST STEP

KIND is ``kill`` or ``power`` (`faulty_disk`). Prints a line of JSON for each k, from FIRST in steps until a run comes
through: the call, and what is not as it must be after the same command was given again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from faulty_disk import Disk
from immunoprofile.cohort import profile_samples, schedule
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples

TEMPLATE = "tbnk"


def three_samples(folder: Path) -> Path:
    """The sheet of three small samples, of which one is done alone and two together: a run of some 560 calls."""
    study = simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=200, panels=("tbnk",))
    lines = (study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study.parent / "samples.csv").write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")
    return study.parent / "samples.csv"


def profile(sheet: Path, out: Path) -> None:
    """The run that is killed; its calls are the same in number however slow the machine is."""
    with patch.object(schedule, "HERE", schedule.Pace(60.0, 16, 2)):
        profile_samples(load_samples(sheet), TEMPLATE, out)


def tables(folder: Path) -> dict[str, str]:
    """Digests of what a run gives; what says when it ran is left out."""
    files = (p for part in sorted(folder.glob("[!.]*")) for p in (part.rglob("*") if part.is_dir() else [part]))
    return {str(p.relative_to(folder)): digest_of_file(p) for p in files if p.name not in {"manifest.json", JOURNAL}}


def half_files(folder: Path, expected: dict[str, str]) -> list[str]:
    """Files that are seen under their own name and are not whole: none, whatever happened."""
    return sorted(n for n, d in tables(folder).items() if not Path(n).name.startswith(".") and expected.get(n) != d)


def forked(work: Callable[[], object]) -> int:
    """The end of a fork that did the work: its exit code, or minus its signal."""
    pid = os.fork()
    if pid == 0:
        # A fork that hangs is a failure like any other.
        signal.alarm(120)
        try:
            work()
        except BaseException as problem:
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(sheet: Path, out: Path, kind: str, at: int) -> str | None:
    """The call at which a run was killed; None where it came through."""
    told = out.parent / "call.txt"

    def run() -> None:
        with Disk(out.parent, kind, at) as disk:
            disk.tell = told
            profile(sheet, out)

    told.unlink(missing_ok=True)
    code = forked(run)
    if code == 0:
        return None
    if code != -signal.SIGKILL:
        raise RuntimeError(f"call {at}: the run ended with {code}")
    return told.read_text()


def after(sheet: Path, out: Path, expected: dict[str, str]) -> list[str]:
    """What is wrong once the killed run was given again."""
    wrong = [f"half a file: {n}" for n in half_files(out, expected)] if out.is_dir() else []
    code = forked(lambda: profile(sheet, out))
    if code != 0:
        return [*wrong, f"going on ended with {code}"]
    found = tables(out)
    wrong += [f"other bytes: {n}" for n in sorted(expected.keys() | found.keys()) if expected.get(n) != found.get(n)]
    wrong += [f"journal line {b.line}: {b.what}" for b in check_journal(out)]
    return wrong + [f"left behind: {p.name}" for p in out.rglob("*.tmp")]


def main(sheet: Path, folder: Path, kind: str, first: int, step: int) -> None:
    """Kill at every step-th call."""
    profile(sheet, folder / "clean")
    expected = tables(folder / "clean")
    at = first
    while (call := killed(sheet, folder / "out", kind, at)) is not None:
        print(json.dumps({"at": at, "call": call, "wrong": after(sheet, folder / "out", expected)}), flush=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        at += step
    print(json.dumps({"calls": at - 1, "same": tables(folder / "out") == expected}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
