"""Histograms of densities: as NumPy's, but for what lies beyond the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunoprofile.kernels.histogram import bin_of, count_pairs, count_singles

VALUES = hnp.arrays(np.float64, 60, elements=st.integers(-2048, 3072).map(lambda k: k / 1024))
"""Multiples of 1/1024: exact, as are the edges of the bins, so that no rounding moves a value to its neighbour."""


@given(VALUES, VALUES)
def test_count_pairs__is_numpys_histogram_inside_the_spans(x, y):
    counts = np.zeros((16, 16), dtype=np.int64)
    counted = count_pairs(x, y, (0.0, 1.0), (0.0, 1.0), counts)
    clipped = [np.clip(v, 0.0, np.nextafter(1.0, 0.0)) for v in (y, x)]
    expected, *_ = np.histogram2d(*clipped, bins=16, range=((0, 1), (0, 1)))
    np.testing.assert_array_equal(counts, expected)
    assert counted == 60


@given(VALUES)
def test_count_singles__is_numpys_histogram_inside_the_span(x):
    counts = np.zeros(32, dtype=np.int64)
    assert count_singles(x, (-1.0, 1.0), counts) == 60
    expected, _ = np.histogram(np.clip(x, -1.0, np.nextafter(1.0, 0.0)), bins=32, range=(-1, 1))
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-np.inf, 0), (-1e9, 0), (0.0, 0), (0.499, 1), (0.5, 2), (1.0, 3), (np.inf, 3), (1e300, 3)],
)
def test_bin_of__piles_up_what_lies_beyond(value, expected):
    assert bin_of(value, 0.0, 0.25, 4) == expected


def test_count_pairs__leaves_out_what_is_no_number():
    counts = np.zeros((4, 4), dtype=np.int64)
    x, y = np.array([0.1, np.nan, 0.2]), np.array([np.nan, 0.3, 0.9])
    assert count_pairs(x, y, (0.0, 1.0), (0.0, 1.0), counts) == 1
    assert counts[3, 0] == counts.sum() == 1
