"""A batch that goes on where it stopped: the same bytes, nothing done twice, whatever stopped it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from immunoprofile.cohort import Hands, profile_samples, worker
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.cohort.store import WORK, open_kept
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples

RANDOM_KILLS = int(os.environ.get("IMMUNOPROFILE_KILLS", "1"))
"""How many times a run is killed at a random moment; a long campaign sets 200."""


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    study = simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=3, n_subjects=4, events_per_sample=500)
    lines = (study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study.parent / "samples.csv").write_text("\n".join(lines[:7]) + "\n", encoding="utf-8")
    return study.parent / "samples.csv"


def _profile(sheet, out, **hands):
    return profile_samples(load_samples(sheet), "immune14", out, Hands(**hands))


def _tables(folder: Path) -> dict[str, str]:
    """Digests of what a run gives; what says when it ran is left out."""
    files = (p for part in sorted(folder.glob("[!.]*")) for p in (part.rglob("*") if part.is_dir() else [part]))
    return {p.name: digest_of_file(p) for p in files if p.name not in {"manifest.json", JOURNAL}}


def _events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def clean(sheet, tmp_path_factory):
    out = tmp_path_factory.mktemp("clean") / "out"
    _profile(sheet, out)
    return _tables(out)


@pytest.fixture
def done(monkeypatch):
    """The samples that are really read and gated."""
    found = []
    real = worker.profile_sample

    def watched(sample, *rest, **options):
        found.append(sample.sample_id)
        return real(sample, *rest, **options)

    monkeypatch.setattr(worker, "profile_sample", watched)
    return found


def test_run__again_does_nothing_twice(sheet, clean, tmp_path, done):
    for _ in range(2):
        _profile(sheet, tmp_path / "out")
        assert _tables(tmp_path / "out") == clean
    assert len(done) == 6
    assert _events(tmp_path / "out").count("sample-done") == 6


def test_run__does_anew_only_what_changed(sheet, clean, tmp_path, done):
    study = tmp_path / "c"
    shutil.copytree(sheet.parent, study)
    _profile(study / "samples.csv", tmp_path / "out")
    first = load_samples(study / "samples.csv")[0]
    other = load_samples(study / "samples.csv")[1]
    shutil.copy(other.file, first.file)
    done.clear()
    _profile(study / "samples.csv", tmp_path / "out")
    assert done == [first.sample_id]


def test_run__moved_files_are_the_same_files(sheet, clean, tmp_path, done):
    out = tmp_path / "out"
    _profile(sheet, out)
    shutil.copytree(sheet.parent, tmp_path / "moved")
    _profile(tmp_path / "moved" / "samples.csv", out)
    assert len(done) == 6
    assert _tables(out) == clean


def test_run__damaged_result_is_done_again(sheet, clean, tmp_path, done):
    out = tmp_path / "out"
    _profile(sheet, out)
    kept = sorted((out / WORK).rglob("*.results"))
    held = open_kept(kept[0])
    content = bytearray(kept[0].read_bytes())
    content[len(content) // 2] ^= 1
    kept[0].write_bytes(content)
    (out / "manifest.json").unlink()
    _profile(sheet, out)
    assert len(done) == 6 + len(held.keys)
    # Whatever lies together now, nothing damaged is left.
    assert all(open_kept(p) is not None for p in (out / WORK).rglob("*.results"))
    assert _tables(out) == clean


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_run__same_bytes_by_any_workers(sheet, clean, tmp_path, workers):
    _profile(sheet, tmp_path / "out", jobs=2, workers=workers)
    assert _tables(tmp_path / "out") == clean


def _start(sheet, out, workers="threads"):
    """A run of its own that has begun to work in its folder."""
    command = [sys.executable, "-m", "immunoprofile", "profile", sheet, "--template", "immune14", "--out", out]
    options = ["--jobs", "2", "--workers", workers, "-q"]
    process = subprocess.Popen([*map(str, command), *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    while not (out / JOURNAL).exists() and process.poll() is None:
        time.sleep(0.002)
    return process


def test_run__killed_at_any_moment_goes_on_to_the_same_bytes(sheet, clean, tmp_path):
    seconds = 0.2
    if RANDOM_KILLS > 1:
        whole, begun = _start(sheet, tmp_path / "whole"), time.perf_counter()
        whole.wait()
        seconds = time.perf_counter() - begun
    for i in range(RANDOM_KILLS):
        out = tmp_path / str(i)
        process = _start(sheet, out, "processes" if i % 4 == 3 else "threads")
        # evenly from the first write to the last
        time.sleep(seconds * (((i + 1) * 0.618) % 1))
        process.kill()
        process.communicate()
        _profile(sheet, out)
        assert _tables(out) == clean, i
        assert check_journal(out) == [], i
        assert not list(out.rglob("*.tmp")), i
        shutil.rmtree(out)


def test_run__file_that_changes_under_its_hands_fails_alone(sheet, tmp_path, monkeypatch):
    study = tmp_path / "c"
    shutil.copytree(sheet.parent, study)
    victim = load_samples(study / "samples.csv")[2]
    real = worker.profile_sample

    def touching(sample, *rest, **options):
        result = yield from real(sample, *rest, **options)
        if sample.sample_id == victim.sample_id:
            with sample.file.open("ab") as stream:
                stream.write(b" ")
        return result

    monkeypatch.setattr(worker, "profile_sample", touching)
    results = _profile(study / "samples.csv", tmp_path / "out")
    assert results.failures["item_id"].tolist() == [victim.sample_id]
    assert results.failures["code"].tolist() == ["FCS-CHANGED"]
    assert results.populations["sample_id"].nunique() == 5
