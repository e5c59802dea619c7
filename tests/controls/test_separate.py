"""Where positives begin, on drawn brightness."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.controls.separate import find_threshold

rng = np.random.default_rng


def two_populations(seed: int = 1) -> np.ndarray:
    return np.concatenate([rng(seed).normal(50, 60, 3_000), 5_000 * np.exp(0.5 * rng(seed + 1).standard_normal(2_000))])


def smear(seed: int = 1) -> np.ndarray:
    """Negatives with a tail of stained events that has no peak of its own."""
    stain = 20 * np.exp(1.6 * rng(seed).standard_normal(4_000))
    return stain + rng(seed + 1).normal(50, 60, 4_000)


def test_threshold__lies_between_two_populations_where_a_valley_is():
    found = find_threshold(two_populations(), None, 100)
    assert found is not None
    assert found.valley
    # Midway, not where negatives end (50 + 5 x 60 = 350); 99.9 % of positives are above 5000 exp(-1.5) = 1100.
    assert 450 < found.value < 1_100
    assert found.centre == pytest.approx(50, abs=15)
    assert found.spread == pytest.approx(60, rel=0.2)


@pytest.mark.parametrize("seed", range(8))
def test_threshold__noise_around_zero_is_one_population(seed):
    assert find_threshold(rng(seed).normal(0, 100, 5_000), None, 100) is None


def test_threshold__a_smear_needs_the_unstained_control():
    assert find_threshold(smear(), None, 100) is None
    found = find_threshold(smear(), rng(9).normal(50, 60, 4_000), 100)
    assert found is not None
    assert not found.valley


def test_threshold__few_events_above_it_are_as_bright_without_stain():
    values, glow = smear(), 60 * np.exp(0.8 * rng(7).standard_normal(4_000))
    found = find_threshold(values, glow, 100)
    assert found is not None
    assert found.value > np.median(glow) + 5 * 1.4826 * np.median(np.abs(glow - np.median(glow)))
    assert (glow > found.value).mean() <= 0.02 * (values > found.value).mean()


def test_threshold__an_unstained_tube_has_next_to_no_positives():
    found = find_threshold(rng(1).normal(50, 60, 5_000), rng(2).normal(50, 60, 5_000), 100)
    assert found is None or (rng(1).normal(50, 60, 5_000) > found.value).sum() < 10


@pytest.mark.parametrize("factor", [0.001, 100.0])
def test_threshold__does_not_depend_on_the_unit(factor):
    one, other = find_threshold(two_populations(), None, 100), find_threshold(factor * two_populations(), None, 100)
    assert one is not None
    assert other is not None
    assert other.value == pytest.approx(factor * one.value, rel=1e-6)  # an event on a bin's edge may change sides


def test_threshold__a_handful_above_a_gap_is_no_population():
    values = np.concatenate([rng(1).normal(50, 60, 3_000), rng(2).normal(9_000, 500, 60)])
    assert find_threshold(values, None, 100) is None
