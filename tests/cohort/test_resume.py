"""A batch that goes on where it stopped: the same bytes, nothing done twice, whatever stopped it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import immunoprofile.provenance as disk
from immunoprofile.cohort import Hands, profile_samples, samples
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.cohort.store import WORK
from immunoprofile.errors import OutputError
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples

RANDOM_KILLS = int(os.environ.get("IMMUNOPROFILE_KILLS", "4"))
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
    real = samples.profile_sample

    def watched(sample, *rest, **options):
        found.append(sample.sample_id)
        return real(sample, *rest, **options)

    monkeypatch.setattr(samples, "profile_sample", watched)
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
    kept = sorted((out / WORK).rglob("*.result"))
    content = bytearray(kept[0].read_bytes())
    content[len(content) // 2] ^= 1
    kept[0].write_bytes(content)
    (out / "manifest.json").unlink()
    _profile(sheet, out)
    assert len(done) == 7
    assert _tables(out) == clean


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_run__same_bytes_by_any_workers(sheet, clean, tmp_path, workers):
    _profile(sheet, tmp_path / "out", jobs=2, workers=workers)
    assert _tables(tmp_path / "out") == clean


class _Failing:
    """The k-th call of any operation that puts something on disk fails; the others work."""

    def __init__(self, monkeypatch, k, number):
        self.left, self.number, self.failed = k, number, False
        for name in ("fsync", "replace"):
            self._wrap(monkeypatch, os, name)
        self._wrap(monkeypatch, disk.tempfile, "mkstemp")

    def _wrap(self, monkeypatch, module, name):
        real = getattr(module, name)

        def call(*args, **options):
            self.left -= 1
            if self.left == 0:
                self.failed = True
                raise OSError(self.number, os.strerror(self.number))
            return real(*args, **options)

        monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=["full", "broken", "forbidden"])
def test_run__every_failing_call_ends_cleanly_and_goes_on(sheet, clean, tmp_path, monkeypatch, number):
    # one call after the other fails, in one folder, until a run comes through
    step = 1 if RANDOM_KILLS > 4 else 7
    for k in range(1, 1000, step):
        with monkeypatch.context() as patch:
            failing = _Failing(patch, k, number)
            try:
                _profile(sheet, tmp_path / "out")
            except OutputError as problem:
                assert os.strerror(number) in str(problem) or problem.code == "OUTPUT-FOLDER"
                assert failing.failed
                assert not [p for p in (tmp_path / "out").rglob("*.tmp") if p.is_file()]
                continue
            if not failing.failed:
                break
    _profile(sheet, tmp_path / "out")
    assert _tables(tmp_path / "out") == clean
    assert check_journal(tmp_path / "out") == []


def _start(sheet, out):
    command = [
        sys.executable,
        "-m",
        "immunoprofile",
        "profile",
        str(sheet),
        "--template",
        "immune14",
        "--out",
        str(out),
    ]
    return subprocess.Popen([*command, "--jobs", "2", "-q"], stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def test_run__killed_at_any_moment_goes_on_to_the_same_bytes(sheet, clean, tmp_path):
    out = tmp_path / "out"
    for i in range(RANDOM_KILLS):
        process = _start(sheet, out)
        # from before the first write to after the last
        time.sleep(0.6 + 2.5 * ((i * 0.618) % 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    _profile(sheet, out)
    assert _tables(out) == clean
    assert check_journal(out) == []
    assert not list(out.rglob("*.tmp"))


def test_run__interrupted_says_so_and_keeps_what_is_done(sheet, clean, tmp_path):
    out = tmp_path / "out"
    process = _start(sheet, out)
    while not list((out / WORK).rglob("*.result")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    code = process.wait()
    assert code in {130, 0}
    _profile(sheet, out)
    assert _tables(out) == clean


def test_run__file_that_changes_under_its_hands_fails_alone(sheet, tmp_path, monkeypatch):
    study = tmp_path / "c"
    shutil.copytree(sheet.parent, study)
    victim = load_samples(study / "samples.csv")[2]
    real = samples.profile_sample

    def touching(sample, *rest, **options):
        result = real(sample, *rest, **options)
        if sample.sample_id == victim.sample_id:
            with sample.file.open("ab") as stream:
                stream.write(b" ")
        return result

    monkeypatch.setattr(samples, "profile_sample", touching)
    results = _profile(study / "samples.csv", tmp_path / "out")
    assert results.failures["item_id"].tolist() == [victim.sample_id]
    assert results.failures["code"].tolist() == ["FCS-CHANGED"]
    assert results.populations["sample_id"].nunique() == 5
