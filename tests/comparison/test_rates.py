"""Intervals of a proportion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from immunoprofile.comparison import clopper_pearson, wilson

PUBLISHED = 5e-7  # half a unit of the last digit quoted
DOUBLE = 1e-9  # quantiles of the beta distribution by two routes

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
    assert clopper_pearson(count, total) == pytest.approx((lo, hi), abs=PUBLISHED)


def test_wilson__as_in_r():
    # R: prop.test(8, 18, correct = FALSE)$conf.int
    assert wilson(8, 18) == pytest.approx((0.245595, 0.662836), abs=PUBLISHED)


@given(counts)
def test_intervals__equal_scipy(case):
    count, total = case
    test = binomtest(count, total)
    assert wilson(count, total) == pytest.approx(tuple(test.proportion_ci(method="wilson")), abs=DOUBLE)
    assert clopper_pearson(count, total) == pytest.approx(tuple(test.proportion_ci(method="exact")), abs=DOUBLE)


@given(counts)
def test_intervals__hold_the_proportion_and_stay_within_bounds(case):
    count, total = case
    for lo, hi in (wilson(count, total), clopper_pearson(count, total)):
        assert 0.0 <= lo <= count / total <= hi <= 1.0


def test_intervals__refuse_more_than_all():
    with pytest.raises(ValueError, match="19 of 18 is not a proportion"):
        clopper_pearson(19, 18)
