"""Correlation over subjects and within them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from immunoprofile.comparison.correlation import (
    kendall,
    oldham,
    refuse_change_against_baseline,
    repeated_measures_correlation,
    spearman,
)
from immunoprofile.errors import AnalysisError, InsufficientDataError

# Hollander & Wolfe, canned tuna: Hunter L value and consumer score (R ?cor.test).
HUNTER = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
SCORE = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]

# Printed digits of the source.
PRINTED = 5e-7


def test_kendall__tuna_as_in_r():
    # cor.test(x, y, method = "kendall"): T = 26, tau = 0.4444444, p-value = 0.1194
    found = kendall(HUNTER, SCORE)
    assert (found.statistic, found.p_method) == (26.0, "exact")
    assert found.estimate == pytest.approx(4 / 9)
    assert found.p == pytest.approx(0.119439, abs=PRINTED)


def test_spearman__tuna_as_in_r():
    # cor.test(x, y, method = "spearman"): rho = 0.6, p-value = 0.0968
    found = spearman(HUNTER, SCORE)
    assert found.estimate == pytest.approx(0.6)
    assert found.p == pytest.approx(0.0968, abs=5e-5)


def test_spearman__interval_is_that_of_bonett_and_wright():
    # tanh(atanh(.6) -+ 1.959964 sqrt((1 + .36 / 2) / 6)), by hand
    found = spearman(HUNTER, SCORE)
    assert (found.ci_lo, found.ci_hi) == pytest.approx((-0.1742441, 0.9157979), abs=PRINTED)


@pytest.mark.parametrize(("ours", "theirs"), [(spearman, spearmanr), (kendall, kendalltau)])
def test_correlation__with_ties_has_the_coefficient_of_scipy(ours, theirs):
    x, y = [1, 1, 2, 3, 3, 4, 5, 6], [2, 1, 1, 4, 4, 6, 5, 5]
    assert ours(x, y).estimate == pytest.approx(theirs(x, y).statistic)


@pytest.mark.parametrize("ours", [spearman, kendall])
def test_correlation__drawn_p_is_close_to_the_asymptotic_one(ours):
    generator = np.random.default_rng(5)
    x = generator.normal(size=30)
    y = 0.4 * x + generator.normal(size=30)
    theirs = spearmanr(x, y) if ours is spearman else kendalltau(x, y)
    found = ours(x, y, seed=3)
    assert (found.p_method, found.n_perm, found.seed) == ("mc", 19_999, 3)
    # Four Monte Carlo standard errors and the error of the t approximation at n = 30.
    assert found.p == pytest.approx(theirs.pvalue, abs=0.008)


def test_correlation__refuses_four_subjects():
    with pytest.raises(InsufficientDataError, match="4 pairs are too few"):
        spearman([1, 2, 3, 4], [1, 2, 3, 4])


def test_correlation__refuses_a_constant():
    with pytest.raises(InsufficientDataError, match="does not vary"):
        kendall([1, 2, 3, 4, 5], [2, 2, 2, 2, 2])


def test_oldham__is_free_of_the_coupling_that_change_against_baseline_has():
    # No effect: change against baseline correlates by -0.38 (variances .35^2 and .20^2), change against mean by 0.
    generator = np.random.default_rng(9)
    rows = []
    for _ in range(80):
        true = generator.normal(0, 0.35, 30)
        before, after = true + generator.normal(0, 0.20, (2, 30))
        rows.append((oldham(before, after).estimate, spearmanr(before, after - before).statistic))
    fair, coupled = np.mean(rows, axis=0)
    # Standard error of the mean of 80 coefficients of 30 subjects: 0.021; four of them.
    assert fair == pytest.approx(0.0, abs=0.084)
    assert coupled < -0.25


def test_change_against_baseline__is_refused_with_what_noise_gives():
    # -.05 / sqrt((.1225 + .05) x .1) = -0.38
    with pytest.raises(AnalysisError, match=r"correlates by about -0\.38 where nothing happens") as refusal:
        refuse_change_against_baseline(0.05, 0.1225)
    assert "oldham" in str(refusal.value)


def test_repeated_measures_correlation__is_the_slope_of_a_model_with_a_level_a_subject():
    generator = np.random.default_rng(2)
    subjects = np.repeat(np.arange(8), 5)
    x = generator.normal(size=40) + subjects
    y = 0.5 * x - 3.0 * subjects + generator.normal(size=40)
    found = repeated_measures_correlation(x, y, subjects)
    levels = (subjects[:, None] == np.arange(8)).astype(float)
    full = np.column_stack([levels, x])
    rest = [y - m @ np.linalg.lstsq(m, y, rcond=None)[0] for m in (levels, full)]
    share = 1 - (rest[1] @ rest[1]) / (rest[0] @ rest[0])
    assert found.df == 40 - 8 - 1
    assert found.estimate == pytest.approx(np.sqrt(share))


def test_repeated_measures_correlation__leaves_out_subjects_with_one_sample():
    x, y = [1, 2, 3, 1, 2, 4, 1, 3, 2, 4, 2, 5, 9], [2, 2, 5, 1, 3, 3, 2, 5, 1, 2, 2, 6, -9]
    names = [*"aaabbbccddee", "alone"]
    assert repeated_measures_correlation(x, y, names) == repeated_measures_correlation(x[:-1], y[:-1], names[:-1])


def test_repeated_measures_correlation__of_one_line_within_subjects_is_one():
    found = repeated_measures_correlation(np.tile([1.0, 2.0], 6), np.tile([3.0, 5.0], 6), np.repeat(np.arange(6), 2))
    assert (found.estimate, found.p) == pytest.approx((1.0, 0.0))
