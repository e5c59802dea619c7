"""In a new folder a file is read once for its digest and its gates: the same to the last byte, failures among it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from immunoprofile.cohort import profile_samples, worker, workplace
from immunoprofile.cohort.store import Store, keys_in
from immunoprofile.cohort.worker import Worker
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import Sample, load_study

OUT = ("populations.csv", "intensities.csv", "samples_qc.csv", "gates_resolved.csv", "failures.csv")


@pytest.fixture
def listed(tmp_path: Path) -> list[Sample]:
    study = load_study(simulate_cohort(tmp_path / "cohort", 1, 1, events_per_sample=500))
    return [replace(s, control=None) for s in study.samples if s.panel == "immune14"][:3]


def refuse(*_: object) -> str:
    raise AssertionError("a file was read for its digest alone")


def test_one_walk__is_all_that_a_new_folder_needs(listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workplace, "digest_of_fcs", refuse)
    found = profile_samples(listed, "immune14", tmp_path / "out")
    assert len(listed) == 3 and found.failures.empty
    for sample in listed:
        assert found.inputs[f"fcs {sample.sample_id}"] == hashlib.sha256(Path(sample.file).read_bytes()).hexdigest()


@pytest.mark.parametrize("broken", ["nothing", "cut", "gone", "no FCS file"])
def test_one_walk__ends_as_two_do(listed, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = Path(listed[1].file)
    if broken == "cut":
        victim.write_bytes(victim.read_bytes()[:-5000])
    elif broken == "gone":
        victim.unlink()
    elif broken == "no FCS file":
        victim.write_bytes(b"%PDF-1.7\n" * 500)
    walks = []
    real = Worker._in_one_walk
    monkeypatch.setattr(Worker, "_in_one_walk", lambda *a: (walks.append(a[1].sample.sample_id), real(*a))[1])
    one = profile_samples(listed, "immune14", tmp_path / "one")
    assert walks == [s.sample_id for s in listed]
    (tmp_path / "two" / ".work" / "samples").mkdir(parents=True)
    (tmp_path / "two" / "journal.jsonl").touch()
    two = profile_samples(listed, "immune14", tmp_path / "two")
    assert walks == [s.sample_id for s in listed], "something may be kept, so the digest is needed first"
    assert len(one.failures) == (broken != "nothing")
    assert one.inputs == two.inputs
    for name in OUT:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    kept = [sorted(k for p in Store(tmp_path / folder).paths() for k in keys_in(p)) for folder in ("one", "two")]
    assert kept[0] == kept[1] and len(kept[0]) == 3 - (broken != "nothing")


def test_one_walk__a_file_that_changes_behind_it_is_done_again(listed, tmp_path: Path, monkeypatch) -> None:
    victim, calls = Path(listed[1].file), []
    real = worker.check_same

    def change_once(file, before) -> None:
        if file == victim and not calls:
            calls.append(file)
            victim.write_bytes(victim.read_bytes() + b" ")
        real(file, before)

    monkeypatch.setattr(worker, "check_same", change_once)
    found = profile_samples(listed, "immune14", tmp_path / "out")
    assert calls and found.failures.empty
    assert found.inputs[f"fcs {listed[1].sample_id}"] == hashlib.sha256(victim.read_bytes()).hexdigest()
