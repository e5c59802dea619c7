"""The scales of the analysis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.comparison import MEASURES, effect_of, empirical_logit, empirical_logit_variance

DOUBLE = 1e-12  # a handful of double-precision operations


@pytest.mark.parametrize(
    ("count", "denominator", "expected"),
    [
        pytest.param(10, 100, math.log(10.5 / 90.5), id="usual"),
        pytest.param(0, 100, math.log(0.5 / 100.5), id="zero"),
        pytest.param(100, 100, math.log(100.5 / 0.5), id="all"),
    ],
)
def test_empirical_logit__adds_half_an_event_to_both_parts(count, denominator, expected):
    assert empirical_logit(count, denominator) == pytest.approx(expected, abs=DOUBLE)


def test_empirical_logit__empty_denominator_is_missing():
    assert np.isnan(empirical_logit([0.0], [0.0])[0])


def test_empirical_logit__refuses_a_count_above_its_denominator():
    with pytest.raises(ValueError, match="between 0 and its denominator"):
        empirical_logit([5], [4])


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_empirical_logit__is_odd_under_complement(count, rest):
    total = count + rest
    assert empirical_logit(count, total) == pytest.approx(-empirical_logit(rest, total), abs=DOUBLE)


def test_empirical_logit_variance__predicts_the_spread_of_binomial_counts():
    drawn = np.random.default_rng(7).binomial(2000, 0.1, size=20_000)
    seen = empirical_logit(drawn, np.full(drawn.size, 2000)).var()
    # The variance of 20,000 draws is known to 1 % (one standard error); 4 of them.
    assert seen == pytest.approx(float(empirical_logit_variance(200, 2000)), rel=0.04)


@pytest.mark.parametrize(
    ("measure", "scale", "value", "expected"),
    [
        ("logit_frac", "frac", 0.2, math.log(0.25)),
        ("logit_frac", "percent", 20.0, math.log(0.25)),
        ("logit_frac", "logit_frac", -1.5, -1.5),
        ("log_cells_per_ul", "cells_per_ul", 50.0, math.log(50.0)),
        ("log_mfi", "mfi", 1200.0, math.log(1200.0)),
    ],
)
def test_scale__leads_to_its_measure(measure, scale, value, expected):
    found = MEASURES[measure].scales[scale].to_measure(np.array([value]))
    assert found[0] == pytest.approx(expected, abs=DOUBLE)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scale__a_fraction_at_its_bound_has_no_logit(value):
    assert np.isnan(MEASURES["logit_frac"].scales["frac"].to_measure(np.array([value]))[0])


def test_effect_of__is_infinite_where_a_float_ends():
    assert effect_of(1e4) == math.inf
