"""Samples done a few at a time: each as if it were done alone, whatever befalls the others."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cohort import sample as one_sample
from immunoprofile.cohort import worker
from immunoprofile.cohort.store import Kept, Store, keys_in
from immunoprofile.cohort.tabling import list_tabling
from immunoprofile.cohort.task import Done, Setting, Task
from immunoprofile.cohort.worker import Worker
from immunoprofile.errors import OutputError
from immunoprofile.fcs import Strictness
from immunoprofile.gating import load_template
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study

N = 6


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    study = load_study(simulate_cohort(tmp_path / "cohort", 1, 2, events_per_sample=500))
    samples = [replace(s, control=None) for s in study.samples if s.panel == "immune14"][:N]
    template = load_template("immune14")
    return [Task(s, template) for s in samples]


def worker_in(folder: Path | None, *, begun_anew: bool = True) -> Worker:
    tabling = list_tabling({})
    setting = Setting("", Strictness.REPORT, tabling.settings, tabling.rules)
    return Worker(setting, folder, 1, begun_anew=begun_anew)


def same(one: Done, other: Done) -> None:
    """The same result, wherever it lies."""
    assert (one.profiled.sample_id, one.state, one.kept, one.key) == (
        other.profiled.sample_id,
        other.state,
        other.kept,
        other.key,
    )
    assert (one.profiled.failure, one.profiled.fcs_sha256) == (other.profiled.failure, other.profiled.fcs_sha256)
    assert list(one.profiled.tables) == list(other.profiled.tables)
    for name, frame in one.profiled.tables.items():
        pd.testing.assert_frame_equal(frame, other.profiled.tables[name])


@pytest.fixture
def alone(tasks: list[Task], tmp_path: Path) -> list[Done]:
    return [worker_in(tmp_path / "alone")((task,))[0] for task in tasks]


@pytest.mark.parametrize("begun_anew", [True, False])
def test_handful__gives_what_each_gives_alone(tasks, alone, begun_anew: bool, tmp_path: Path) -> None:
    together = worker_in(tmp_path / "out", begun_anew=begun_anew)(tasks)
    assert len(tasks) == N
    for one, other in zip(together, alone, strict=True):
        same(one, other)
    (path,) = Store(tmp_path / "out").paths()
    assert len(keys_in(path)) == N
    assert len(Store(tmp_path / "alone").paths()) == N
    assert all(isinstance(d.profiled.tables, Kept) for d in together)


@pytest.mark.parametrize(("most", "files", "expected"), [(8, 99, 1), (4, 99, 2), (1, 99, 6), (8, 2, 3), (8, 0, 6)])
def test_handful__is_no_larger_than_it_may_be(
    tasks, most: int, files: int, expected: int, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(worker, "MOST", most)
    sizes = [Path(t.sample.file).stat().st_size for t in tasks]
    monkeypatch.setattr(worker, "_MOST_BYTES", files * max(sizes))
    worker_in(tmp_path / "out")(tasks)
    assert len(Store(tmp_path / "out").paths()) == expected


def test_handful__without_a_folder_stays_in_memory(tasks, alone) -> None:
    found = worker_in(None)(tasks)
    assert [d.profiled.pictures for d in found] == [None] * N
    for one, other in zip(found, alone, strict=True):
        same(one, other)


def test_handful__is_opened_whole_before_it_is_gated_and_gated_whole_before_it_is_tabulated(
    tasks, tmp_path: Path, monkeypatch
) -> None:
    order: list[str] = []

    def watch(stage: str) -> None:
        real = getattr(one_sample, stage)
        monkeypatch.setattr(one_sample, stage, lambda *a, **k: (order.append(stage), real(*a, **k))[1])

    stages = ("read_sample", "run_plan", "_tabulate")
    for stage in stages:
        watch(stage)
    worker_in(tmp_path / "out")(tasks)
    assert order == [stage for stage in stages for _ in range(N)]


@pytest.mark.parametrize("begun_anew", [True, False])
def test_handful__what_befalls_one_leaves_the_others_as_they_are(
    tasks, alone, begun_anew: bool, tmp_path: Path, monkeypatch
) -> None:
    gone, cut, changed, unlucky = (tasks[i].sample for i in (0, 2, 3, 5))
    Path(gone.file).unlink()
    Path(cut.file).write_bytes(Path(cut.file).read_bytes()[:-5000])
    real, tries = worker.profile_sample, []

    def befall(sample, *rest, **options) -> Generator[None, None, one_sample.Profiled]:
        """One file changes whenever it was worked on, one only at first."""
        profiled = yield from real(sample, *rest, **options)
        tries.append(sample.sample_id)
        if sample == changed or (sample == unlucky and tries.count(sample.sample_id) == 1):
            with Path(sample.file).open("ab") as stream:
                stream.write(b" ")
        return profiled

    monkeypatch.setattr(worker, "profile_sample", befall)
    together = worker_in(tmp_path / "out", begun_anew=begun_anew)(tasks)
    codes = [None if d.profiled.failure is None else d.profiled.failure["code"] for d in together]
    assert codes[1] is codes[4] is codes[5] is None
    assert codes[0] == "FCS-MISSING" and str(codes[2]).startswith("FCS-") and codes[3] == "FCS-CHANGED"
    for i in (1, 4):
        same(together[i], alone[i])
    once_more, before = together[5].profiled, alone[5].profiled
    pd.testing.assert_series_equal(once_more.tables["populations"]["count"], before.tables["populations"]["count"])
    assert tries.count(unlucky.sample_id) == 2
    assert once_more.fcs_sha256 == digest_of_file(unlucky.file) != before.fcs_sha256
    (path,) = Store(tmp_path / "out").paths()
    assert len(keys_in(path)) == 3


def test_handful__that_cannot_be_kept_ends_in_one_error(tasks, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        worker_in(tmp_path / "out")(tasks)
