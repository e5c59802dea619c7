"""Numbers of a file to channels: NumPy's transposition, cast and arithmetic are the twin."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.kernels.decoding import spread_rows


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1000])
def test_spread_rows__is_a_transposition_a_cast_and_a_scale(dtype: str, n: int) -> None:
    rng = np.random.default_rng(n)
    stored = rng.integers(0, 60_000, (n + 3, 5)).astype(dtype)
    if dtype != "uint16":
        stored[::7, 1] = np.nan
    places = np.array([4, 1, 1])
    out = np.full((3, n), -1.0)
    gains, steps = np.array([1.0, 1.0, 7.0]), np.array([1.0, 1.0, 0.01])
    spread_rows(stored, places, gains, steps, out)
    linear = stored[:n, places].T.astype(np.float64) / gains[:, None] * steps[:, None]
    np.testing.assert_array_equal(out, linear)
