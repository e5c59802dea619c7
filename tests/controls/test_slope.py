"""Weighted medians and lines through a point, against plain NumPy and worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.controls.slope import fit_slopes, robust_spread, weighted_median

ROUNDING = 1e-12
"""A few float64 operations on numbers of one size."""

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=40))
def test_weighted_median__with_equal_weights_is_the_median(values):
    assert weighted_median(np.array(values))[0] == pytest.approx(np.median(values), rel=ROUNDING, abs=ROUNDING)


@given(st.lists(st.tuples(finite, st.integers(1, 5)), min_size=1, max_size=30))
def test_weighted_median__with_whole_weights_is_the_median_of_repeated_values(pairs):
    values, weights = np.array(pairs).T
    repeated = np.repeat(values, weights.astype(int))
    found = weighted_median(values, weights)[0]
    assert found == pytest.approx(np.median(repeated), rel=ROUNDING, abs=ROUNDING)


def test_weighted_median__standard_error_is_that_of_normal_values():
    # Asymptotic standard error of the median of n normal values: sqrt(pi / 2) / sqrt(n).
    n = 40_000
    values = np.random.default_rng(1).standard_normal(n)
    assert weighted_median(values)[1] == pytest.approx(np.sqrt(np.pi / 2 / n), rel=0.15)


def test_robust_spread__is_the_standard_deviation_of_normal_values():
    values = np.random.default_rng(2).normal(5.0, 3.0, 100_000)
    assert robust_spread(values) == pytest.approx(3.0, rel=0.02)


def test_slopes__three_positives_worked_by_hand():
    # Background (10, 5); ratios (y - 5) / (x - 10): 0.10, 0.30, 0.20 with weights 100, 200, 300, together 600.
    # In order 0.10 (100), 0.20 (400), 0.30 (600): half of 600 is reached at 0.20.
    positives = np.array([[110.0, 15.0], [210.0, 65.0], [310.0, 65.0]])
    background = np.array([[9.0, 4.0], [10.0, 5.0], [11.0, 6.0]])
    slopes, _ = fit_slopes(positives, background, 0)
    assert slopes == pytest.approx([1.0, 0.20], rel=ROUNDING)


@given(st.integers(0, 2**32 - 1))
def test_slopes__no_other_line_through_the_background_has_smaller_deviations(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(500, 1500, 61)  # no weight reaches four medians
    y = 40 + 0.3 * (x - 20) + rng.standard_t(2, 61) * 30
    slopes, _ = fit_slopes(np.column_stack([x, y]), np.full((5, 2), (20.0, 40.0)), 0)

    def deviations(slope: float) -> float:
        return float(np.abs(y - 40 - slope * (x - 20)).sum())

    least = min(deviations(s) for s in np.linspace(0.0, 0.6, 601))
    assert deviations(slopes[1]) <= least * (1 + ROUNDING)


def test_slopes__a_few_very_bright_aggregates_do_not_outweigh_a_population():
    rng = np.random.default_rng(3)
    x = rng.uniform(900, 1100, 2_000)
    cells = np.column_stack([x, 0.1 * x])
    bright = rng.uniform(150_000, 200_000, 40)  # as much signal together as three populations
    sticky = np.column_stack([bright, bright])
    slopes, _ = fit_slopes(np.vstack([cells, sticky]), np.zeros((10, 2)), 0)
    assert slopes[1] == pytest.approx(0.1, abs=1e-9)  # 40 events of weight 4 against 2,000


def test_slopes__skewed_brightness_below_the_noise_is_not_biased_as_a_difference_of_medians_is():
    rng = np.random.default_rng(4)
    n, slope = 200_000, 0.01
    x = 1_000 * np.exp(rng.standard_normal(n))
    y = slope * x + rng.normal(0, 200, n)
    slopes, errors = fit_slopes(np.column_stack([x, y]), np.zeros((10, 2)), 0)
    assert abs(slopes[1] - slope) < 4 * errors[1]
    assert np.median(y) / np.median(x) > 1.4 * slope


def test_slopes__standard_errors_are_the_spread_over_repeated_draws():
    rng = np.random.default_rng(5)
    found, errors = [], []
    for _ in range(200):
        x = 1_000 * np.exp(0.6 * rng.standard_normal(300))
        y = 0.2 * x + rng.normal(0, 60, 300)
        background = rng.normal(0, (40, 60), (300, 2))
        slopes, error = fit_slopes(np.column_stack([x, y]), background, 0)
        found.append(slopes[1])
        errors.append(error[1])
    # 200 draws know a standard deviation to 5 %; the background's part is rounded up by design.
    assert 0.75 < np.std(found) / np.mean(errors) < 1.15
