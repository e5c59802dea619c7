"""Several runs in one folder at once: one works, the others say so at once, and what is kept stays whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import killed_runs
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.cohort.lock import LOCK
from immunoprofile.cohort.results import prepare_folder
from immunoprofile.verification import verify_folder

LONG = os.environ.get("IMMUNOPROFILE_ROUNDS")
"""A thousand rounds of shared results where it is set, to a folder for what was measured; a few at commit."""

N_ROUNDS = 1000 if LONG else 6

_RUN = """
import sys, time
from pathlib import Path
from immunoprofile.cohort import Hands, profile_samples
from immunoprofile.errors import OutputError
from immunoprofile.study import load_samples
sheet, out, go = map(Path, sys.argv[1:])

def hold(*_):
    print("working", flush=True)
    while not go.exists() and time.perf_counter() < begun + 60:
        time.sleep(0.01)

samples = load_samples(sheet)
print("ready", flush=True)
sys.stdin.readline()
begun, used = time.perf_counter(), time.process_time()
try:
    profile_samples(samples, "tbnk", out, Hands(progress=hold))
    print("done", flush=True)
except OutputError as error:
    print(error.code, time.process_time() - used, time.perf_counter() - begun, flush=True)
"""


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killed_runs.three_samples(tmp_path_factory.mktemp("cohort") / "c")


@pytest.fixture(scope="module")
def clean(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("clean") / "out"
    killed_runs.profile(sheet, out)
    return killed_runs.tables(out)


def _start(sheet: Path, out: Path, go: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUN, *map(str, (sheet, out, go))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


@pytest.mark.requirement("R-BATCH-04")
@pytest.mark.parametrize("n", [2, 8] if LONG else [3])
def test_runs__at_once_in_one_folder_one_works_and_the_others_are_told(
    n: int, sheet: Path, clean, tmp_path: Path
) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    runs = [_start(sheet, out, go) for _ in range(n)]
    assert [run.stdout.readline() for run in runs] == ["ready\n"] * n
    for run in runs:
        run.stdin.write("\n")
    said = [run.stdout.readline().split() for run in runs]
    told = [words[1:] for words in said if words[0] == "OUTPUT-LOCKED"]
    assert [w for w in said if w[0] != "OUTPUT-LOCKED"] == [["working"]]
    assert len(told) == n - 1
    # By the processor's clock: the machine may have other work.
    assert max(float(used) for used, _ in told) < 1, told
    go.touch()
    for run in runs:
        run.communicate(timeout=60)
    assert killed_runs.tables(out) == clean
    assert check_journal(out) == []
    if LONG:
        (Path(LONG) / f"told {n}.json").write_text(json.dumps({"slowest_s": max(float(wall) for _, wall in told)}))


@pytest.mark.requirement("R-BATCH-04")
@pytest.mark.parametrize("verb", ["profile", "run"])
def test_program__second_run_ends_with_2_before_it_reads_anything(verb: str, sheet: Path, tmp_path: Path) -> None:
    out, go = tmp_path / "out", tmp_path / "go"
    first = _start(sheet, out, go)
    first.stdin.write("\n")
    assert [first.stdout.readline() for _ in range(2)] == ["ready\n", "working\n"]
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "immunoprofile",
        verb,
        tmp_path / "there is none",
        "--out",
        out,
    ]
    options = ["--template", "tbnk"] if verb == "profile" else []
    begun = time.perf_counter()
    second = subprocess.run([*map(str, command), *options], capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    go.touch()
    first.communicate(timeout=60)
    assert second.returncode == 2
    said = [line for line in second.stderr.splitlines() if not line.startswith("import time:")]
    assert f"is in use by another run (process {first.pid} on " in " ".join(said)
    # What takes a second to load has not been loaded: a law that does not depend on the machine's load.
    assert not {"numpy", "pandas", "numba", "pyarrow"} & {line.split()[-1] for line in second.stderr.splitlines()}
    if LONG:
        (Path(LONG) / f"program {verb}.json").write_text(json.dumps({"whole_process_s": round(took, 2)}))


@pytest.mark.requirement("R-BATCH-04")
def test_results__shared_by_runs_that_meet_and_die_stay_whole(sheet: Path, clean, tmp_path: Path) -> None:
    lot, out, wrong, ends = random.Random(20261123), tmp_path / "out", [], []
    for number in range(N_ROUNDS):
        runs = [_forked(sheet, out) for _ in range(2)]
        if number % 3 == 2:
            time.sleep(lot.uniform(0, 0.15))
            os.kill(lot.choice(runs), signal.SIGKILL)
        ends += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in runs]
        wrong += [f"{number}: {n}" for n in killed_runs.half_files(out, clean)] if out.is_dir() else []
        if number % 3 != 2:
            # Whoever came first or last: what both left is right, and verifies.
            wrong += [] if killed_runs.tables(out) == clean else [f"{number}: tables"]
            wrong += [] if verify_folder(out).holds and check_journal(out) == [] else [f"{number}: does not verify"]
            # The round before this may have left what a killed run did; the next one begins anew.
            shutil.rmtree(out)
    assert wrong == []
    assert set(ends) <= {0, 2, -signal.SIGKILL}
    assert {0, 2} <= set(ends)
    if LONG:
        counted = {str(e): ends.count(e) for e in sorted(set(ends))}
        (Path(LONG) / "rounds.json").write_text(json.dumps({"rounds": N_ROUNDS, "ends": counted, "wrong": wrong}))


def _forked(sheet: Path, out: Path) -> int:
    """A run in a fork of this process, which has everything loaded; ends with 2 where another works there."""
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(60)
    try:
        killed_runs.profile(sheet, out)
    except BaseException as problem:
        os._exit(2 if getattr(problem, "code", "") == "OUTPUT-LOCKED" else 1)
    os._exit(0)


@pytest.mark.requirement("R-BATCH-04")
@pytest.mark.parametrize("mark", [None, "a key's"], ids=["names", "codes"])
def test_folder__in_which_another_run_begins_meanwhile_holds_no_strange_file(
    mark: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.iterdir

    def begin_and_list(folder: Path) -> Iterator[Path]:
        (folder / LOCK).touch()
        (folder / JOURNAL).touch()
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", begin_and_list)
    prepare_folder(tmp_path, mark=mark)
    assert {p.name for p in real(tmp_path)} == {LOCK, JOURNAL}
