"""A file that changes while it is read: the old bytes whole, the new bytes whole, or a failure that says so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import killed_runs
from faulty_disk import Disk
from immunoprofile.cohort import checks, profile_samples, worker
from immunoprofile.controls import render_spillover
from immunoprofile.fcs import read_fcs
from immunoprofile.gating.library import templates_folder
from immunoprofile.provenance import digest_of_file
from immunoprofile.quality import Checks, join_checks, load_quality_rules
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import Sample, load_samples
from immunoprofile.verification import verify_folder

LONG = os.environ.get("IMMUNOPROFILE_CHANGES")
"""A change before every third call on the file where it is set, to a folder for the list of cases; a few at commit.

Each kind of change begins at another call, so that every call is met.
"""

N_EVENTS = 20_000 if LONG else 2_000
"""In the long form more than one read of DATA takes."""

FIXED = 'range = { x = "Viability", max = 0.56 }'
FOUND = (
    'auto = { method = "valley", x = "Viability", keep = "below", between = [0.4, 0.75], min_events = 100, '
    f'pool = "subject" }}\nfallback = {{ {FIXED} }}'
)
"""A gate that all files of a subject share: each is read for it before it is gated."""

SAMPLES = ("A", "victim", "C")


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples of one subject, what the second of them becomes, and two templates: gates fixed, and found."""
    folder = tmp_path_factory.mktemp("cohort") / "c"
    study = simulate_cohort(folder, seed=3, n_subjects=4, events_per_sample=N_EVENTS, panels=("immune14",))
    files = [s.file for s in load_samples(study.parent / "samples.csv")][:4]
    size = max(f.stat().st_size for f in files)
    for file, name in zip(files, (*SAMPLES, "new"), strict=True):
        # Blanks behind the last segment: size tells nothing.
        (folder / f"{name}.fcs").write_bytes(file.read_bytes().ljust(size))
    text = (templates_folder() / "immune14.toml").read_text(encoding="utf-8")
    (folder / "fixed.toml").write_text(text, encoding="utf-8")
    (folder / "found.toml").write_text(text.replace(FIXED, FOUND), encoding="utf-8")
    rows = [f"{name},{name}.fcs,S1,V{n},{n}" for n, name in enumerate(SAMPLES)]
    (folder / "samples.csv").write_text("\n".join(["sample_id,file,subject_id,visit,day", *rows, ""]))
    return folder


def _profile(study: Path, template: str, out: Path) -> None:
    profile_samples(load_samples(study / "samples.csv"), study / f"{template}.toml", out)


def _cut(file: Path, new: bytes) -> None:
    os.truncate(file, len(new) // 2)


def _append(file: Path, new: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(b"x" * 1000)


def _overwrite(file: Path, new: bytes) -> None:
    handle = os.open(file, os.O_WRONLY)
    os.write(handle, new)
    os.close(handle)


def _swap(file: Path, new: bytes) -> None:
    file.with_suffix(".tmp").write_bytes(new)
    file.with_suffix(".tmp").replace(file)


def _recreate(file: Path, new: bytes) -> None:
    file.unlink()
    file.write_bytes(new)


def _link(file: Path, new: bytes) -> None:
    file.with_suffix(".other").write_bytes(new)
    file.with_suffix(".tmp").symlink_to(file.with_suffix(".other"))
    file.with_suffix(".tmp").replace(file)


def _keeping_its_time(change: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
    def changed(file: Path, new: bytes) -> None:
        before = file.stat()
        change(file, new)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return changed


CHANGES = {
    "truncated": _cut,
    "appended": _append,
    "overwritten": _overwrite,
    "overwritten, time set back": _keeping_its_time(_overwrite),
    "replaced": _swap,
    "replaced, time set back": _keeping_its_time(_swap),
    "recreated, time set back": _keeping_its_time(_recreate),
    "a link": _link,
}


@pytest.fixture(scope="module")
def whole(tubes: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], dict[str, str]]:
    """The tables that a template gives where the file was changed before the run; nothing changed for no name."""
    made: dict[tuple[str, str], dict[str, str]] = {}

    def tables(template: str, name: str) -> dict[str, str]:
        if (template, name) not in made:
            folder = tmp_path_factory.mktemp("whole")
            study = _study(tubes, folder / "c")
            if name:
                CHANGES[name](study / "victim.fcs", (study / "new.fcs").read_bytes())
            _profile(study, template, folder / "out")
            made[template, name] = killed_runs.tables(folder / "out")
        return made[template, name]

    return tables


def _study(tubes: Path, folder: Path) -> Path:
    return Path(shutil.copytree(tubes, folder))


@pytest.mark.requirement("R-BATCH-05")
@pytest.mark.parametrize("template", ["fixed", "found"])
@pytest.mark.parametrize("name", list(CHANGES) if LONG else list(CHANGES)[3::4])
def test_file__that_changes_before_any_call_on_it_is_never_mixed(
    name: str, template: str, tubes: Path, whole, tmp_path: Path
) -> None:
    old, new = whole(template, ""), whole(template, name)
    at, step, cases = (1 + list(CHANGES).index(name) % 3, 3, []) if LONG else (7, 30, [])
    while True:
        study = _study(tubes, tmp_path / "c")
        file, content = study / "victim.fcs", (study / "new.fcs").read_bytes()
        with Disk(file, "act", at) as disk:
            disk.act = lambda file=file, content=content: CHANGES[name](file, content)
            _profile(study, template, tmp_path / "out")
        if disk.failed is None:
            break
        wrong = [] if killed_runs.tables(tmp_path / "out") in (old, new) else _unless_told(tmp_path / "out")
        _profile(study, template, tmp_path / "out")
        wrong += [] if killed_runs.tables(tmp_path / "out") == new else ["not the new bytes once more"]
        wrong += [] if verify_folder(tmp_path / "out").holds else ["does not verify"]
        cases.append({"at": at, "call": disk.failed, "wrong": wrong})
        shutil.rmtree(tmp_path / "c")
        shutil.rmtree(tmp_path / "out")
        at += step
    assert [c for c in cases if c["wrong"]] == []
    assert cases
    if LONG:
        (Path(LONG) / f"{template} {name}.json").write_text(json.dumps(cases))


def _unless_told(out: Path) -> list[str]:
    """What is wrong with results that are neither those of the old bytes nor those of the new."""
    failures = pd.read_csv(out / "failures.csv")
    told = failures["item_id"].tolist() == ["victim"] and failures["code"].tolist() == ["FCS-CHANGED"]
    held = set(pd.read_csv(out / "populations.csv")["sample_id"])
    return [] if told and held == {"A", "C"} else [f"mixed: {failures.to_dict('records')}, {sorted(held)}"]


@pytest.mark.requirement("R-BATCH-05")
@pytest.mark.parametrize(("times", "failed"), [(1, []), (2, [["victim", "FCS-CHANGED"]])])
def test_matrix__that_changes_is_never_mixed_with_another_s_key(
    times: int, failed: list[list[str]], tubes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _study(tubes, tmp_path / "c")
    recorded = read_fcs(study / "victim.fcs").spillover
    assert recorded is not None
    sheet = (study / "samples.csv").read_text().splitlines()
    rows = [f"{row},{'matrix.csv' if row.startswith('victim') else ''}" for row in sheet[1:]]
    (study / "samples.csv").write_text("\n".join([f"{sheet[0]},spillover", *rows, ""]))
    matrix, seen = study / "matrix.csv", []
    matrix.write_text(render_spillover(recorded))
    real = worker.profile_sample

    def profile(sample: Sample, *rest: object, **options: object) -> object:
        seen.append(sample.sample_id)
        if sample.sample_id == "victim" and seen.count("victim") <= times:
            matrix.write_text(matrix.read_text() + "\n")
        return real(sample, *rest, **options)

    monkeypatch.setattr(worker, "profile_sample", profile)
    _profile(study, "fixed", tmp_path / "out")
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures[["item_id", "code"]].values.tolist() == failed


@pytest.mark.requirement("R-BATCH-05")
@pytest.mark.parametrize(("times", "asked"), [(0, ["AB"]), (1, ["AB", "AB"]), (9, ["AB", "AB", "A"])])
def test_single_stain__that_changes_is_asked_once_more_and_then_left_out(
    times: int, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    singles = [Sample(name, tmp_path / name, control="unstained") for name in "AB"]
    for single in singles:
        single.file.write_bytes(b"0")
    seen: list[str] = []

    def check(stains: list[Sample], *_: object) -> Checks:
        seen.append("".join(s.sample_id for s in stains))
        if len(seen) <= times:
            singles[1].file.write_bytes(b"%d" % len(seen))
        return join_checks([])

    monkeypatch.setattr(checks, "check_singles", check)
    found = checks._ask_stains(singles, [], load_quality_rules())
    assert seen == asked
    left = [s for s in singles if s.sample_id in seen[-1]]
    assert found.digests == {s.sample_id: digest_of_file(s.file) for s in left}
    assert [(f["item_id"], f["code"]) for f in found.failures] == ([("B", "FCS-CHANGED")] if times > 1 else [])
