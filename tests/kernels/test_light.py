"""Stains and light against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from immunoprofile.kernels.light import detect_light, spread_stains

# Up to 16 terms of one sign in float32 (eps 1.2e-7), then a square root and a product: a few ulps each.
ROUNDING = 1e-5
GAIN, DARK, TOP = 10.0, 484.0, 262143.0


def _detect(stains: np.ndarray, glow: np.ndarray, noise: np.ndarray, own: np.ndarray, spill: np.ndarray) -> np.ndarray:
    out = np.empty(stains.T.shape, dtype=np.float32)
    f32 = [np.ascontiguousarray(a, dtype=np.float32) for a in (stains, glow, noise, own, spill)]
    detect_light(*f32, np.array([GAIN, DARK, TOP], dtype=np.float32), out)
    return out


@given(seed=st.integers(0, 2**32), n=st.integers(0, 60), k=st.integers(1, 16))
@rules(deadline=None, max_examples=30)
def test_detect_light__agrees_with_numpy(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    stains, glow = rng.lognormal(6, 2, (k, n)), rng.lognormal(0, 0.3, n)
    noise, own = rng.standard_normal((k, n)), rng.uniform(0, 150, k)
    spill = np.where(rng.random((k, k)) < 0.3, rng.uniform(0, 0.3, (k, k)), 0.0)
    np.fill_diagonal(spill, 1)

    light = stains.T @ spill + np.outer(glow, own)
    expected = np.minimum(light + noise.T * np.sqrt(light * GAIN + DARK), TOP)

    found = _detect(stains, glow, noise, own, spill)
    # Noise may cancel the light: the error is measured against the light, not against what is left.
    assert np.all(
        np.abs(found - expected) <= ROUNDING * (light + np.abs(noise.T) * np.sqrt(light * GAIN + DARK)) + ROUNDING
    )


def test_detect_light__nothing_exceeds_the_range() -> None:
    found = _detect(np.full((2, 3), 1e9), np.zeros(3), np.zeros((2, 3)), np.zeros(2), np.eye(2))
    assert np.array_equal(found, np.full((3, 2), TOP, dtype=np.float32))


def test_spread_stains__centres_and_spreads_by_kind() -> None:
    normal = np.array([[1.0, -1.0, 2.0], [0.5, 0.0, -2.0]], dtype=np.float32)
    kinds = np.array([0, 1, 1], dtype=np.uint8)
    centre = np.array([[10.0, 20.0], [30.0, -np.inf]], dtype=np.float32)
    spread = np.array([[0.5, 1.0], [0.25, 2.0]], dtype=np.float32)
    spread_stains(normal, kinds, centre, spread)
    assert normal.tolist() == [[10.5, 29.75, 30.5], [20.5, -np.inf, -np.inf]]


@pytest.mark.parametrize("n", [0, 1])
def test_spread_stains__takes_few_events(n: int) -> None:
    normal = np.zeros((1, n), dtype=np.float32)
    spread_stains(normal, np.zeros(n, dtype=np.uint8), np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
    assert normal.tolist() == [[1.0] * n]
