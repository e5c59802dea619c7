"""Peaks and valleys of a density, told from noise by how many events they rest on.

A kernel estimate of bandwidth h at x rests on about ``N(x) = 2 sqrt(pi) h n f(x)`` events, and the square root of a
count has standard deviation 1/2 whatever the count is. So a bump is judged on that scale: a peak is real where it
stands `PROMINENCE` above the valley that parts it from a higher one. A rare peak far from a large one then counts,
and ripples on the large one do not, at any number of events.

References
----------
Bartlett MS. The square root transformation in analysis of variance. J R Stat Soc Suppl 1936;3(1):68-78.
doi:10.2307/2983678.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.kernels.density import bin_linear, finite_range, smooth_grid

Values = NDArray[np.float64]

GRID = 1024
"""Grid points: steps of a twentieth of the default bandwidth on an axis of length 1."""
PROMINENCE = 2.5
"""Rise of a real peak over its valley, in square roots of events: 3.5 standard deviations of the difference of two
counts (each 1/2), about one false peak in a hundred densities of fifty independent windows."""
FLOOR = 1.0
"""A valley's floor is what rises less than this above its lowest point: two standard deviations of a square root."""
SHALLOW = 0.95
"""A valley higher than this share of the lower of its two peaks parts nothing, however many events say so."""
_TIES = 5


@dataclass(frozen=True, slots=True)
class Density:
    """A pooled density on a grid.

    Attributes
    ----------
    x, height : (GRID,)
        Grid, and density that integrates to 1 over it.
    bandwidth
        Standard deviation of the Gaussian, units of the axis.
    n
        Events that the pooled density is worth.
    """

    x: Values
    height: Values
    bandwidth: float
    n: float

    @property
    def roots(self) -> Values:
        """Square root of the events that each height rests on: noise of standard deviation 1/2 everywhere."""
        return np.sqrt(np.maximum(self.height, 0) * self.n * 2 * math.sqrt(math.pi) * self.bandwidth)


@dataclass(frozen=True, slots=True)
class Valley:
    """Where a density is lowest between two real peaks.

    `at` is the middle of the floor; `depth` the rise to the lower peak in square roots of events; `ratio` the
    density at the floor over that of the lower peak; `below` and `above` the places of both peaks.
    """

    at: float
    depth: float
    ratio: float
    below: float
    above: float


def bandwidth_of(n: float, span: float) -> float:
    """Bandwidth for so many events on an axis of this span: 0.02 of it at 10,000, and n to the power -1/5 around.

    Stained populations have standard deviations of 0.03 to 0.1 of a logicle axis, so this widens the narrowest by a
    fifth. It depends on nothing but n, so that samples of one pool are smoothed alike.
    """
    return 0.02 * span * min(max(math.pow(n / 10_000, -0.2), 0.5), 1.6)


def estimate_density(samples: Sequence[Values], span: float, *, bandwidth: float | None = None) -> Density | None:
    """The mean of the samples' densities, each with the same weight.

    Parameters
    ----------
    samples
        Values of one axis, a sample each, in an order that does not depend on the sheet.
    span
        Length of the axis.

    Returns
    -------
    Density or None
        None where no sample has two different values.

    Notes
    -----
    Five events or more on a sample's least or largest value are a pile-up at the end of a range, not a population:
    they are left out. So are NaN and infinities.
    """
    ranges = [finite_range(s) for s in samples]
    kept = [
        (s, low, high, at_low >= _TIES, at_high >= _TIES)
        for s, (low, high, at_low, at_high, n) in zip(samples, ranges, strict=True)
        if n and low < high
    ]
    if not kept:
        return None
    first, last = min(k[1] for k in kept), max(k[2] for k in kept)
    worth = _worth([k[0].size for k in kept])
    h = bandwidth if bandwidth is not None else bandwidth_of(worth, span)
    # Far outliers would coarsen the grid: a step is never above a quarter of the bandwidth.
    size = max(GRID, min(math.ceil((last - first + 8 * h) / (h / 4)), 64 * GRID))
    x = np.linspace(first - 4 * h, last + 4 * h, size)
    step = float(x[1] - x[0])
    total, used = np.zeros(size), []
    for values, low, high, piled_low, piled_high in kept:
        counts = np.zeros(size)
        # An open bound leaves the piled-up value out; one that is just outside keeps it.
        open_low = low if piled_low else math.nextafter(low, -math.inf)
        open_high = high if piled_high else math.nextafter(high, math.inf)
        n = bin_linear(values, float(x[0]), step, open_low, open_high, counts)
        if n:
            total += counts / n
            used.append(n)
    if not used:
        return None
    smooth = np.empty(size)
    smooth_grid(total / len(used), h / step, smooth)
    return Density(x, smooth / step, h, _worth(used))


def _worth(sizes: Sequence[int]) -> float:
    """Events that a mean of densities of these sizes is worth: its variance is that of so many."""
    return len(sizes) ** 2 / sum(1 / max(n, 1) for n in sizes)


def find_peaks(density: Density) -> tuple[list[int], list[int]]:
    """Grid points of the real peaks, and of the valleys between neighbours among them.

    The peak that stands least above its higher valley is taken away, again and again, until all stand
    `PROMINENCE` above it (and the valley is not `SHALLOW`).
    """
    g = density.roots
    peaks, valleys = _extremes(g)
    while len(peaks) > 1:
        rises = [_rise(g, peaks, valleys, i) for i in range(len(peaks))]
        least = min(range(len(peaks)), key=lambda i: (rises[i][0], g[peaks[i]]))
        rise, side = rises[least]
        if rise >= PROMINENCE and g[valleys[side]] ** 2 <= SHALLOW * g[peaks[least]] ** 2:
            break
        del peaks[least], valleys[side]
    return peaks, valleys


def _rise(g: Values, peaks: list[int], valleys: list[int], i: int) -> tuple[float, int]:
    """How far a peak stands above the higher of its valleys, and which valley that is."""
    sides = [v for v in (i - 1, i) if 0 <= v < len(valleys)]
    side = max(sides, key=lambda v: g[valleys[v]])
    return float(g[peaks[i]] - g[valleys[side]]), side


def _extremes(g: Values) -> tuple[list[int], list[int]]:
    """Local maxima (the middle of plateaus) and the lowest point between each two of them."""
    change = np.flatnonzero(np.diff(g) != 0)
    if not change.size:
        return [], []
    starts = np.concatenate([[0], change + 1])
    ends = np.concatenate([change, [g.size - 1]])
    levels = g[starts]
    inner = np.concatenate([[-np.inf], levels, [-np.inf]])
    tops = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:]))
    peaks = [int((starts[t] + ends[t]) // 2) for t in tops]
    valleys = [a + int(np.argmin(g[a : b + 1])) for a, b in itertools.pairwise(peaks)]
    return peaks, valleys


def find_valleys(density: Density) -> list[Valley]:
    """Every valley between two neighbouring real peaks, from left to right."""
    peaks, valleys = find_peaks(density)
    g, x = density.roots, density.x
    found = []
    for k, v in enumerate(valleys):
        left, right = max(g[peaks[: k + 1]]), max(g[peaks[k + 1 :]])
        lower = float(min(left, right))
        at = _floor_middle(g, x, v, peaks[k], peaks[k + 1])
        ratio = float(g[v] ** 2 / lower**2)
        found.append(Valley(at, lower - float(g[v]), ratio, float(x[peaks[k]]), float(x[peaks[k + 1]])))
    return found


def _floor_middle(g: Values, x: Values, v: int, left: int, right: int) -> float:
    """Middle of the stretch about a valley's lowest point that noise cannot tell from it."""
    limit = g[v] + FLOOR
    a, b = v, v
    while a - 1 > left and g[a - 1] <= limit:
        a -= 1
    while b + 1 < right and g[b + 1] <= limit:
        b += 1
    return float((x[a] + x[b]) / 2)
