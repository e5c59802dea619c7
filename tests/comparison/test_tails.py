"""Tails, quantiles and midranks are those of scipy.stats to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import chdtrc, gammaincinv, ndtri, stdtr

from immunoprofile.comparison.tails import (
    chi2_p,
    chi2_upper,
    midranks,
    normal_upper,
    student_p,
    student_upper,
)

SHARES = st.floats(0.0, 1.0)
STATISTICS = st.floats(0.0, 1e6) | st.just(math.inf)
T = st.floats(-1e6, 1e6) | st.sampled_from([-math.inf, math.inf, math.nan])
DF = st.integers(1, 500) | st.floats(0.05, 1e4) | st.just(math.nan)


def same(own: float, theirs: float) -> bool:
    """Bit for bit the same, NaN for NaN."""
    return own == theirs or (math.isnan(own) and math.isnan(theirs))


@given(SHARES)
def test_normal_upper__is_that_of_scipy_stats(share):
    assert same(normal_upper(share), float(stats.norm.isf(share)))


@given(SHARES, DF)
def test_student_upper__is_that_of_scipy_stats(alpha, df):
    assert same(student_upper(alpha, df), float(stats.t.ppf(1.0 - alpha, df)))


@given(T, DF)
def test_student_p__is_that_of_scipy_stats(t, df):
    assert same(student_p(t, df), float(2.0 * stats.t.sf(abs(t), df)))


@given(SHARES, st.integers(1, 50))
def test_chi2_upper__is_that_of_scipy_stats(share, df):
    assert same(chi2_upper(share, df), float(stats.chi2.isf(share, df)))


@given(STATISTICS, st.integers(1, 50))
def test_chi2_p__is_that_of_scipy_stats(statistic, df):
    assert same(chi2_p(statistic, df), float(stats.chi2.sf(statistic, df)))


@pytest.mark.parametrize("df", [0.0, -1.0, math.nan])
def test_student__degrees_of_freedom_that_cannot_be_give_nan(df):
    assert math.isnan(student_p(2.0, df))
    assert math.isnan(student_upper(0.025, df))


@given(st.lists(st.integers(-5, 5) | st.floats(-10, 10) | st.just(math.inf), max_size=60))
def test_midranks__are_those_of_scipy_stats(values):
    assert np.array_equal(midranks(values), stats.rankdata(values))


def test_midranks__nan_leaves_no_rank():
    assert np.array_equal(midranks([1.0, math.nan, 2.0]), stats.rankdata([1.0, math.nan, 2.0]), equal_nan=True)


def test_quality_rules__call_what_scipy_stats_calls():
    t = np.linspace(0.0, 400.0, 4001)
    for df in (1, 2, 5, 19, 300):
        assert np.array_equal(stdtr(df, -t), stats.t.sf(t, df))
        assert np.array_equal(chdtrc(df, t), stats.chi2.sf(t, df))
    tails = np.geomspace(1e-300, 1.0, 3001)
    assert np.array_equal(-ndtri(tails), -stats.norm.ppf(tails))
    assert np.array_equal(2.0 * gammaincinv(1.0, tails), stats.chi2.ppf(tails, 2))
