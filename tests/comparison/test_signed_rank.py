"""The signed-rank test and its null distribution."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from immunoprofile.comparison import signed_rank, signed_rank_null
from immunoprofile.comparison.nulls import untied_signed_rank_null
from immunoprofile.errors import InsufficientDataError

EXACT = 1e-12  # sums of dyadic fractions
PUBLISHED = 5e-7  # half a unit of the last digit quoted

# Hollander & Wolfe 1999, depression scores; R: wilcox.test(x, y, paired = TRUE) gives V = 40, p-value = 0.03906.
DEPRESSION_X = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
DEPRESSION_Y = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
# Darwin's maize (Fisher 1935), eighths of an inch.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])

tied_changes = st.lists(st.integers(-4, 4), min_size=5, max_size=9)


def enumerated_p(changes):
    """The two-sided p by writing out all sign patterns of the changes that are not zero (Pratt ranks)."""
    d = np.asarray(changes, dtype=float)
    ranks = rankdata(np.abs(d))[d != 0]
    positive = d[d != 0] > 0
    middle = ranks.sum() / 2
    seen = abs(ranks[positive].sum() - middle)
    sums = [abs(sum(r for r, s in zip(ranks, signs, strict=True) if s) - middle)
            for signs in product((0, 1), repeat=ranks.size)]  # fmt: skip
    return np.mean(np.array(sums) >= seen)


def test_signed_rank__depression_scores_as_in_r():
    # wilcox.test(depression.x, depression.y, paired = TRUE, conf.int = TRUE): V = 40, p = 0.03906 (= 20/512),
    # (pseudo)median 0.46, 95 percent confidence interval 0.010 0.786, achieved 96.1 %
    answer = signed_rank(DEPRESSION_X - DEPRESSION_Y)
    assert answer.statistic == 40
    assert answer.p == pytest.approx(20 / 512, abs=EXACT)
    assert (answer.estimate, answer.ci_lo, answer.ci_hi) == pytest.approx((0.46, 0.010, 0.786), abs=EXACT)
    assert answer.ci_level == pytest.approx(1 - 2 * 10 / 512, abs=EXACT)


def test_signed_rank__maize_of_darwin():
    # wilcox.test(d, exact = TRUE) without ties: p = 0.0412598
    assert signed_rank(MAIZE).p == pytest.approx(0.0412598, abs=PUBLISHED)


def test_signed_rank__ties_made_of_rounding_error_are_ties():
    changes = [0.1 + 0.2, -0.3, 0.4, 0.3 - 0.1 - 0.2, 0.7, -0.9, 1.1]
    meant = [0.3, -0.3, 0.4, 0.0, 0.7, -0.9, 1.1]
    assert changes[0] != 0.3
    assert changes[3] != 0.0
    answer = signed_rank(changes)
    assert {"TIES", "ZERO_CHANGES"} == answer.flags
    assert answer.p == pytest.approx(enumerated_p(meant), abs=EXACT)
    assert answer.n_perm == 64


def test_signed_rank__student_sleep_with_a_tie_and_a_zero():
    changes = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    answer = signed_rank(changes)
    # All nine changes that are not zero point one way: 2 of 2^9 sign patterns.
    assert answer.p == pytest.approx(2 / 512, abs=EXACT)
    assert answer.statistic == 54


@given(tied_changes)
def test_signed_rank__equals_the_enumeration_of_signs(changes):
    assert signed_rank(changes).p == pytest.approx(enumerated_p(changes), abs=EXACT)


@given(st.permutations(range(1, 13)), st.lists(st.booleans(), min_size=12, max_size=12))
def test_signed_rank__equals_scipy_without_ties(sizes, signs):
    changes = np.where(signs, sizes, np.negative(sizes)).astype(float)
    assert signed_rank(changes).p == pytest.approx(wilcoxon(changes, method="exact").pvalue, abs=EXACT)


@given(tied_changes)
def test_signed_rank__swapping_pre_and_post_flips_the_sign(changes):
    there, back = signed_rank(changes), signed_rank(np.negative(changes))
    assert (back.estimate, back.ci_lo, back.ci_hi) == (-there.estimate, -there.ci_hi, -there.ci_lo)
    assert back.p == pytest.approx(there.p, abs=EXACT)


@given(tied_changes, st.randoms(use_true_random=False))
def test_signed_rank__does_not_depend_on_the_order_of_subjects(changes, random):
    shuffled = random.sample(changes, len(changes))
    assert signed_rank(shuffled) == signed_rank(changes)


@pytest.mark.parametrize(("n", "smallest"), [(5, 0.0625), (6, 0.03125), (18, 2 / 2**18)])
def test_signed_rank__smallest_p_is_two_over_two_to_the_n(n, smallest):
    answer = signed_rank(np.arange(1.0, n + 1))
    assert answer.p == answer.min_p == smallest


def test_signed_rank__zeros_lose_their_rank_after_ranking():
    # Pratt: |d| 0 0 1 2 3 has ranks 1.5 1.5 3 4 5; 3 + 4 = 7 of 12.
    answer = signed_rank([0, 0, 1, 2, -3])
    assert answer.statistic == 7
    assert answer.n_perm == 8


def test_signed_rank__no_change_at_all_is_no_evidence():
    answer = signed_rank(np.zeros(6))
    assert (answer.p, answer.min_p, answer.estimate) == (1.0, 1.0, 0.0)


def test_signed_rank__refuses_fewer_than_five_pairs():
    with pytest.raises(InsufficientDataError, match="4 pairs are too few to test a change") as refusal:
        signed_rank([1.0, 2.0, 3.0, 4.0])
    assert refusal.value.code == "TOO-FEW-PAIRS"
    assert refusal.value.remedy == "Describe the subjects one by one; do not test."


def test_signed_rank__does_not_drop_missing_values_in_silence():
    with pytest.raises(ValueError, match="leave missing values out before"):
        signed_rank([1.0, 2.0, np.nan, 3.0, 4.0, 5.0])


def test_signed_rank__says_when_the_level_is_not_reached():
    # qsignrank(0.025, 5) = 0, taken as 1: level 1 - 2/32
    answer = signed_rank(np.arange(1.0, 6.0))
    assert answer.ci_level == 0.9375
    assert "CI_BELOW_LEVEL" in answer.flags


def test_signed_rank_null__is_dsignrank_without_ties():
    # R: dsignrank(0:10, 4) * 16
    assert untied_signed_rank_null(4) * 16 == pytest.approx([1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1], abs=EXACT)


@given(st.lists(st.sampled_from([1.0, 1.5, 2.0, 2.5, 4.0]), min_size=1, max_size=12))
def test_signed_rank_null__sums_to_one_and_is_symmetric(ranks):
    null = signed_rank_null(ranks)
    assert null.sum() == pytest.approx(1.0, abs=EXACT)
    assert null == pytest.approx(null[::-1], abs=EXACT)
