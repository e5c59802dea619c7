"""Events counted on a grid: what a density plot is drawn from."""

from __future__ import annotations

import math

from immunoprofile.kernels.accelerate import Array, kernel


@kernel
def bin_of(value: float, low: float, step: float, n: int) -> int:
    """The bin of a value among `n` of width `step` from `low`; the first and last also hold all that lies beyond."""
    place = (value - low) / step
    if not place > 0.0:
        return 0
    if place >= n:
        return n - 1
    return int(place)


@kernel
def count_pairs(x: Array, y: Array, x_span: tuple[float, float], y_span: tuple[float, float], counts: Array) -> int:
    """Count events in (n_y, n_x) bins of two spans; the number counted is returned, NaN is not counted.

    Values beyond a span are counted in its outermost bins: that is where a plot piles them up.
    """
    n_y, n_x = counts.shape
    x_step, y_step = (x_span[1] - x_span[0]) / n_x, (y_span[1] - y_span[0]) / n_y
    counted = 0
    for i in range(x.size):
        if math.isnan(x[i]) or math.isnan(y[i]):
            continue
        counts[bin_of(y[i], y_span[0], y_step, n_y), bin_of(x[i], x_span[0], x_step, n_x)] += 1
        counted += 1
    return counted


@kernel
def count_singles(x: Array, span: tuple[float, float], counts: Array) -> int:
    """Count events in (n,) bins of a span; edges and NaN as in `count_pairs`."""
    n = counts.size
    step = (span[1] - span[0]) / n
    counted = 0
    for value in x:
        if not math.isnan(value):
            counts[bin_of(value, span[0], step, n)] += 1
            counted += 1
    return counted
