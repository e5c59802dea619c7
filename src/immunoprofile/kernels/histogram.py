"""Events placed in the bins of axes and counted on a grid: what a density plot is drawn from."""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part

NO_BIN = 255
"""The bin of what is no number."""
PREFIXES = 1 << 16
"""Sign, exponent and 4 bits of mantissa of a float64."""
PREFIX_SHIFT = 48


@part
def _prefix(value: float) -> int:
    return int((np.float64(value).view(np.int64) >> PREFIX_SHIFT) & (PREFIXES - 1))


@kernel
def place_events(row: Array, chosen: Array, edges: Array, starts: Array, out: Array) -> None:
    """The bin of each chosen event on one axis.

    Parameters
    ----------
    row : (n,)
        Linear values.
    chosen : (n_chosen,) int64
        Places in `row`.
    edges : (n_bins + 1,)
        Rising; the first is -infinity, the last infinity. Bin k holds ``edges[k] <= value < edges[k + 1]``, the last
        one infinity too.
    starts : (PREFIXES,) uint8
        The bin to begin with, by the leading bits of a value.
    out : (n_chosen,) uint8
        `NO_BIN` for NaN.
    """
    last = edges.size - 2
    for i in range(chosen.size):
        value = row[chosen[i]]
        if math.isnan(value):
            out[i] = NO_BIN
            continue
        k = np.int64(starts[_prefix(value)])
        while k < last and value >= edges[k + 1]:
            k += 1
        out[i] = k


@kernel
def count_pairs(x: Array, y: Array, places: Array, shift: int, counts: Array) -> int:
    """Count some events in (n_y, n_x) bins; the number counted is returned.

    Parameters
    ----------
    x, y : (n,) uint8
        Bins of events on both axes; events with `NO_BIN` on either are not counted.
    places
        The events to count.
    shift
        Bins are joined by twos so many times.
    """
    counted = 0
    for i in places:
        if x[i] != NO_BIN and y[i] != NO_BIN:
            counts[y[i] >> shift, x[i] >> shift] += 1
            counted += 1
    return counted


@kernel
def count_singles(x: Array, places: Array, shift: int, counts: Array) -> int:
    """Count some events in (n,) bins of one axis, as `count_pairs` does."""
    counted = 0
    for i in places:
        if x[i] != NO_BIN:
            counts[x[i] >> shift] += 1
            counted += 1
    return counted
