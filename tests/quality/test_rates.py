"""A short, seeded run of the benchmark: rules notice the faults of simulated cohorts and leave clean samples alone."""

from __future__ import annotations

import pytest

from quality_rates import profile, rates, tabulate

SEEDS = range(1, 5)


@pytest.fixture(scope="module")
def clean():
    return rates(tabulate(s, "clean") for s in SEEDS)["clean"]


@pytest.fixture(scope="module")
def faulty():
    return rates(tabulate(s, "all, new lot") for s in SEEDS)


@pytest.mark.parametrize("rule", ["cd3_across_tubes", "identical_data", "sample_swap"])
def test_clean_tables__rule_is_silent(clean, rule: str) -> None:
    assert clean[rule]["asked"] == 4 * 252
    assert clean[rule]["share"] == 0


def test_clean_tables__delta_check_warns_as_seldom_as_its_limit_says(clean) -> None:
    # 3.29 standard deviations are two-sided 0.001; nine populations of 216 later samples a cohort.
    assert clean["delta_check"]["share"] <= 0.003


def test_clean_tables__bridge_fails_seldom_and_warns_as_seldom_as_its_limit_says(clean) -> None:
    assert clean["bridge_control"]["fail"] <= 1
    assert clean["bridge_control"]["share"] <= 0.10  # 0.0455 expected; runs share their centre


@pytest.mark.parametrize(
    ("kind", "rule", "least"),
    [
        ("copied_file", "identical_data", 1.0),
        ("swapped_samples", "sample_swap", 0.6),
        ("wrong_tube", "cd3_across_tubes", 0.5),
        ("new_lot", "lot_change", 1.0),
    ],
)
def test_faulty_tables__rule_notices(faulty, kind: str, rule: str, least: float) -> None:
    assert faulty[kind][rule]["share"] >= least


def test_adversarial_files__each_fault_of_a_tube_is_noticed() -> None:
    found = rates([profile(1, "adversarial")])
    noticed = {
        "clog": "flow_stopped",
        "drift": "time_affected",
        "aged_blood": "hours_to_stain",
        "wrong_spillover": "spillover_differs",
        "depleted_b": "b_events",
    }
    assert {kind: found[kind][rule]["share"] for kind, rule in noticed.items()} == dict.fromkeys(noticed, 1.0)
