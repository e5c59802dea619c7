"""A short run of the benchmark's simulations against its committed long run, and the limits that the plan sets."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from operating_characteristics import coverage_rates, family_rates, model_rates, null_rates, selection_rates, wrong_ways

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "operating_characteristics.json"
RUNS = 60


@pytest.fixture(scope="module")
def committed() -> dict[str, float]:
    return json.loads(COMMITTED.read_text(encoding="utf-8"))["rates"]


@pytest.mark.parametrize(
    ("scenario", "runs"),
    [
        (null_rates, RUNS), (coverage_rates, RUNS), (selection_rates, RUNS), (family_rates, RUNS), (wrong_ways, RUNS),
        # Ten times as slow.
        (model_rates, 15),
    ],
)  # fmt: skip
def test_short_run__lies_within_binomial_limits_of_the_committed_one(committed, scenario, runs):
    for name, rate in scenario(runs, 77).items():
        if not name.startswith("bias"):
            # Four standard errors of the short run, and one hit for the skewness of small rates.
            limit = 4 * math.sqrt(committed[name] * (1 - committed[name]) / runs) + 1 / runs
            assert rate == pytest.approx(committed[name], abs=limit), name


@pytest.mark.parametrize(
    ("prefix", "least", "most"),
    [
        ("type I error, signed rank", 0.03, 0.07), ("type I error, relabeling of change", 0.03, 0.07),
        ("type I error, beta-binomial", 0.02, 0.07), ("type I error, estimating equations", 0.02, 0.07),
        ("type I error, ANCOVA", 0.03, 0.07), ("type I error, Mann-Whitney", 0.03, 0.07),
        ("type I error, response by true baseline, relabeling", 0.03, 0.07), ("coverage", 0.93, 1.0),
        ("bias", -0.02, 0.02), ("family-wise error, step-down", 0.0, 0.07), ("power at odds ratio 1.73", 0.80, 1.0),
    ],
)  # fmt: skip
def test_committed_rates__meet_the_criteria_of_the_plan(committed, prefix, least, most):
    # Analysis plan, 5.3.
    found = {name: rate for name, rate in committed.items() if name.startswith(prefix)}
    assert found
    assert all(least <= rate <= most for rate in found.values()), found


def test_committed_rates__show_the_wrong_ways_as_wrong(committed):
    wrong = [rate for name, rate in committed.items() if name.startswith("wrong way")]
    assert len(wrong) == 4
    assert min(wrong) > 0.07
