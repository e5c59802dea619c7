"""Workers that die or run out of memory: the batch finishes, and nobody else's bytes change."""

from __future__ import annotations

import contextlib
import json
import multiprocessing.forkserver
import os
import random
import resource
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

import killed_runs
from immunoprofile.cohort import Hands, profile_samples
from immunoprofile.cohort.journal import check_journal
from immunoprofile.cohort.schedule import Crew, do_tasks
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples
from immunoprofile.verification import verify_folder

LONG = os.environ.get("IMMUNOPROFILE_DEATHS")
"""A hundred runs where it is set, to a folder for the list of cases; two at commit."""

N_RUNS = 100 if LONG else 2
ENDS = ("SIGKILL", "SIGSEGV", "memory")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight samples."""
    folder = tmp_path_factory.mktemp("cohort") / "c"
    study = simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=2_000, panels=("tbnk",))
    files = sorted((study.parent / "fcs").glob("*.fcs"))[:8]
    rows = [f"{name},fcs/{file.name}" for name, file in zip("ABCDVFGH", files, strict=True)]
    (folder / "samples.csv").write_text("\n".join(["sample_id,file", *rows, ""]))
    return folder / "samples.csv"


def _profile(sheet: Path, out: Path, **hands) -> None:
    profile_samples(load_samples(sheet), "tbnk", out, Hands(**hands))


@pytest.fixture(scope="module")
def clean(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("clean") / "out"
    _profile(sheet, out)
    return killed_runs.tables(out)


def _workers() -> list[int]:
    """The processes that work for this one: children of its server of forks."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if server is not None and fields[1] == str(server) and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def _end(pid: int, how: str) -> None:
    if how == "memory":
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (256 << 10)
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    else:
        os.kill(pid, signal.Signals[how])


class _Lot:
    """Ends one worker of those that there are as soon as so many samples are done."""

    def __init__(self, after: int, how: str, lot: random.Random) -> None:
        self.after, self.how, self.lot, self.n_ended = after, how, lot, 0

    def tell(self, done: int, *_: object) -> None:
        """What a run calls after each sample."""
        found = _workers()
        if done == self.after and found:
            _end(self.lot.choice(found), self.how)
            self.n_ended += 1


@pytest.mark.requirement("R-BATCH-06")
def test_workers__any_may_end_at_any_moment_and_no_byte_changes(sheet: Path, clean, tmp_path: Path) -> None:
    lot, cases = random.Random(20261123), []
    for i in range(N_RUNS):
        out, drawn = tmp_path / f"{i}", _Lot(lot.randrange(1, 8), ENDS[i % 3 if LONG else 2 * i], lot)
        _profile(sheet, out, workers="processes", jobs=2, progress=drawn.tell)
        found = killed_runs.tables(out)
        wrong = [n for n in clean.keys() | found.keys() if clean.get(n) != found.get(n)]
        wrong += [] if check_journal(out) == [] and verify_folder(out).holds else ["does not verify"]
        cases.append({"how": drawn.how, "after": drawn.after, "ended": drawn.n_ended, "wrong": sorted(wrong)})
        shutil.rmtree(out)
    assert [c for c in cases if c["wrong"]] == []
    assert sum(c["ended"] for c in cases) == N_RUNS
    if LONG:
        (Path(LONG) / "workers.json").write_text(json.dumps(cases))


def _who_reads(name: str) -> Iterator[int]:
    for pid in _workers():
        try:
            links = [p.readlink().name for p in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        if name in links:
            yield pid


class _Killer(threading.Thread):
    """Ends every worker that has a file open, as long as it lives."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True)
        self.file, self.n_ended, self.done = name, 0, threading.Event()

    def run(self) -> None:
        """Look a thousand times a second."""
        while not self.done.wait(0.001):
            for pid in _who_reads(self.file):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.n_ended += 1

    def __enter__(self) -> _Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()


@pytest.mark.requirement("R-BATCH-06")
def test_sample__that_always_ends_its_worker_fails_alone(sheet: Path, tmp_path: Path) -> None:
    shutil.copytree(sheet.parent, tmp_path / "c")
    sheet = tmp_path / "c" / "samples.csv"
    victim = next(s.file for s in load_samples(sheet) if s.sample_id == "V")
    # Nothing behind its last segment, but enough of it that a worker is met while it takes the digest.
    os.truncate(victim, 1 << 29)
    with _Killer(victim.name) as killer:
        _profile(sheet, tmp_path / "out", workers="processes", jobs=2)
    assert killer.n_ended >= 2
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures[["item_id", "code"]].values.tolist() == [["V", "WORKER-DIED"]]
    rows = sheet.read_text().splitlines(keepends=True)
    sheet.write_text("".join(r for r in rows if not r.startswith("V,")))
    _profile(sheet, tmp_path / "others")
    for table in ("populations", "intensities", "gates_resolved", "sample_states"):
        ours, others = ((tmp_path / n / f"{table}.csv").read_bytes() for n in ("out", "others"))
        assert ours == others, table


def _starving(tasks: Sequence[int]) -> list[int]:
    if 3 in tasks:
        raise MemoryError
    return list(tasks)


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_task__that_finds_no_memory_is_tried_alone_and_given_up(workers: str) -> None:
    crew = Crew(_starving, lambda task, why: (task, why), 2, workers)
    assert list(do_tasks(crew, range(6))) == [0, 1, 2, (3, "not enough memory"), 4, 5]
