"""Bins and counts of plots: NumPy's are the twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunoprofile.kernels.histogram import NO_BIN, PREFIXES, count_pairs, count_singles, place_events

BINS_OF = hnp.arrays(np.uint8, 60, elements=st.sampled_from([*range(128), NO_BIN]))
EVENTS = st.lists(st.integers(0, 59), max_size=80).map(lambda e: np.array(e, dtype=np.int32))


@pytest.mark.parametrize(("shift", "bins"), [(0, 128), (2, 32)])
@given(x=BINS_OF, y=BINS_OF, events=EVENTS)
def test_counts__are_numpys_of_the_events_that_have_a_place(x, y, events, shift: int, bins: int):
    pairs, singles = np.zeros((bins, bins), dtype=np.int64), np.zeros(bins, dtype=np.int64)
    both, known = (x[events] != NO_BIN) & (y[events] != NO_BIN), x[events] != NO_BIN
    assert count_pairs(x, y, events, shift, pairs) == both.sum()
    assert count_singles(x, events, shift, singles) == known.sum()
    expected = np.zeros((bins, bins), dtype=np.int64)
    np.add.at(expected, (y[events][both] >> shift, x[events][both] >> shift), 1)
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(singles, np.bincount(x[events][known] >> shift, minlength=bins))


@given(
    row=hnp.arrays(np.float64, 50, elements=st.floats()),
    inner=st.lists(st.floats(allow_nan=False), min_size=1, max_size=20, unique=True).map(sorted),
)
def test_place_events__is_searchsorted(row, inner):
    edges = np.array([-np.inf, *inner, np.inf])
    chosen = np.arange(0, 50, 3)
    out = np.zeros(chosen.size, dtype=np.uint8)
    place_events(row, chosen, edges, np.zeros(PREFIXES, dtype=np.uint8), out)
    expected = np.searchsorted(inner, row[chosen], side="right")
    np.testing.assert_array_equal(out, np.where(np.isnan(row[chosen]), NO_BIN, expected))
