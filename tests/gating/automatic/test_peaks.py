"""Peaks and valleys: known mixtures, rare peaks, noise that must not count, pile-ups."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from immunoprofile.gating.automatic.peaks import bandwidth_of, estimate_density, find_peaks, find_valleys

# Sampling error of a valley between two peaks four standard deviations apart, 20,000 events: see the simulation below.
PLACE = 0.02
# The grid ends four bandwidths beyond the last event: 3e-5 of its kernel lies outside.
TAIL = 1e-4


def mixture(rng, n, *parts):
    """Parts are (share, mean, sd)."""
    counts = [round(n * share) for share, _, _ in parts]
    return np.concatenate([rng.normal(m, s, c) for c, (_, m, s) in zip(counts, parts, strict=True)])


def test_density__is_that_of_scipy():
    values = mixture(np.random.default_rng(1), 3000, (0.7, 0.2, 0.05), (0.3, 0.7, 0.08))
    density = estimate_density([values], 1.0)
    peer = gaussian_kde(values, bw_method=density.bandwidth / values.std(ddof=1))
    # Linear binning errs by (step / bandwidth)^2 / 12 of the curvature; the kernel is cut off at five bandwidths.
    np.testing.assert_allclose(density.height, peer(density.x), atol=2e-3 * density.height.max())


def test_density__integrates_to_one():
    values = np.random.default_rng(2).normal(0.5, 0.1, 5000)
    density = estimate_density([values], 1.0)
    assert density.height.sum() * (density.x[1] - density.x[0]) == pytest.approx(1, abs=TAIL)


def test_density__samples_weigh_the_same_whatever_their_size():
    rng = np.random.default_rng(3)
    small, large = rng.normal(0.2, 0.03, 500), rng.normal(0.8, 0.03, 50_000)
    density = estimate_density([small, large], 1.0)
    step = density.x[1] - density.x[0]
    assert density.height[density.x < 0.5].sum() * step == pytest.approx(0.5, abs=TAIL)


def test_density__pooled_worth_is_that_of_the_mean():
    rng = np.random.default_rng(4)
    density = estimate_density([rng.normal(0, 1, 100), rng.normal(0, 1, 300)], 10.0)
    # Variance of (a + b) / 2 with variances 1/100 and 1/300: 1/300, that of one estimate from 300 events.
    assert density.n == pytest.approx(300)


@pytest.mark.parametrize("values", [[], [math.nan] * 50, [0.4] * 50], ids=["none", "NaN", "one value"])
def test_density__none_without_two_values(values):
    assert estimate_density([np.array(values, dtype=float)], 1.0) is None


def test_valley__lies_between_two_peaks():
    values = mixture(np.random.default_rng(5), 20_000, (0.6, 0.2, 0.06), (0.4, 0.7, 0.06))
    (valley,) = find_valleys(estimate_density([values], 1.0))
    assert valley.below == pytest.approx(0.2, abs=PLACE)
    assert valley.above == pytest.approx(0.7, abs=PLACE)
    # With equal spreads the least of 0.6 f + 0.4 g lies at the middle, shifted by sd^2 ln(0.6 / 0.4) / distance.
    assert valley.at == pytest.approx(0.45 + 0.06**2 * math.log(1.5) / 0.5, abs=2 * PLACE)


@pytest.mark.parametrize("share", [0.1, 0.01, 0.002])
def test_valley__finds_a_rare_second_peak(share):
    values = mixture(np.random.default_rng(6), 50_000, (1 - share, 0.2, 0.06), (share, 0.75, 0.05))
    valleys = find_valleys(estimate_density([values], 1.0))
    assert len(valleys) == 1
    assert 0.4 < valleys[0].at < 0.65


@pytest.mark.parametrize("n", [300, 3000, 30_000, 300_000])
def test_valley__one_population_has_none(n):
    found = [
        len(find_valleys(estimate_density([np.random.default_rng(seed).normal(0.4, 0.08, n)], 1.0)))
        for seed in range(100)
    ]
    # Designed for about one density in a hundred; six of a hundred would have a chance below 1 in 1,500 then.
    assert sum(map(bool, found)) <= 5


def test_valley__one_population_that_decays_like_a_tail_has_none():
    values = np.random.default_rng(7).exponential(0.1, 50_000)
    assert not [v for v in find_valleys(estimate_density([values], 1.0)) if v.above < 0.8]


def test_peaks__pile_up_at_an_end_is_no_peak():
    rng = np.random.default_rng(8)
    values = np.minimum(rng.normal(0.5, 0.1, 20_000), 0.6)
    assert np.count_nonzero(values == 0.6) > 2000
    peaks, valleys = find_peaks(estimate_density([values], 1.0))
    assert len(peaks) == 1
    assert not valleys


def test_peaks__far_outliers_leave_the_grid_fine():
    values = mixture(np.random.default_rng(9), 20_000, (0.6, 0.2, 0.05), (0.4, 0.7, 0.05))
    density = estimate_density([np.append(values, [-300.0])], 1.0)
    assert density.x[1] - density.x[0] <= 0.02


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(4)))
def test_density__order_of_events_changes_nothing_but_rounding(order):
    rng = np.random.default_rng(10)
    parts = [rng.normal(0.3, 0.1, 400) for _ in range(4)]
    plain = estimate_density([np.concatenate(parts)], 1.0)
    turned = estimate_density([np.concatenate([parts[i] for i in order])], 1.0)
    np.testing.assert_allclose(plain.height, turned.height, rtol=1e-9, atol=1e-12)


def test_bandwidth__depends_on_events_and_axis_alone():
    assert bandwidth_of(10_000, 1.0) == pytest.approx(0.02)
    assert bandwidth_of(10_000, 4096.0) == pytest.approx(0.02 * 4096)
    assert bandwidth_of(1, 1.0) == pytest.approx(0.032)
    assert bandwidth_of(1e9, 1.0) == pytest.approx(0.01)
