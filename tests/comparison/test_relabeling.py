"""The difference of mean changes under all relabelings."""

from __future__ import annotations

from itertools import combinations
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from immunoprofile.comparison import count_relabelings, group_difference, relabelings
from immunoprofile.errors import InsufficientDataError

EXACT = 1e-12  # shares of whole numbers; differences of a few means

TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]
BOTH, LABELS = np.array(TERM + EARLY), np.arange(15) < 10

small = st.lists(st.integers(-9, 9).map(float), min_size=7, max_size=9)


def enumerated_p(changes, group):
    """Two-sided p by absolute value, written out."""
    d, n = np.asarray(changes), int(np.sum(group))
    total = d.sum()

    def difference(members):
        inside = d[list(members)].sum()
        return abs(inside / n - (total - inside) / (d.size - n))

    seen = difference(np.flatnonzero(group))
    return np.mean([difference(c) >= seen - 1e-9 for c in combinations(range(d.size), n)])


def test_group_difference__chorioamnion_over_all_3003_relabelings():
    answer = group_difference(BOTH, LABELS)
    assert answer.p == pytest.approx(396 / 3003, abs=EXACT)
    assert answer.estimate == pytest.approx(np.mean(TERM) - np.mean(EARLY), abs=EXACT)
    assert (answer.p_method, answer.n_perm, answer.seed) == ("exact", 3003, None)


@given(small)
def test_group_difference__equals_the_enumeration(changes):
    group = np.arange(len(changes)) < 3
    assert group_difference(changes, group).p == pytest.approx(enumerated_p(changes, group), abs=EXACT)


def test_group_difference__one_tail_equals_scipy_doubled_where_groups_are_equal():
    generator = np.random.default_rng(5)
    first, second = generator.normal(0.8, 1, 6), generator.normal(0, 1, 6)
    expected = permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    answer = group_difference(np.concatenate([first, second]), np.arange(12) < 6)
    assert answer.p == pytest.approx(expected, abs=EXACT)


@given(small)
def test_group_difference__swapping_the_labels_flips_the_sign(changes):
    group = np.arange(len(changes)) < 4
    there, back = group_difference(changes, group), group_difference(changes, ~group)
    assert back.estimate == pytest.approx(-there.estimate, abs=EXACT)
    assert back.p == pytest.approx(there.p, abs=EXACT)
    assert (back.ci_lo, back.ci_hi) == pytest.approx((-there.ci_hi, -there.ci_lo), abs=1e-9)


@given(small, st.randoms(use_true_random=False))
def test_group_difference__does_not_depend_on_the_order_of_subjects(changes, random):
    order = random.sample(range(len(changes)), len(changes))
    d, group = np.array(changes), np.arange(len(changes)) < 4
    there, shuffled = group_difference(d, group), group_difference(d[order], group[order])
    assert shuffled.p == there.p
    assert shuffled.estimate == pytest.approx(there.estimate, abs=EXACT)


@pytest.mark.parametrize("side", [-1, 1], ids=["lower", "upper"])
def test_group_difference__limit_is_where_one_tail_reaches_its_share(side):
    # The second source: the one-sided p over all relabelings, recomputed with responders shifted to each side.
    answer = group_difference(BOTH, LABELS)
    limit = answer.ci_lo if side < 0 else answer.ci_hi

    def tail(shift):
        moved = BOTH - shift * LABELS
        ways = relabelings(LABELS).labels
        differences = ways @ moved / 10 - (~ways) @ moved / 5
        seen = moved[LABELS].mean() - moved[~LABELS].mean()
        return np.mean(-side * differences >= -side * seen - 1e-9)

    step = 1e-6
    assert tail(limit + side * step) <= 0.025 < tail(limit - side * step)


def test_group_difference__level_is_the_one_achieved():
    assert group_difference(BOTH, LABELS).ci_level == pytest.approx(1 - 2 * 75 / 3003, abs=EXACT)


def test_group_difference__three_against_three_has_no_bounds():
    answer = group_difference([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [True] * 3 + [False] * 3)
    assert (answer.ci_lo, answer.ci_hi) == (-inf, inf)
    assert "CI_UNBOUNDED" in answer.flags
    assert answer.min_p == pytest.approx(2 / 20, abs=EXACT)


def test_group_difference__within_strata_is_the_coefficient_of_a_linear_model():
    generator = np.random.default_rng(8)
    strata = ["a"] * 7 + ["b"] * 6
    group = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0], dtype=bool)
    d = generator.normal(size=13) + np.array([s == "b" for s in strata])
    design = np.column_stack([group, np.array(strata) == "a", np.array(strata) == "b"]).astype(float)
    expected = np.linalg.lstsq(design, d, rcond=None)[0][0]
    answer = group_difference(d, group, strata=strata)
    assert answer.estimate == pytest.approx(expected, abs=EXACT)
    assert answer.n_perm == comb(7, 2) * comb(6, 4)


def test_group_difference__a_stratum_effect_alone_is_no_difference():
    strata = ["a"] * 6 + ["b"] * 6
    group = np.array([1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0], dtype=bool)
    d = np.repeat([0.0, 3.0], 6)
    assert group_difference(d, group, strata=strata).estimate == pytest.approx(0.0, abs=EXACT)


def test_group_difference__strata_that_are_the_groups_are_refused():
    with pytest.raises(InsufficientDataError, match="no stratum holds both") as refusal:
        group_difference(np.arange(8.0), np.arange(8) < 4, strata=["a"] * 4 + ["b"] * 4)
    assert refusal.value.code == "STRATA-SEPARATE-GROUPS"


def test_group_difference__refuses_two_in_a_group():
    with pytest.raises(InsufficientDataError, match="2 against 6 subjects are too few to compare"):
        group_difference(np.arange(8.0), np.arange(8) < 2)


def test_relabelings__of_eight_and_ten_are_43758():
    group = np.arange(18) < 8
    ways = relabelings(group)
    assert ways.n_perm == count_relabelings(group) == 43_758
    assert len(np.unique(ways.labels, axis=0)) == 43_758
    assert set(ways.labels.sum(axis=1)) == {8}


def test_relabelings__beyond_the_limit_are_drawn_from_the_seed():
    group = np.arange(40) < 20
    ways, again, other = (relabelings(group, seed=s) for s in (3, 3, 4))
    assert (ways.n_perm, ways.seed, len(ways.labels)) == (19_999, 3, 20_000)
    assert np.array_equal(ways.labels, again.labels)
    assert not np.array_equal(ways.labels, other.labels)
    assert np.array_equal(ways.labels[0], group)
    assert set(ways.labels.sum(axis=1)) == {20}
    # Each subject is a responder in half of the draws: 5 standard errors of 20,000 fair coins.
    assert ways.labels[1:].mean(axis=0) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(19_999))


def test_relabelings__drawn_within_strata_keep_each_stratum():
    group, strata = np.arange(44) % 2 == 0, ["a"] * 22 + ["b"] * 22
    ways = relabelings(group, strata, draws=500)
    assert set(ways.labels[:, :22].sum(axis=1)) == {11}


def test_group_difference__drawn_p_is_close_to_the_exact_one():
    generator = np.random.default_rng(6)
    d, group = generator.normal(size=18) + 0.9 * (np.arange(18) < 8), np.arange(18) < 8
    exact = group_difference(d, group)
    drawn = relabelings(group, limit=0, seed=1)
    differences = np.abs(drawn.labels @ (d - d.mean()))
    hits = np.sum(differences >= abs(group @ (d - d.mean())) - 1e-9)
    # 4 standard errors of a share of 20,000
    slack = 4 * np.sqrt(exact.p * (1 - exact.p) / 20_000)
    assert hits / 20_000 == pytest.approx(exact.p, abs=slack)


def test_group_difference__many_subjects_count_the_observed_labels():
    d = np.arange(40.0)
    answer = group_difference(d, d < 20, seed=2)
    assert answer.p == pytest.approx(1 / 20_000, abs=EXACT)
    assert (answer.p_method, answer.seed, answer.n_perm) == ("mc", 2, 19_999)
