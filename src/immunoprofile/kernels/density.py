"""Density of one channel on a grid: linear binning in one pass over the events, then a Gaussian over the grid.

The events are touched once to find the range and once to bin; whatever comes after costs the grid, not the file.

References
----------
Wand MP. Fast computation of multivariate kernel estimators. J Comput Graph Stat 1994;3(4):433-445.
doi:10.1080/10618600.1994.10474656 (linear binning).
"""

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, allocating_kernel, kernel


@kernel
def finite_range(values: Array) -> tuple[float, float, int, int, int]:
    """Least and largest finite value, how many events lie on each of them, and how many are finite."""
    low, high = np.inf, -np.inf
    at_low, at_high, finite = 0, 0, 0
    for x in values:
        if not np.isfinite(x):
            continue
        finite += 1
        if x < low:
            low, at_low = x, 0
        if x > high:
            high, at_high = x, 0
        at_low += x == low
        at_high += x == high
    return low, high, at_low, at_high, finite


@kernel
def bin_linear(values: Array, first: float, step: float, low: float, high: float, counts: Array) -> int:
    """Share each event with low < x < high out to its two grid points by distance; returns how many there were."""
    n = 0
    last = counts.size - 1
    for x in values:
        if not low < x < high:
            continue
        place = (x - first) / step
        if not 0.0 <= place <= last:
            continue
        left = min(int(place), last - 1)
        share = place - left
        counts[left] += 1.0 - share
        counts[left + 1] += share
        n += 1
    return n


@allocating_kernel
def smooth_grid(counts: Array, spread: float, out: Array) -> None:
    """Convolve with a Gaussian of `spread` grid steps, cut off at five spreads; nothing lies beyond the grid's ends."""
    reach = math.ceil(5.0 * spread)
    weights = np.empty(2 * reach + 1)
    total = 0.0
    for k in range(2 * reach + 1):
        weights[k] = math.exp(-0.5 * ((k - reach) / spread) ** 2)
        total += weights[k]
    n = counts.size
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        c = counts[i] / total
        if c != 0.0:
            for k in range(max(0, reach - i), min(2 * reach + 1, n - i + reach)):
                out[i - reach + k] += c * weights[k]
