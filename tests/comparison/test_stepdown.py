"""Many populations at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.comparison import benjamini_hochberg, holm, relabelings, signed_rank, step_down_min_p
from immunoprofile.comparison.stepdown import flipped_statistics, relabeled_statistics

EXACT = 1e-12  # multiples of a few p-values

p_values = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def test_holm__worked_example():
    # R: p.adjust(c(.01, .02, .03, .04, .05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09], abs=EXACT)


def test_benjamini_hochberg__worked_example():
    # R: p.adjust(c(.01, .02, .03, .04, .05), "BH")
    assert benjamini_hochberg([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05] * 5, abs=EXACT)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@given(p_values)
def test_adjustment__never_lowers_a_p_and_keeps_the_order(adjust, p):
    adjusted = adjust(p)
    assert np.all(adjusted >= np.array(p) - EXACT)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= -EXACT)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_adjustment__a_missing_p_is_not_a_test(adjust):
    adjusted = adjust([0.02, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx(adjust([0.02, 0.04]), abs=EXACT)


def step_down_twin(null, observed):
    """Algorithm 2.8 of Westfall and Young written out, pattern by pattern."""
    patterns, m = null.shape
    p = np.array([[np.mean(null[:, j] >= null[b, j]) for j in range(m)] for b in range(patterns)])
    own = np.array([np.mean(null[:, j] >= observed[j]) for j in range(m)])
    order = list(np.argsort(own, kind="stable"))
    adjusted, running = np.zeros(m), 0.0
    for place, j in enumerate(order):
        smallest = p[:, order[place:]].min(axis=1)
        running = max(running, np.mean(smallest <= own[j]))
        adjusted[j] = running
    return adjusted


@given(st.integers(0, 1000))
def test_step_down__equals_the_algorithm_written_out(seed):
    null = np.random.default_rng(seed).integers(0, 12, size=(30, 4)).astype(float)
    assert step_down_min_p(null, null[0]) == pytest.approx(step_down_twin(null, null[0]), abs=EXACT)


def test_step_down__one_population_keeps_its_p():
    null = np.abs(np.random.default_rng(1).normal(size=(200, 1)))
    assert step_down_min_p(null, null[0])[0] == pytest.approx(np.mean(null >= null[0]), abs=EXACT)


def test_step_down__copies_of_one_population_cost_nothing():
    null = np.abs(np.random.default_rng(2).normal(size=(200, 1)))
    copies = np.repeat(null, 5, axis=1)
    assert step_down_min_p(copies, copies[0]) == pytest.approx([np.mean(null >= null[0])] * 5, abs=EXACT)


def test_relabeled_statistics__order_relabelings_as_the_plain_difference_does():
    d = np.random.default_rng(3).normal(size=(9, 1))
    labels = relabelings(np.arange(9) < 4).labels
    plain = np.abs(labels @ d[:, 0] / 4 - (~labels) @ d[:, 0] / 5)
    assert np.array_equal(np.argsort(relabeled_statistics(d, labels)[:, 0]), np.argsort(plain))


def test_relabeled_statistics__too_few_labels_left_say_nothing():
    d = np.array([[1.0], [2.0], [3.0], [np.nan], [np.nan], [np.nan]])
    labels = np.array([[True, False, False, True, True, False]])
    assert relabeled_statistics(d, labels)[0, 0] == -np.inf


def test_flipped_statistics__give_the_exact_signed_rank_p_with_missing_subjects():
    d = np.random.default_rng(4).normal(0.3, 1, size=(10, 2))
    d[[2, 7], 1] = np.nan
    null, seed = flipped_statistics(d, seed=1)
    assert seed is None
    for j in range(2):
        present = d[np.isfinite(d[:, j]), j]
        assert np.mean(null[:, j] >= null[0, j] - 1e-9) == pytest.approx(signed_rank(present).p, abs=EXACT)


def test_flipped_statistics__beyond_eighteen_subjects_are_drawn():
    null, seed = flipped_statistics(np.random.default_rng(5).normal(size=(25, 3)), seed=9, draws=400)
    assert (null.shape, seed) == ((401, 3), 9)
