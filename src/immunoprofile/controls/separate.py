"""Telling positives from background: where positives begin in the stained detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from immunoprofile.controls.slope import robust_spread

_CORE = 0.10
"""The narrowest interval with this part of the events marks the negatives: linear values of negatives lie dense."""

_NOISE = 5.0
"""Robust standard deviations above the background below which nothing counts as positive."""

_UNSTAINED_SHARE = 0.02
"""Share of the positives that the unstained control lets expect by autofluorescence alone, at most."""

_VALLEY = 0.5
"""A valley lies at most this high, measured by the lower of the two peaks that it parts."""

_BANDWIDTH = 0.2
"""Smoothing of the density on the asinh axis, where brightness doubles every 0.7."""

_BINS = 256


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where positives begin in the stained detector.

    Parameters
    ----------
    value
        Positives lie above it, linear units.
    centre, spread
        Of the negatives in that detector: the lowest dense part of the events, or the unstained control.
    valley
        Does a valley of the density part positives and negatives?
    """

    value: float
    centre: float
    spread: float
    valley: bool


def find_threshold(
    values: NDArray[np.float64], unstained: NDArray[np.float64] | None, min_positives: int
) -> Threshold | None:
    """Where positives begin; None where nothing parts them from the background.

    Parameters
    ----------
    values : (n,)
        The stained detector, linear.
    unstained : (m,)
        The same detector of the unstained control; None without one.
    min_positives
        A valley counts only with that many events above it.

    Notes
    -----
    The threshold is the largest of: five robust standard deviations above the background; the valley, where there is
    one; the value above which the unstained control lets expect at most 2 % of the events found there. Without valley
    and without unstained control nothing proves that bright events are stained.
    """
    centre, spread = _negatives(values)
    valley = _find_valley(values, centre, spread, min_positives)
    if valley is None and unstained is None:
        return None
    if valley is None and unstained is not None:
        centre, spread = float(np.median(unstained)), robust_spread(unstained)
    candidates = [centre + _NOISE * spread]
    candidates += [] if valley is None else [valley]
    if unstained is not None:
        pure = _find_pure(values, unstained)
        if pure is None:
            return None
        candidates.append(pure)
    return Threshold(max(candidates), centre, spread, valley is not None)


def _negatives(values: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and spread of the densest events; the spread from those below, where no positive lies."""
    ordered = np.sort(values)
    size = max(int(_CORE * len(ordered)), 1)
    first = int(np.argmin(ordered[size:] - ordered[:-size])) if size < len(ordered) else 0
    centre = float(np.median(ordered[first : first + size + 1]))
    below = ordered[ordered <= centre]
    spread = 1.4826 * float(np.median(centre - below))
    return centre, spread


def _find_valley(values: NDArray[np.float64], centre: float, spread: float, min_positives: int) -> float | None:
    """The rightmost valley of the density, on an axis that is linear within the noise and logarithmic beyond.

    Two spreads to the axis' unit: a narrower unit would split the negatives themselves.
    """
    unit = 2.0 * spread if spread > 0 else max(abs(centre), 1.0)
    axis = np.arcsinh((values - centre) / unit)
    low, high = axis.min(), axis.max()
    step = (high - low) / _BINS
    if step <= 0:
        return None
    counts, edges = np.histogram(axis, _BINS, (low, high))
    density = ndimage.gaussian_filter1d(counts.astype(np.float64), _BANDWIDTH / step, mode="constant")
    above = np.cumsum(counts[::-1])[::-1]
    for at in _minima(density)[::-1]:
        peaks = density[:at].max(), density[at:].max()
        if above[at] >= min_positives and density[at] <= _VALLEY * min(peaks) and edges[at] > 0:
            return float(centre + unit * np.sinh(edges[at]))
    return None


def _minima(density: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of local minima, the middle of flat ones."""
    rises = np.diff(density)
    moving = np.flatnonzero(rises)
    turns = np.flatnonzero((rises[moving[:-1]] < 0) & (rises[moving[1:]] > 0))
    return np.asarray((moving[turns] + 1 + moving[turns + 1]) // 2)


def _find_pure(values: NDArray[np.float64], unstained: NDArray[np.float64]) -> float | None:
    """The least value above which few events are as the unstained control's; None where there is none."""
    ordered, reference = np.sort(values), np.sort(unstained)
    expected = 1 - np.searchsorted(reference, ordered, side="right") / len(reference)
    found = 1 - np.arange(1, len(ordered) + 1) / len(ordered)
    pure = np.flatnonzero((found > 0) & (expected <= _UNSTAINED_SHARE * found))
    return float(ordered[pure[0]]) if len(pure) else None
