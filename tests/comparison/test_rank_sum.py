"""The Mann-Whitney test and its null distribution."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from immunoprofile.comparison import rank_sum, rank_sum_null
from immunoprofile.comparison.nulls import untied_mann_whitney_null
from immunoprofile.errors import InsufficientDataError

EXACT = 1e-12  # sums of counts over one binomial coefficient
PUBLISHED = 5e-8  # half a unit of the last digit quoted

# Hollander & Wolfe 1999, permeability constants of the chorioamnion.
TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]

few = st.lists(st.integers(0, 4).map(float), min_size=3, max_size=5)


def test_rank_sum__chorioamnion_as_in_r():
    # wilcox.test(x, y, alternative = "greater"): W = 35, p-value = 0.1272061; two-sided twice that
    answer = rank_sum(TERM, EARLY)
    assert answer.statistic == 35
    assert answer.p == pytest.approx(2 * 0.1272061, abs=2 * PUBLISHED)


@given(few, few)
def test_rank_sum__equals_the_enumeration_of_groups(first, second):
    ranks = rankdata([*first, *second])
    mean = ranks.sum() * len(first) / ranks.size
    sums = np.array([abs(sum(c) - mean) for c in combinations(ranks, len(first))])
    seen = abs(ranks[: len(first)].sum() - mean)
    assert rank_sum(first, second).p == pytest.approx(np.mean(sums >= seen - 1e-9), abs=EXACT)


@given(st.permutations(range(14)))
def test_rank_sum__equals_scipy_without_ties(order):
    first, second = np.array(order[:6], dtype=float), np.array(order[6:], dtype=float)
    expected = mannwhitneyu(first, second, method="exact").pvalue
    assert rank_sum(first, second).p == pytest.approx(min(expected, 1.0), abs=EXACT)


@given(few, few)
def test_rank_sum__swapping_the_groups_flips_the_sign(first, second):
    there, back = rank_sum(first, second), rank_sum(second, first)
    assert back.estimate == -there.estimate
    assert back.p == pytest.approx(there.p, abs=EXACT)


def test_rank_sum__smallest_p_of_eight_against_ten():
    answer = rank_sum(np.arange(8.0), np.arange(8.0, 18.0))
    assert answer.p == pytest.approx(2 / comb(18, 8), abs=EXACT)
    assert answer.min_p == answer.p


@pytest.mark.parametrize(("u", "expected"), [(63, 0.0434), (62, 0.0545)])
def test_mann_whitney_null__critical_values_of_eight_against_ten(u, expected):
    # R: 2 * pwilcox(u - 1, 8, 10, lower.tail = FALSE)
    assert 2 * untied_mann_whitney_null(8, 10)[u:].sum() == pytest.approx(expected, abs=5e-5)


def test_rank_sum_null__large_groups_stay_finite():
    null = rank_sum_null(np.arange(1, 81), 40)
    assert null.sum() == pytest.approx(1.0, abs=EXACT)
    assert np.argmax(null) == 2 * 40 * 81 // 2


def test_rank_sum__refuses_two_in_a_group():
    with pytest.raises(InsufficientDataError, match="2 against 5 subjects are too few to compare") as refusal:
        rank_sum([1.0, 2.0], EARLY)
    assert refusal.value.expected == "at least 3 in each group"
