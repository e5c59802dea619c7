"""Accuracy on a real file that people gated by hand; its settings were committed before anything scored them."""

import json

import pytest

import automatic_gates
from immunoprofile.gating import load_template
from immunoprofile.gating.automatic import PoolSample, resolve_template
from immunoprofile.gating.describe import describe_plan
from immunoprofile.gating.plan import compile_plan


@pytest.fixture(scope="module")
def score(shared_data):
    if not automatic_gates.DATA.is_dir():
        pytest.skip("reference data not found: ../shared/data/flowjo/flowsom_68983")
    return automatic_gates.score_labels()


@pytest.mark.shared
def test_spleen__beats_the_packages(score):
    for peer in automatic_gates.PEER.values():
        assert score["f1"]["mean"] > peer["mean"]
        assert score["f1"]["gd T cells"] > peer["gd T cells"]
    assert score["f1"]["mean"] >= 0.95
    assert score["f1"]["gd T cells"] >= 0.85


@pytest.mark.shared
def test_spleen__last_score_of_the_record_is_today_s(score):
    record = json.loads(automatic_gates.RECORD.read_text())
    assert {k: record[-1][k] for k in score} == score


def test_spleen__first_score_stays_in_the_record():
    first = json.loads(automatic_gates.RECORD.read_text())[0]
    assert first["template_version"] == "1.0.0"
    assert first["f1"]["mean"] == 0.9750


@pytest.mark.shared
def test_spleen__plan_says_where_each_gate_comes_from(score):
    from immunoprofile.fcs import read_fcs

    events = read_fcs(automatic_gates.DATA / "68983.fcs")
    resolved = resolve_template(load_template(automatic_gates.TEMPLATE), [PoolSample("x", events)])["x"].template
    plan = compile_plan(resolved, events.channels, events.spillover)
    lines = describe_plan(plan, tuple(c.detector for c in events.channels))
    assert any("(auto: separate: line at" in line for line in lines)
    assert any("(fallback: valley: one peak)" in line for line in lines)


def test_f1__is_the_harmonic_mean_of_precision_and_recall():
    import numpy as np

    found, truth = np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 0, 1, 0], bool)
    assert automatic_gates.f1(found, truth) == pytest.approx(2 / (1 / (2 / 3) + 1 / (2 / 3)))
    assert automatic_gates.f1(~truth, truth) == 0
