"""Stored values: the numbers of DATA as they are written, after their bit masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.chunks import CHUNK_EVENTS, SMALL_CHUNK_EVENTS, DataPlace, inspection_of, masked, walk_views
from immunoprofile.fcs.layout import Column


def read_values(place: DataPlace) -> NDArray[np.generic]:
    """(n_events, n_channels) stored values after the bit mask, in one dtype that holds them all exactly.

    Raises
    ------
    FcsUnsupportedError
        No dtype does (64 bit integers beside floating point).
    """
    columns = range(len(place.layout.columns))
    out = np.empty((place.n_events, len(columns)), dtype=_common_dtype(place))
    for first, views in walk_views(place, columns, SMALL_CHUNK_EVENTS, 0, place.n_events):
        part = out[first : first + SMALL_CHUNK_EVENTS]
        for j in columns:
            _copy_exact(views[j][: len(part)], place.layout.columns[j], part[:, j])
    return out


def read_column(place: DataPlace, index: int) -> NDArray[np.generic]:
    """(n_events,) stored values of one channel after the bit mask, in its own dtype."""
    column = place.layout.columns[index]
    out = np.empty(place.n_events, dtype=column.native)
    for first, views in walk_views(place, (index,), CHUNK_EVENTS, 0, place.n_events):
        part = out[first : first + CHUNK_EVENTS]
        _copy_exact(views[0][: len(part)], column, part)
    return out


def count_nonfinite(place: DataPlace) -> NDArray[np.int64]:
    """(n_channels, 2) how many NaN and how many infinite values each channel holds; integers have none."""
    counts = np.zeros((len(place.layout.columns), 2), dtype=np.int64)
    floats = [j for j, c in enumerate(place.layout.columns) if c.dtype.kind == "f"]
    for first, views in walk_views(place, floats, CHUNK_EVENTS, 0, place.n_events):
        n = min(CHUNK_EVENTS, place.n_events - first)
        for j, view in zip(floats, views, strict=True):
            values = masked(view[:n], place.layout.columns[j])
            counts[j] += np.count_nonzero(np.isnan(values)), np.count_nonzero(np.isinf(values))
    return counts


def _common_dtype(place: DataPlace) -> np.dtype[np.generic]:
    """The smallest dtype that holds every channel exactly.

    Raises
    ------
    FcsUnsupportedError
        None does.
    """
    columns = place.layout.columns
    kinds = {c.dtype.kind for c in columns}
    if kinds == {"u", "f"} and any(c.may_exceed_float64 for c in columns):
        raise inspection_of(place).error(
            "FCS-DTYPE-MIXED", "DATA", "64 bit integers and floating point have no common type without loss"
        )
    # 32 and 64 bit integers within 2**53 are exact in float64; NumPy's promotion knows the smaller ones.
    return np.result_type(*(c.native for c in columns))


def _copy_exact(view: NDArray[np.generic], column: Column, out: NDArray[np.generic]) -> None:
    np.copyto(out, masked(view, column), casting="same_kind")
