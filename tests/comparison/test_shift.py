"""Hodges-Lehmann estimates and their intervals."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from immunoprofile.comparison import hodges_lehmann, hodges_lehmann_shift, signed_rank

EXACT = 1e-12  # a few double-precision operations
values = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=9)


@given(values)
def test_hodges_lehmann__is_the_median_of_pairwise_means(changes):
    walsh = [(a + b) / 2 for i, a in enumerate(changes) for b in changes[i:]]
    assert hodges_lehmann(changes).estimate == pytest.approx(median(walsh), abs=EXACT)


@given(values, values)
def test_hodges_lehmann_shift__is_the_median_of_differences(first, second):
    expected = median([a - b for a in first for b in second])
    assert hodges_lehmann_shift(first, second).estimate == pytest.approx(expected, abs=EXACT)


def test_hodges_lehmann__interval_holds_what_the_test_does_not_reject():
    changes = np.random.default_rng(3).normal(0.4, 1.0, 12)
    shift = hodges_lehmann(changes)
    inside = signed_rank(changes - (shift.lo + 1e-6)).p
    outside = signed_rank(changes - (shift.lo - 1e-6)).p
    assert outside < 0.05 < inside


def test_hodges_lehmann_shift__interval_holds_what_the_test_does_not_reject():
    generator = np.random.default_rng(4)
    first, second = generator.normal(0.6, 1.0, 8), generator.normal(0.0, 1.0, 10)
    shift = hodges_lehmann_shift(first, second)
    inside = mannwhitneyu(first - (shift.hi - 1e-6), second, method="exact").pvalue
    outside = mannwhitneyu(first - (shift.hi + 1e-6), second, method="exact").pvalue
    assert outside < 0.05 < inside


@given(st.integers(6, 60))
def test_hodges_lehmann__reaches_its_level_from_six_subjects_on(n):
    assert hodges_lehmann(np.arange(float(n))).level >= 0.95


def test_hodges_lehmann__chorioamnion_shift_as_in_r():
    # wilcox.test(x, y, conf.int = TRUE): difference in location 0.305
    x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    y = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert hodges_lehmann_shift(x, y).estimate == pytest.approx(0.305, abs=EXACT)
