"""A finished run asked for again: nothing is done where nothing changed, everything else is seen."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cohort import profile_cohort, run_study, worker
from immunoprofile.cohort.journal import JOURNAL, Journal, check_journal, finished_manifest
from immunoprofile.fcs import Strictness
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A cohort and its results."""
    folder = tmp_path_factory.mktemp("finished")
    study = simulate_cohort(folder / "c", seed=3, n_subjects=4, events_per_sample=400)
    lines = (study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study.parent / "samples.csv").write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")
    profile_cohort(load_study(study), folder / "out")
    return folder


@pytest.fixture
def copy(original, tmp_path):
    """The same in a folder of its own, where the files are other files until they were looked at once."""
    shutil.copytree(original, tmp_path / "x")
    assert not _again(tmp_path / "x").again
    return tmp_path / "x"


def _again(folder: Path, **options):
    return profile_cohort(load_study(folder / "c" / "study.toml"), folder / "out", **options)


@pytest.fixture
def gated(monkeypatch):
    found = []
    real = worker.profile_sample
    monkeypatch.setattr(worker, "profile_sample", lambda s, *a, **k: found.append(s.sample_id) or real(s, *a, **k))
    return found


def test_finished__nothing_is_read_or_written_again(original, gated):
    before = {p: p.stat().st_mtime_ns for p in (original / "out").glob("*.[cpm]*")}
    results = _again(original)
    assert results.again
    assert gated == []
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_finished__tables_are_those_of_the_run(copy):
    read = _again(copy)
    shutil.rmtree(copy / "out")
    made = _again(copy)
    assert (read.again, made.again) == (True, False)
    assert (read.study_id, read.n_samples, read.inputs, read.plan) == (
        made.study_id,
        made.n_samples,
        dict(sorted(made.inputs.items())),
        made.plan,
    )
    assert set(read.files) == set(made.files)
    assert list(read.tables()) == list(made.tables())
    for name, frame in made.tables().items():
        pd.testing.assert_frame_equal(read.tables()[name], frame)


def test_finished__run_of_a_whole_study(original):
    study = load_study(original / "c" / "study.toml")
    first, second = (run_study(study, original / "run") for _ in range(2))
    assert (first.again, second.again) == (False, True)
    pd.testing.assert_frame_equal(second.response, first.response)


def _touch(folder):
    (folder / "out" / "populations.csv").write_text("x", encoding="utf-8")


def _lose(folder):
    (folder / "out" / "failures.parquet").unlink()


def _edit_manifest(folder):
    path = folder / "out" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"plan": {}}), encoding="utf-8")


def _edit_sheet(folder):
    path = folder / "c" / "platelets.csv"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def _swap_files(folder):
    one, two = (s.file for s in load_study(folder / "c" / "study.toml").samples[:2])
    shutil.copy(two, one)


def _newer_file(folder):
    os.utime(load_study(folder / "c" / "study.toml").samples[0].file)


def _lose_file(folder):
    load_study(folder / "c" / "study.toml").samples[0].file.unlink()


@pytest.mark.parametrize(
    "change",
    [_touch, _lose, _edit_manifest, _edit_sheet, _swap_files, _newer_file, _lose_file],
    ids=lambda c: c.__name__.strip("_"),
)
def test_finished__whatever_changed_is_seen(copy, change):
    assert _again(copy).again
    change(copy)
    assert not _again(copy).again


def test_finished__other_options_are_another_run(copy):
    assert not _again(copy, strictness=Strictness.STRICT).again


def test_finished__run_with_a_file_that_was_missing_is_never_finished(copy):
    first = load_study(copy / "c" / "study.toml").samples[0]
    first.file.unlink()
    for _ in range(2):
        results = _again(copy)
        assert not results.again
        assert results.failures["code"].tolist() == ["FCS-MISSING"]


def test_finished__malformed_file_is_as_malformed_tomorrow(copy, gated):
    first = load_study(copy / "c" / "study.toml").samples[0]
    first.file.write_bytes(b"FCS3.1 nothing of the kind")
    assert not _again(copy).again
    gated.clear()
    results = _again(copy)
    assert results.again
    assert results.failures["item_id"].tolist() == [first.sample_id]
    assert gated == []


def test_journal__ends_with_the_digest_of_the_manifest(copy):
    _again(copy)
    assert finished_manifest(copy / "out") == digest_of_file(copy / "out" / "manifest.json")
    _edit_manifest(copy)
    assert finished_manifest(copy / "out") != digest_of_file(copy / "out" / "manifest.json")
    assert check_journal(copy / "out") == []


def test_journal__goes_on_from_the_end_of_a_long_one(copy):
    journal = copy / "out" / JOURNAL
    lines = journal.read_text(encoding="utf-8")
    assert len(lines) < 1 << 16
    long = Journal(copy / "out")
    for i in range(2000):
        long.note("sample-done", sample_id=f"S{i}", fcs_sha256="0" * 64)
    assert journal.stat().st_size > 4 << 16
    Journal(copy / "out").note("run-stopped", why="test")
    assert check_journal(copy / "out") == []
    assert finished_manifest(copy / "out") == digest_of_file(copy / "out" / "manifest.json")
