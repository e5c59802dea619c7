"""What a batch survives, counted: kills, failing calls, changing files, dying workers, others in its folder, bad
neighbours, settings of the machine, flipped bits.

    python benchmarks/batch_faults.py [--only calls runs kills random changes deaths rounds matrix flips] [--short]

Runs the long forms of the tests that prove it, each in a process of its own, and writes how many cases there were, how
many failed and what they took. `--short` runs the forms of every commit and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate_one_file import RESULTS, versions

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Proof:
    """A test with a long form."""

    says: str
    tests: tuple[str, ...]
    variable: str
    value: str


PROOFS = {
    "calls": Proof(
        "each call on the disk fails once (EIO at all; ENOSPC, EACCES, EINTR at every fifth; writes short and torn)",
        ("tests/cohort/test_faults.py", "-k", "disk"),
        "IMMUNOPROFILE_FAULTS",
        "{folder}",
    ),
    "runs": Proof(
        "the same under a whole run with its page: each third call that is not one sample's (EIO), each eleventh "
        "(ENOSPC) and thirteenth (EACCES) of them, each write torn",
        ("tests/cohort/test_run_faults.py",),
        "IMMUNOPROFILE_FAULTS",
        "{folder}",
    ),
    "kills": Proof(
        "killed at each call on the disk, and once more with half of what was not synced lost",
        ("tests/cohort/test_faults.py", "-k", "process"),
        "IMMUNOPROFILE_FAULTS",
        "{folder}",
    ),
    "random": Proof(
        "killed at 200 moments spread evenly from the first write to the last, threads and processes",
        ("tests/cohort/test_resume.py", "-k", "killed_at_any"),
        "IMMUNOPROFILE_KILLS",
        "200",
    ),
    "changes": Proof(
        "a file truncated, appended to, overwritten, replaced, made anew or a link, its time set back or not, before "
        "each third call on it; gates fixed, and found in the data",
        ("tests/cohort/test_changing_files.py",),
        "IMMUNOPROFILE_CHANGES",
        "{folder}",
    ),
    "deaths": Proof(
        "a worker of each of 100 runs killed, crashed or without memory; one sample that always kills its worker",
        ("tests/cohort/test_dying_workers.py",),
        "IMMUNOPROFILE_DEATHS",
        "{folder}",
    ),
    "rounds": Proof(
        "2 and 8 runs at once in one folder; 1,000 rounds of two runs that meet, one of them killed in every third",
        ("tests/cohort/test_one_folder.py",),
        "IMMUNOPROFILE_ROUNDS",
        "{folder}",
    ),
    "matrix": Proof(
        "48 settings of the machine; 300 good files among 100 malformed ones; full disk; signals",
        ("tests/cohort/test_determinism.py",),
        "IMMUNOPROFILE_MATRIX",
        "1",
    ),
    "flips": Proof(
        "one bit at a time in every file of a results folder, its inputs, journal and manifest",
        ("tests/verification/test_seal.py", "-k", "flipped"),
        "IMMUNOPROFILE_FLIPS",
        "220",
    ),
}


def run(proof: Proof, folder: Path, *, short: bool) -> dict[str, Any]:
    """One proof: what was run, how it ended, what it took."""
    value = proof.value.format(folder=folder)
    environment = os.environ | ({} if short else {proof.variable: value})
    command = [sys.executable, "-m", "pytest", *proof.tests, "-q", "-n", "0", "-p", "no:cacheprovider"]
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = {k: int(n) for n, k in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout.splitlines()[-1])}
    shown = "{a folder}" if "{folder}" in proof.value else proof.value
    return {
        "says": proof.says,
        "command": f"{proof.variable}={shown} python -m pytest -n 0 {' '.join(proof.tests)}",
        "tests": counted,
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "cases": {p.stem: told_by(p) for p in sorted(folder.glob("*.json"))},
        "tail": done.stdout[-2000:] if done.returncode else "",
    }


def told_by(path: Path) -> dict[str, Any]:
    """Of cases that a test wrote down how many, and those in which something was wrong; a measure as it is."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(found, dict):
        return found
    return {"cases": len(found), "wrong": sum(bool(c["wrong"]) for c in found)}


def main() -> None:
    """Run the proofs asked for; print and write what was found."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", nargs="+", choices=PROOFS, default=list(PROOFS))
    arguments.add_argument("--short", action="store_true")
    options = arguments.parse_args()
    file = RESULTS / "batch_faults.json"
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            found = run(PROOFS[name], Path(folder), short=options.short)
        print(name, json.dumps(found, indent=2), flush=True)
        if not options.short:
            # Read anew: another campaign may have written meanwhile.
            result = json.loads(file.read_text()) if file.exists() else {"benchmark": "batch_faults"}
            today = datetime.datetime.now(datetime.UTC).date().isoformat()
            result[name] = found | {"date": today}
            result |= {"versions": versions(), "machine": {"system": platform.system(), "machine": platform.machine()}}
            file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
