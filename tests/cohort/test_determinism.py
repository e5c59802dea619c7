"""The same bytes whatever the machine's settings, the order of the sheet, bad neighbours, or how often it stopped."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from immunoprofile.cli import program
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.provenance import digest_of_file
from immunoprofile.selftest import build_zoo
from immunoprofile.simulation import simulate_cohort

LONG = bool(os.environ.get("IMMUNOPROFILE_MATRIX"))
"""All 48 combinations with the whole study, and 300 good files among 100 bad ones, where it is set."""

JOBS, SEEDS, LOCALES, ZONES, RESUMED = (
    (1, 2, 8),
    ("0", "random"),
    ("C", "tr_TR.UTF-8"),
    ("UTC", "Asia/Kathmandu"),
    (0, 1),
)
MATRIX = list(enumerate(itertools.product(JOBS, SEEDS, LOCALES, ZONES, RESUMED)))
"""Each setting with its number; a step of 13 through it meets every value of every setting."""


def _tables(folder: Path) -> dict[str, str]:
    files = (p for part in sorted(folder.glob("[!.]*")) for p in (part.rglob("*") if part.is_dir() else [part]))
    return {p.name: digest_of_file(p) for p in files if p.name not in {"manifest.json", "report.html", JOURNAL}}


def _immunoprofile(*arguments, cwd=None, **environment):
    command = [sys.executable, "-m", "immunoprofile", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )


def _profile(sheet, out, *options, **environment):
    return _immunoprofile("profile", sheet, "--template", "immune14", "--out", out, "-q", *options, **environment)


def _here(sheet, out):
    """The same in this process, which has everything compiled."""
    return CliRunner().invoke(program, [*map(str, ["profile", sheet, "--template", "immune14", "--out", out]), "-q"])


def _cut(study: Path, n: int, *, backwards: bool = False) -> None:
    """Leave the first n rows of a sheet, or write all of them the other way round."""
    sheet = study / "samples.csv"
    head, *rows = sheet.read_text(encoding="utf-8").splitlines()
    rows = rows[::-1] if backwards else rows[:n]
    sheet.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "c"
    simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=400)
    if not LONG:
        _cut(folder, 4)
    return folder


@pytest.fixture(scope="module")
def clean(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("clean") / "out"
    first = _immunoprofile("run", study / "study.toml", "--out", out) if LONG else _profile(study / "samples.csv", out)
    assert first.returncode == 0, first.stderr
    return _tables(out)


@pytest.mark.parametrize(
    ("number", "setting"), MATRIX if LONG else MATRIX[::13], ids=lambda v: str(v) if isinstance(v, int) else ""
)
def test_tables__are_the_same_bytes_under_any_setting(study, clean, tmp_path, number, setting):
    jobs, seed, locale, zone, resumed = setting
    shutil.copytree(study, tmp_path / "c")
    name = "study.toml" if LONG else "samples.csv"
    verb = ["run", name] if LONG else ["profile", name, "--template", "immune14"]
    workers = "processes" if number % 4 == 3 else "threads"
    environment = {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
    options = ["--out", "../out", "-q", "--jobs", jobs, "--workers", workers]
    if resumed:
        whole = (tmp_path / "c" / "samples.csv").read_bytes()
        _cut(tmp_path / "c", 2)
        _immunoprofile("profile", "samples.csv", "--template", "immune14", *options, cwd=tmp_path / "c", **environment)
        (tmp_path / "c" / "samples.csv").write_bytes(whole)
    if number % 2:
        _cut(tmp_path / "c", 0, backwards=True)
    done = _immunoprofile(*verb, *options, cwd=tmp_path / "c", **environment)
    assert done.returncode == 0, done.stderr
    assert _tables(tmp_path / "out") == clean


def test_good_files__come_out_the_same_among_bad_ones(study, tmp_path):
    n_good, n_bad = (300, 100) if LONG else (4, 12)
    good = [p for _, p in zip(range(n_good), itertools.cycle(sorted((study / "fcs").iterdir())), strict=False)]
    bad = [f.raw for f in build_zoo() if f.kind == "malformed"][:: 1 if LONG else 20][:n_bad]
    folder = tmp_path / "mixed"
    folder.mkdir()
    rows = {"good": [], "bad": []}
    for i, file in enumerate(good):
        shutil.copy(file, folder / f"g{i}.fcs")
        rows["good"].append(f"G{i},g{i}.fcs")
    for i, content in enumerate(bad):
        (folder / f"b{i}.fcs").write_bytes(content)
        rows["bad"].append(f"B{i},b{i}.fcs")
    mixed = [r for pair in itertools.zip_longest(rows["bad"], rows["good"]) for r in pair if r]
    for name, listed in (("clean.csv", rows["good"]), ("mixed.csv", mixed)):
        (folder / name).write_text("\n".join(["sample_id,file", *listed]) + "\n", encoding="utf-8")
    alone = _here(folder / "clean.csv", tmp_path / "alone")
    among = _here(folder / "mixed.csv", tmp_path / "among")
    assert (alone.exit_code, among.exit_code) == (0, 3), among.stderr
    failures = pd.read_csv(tmp_path / "among" / "failures.csv")
    assert sorted(failures["item_id"]) == sorted(f"B{i}" for i in range(len(bad)))
    assert failures["code"].str.startswith("FCS-").all()
    for table in ("populations", "intensities", "gates_resolved", "sample_states"):
        assert digest_of_file(tmp_path / "alone" / f"{table}.csv") == digest_of_file(
            tmp_path / "among" / f"{table}.csv"
        )


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk__ends_with_6_and_goes_on_when_there_is_room(study, tmp_path, small_disk):
    _cut(study, 4)
    out = small_disk / "out"
    full = _here(study / "samples.csv", out)
    assert full.exit_code == 6
    assert "No space left on device" in full.stderr
    assert "run the same command again" in full.stderr
    assert not list(out.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    assert _here(study / "samples.csv", out).exit_code == 0
    assert _here(study / "samples.csv", tmp_path / "elsewhere").exit_code == 0
    assert _tables(out) == _tables(tmp_path / "elsewhere")
    assert check_journal(out) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_signal__ends_with_130_and_the_run_goes_on(study, tmp_path, number):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "immunoprofile", "profile", study / "samples.csv", "--template", "immune14"]
    process = subprocess.Popen(
        [*map(str, command), "--out", str(out), "--jobs", "1"], stderr=subprocess.PIPE, text=True
    )
    while not list((out / ".work").rglob("*.results")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Finishing the files in hand" in said
    assert _here(study / "samples.csv", out).exit_code == 0
    assert check_journal(out) == []
