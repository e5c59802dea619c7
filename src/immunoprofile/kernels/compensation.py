"""Spillover undone in one block: for all its events, or only for those that a gate holds.

Both add the detectors in the same order, so that a compensated value has the same last bit either way, and the one
that the plain twin finds.
"""

from __future__ import annotations

import math

from immunoprofile.kernels.accelerate import Array, kernel, part

# What is below, times any weight of an inverted matrix and added up, stays far from infinity.
_TAME = 1e150


@part
def has_gap(row: Array, n: int) -> bool:
    """Is there NaN, infinity or a value so large that a weighted sum may end in one, among the first n?"""
    # Counting, unlike adding floats, can be done several at a time.
    odd = 0
    for i in range(n):
        odd += not abs(row[i]) < _TAME
    return odd > 0


@kernel
def add_weighted(weights: Array, rows: Array, places: Array, out: Array, n: int) -> None:
    """``out = sum of weights[k] * rows[places[k]]`` over the first n events, four detectors at a time."""
    out[:n] = 0.0
    fours = places.size // 4 * 4
    for k in range(0, fours, 4):
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        p, q, r, s = rows[places[k]], rows[places[k + 1]], rows[places[k + 2]], rows[places[k + 3]]
        for i in range(n):
            out[i] = out[i] + a * p[i] + b * q[i] + c * r[i] + d * s[i]
    for k in range(fours, places.size):
        weight, row = weights[k], rows[places[k]]
        for i in range(n):
            out[i] += weight * row[i]


@kernel
def spoil(rows: Array, places: Array, out: Array, n: int) -> None:
    """NaN in `out` where any of the rows has NaN or infinity: nothing is known about the channel then."""
    for place in places:
        row = rows[place]
        if has_gap(row, n):
            for i in range(n):
                if not math.isfinite(row[i]):
                    out[i] = math.nan


@part
def gather(rows: Array, places: Array, events: Array, dense: Array) -> None:
    """The values of some events of some rows, side by side: dense[k, j] = rows[places[k], events[j]]."""
    for k in range(places.size):
        row, to = rows[places[k]], dense[k]
        for j in range(events.size):
            to[j] = row[events[j]]
