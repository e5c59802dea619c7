"""Ratios of populations and closed partitions."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison import paired_change
from immunoprofile.comparison.partitions import (
    balances,
    composition_change,
    composition_difference,
    log_ratio_coordinates,
)
from immunoprofile.comparison.ratios import log_ratios
from immunoprofile.comparison.relabeling import group_difference
from immunoprofile.errors import InputError, InsufficientDataError

# Sums of the same terms in another order.
ROUNDING = 1e-12
PARTS = ("naive", "tcm", "tem")


def table(counts: dict[str, dict[str, int]], subject: str = "S1") -> pd.DataFrame:
    """Visit to population to count, in one tube a visit."""
    return pd.DataFrame(
        [
            {"subject_id": subject, "visit": v, "sample_id": f"{subject}_{v}", "day": d, "pop_id": p, "denom_id": "cd4",
             "count": k, "denom_count": 10_000, "status": "ok"}
            for d, (v, own) in enumerate(counts.items())
            for p, k in own.items()
        ]
    )  # fmt: skip


RATIO = [{"numerator": "th1", "denominator": "th2"}]


def test_log_ratios__change_is_the_logarithm_of_the_ratio_of_ratios():
    counts = {"BL": {"th1": 300, "th2": 100}, "W4": {"th1": 240, "th2": 160}}
    found = paired_change(log_ratios(table(counts), RATIO), baseline="BL", window="W4", measure="log_ratio").iloc[0]
    assert (found["pop_id"], found["denom_id"]) == ("th1", "th2")
    assert found["delta"] == pytest.approx(math.log(240.5 / 160.5) - math.log(300.5 / 100.5), abs=ROUNDING)
    assert found["fold_or_odds_ratio"] == pytest.approx((240.5 / 160.5) / (300.5 / 100.5))


def test_log_ratios__error_is_propagated_from_four_counts():
    counts = {"BL": {"th1": 300, "th2": 100}, "W4": {"th1": 240, "th2": 160}}
    found = paired_change(log_ratios(table(counts), RATIO), baseline="BL", window="W4", measure="log_ratio").iloc[0]
    expected = math.sqrt(sum(1 / (k + 0.5) for k in (300, 100, 240, 160)))
    assert found["delta_se"] == pytest.approx(expected, abs=ROUNDING)


def test_log_ratios__propagated_error_is_the_spread_of_poisson_counts():
    generator = np.random.default_rng(1)
    a, b = generator.poisson(300, 20_000), generator.poisson(100, 20_000)
    spread = np.log((a + 0.5) / (b + 0.5)).std()
    # Standard error of a standard deviation of 20,000: 0.5 %; four of them.
    assert spread == pytest.approx(math.sqrt(1 / 300.5 + 1 / 100.5), rel=0.02)


def test_log_ratios__a_population_of_another_tube_gives_no_value():
    frame = table({"BL": {"th1": 300, "th2": 100}})
    frame.loc[frame["pop_id"] == "th2", "sample_id"] = "other"
    assert log_ratios(frame, RATIO)["value"].isna().all()


def test_log_ratios__what_was_not_evaluable_gives_no_value():
    frame = table({"BL": {"th1": 300, "th2": 100}})
    frame.loc[frame["pop_id"] == "th2", "status"] = "not_evaluable"
    assert log_ratios(frame, RATIO)["value"].isna().all()


@pytest.mark.parametrize(
    ("numerator", "denominator", "message"),
    [("th1", "th3", 'no population "th3" .* Did you mean'), ("th1", "th1", '"th1" is divided by itself')],
    ids=["unknown", "itself"],
)
def test_log_ratios__refuses_what_makes_no_ratio(numerator, denominator, message):
    with pytest.raises(InputError, match=message):
        log_ratios(table({"BL": {"th1": 3, "th2": 1}}), [{"numerator": numerator, "denominator": denominator}])


def test_balances__are_orthonormal_and_ignore_the_total():
    rows = balances(4)
    assert rows @ rows.T == pytest.approx(np.eye(3), abs=ROUNDING)
    assert rows.sum(axis=1) == pytest.approx(np.zeros(3), abs=ROUNDING)


def test_log_ratio_coordinates__worked_example():
    # Counts 99.5, 199.5, 49.5 with half an event: 100, 200, 50; geometric mean 100.
    frame = table({"BL": dict(zip(PARTS, (100, 200, 50), strict=True))}).assign(count=lambda f: f["count"] - 0.5)
    found = log_ratio_coordinates(frame, "memory", PARTS).set_index(["scale", "pop_id"])["value"]
    assert found["clr"].tolist() == pytest.approx([0.0, math.log(2), -math.log(2)], abs=ROUNDING)
    assert found["ilr", "memory_1"] == pytest.approx(math.sqrt(1 / 2) * math.log(100 / 200))
    assert found["ilr", "memory_2"] == pytest.approx(math.sqrt(2 / 3) * math.log(math.sqrt(100 * 200) / 50))


def test_log_ratio_coordinates__do_not_depend_on_the_number_of_events():
    few = table({"BL": dict(zip(PARTS, (100, 200, 50), strict=True))}).assign(count=lambda f: f["count"] - 0.5)
    many = few.assign(count=(few["count"] + 0.5) * 7 - 0.5)
    ours, theirs = (log_ratio_coordinates(f, "memory", PARTS)["value"] for f in (few, many))
    assert ours.tolist() == pytest.approx(theirs.tolist(), abs=ROUNDING)


def test_log_ratio_coordinates__refuse_one_part():
    with pytest.raises(InputError, match="two or more different parts"):
        log_ratio_coordinates(table({"BL": {"naive": 1}}), "memory", ["naive"])


def test_composition_change__equals_the_enumeration_of_signs():
    d = np.random.default_rng(4).normal(0.3, 1.0, (7, 2))
    lengths = [np.linalg.norm((np.array(s)[:, None] * d).mean(axis=0)) for s in product((1, -1), repeat=7)]
    seen = np.linalg.norm(d.mean(axis=0))
    found = composition_change(d)
    assert found.p == pytest.approx(np.mean(np.array(lengths) >= seen - ROUNDING), abs=ROUNDING)
    assert found.estimate == pytest.approx(seen)


def test_composition_change__does_not_depend_on_the_order_of_the_parts():
    generator = np.random.default_rng(6)
    logs = generator.normal(size=(8, 3))
    one, other = composition_change(logs @ balances(3).T), composition_change(logs[:, [2, 0, 1]] @ balances(3).T)
    assert (one.p, one.estimate) == pytest.approx((other.p, other.estimate), abs=ROUNDING)


def test_composition_difference__of_one_coordinate_is_the_difference_of_means():
    d = np.random.default_rng(5).normal(size=12)
    group = np.arange(12) < 5
    joint, single = composition_difference(d[:, None], group), group_difference(d, group)
    assert (joint.p, joint.estimate) == pytest.approx((single.p, abs(single.estimate)), abs=ROUNDING)


def test_composition_change__refuses_four_subjects():
    with pytest.raises(InsufficientDataError, match="4 pairs"):
        composition_change(np.ones((4, 2)))


def test_asinh_intensity__has_no_fold_change():
    rows = [
        {"subject_id": "S1", "visit": v, "pop_id": "cd25", "value": x, "scale": "mfi"}
        for v, x in (("BL", -30.0), ("W4", 300.0))
    ]
    found = paired_change(pd.DataFrame(rows), baseline="BL", window="W4", measure="asinh_mfi").iloc[0]
    assert found["delta"] == pytest.approx(math.asinh(2.0) + math.asinh(0.2))
    assert math.isnan(found["fold_or_odds_ratio"])


def test_composition_change__of_one_coordinate_is_fishers_test_of_darwins_maize():
    # Fisher RA. The Design of Experiments. 1935: 1726 of 32,768 sign patterns have a sum at least as far from zero.
    d = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert composition_change(np.array(d, dtype=float)[:, None]).p == pytest.approx(1726 / 32_768, abs=ROUNDING)
