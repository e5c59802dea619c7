"""Slopes that outliers do not move: the line of least absolute deviations through a fixed point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HEAVIEST = 4.0
"""An event weighs at most this many times the median event: the brightest are often aggregates and dead cells."""


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> tuple[float, float]:
    """The weighted median and its standard error.

    Parameters
    ----------
    values : (n,)
        Finite, at least one.
    weights : (n,)
        Above zero; equal where absent.

    Notes
    -----
    Without ties the value at which the weights up to it first reach one half; where they reach exactly one half, the
    mean of it and the next. The standard error is half the width of the interval whose ends are the quantiles at
    1/2 +- s, s = sqrt(sum w**2) / (2 sum w): no assumption about the shape of the distribution.

    References
    ----------
    Woodruff RS. Confidence intervals for medians and other position measures. J Am Stat Assoc 1952;47:635-646.
    """
    order = np.argsort(values, kind="stable")
    weight = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(weight)
    total = share[-1]
    spread = 0.5 * float(np.sqrt(np.square(weight).sum())) / total
    at = np.searchsorted(share, np.array([0.5 - spread, 0.5, 0.5 + spread]) * total)
    low, middle, high = values[order][np.minimum(at, len(values) - 1)]
    if share[at[1]] == 0.5 * total:
        middle = 0.5 * (middle + values[order][at[1] + 1])
    return float(middle), float(high - low) / 2


def robust_spread(values: NDArray[np.float64]) -> float:
    """Median absolute deviation from the median, times 1.4826: the standard deviation where values are normal."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def fit_slopes(
    positives: NDArray[np.float64], background: NDArray[np.float64], column: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spillover of one fluorochrome into every detector, and the standard errors.

    Parameters
    ----------
    positives, background : (n, n_detectors)
        Linear values; in `column` every positive lies above the median of the background.
    column
        The fluorochrome's own detector.

    Returns
    -------
    (n_detectors,) coefficients, exactly 1 in `column`; (n_detectors,) standard errors, 0 there.

    Notes
    -----
    From the background's medians (x0, y0) the line through the positives with the least sum of absolute deviations has
    the slope of the weighted median of (y - y0) / (x - x0) with weights x - x0. Noise in y that is symmetric about the
    line does not bias it, whatever the distribution of brightness: a difference of medians is biased where spill is
    small against noise and brightness is skewed. Any weights that depend on x alone keep that; ours end at four times
    their median, so that a few aggregates do not outweigh a population.
    """
    n_detectors = positives.shape[1]
    centres, errors = np.array([weighted_median(background[:, j]) for j in range(n_detectors)]).T
    distance = positives[:, column] - centres[column]
    weights = np.minimum(distance, _HEAVIEST * np.median(distance))
    slopes, slope_errors = np.ones(n_detectors), np.zeros(n_detectors)
    for j in range(n_detectors):
        if j != column:
            slope, error = weighted_median((positives[:, j] - centres[j]) / distance, weights)
            moved = np.hypot(errors[j], slope * errors[column]) / distance.mean()
            slopes[j], slope_errors[j] = slope, np.hypot(error, moved)
    return slopes, slope_errors
