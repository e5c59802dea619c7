"""What was declared before the response was known: locked in the journal, and what comes later is marked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cohort import run_study
from immunoprofile.cohort.declared import JOINED, LOCKED, POST_HOC, first_declared, mark_post_hoc
from immunoprofile.cohort.journal import JOURNAL, check_journal
from immunoprofile.gating import load_template
from immunoprofile.provenance import digest_of_file
from immunoprofile.report import render_summary
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study
from immunoprofile.tables import read_table
from immunoprofile.verification import reproduce_study


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A cohort and its first results."""
    folder = tmp_path_factory.mktemp("declared")
    study = simulate_cohort(folder / "c", seed=5, n_subjects=6, events_per_sample=300)
    run_study(load_study(study), folder / "out")
    return folder


def _entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "out" / JOURNAL).read_text(encoding="utf-8").splitlines()]


def _late(rows: pd.DataFrame) -> pd.Series:
    return rows["flags"].str.split(";").map(lambda codes: POST_HOC in codes)


def test_run__locks_its_plan_before_the_response(first):
    events = [e["event"] for e in _entries(first)]
    assert events.index(LOCKED) > max(i for i, e in enumerate(events) if e == "sample-done")
    assert events.index(JOINED) == events.index(LOCKED) + 1
    lock = next(e for e in _entries(first) if e["event"] == LOCKED)
    assert lock["digests"]["gates"] == digest_of_file(first / "out" / "gates_resolved.csv")
    assert lock["digests"].items() <= json.loads((first / "out" / "manifest.json").read_text())["plan"].items()
    assert check_journal(first / "out") == []


def test_run__first_plan_has_nothing_post_hoc(first):
    rows = pd.read_csv(first / "out" / "association.csv", keep_default_na=False)
    assert len(rows) > 20
    assert not _late(rows).any()


def _marked(first: Path, **parts: tuple[str, ...]) -> pd.DataFrame:
    """The first answers, as if the plan had asked something else first."""
    own = first_declared(first / "out")
    before = replace(own, parts=dict(own.parts) | parts)
    return mark_post_hoc(_rows(first), own, before, {})


def _rows(folder: Path) -> pd.DataFrame:
    return read_table("association", folder / "out" / "association.parquet")


def test_mark_post_hoc__same_plan_leaves_the_rows(first):
    assert _marked(first).equals(_rows(first))


def test_mark_post_hoc__secondary_declared_later(first):
    rows = _marked(first, secondary=("b/lymphocytes/logit_frac",))
    assert set(rows.loc[_late(rows), "role"]) == {"secondary"}
    assert set(rows.loc[_late(rows), "question"]) == {"group_diff"}
    assert rows.loc[_late(rows), "note"].str.endswith("after the response was first derived: secondary").all()


def test_mark_post_hoc__primary_declared_later(first):
    rows = _marked(first, primary=("treg_naive/cd4/logit_frac",))
    about = (rows["pop_id"] == "treg") & (rows["role"] != "exploratory")
    assert about.sum() > 10
    assert (_late(rows) == about).all()


def test_mark_post_hoc__definition_and_ratio_declared_later(first):
    rows = _rows(first)
    rows.loc[0, "sensitivity"], rows.loc[1, "scale"] = "definition_mine", "log_ratio"
    own = first_declared(first / "out")
    now = replace(own, parts=dict(own.parts) | {"also": ("mine",), "ratios": ("th17/treg",)})
    assert list(mark_post_hoc(rows, now, own, {}).index[_late(mark_post_hoc(rows, now, own, {}))]) == [0, 1]


def test_mark_post_hoc__template_concerns_its_populations(first):
    own = first_declared(first / "out")
    panel = next(iter(own.templates))
    template = load_template("tbnk")
    rows = mark_post_hoc(_rows(first), own, replace(own, templates={panel: "another"}), {panel: template})
    assert set(rows.loc[_late(rows), "pop_id"]) == set(rows["pop_id"]) & {g.id for g in template.gates}
    assert 0 < _late(rows).sum() < len(rows)


def test_run__another_window_is_post_hoc_and_comes_out_again(first, tmp_path):
    shutil.copytree(first, tmp_path / "x")
    study = tmp_path / "x" / "c" / "study.toml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace('window = ["W4", "W8"]', 'window = ["W4"]'), encoding="utf-8")
    out = tmp_path / "x" / "out"
    results = run_study(load_study(study), out)
    rows = results.association
    assert _late(rows).all()
    assert rows["note"].str.contains("window").all()
    assert first_declared(out).whole["window"] == "W4+W8"
    told = " ".join(render_summary(results))
    assert f"{len(rows)} of {len(rows)} answers rest on what was declared after the response was first" in told
    assert "derived in this folder: window. They are post hoc" in " ".join(told.split())
    assert reproduce_study(out, load_study(study)).differences == ()


def test_first_declared__lock_without_response_is_overtaken(first, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    lines = (first / "out" / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(b"".join(line for line in lines if JOINED.encode() not in line))
    assert first_declared(out) is None
