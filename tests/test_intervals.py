"""Intervals of a proportion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from immunoprofile.intervals import clopper_pearson, wilson

PUBLISHED = 5e-7  # half a unit of the last digit quoted
DOUBLE = 1e-9  # quantiles of the beta distribution by two routes

BOTH = pytest.mark.parametrize("interval", [wilson, clopper_pearson], ids=["wilson", "clopper_pearson"])

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("count", "total", "lo", "hi"),
    [
        # R: binom.test(count, total)$conf.int
        (8, 18, 0.215302, 0.692428),
        (13, 18, 0.465198, 0.903051),
        (5, 12, 0.151652, 0.723330),
        (3, 6, 0.118117, 0.881883),
        (0, 18, 0.0, 0.185302),
    ],
)
def test_clopper_pearson__as_in_r(count, total, lo, hi):
    assert [float(x) for x in clopper_pearson(count, total)] == pytest.approx([lo, hi], abs=PUBLISHED)


def test_wilson__as_in_r():
    # R: prop.test(8, 18, correct = FALSE)$conf.int
    assert [float(x) for x in wilson(8, 18)] == pytest.approx([0.245595, 0.662836], abs=PUBLISHED)


@given(counts)
def test_intervals__equal_scipy(case):
    count, total = case
    test = binomtest(count, total)
    for interval, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        expected = list(test.proportion_ci(method=method))
        assert [float(x) for x in interval(count, total)] == pytest.approx(expected, abs=DOUBLE)


@given(counts)
def test_intervals__hold_the_proportion_and_stay_within_bounds(case):
    count, total = case
    for lo, hi in (wilson(count, total), clopper_pearson(count, total)):
        assert 0.0 <= lo <= count / total <= hi <= 1.0


def test_intervals__refuse_more_than_all():
    with pytest.raises(ValueError, match="19 of 18 is not a proportion"):
        clopper_pearson(19, 18)


@BOTH
def test_interval__nothing_counted_says_nothing(interval) -> None:
    assert all(math.isnan(float(x)) for x in interval(0, 0))


@BOTH
def test_interval__mirror_of_the_complement(interval) -> None:
    count = np.arange(0, 31)
    low, high = interval(count, 30)
    mirrored_low, mirrored_high = interval(30 - count, 30)
    np.testing.assert_allclose(low, 1 - mirrored_high, atol=DOUBLE)
    np.testing.assert_allclose(high, 1 - mirrored_low, atol=DOUBLE)
