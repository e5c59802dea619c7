"""A cohort whose files lie in a store: the same bytes as from disk, known again, and failures that name the store."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from immunoprofile.cohort import Hands, foresee_samples, profile_samples, worker
from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.fcs import remote
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples
from immunoprofile.verification import Sources, verify_folder

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (extra url)")
N = 4


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=3, n_subjects=4, events_per_sample=400)
    lines = (study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study.parent / "samples.csv").write_text("\n".join(lines[: N + 1]) + "\n", encoding="utf-8")
    return study.parent / "samples.csv"


def _tables(folder: Path) -> dict[str, str]:
    files = (p for part in sorted(folder.glob("[!.]*")) for p in (part.rglob("*") if part.is_dir() else [part]))
    return {p.name: digest_of_file(p) for p in files if p.name not in {"manifest.json", JOURNAL}}


def _profile(sheet: Path, out: Path, **hands):
    return profile_samples(load_samples(sheet), "immune14", out, Hands(**hands))


@pytest.fixture(scope="module")
def clean(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("clean") / "out"
    _profile(sheet, out)
    return _tables(out)


def _elsewhere(sheet: Path, folder: Path, root: str) -> Path:
    """The same sheet with every file named by its URL."""
    with sheet.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["file"] = f"{root}/{row['file']}"
    target = folder / "remote.csv"
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return target


@pytest.fixture
def memory(sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The files in a store in memory, and nothing copied yet."""
    monkeypatch.setattr(remote, "_COPIES", remote._Copies())
    store = fsspec.filesystem("memory")
    for sample in load_samples(sheet):
        store.pipe(f"/trial/fcs/{sample.file.name}", sample.file.read_bytes())
    yield store, _elsewhere(sheet, tmp_path, "memory://trial")
    store.rm("/trial", recursive=True)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The remote files that are copied."""
    found: list[str] = []
    real = remote._fetch
    monkeypatch.setattr(remote, "_fetch", lambda file: found.append(file.name) or real(file))
    return found


def test_store__in_memory_gives_the_bytes_of_the_disk(memory, clean, tmp_path: Path, copied) -> None:
    results = _profile(memory[1], tmp_path / "out", jobs=2)
    assert results.failures.empty
    assert _tables(tmp_path / "out") == clean
    assert len(copied) == N


def test_store__is_asked_for_nothing_where_nothing_changed(memory, tmp_path: Path, copied) -> None:
    _profile(memory[1], tmp_path / "out")
    remote._COPIES = remote._Copies()
    copied.clear()
    assert foresee_samples(load_samples(memory[1]), "immune14", tmp_path / "out").finished
    assert _profile(memory[1], tmp_path / "out").again
    assert copied == []


def test_store__file_that_changed_is_done_anew_alone(memory, tmp_path: Path, copied, monkeypatch) -> None:
    store, sheet = memory
    _profile(sheet, tmp_path / "out")
    monkeypatch.setattr(remote, "_COPIES", remote._Copies())
    copied.clear()
    done: list[str] = []
    real = worker.profile_sample
    monkeypatch.setattr(worker, "profile_sample", lambda s, *a, **k: done.append(s.sample_id) or real(s, *a, **k))
    first, second = load_samples(sheet)[:2]
    store.pipe(f"/trial/fcs/{first.file.name}", store.cat(f"/trial/fcs/{second.file.name}"))
    _profile(sheet, tmp_path / "out")
    assert done == [first.sample_id]
    assert copied == [first.file.name]


def test_store__files_that_moved_there_from_the_disk_are_known(sheet, memory, clean, tmp_path: Path, monkeypatch):
    _profile(sheet, tmp_path / "out")
    monkeypatch.setattr(worker, "profile_sample", None)
    _profile(memory[1], tmp_path / "out")
    assert _tables(tmp_path / "out") == clean


def test_store__missing_file_is_one_failure_and_comes_back(memory, clean, tmp_path: Path) -> None:
    store, sheet = memory
    first = load_samples(sheet)[0]
    path = f"/trial/fcs/{first.file.name}"
    content = store.cat(path)
    store.rm(path)
    failures = _profile(sheet, tmp_path / "out").failures
    assert failures["item_id"].tolist() == [first.sample_id]
    assert failures["code"].tolist() == ["FCS-MISSING"]
    # by its name alone, as of files on disk
    assert failures["message"].str.startswith(f"{first.file.name}: file: its store has no such file.").all()
    store.pipe(path, content)
    assert _profile(sheet, tmp_path / "out").failures.empty
    assert _tables(tmp_path / "out") == clean


def test_store__no_url_stands_in_the_results(memory, tmp_path: Path) -> None:
    _profile(memory[1], tmp_path / "out")
    for path in (p for p in (tmp_path / "out").rglob("*") if p.is_file()):
        assert b"memory:" not in path.read_bytes(), path


def test_verify__reads_the_files_in_their_store(memory, tmp_path: Path, monkeypatch) -> None:
    store, sheet = memory
    _profile(sheet, tmp_path / "out")
    sources = Sources.of_samples(load_samples(sheet), "immune14")
    assert verify_folder(tmp_path / "out", sources).holds
    first = load_samples(sheet)[0]
    store.pipe(f"/trial/fcs/{first.file.name}", b"\0")
    monkeypatch.setattr(remote, "_COPIES", remote._Copies())
    found = verify_folder(tmp_path / "out", sources).differences
    assert [(d.kind, d.name) for d in found] == [("input", f"fcs {first.sample_id}")]
    assert "has other bytes" in found[0].what
