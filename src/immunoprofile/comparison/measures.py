"""The scales of the analysis: log-odds of a fraction, log of a concentration, log of an intensity.

Changes of fractions are compared as differences of log-odds, so that 2 % to 4 % and 20 % to 33 % are the same
change; changes of concentrations and intensities as differences of logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CORRECTION = 0.5
"""Added to both parts of a count before the logit (Haldane 1956; Anscombe 1956): zero counts stay in."""

ASINH_COFACTOR = 150.0
"""Intensity divided by this before the inverse hyperbolic sine, customary for fluorescence; values may be negative."""

NO_DENOMINATOR = "none"
"""`denom_id` of a measure that divides by nothing (a concentration, an intensity)."""

UNNAMED_DENOMINATOR = "unnamed"
"""`denom_id` of a fraction whose table names no denominator: none is invented."""


def empirical_logit(count: ArrayLike, denom_count: ArrayLike) -> Floats:
    """Log-odds of count in denom_count with half an event added to both parts.

    Parameters
    ----------
    count, denom_count : (n,), events
        ``0 <= count <= denom_count``.

    Returns
    -------
    (n,), ln((count + 0.5) / (denom_count - count + 0.5)); NaN where denom_count is 0 or either is NaN.

    References
    ----------
    Haldane JBS. The estimation and significance of the logarithm of a ratio of frequencies. Ann Hum Genet
    1956;20:309-311. doi 10.1111/j.1469-1809.1955.tb01285.x
    """
    k, n = np.asarray(count, dtype=np.float64), np.asarray(denom_count, dtype=np.float64)
    k, n = np.broadcast_arrays(k, n)
    if np.any((k < 0) | (k > n)):
        raise ValueError("a count must lie between 0 and its denominator")
    with np.errstate(invalid="ignore"):
        logit = np.log((k + CORRECTION) / (n - k + CORRECTION))
    return np.where(n > 0, logit, np.nan)


def empirical_logit_variance(count: ArrayLike, denom_count: ArrayLike) -> Floats:
    """Counting variance of `empirical_logit`: 1/(count + 0.5) + 1/(denom_count - count + 0.5)."""
    k, n = np.asarray(count, dtype=np.float64), np.asarray(denom_count, dtype=np.float64)
    return np.asarray(1.0 / (k + CORRECTION) + 1.0 / (n - k + CORRECTION), dtype=np.float64)


def _logit(values: Floats) -> Floats:
    inside = (values > 0) & (values < 1)
    safe = np.where(inside, values, 0.5)
    return np.where(inside, np.log(safe / (1.0 - safe)), np.nan)


def _logit_of_percent(values: Floats) -> Floats:
    return _logit(values / 100.0)


def _log(values: Floats) -> Floats:
    return np.where(values > 0, np.log(np.where(values > 0, values, 1.0)), np.nan)


def _asinh(values: Floats) -> Floats:
    return np.asarray(np.arcsinh(values / ASINH_COFACTOR), dtype=np.float64)


def _same(values: Floats) -> Floats:
    return values


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale on which a table may give values, and the way from there to a measure.

    `least` and `most` bound what a value can be; a value at a bound may still have no logarithm (then NaN).
    """

    to_measure: Callable[[Floats], Floats]
    least: float = -math.inf
    most: float = math.inf


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: the scales that lead to it, and the words for a difference and for its exponential.

    `divided` says that it has a denominator; `logarithm` that the exponential of a difference is a ratio.
    """

    name: str
    scales: dict[str, Scale]
    difference_word: str
    effect_word: str
    divided: bool = False
    logarithm: bool = True


MEASURES: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure(
            "logit_frac",
            {
                "logit_frac": Scale(_same),
                "frac": Scale(_logit, 0.0, 1.0),
                "percent": Scale(_logit_of_percent, 0.0, 100.0),
            },
            "log_odds",
            "odds",
            divided=True,
        ),
        Measure(
            "log_cells_per_ul",
            {"log_cells_per_ul": Scale(_same), "cells_per_ul": Scale(_log, 0.0)},
            "log_ratio",
            "concentration",
        ),
        Measure("log_mfi", {"log_mfi": Scale(_same), "mfi": Scale(_log)}, "log_ratio", "intensity"),
        Measure("asinh_mfi", {"asinh_mfi": Scale(_same), "mfi": Scale(_asinh)}, "asinh", "intensity", logarithm=False),
        Measure("log_ratio", {"log_ratio": Scale(_same)}, "log_ratio", "ratio", divided=True),
        Measure("clr", {"clr": Scale(_same)}, "log_ratio", "share of the partition", divided=True),
        Measure("ilr", {"ilr": Scale(_same)}, "balance", "balance", divided=True, logarithm=False),
    )
}
"""Every measure by its name."""


def effect_of(difference: float, measure: str = "logit_frac") -> float:
    """The exponential of a difference of logarithms: odds ratio of fractions, fold change of the others.

    NaN stays NaN, and a measure that is no logarithm has no such effect: NaN. A difference too large for a
    float gives infinity.
    """
    if measure in MEASURES and not MEASURES[measure].logarithm:
        return math.nan
    try:
        return math.exp(difference)
    except OverflowError:
        return math.inf
