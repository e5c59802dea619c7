"""Thresholds moved within their tolerance, on the files of a simulated study."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from immunoprofile.cohort.placement import moved_templates, place_gates
from immunoprofile.cohort.profile import study_templates
from immunoprofile.errors import OutputError
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import Rectangle, apply_template
from immunoprofile.populations import tabulate
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Two samples with their template."""
    folder = tmp_path_factory.mktemp("placed")
    simulate_cohort(folder, seed=4, n_subjects=6, visits=("BL", "W4"), events_per_sample=3_000)
    study = load_study(folder / "study.toml")
    samples = [s for s in study.samples if s.control is None][:2]
    return [(s, study_templates(study)["immune14"]) for s in samples]


@pytest.fixture(scope="module")
def table(work) -> pd.DataFrame:
    parts = [
        tabulate(apply_template(t, read_fcs(s.file)), {"sample_id": s.sample_id, "subject_id": s.subject_id})
        for s, t in work
    ]
    return pd.concat(parts, ignore_index=True)


def test_moved_templates__each_moves_one_threshold(work):
    template = work[0][1]
    moved = moved_templates(template, "treg", tolerance=0.02)
    own = {g.path: g.geometry for g in template.gates}
    for name, other in moved.items():
        changed = [g for g in other.gates if g.geometry != own[g.path]]
        assert len(changed) == 1, name
        if isinstance(changed[0].geometry, Rectangle):
            pairs = zip(changed[0].geometry.bounds, own[changed[0].path].bounds, strict=True)
            shifts = [a - b for one, two in pairs for a, b in zip(one, two, strict=True) if a is not None and a != b]
            assert [abs(s) for s in shifts] == pytest.approx([0.02])


def test_moved_templates__hold_no_gate_that_the_population_does_not_need(work):
    template = work[0][1]
    path = template.find("treg")
    needed = {path, *template.ancestors(path)}
    assert all({g.path for g in t.gates} <= needed for t in moved_templates(template, "treg").values())


def test_place_gates__without_a_move_gives_the_counts_of_the_run(work, table):
    own = table[(table["pop_id"] == "treg") & (table["denom_id"] == "cd4")].reset_index(drop=True)
    for placed in place_gates(work, table, "treg", "cd4", tolerance=0.0).values():
        pd.testing.assert_frame_equal(placed.reset_index(drop=True)[["count", "denom_count"]],
                                      own[["count", "denom_count"]], check_dtype=False)  # fmt: skip


def test_place_gates__equals_gating_with_the_moved_template(work, table):
    sample, template = work[0]
    name, moved = list(moved_templates(template, "treg", tolerance=0.03).items())[-1]
    members = apply_template(moved, read_fcs(sample.file))
    placed = place_gates(work, table, "treg", "cd4", tolerance=0.03)[name].set_index("sample_id").loc[sample.sample_id]
    assert placed["count"] == members.count("treg")
    assert placed["denom_count"] == members.count("cd4")


def test_place_gates__a_sample_that_cannot_be_read_any_more_ends_the_work(work, table, tmp_path):
    # left out, it would make the range of placements that of other samples, and nobody would know
    gone = [(replace(work[0][0], file=tmp_path / "gone.fcs"), work[0][1]), work[1]]
    said = r"gone\.fcs: could be read when it was gated and cannot be now \(file does not exist\)\. Look at the disk"
    with pytest.raises(OutputError, match=said) as caught:
        place_gates(gone, table, "treg", "cd4")
    assert caught.value.code == "OUTPUT-INPUT"
