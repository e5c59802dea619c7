"""Clusters in the plane of forward and side scatter: cells or beads of one kind, apart from debris."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BINS = 64
_BANDWIDTH = 13.0
"""Cells of the histogram in a standard deviation, about: the range of a plot is five of them."""

_HEIGHT = 0.5
"""A cluster ends where its density falls below this part of its peak: its core is purer than its skirts."""


@dataclass(frozen=True, slots=True, eq=False)
class ScatterRegion:
    """The cells of the scatter plane that one cluster holds.

    Parameters
    ----------
    edges
        Of the cells, in forward and in side scatter.
    inside : (64, 64)
        The cells of the cluster.
    cut_off
        Does the cluster reach the lowest forward scatter recorded? Debris does, as the acquisition threshold cuts it.
    """

    edges: tuple[NDArray[np.float64], NDArray[np.float64]]
    inside: NDArray[np.bool_]
    cut_off: bool

    def holds(self, scatter: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which events lie in the cluster; NaN does not.

        Parameters
        ----------
        scatter : (n, 2)
            Forward and side scatter, linear.
        """
        cells = [np.searchsorted(e, scatter[:, i], side="right") - 1 for i, e in enumerate(self.edges)]
        within = np.logical_and.reduce([(c >= 0) & (c < _BINS) for c in cells])
        held = np.zeros(len(scatter), dtype=np.bool_)
        held[within] = self.inside[cells[0][within], cells[1][within]]
        return held


def find_regions(scatter: NDArray[np.float64]) -> list[ScatterRegion]:
    """The clusters of events in the scatter plane, the densest first; none where scatter does not vary.

    Parameters
    ----------
    scatter : (n, 2)
        Forward and side scatter, linear; NaN is left out.

    Notes
    -----
    The density is a histogram of 64 x 64 cells between the outer half percents, smoothed by Scott's rule (a bandwidth
    of n**(-1/6) standard deviations). Each cell belongs to the peak to which the steepest way up leads, so that a
    bridge between two clusters does not join them; of the cells of a peak those at least half as high are its cluster.

    References
    ----------
    Scott DW. Multivariate density estimation. 2nd ed. Wiley, 2015.
    """
    known = scatter[np.isfinite(scatter).all(axis=1)]
    bounds = np.quantile(known, [0.005, 0.995], axis=0) if len(known) else np.zeros((2, 2))
    if not (bounds[1] > bounds[0]).all():
        return []
    edges = [np.linspace(low, high, _BINS + 1) for low, high in bounds.T]
    counts = np.histogram2d(known[:, 0], known[:, 1], bins=edges)[0]
    density = ndimage.gaussian_filter(counts, _BANDWIDTH * len(known) ** (-1 / 6), mode="nearest")
    peak_of = _climb(density)
    regions = []
    for peak in sorted(np.unique(peak_of), key=lambda p: -density.flat[p]):
        inside = (peak_of == peak) & (density >= _HEIGHT * density.flat[peak])
        regions.append(ScatterRegion((edges[0], edges[1]), inside, bool(inside[0].any())))
    return regions


def _climb(density: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each cell the flat index of the peak to which the steepest way up leads."""
    rows, columns = density.shape
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    padded = np.pad(density, 1, constant_values=-1.0)
    heights = np.stack([padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns] for i, j in around])
    step = np.array(around)[heights.argmax(axis=0)]
    row, column = np.indices(density.shape)
    target: NDArray[np.intp] = ((row + step[..., 0]) * columns + column + step[..., 1]).ravel()
    while not np.array_equal(further := target[target], target):
        target = further
    return target.reshape(density.shape)
