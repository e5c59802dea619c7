"""The compiled loops of densities beside plain NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunoprofile.kernels.density import bin_linear, finite_range, smooth_grid

# Sums of up to a thousand shares, each rounded once.
ROUNDING = 1e-9
values = arrays(np.float64, st.integers(0, 60), elements=st.floats(-10, 10) | st.sampled_from([math.nan, math.inf]))


@given(values)
def test_finite_range__is_numpy_s(x):
    low, high, at_low, at_high, n = finite_range(x)
    finite = x[np.isfinite(x)]
    assert n == finite.size
    if n:
        assert (low, high) == (finite.min(), finite.max())
        assert (at_low, at_high) == ((finite == low).sum(), (finite == high).sum())


@given(values, st.floats(-5, 0), st.floats(0.5, 5))
def test_bin_linear__is_two_weighted_histograms(x, low, high):
    counts = np.zeros(41)
    n = bin_linear(x, -10.0, 0.5, low, high, counts)
    kept = x[(x > low) & (x < high)]
    place = (kept + 10.0) / 0.5
    left = np.minimum(place.astype(int), 39)
    twin = np.bincount(left, 1 - (place - left), 41) + np.bincount(left + 1, place - left, 41)
    assert n == kept.size
    np.testing.assert_allclose(counts, twin, atol=ROUNDING)


@pytest.mark.parametrize("spread", [0.3, 1.0, 4.2])
def test_smooth_grid__is_a_convolution(spread):
    counts = np.random.default_rng(1).poisson(2.0, 300).astype(float)
    out = np.empty(300)
    smooth_grid(counts, spread, out)
    reach = math.ceil(5 * spread)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
    twin = np.convolve(counts, weights / weights.sum(), mode="same")
    np.testing.assert_allclose(out, twin, atol=ROUNDING)
