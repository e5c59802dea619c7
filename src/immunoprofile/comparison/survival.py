"""Time to response and duration of response: curves with censoring and with a competing event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.tails import chi2_p, normal_upper

ConfType = Literal["log-log", "log"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A step function over time: its value from each time on, with pointwise limits.

    Parameters
    ----------
    time : (m,), days, increasing
        Days with an event of any kind, or of censoring.
    at_risk, events : (m,)
        Subjects still observed just before, and events of the kind asked for on the day.
    value, lo, hi : (m,)
        Share event-free (Kaplan-Meier) or share with the event (cumulative incidence); limits NaN where the
        variance says nothing (value 0 or 1).
    start
        Value before the first time.
    """

    time: Floats
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]
    value: Floats
    lo: Floats
    hi: Floats
    start: float

    def at(self, day: float) -> tuple[float, float, float]:
        """Value and limits on a day; before the first time the start, without limits."""
        i = int(np.searchsorted(self.time, day, side="right")) - 1
        if i < 0:
            return self.start, math.nan, math.nan
        return float(self.value[i]), float(self.lo[i]), float(self.hi[i])


def kaplan_meier(time: ArrayLike, event: ArrayLike, *, alpha: float = ALPHA, conf_type: ConfType = "log-log") -> Curve:
    """Share of subjects without the event over time, with right censoring.

    Parameters
    ----------
    time : (n,), days, >= 0
    event : (n,), bool
        False where censored; a subject censored on the day of an event was at risk of it.
    conf_type
        ``log-log``, which stays within 0 to 1, or ``log``, which is the default of R's ``survfit``.

    References
    ----------
    Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. J Am Stat Assoc
    1958;53:457-481. doi 10.2307/2281868
    """
    days, at_risk, events, _ = _tally(time, np.asarray(event, dtype=np.int64))
    left = at_risk - events
    value = np.asarray(np.cumprod(left / at_risk), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * np.where(left > 0, left, np.nan)))
        lo, hi = _limits(value, np.sqrt(greenwood), alpha, conf_type)
    return Curve(days, at_risk, events, value, lo, hi, 1.0)


def cumulative_incidence(time: ArrayLike, event: ArrayLike, *, cause: int = 1, alpha: float = ALPHA) -> Curve:
    """Share of subjects with the event by each day, where another event can come first.

    Parameters
    ----------
    time : (n,), days, >= 0
    event : (n,), 0 censored, or the number of the event that came first
    cause
        The event asked for; every other number competes.

    Notes
    -----
    Aalen and Johansen's estimator. One minus Kaplan-Meier with the competing event censored would overstate
    it. Limits: log-log with the delta-method variance.

    References
    ----------
    Aalen OO, Johansen S. An empirical transition matrix for non-homogeneous Markov chains based on censored
    observations. Scand J Stat 1978;5:141-150.
    Marubini E, Valsecchi MG. Analysing Survival Data from Clinical Trials and Observational Studies. Wiley;
    1995. Section 10.2.
    """
    codes = np.asarray(event, dtype=np.int64)
    days, at_risk, every, mine = _tally(time, codes, cause)
    before = np.concatenate([[1.0], np.cumprod((at_risk - every) / at_risk)[:-1]])
    value = np.cumsum(before * mine / at_risk)
    error = np.sqrt(_incidence_variance(value, before, at_risk, every, mine))
    inside = (value > 0) & (value < 1)
    safe = np.where(inside, value, 0.5)
    spread = normal_upper(alpha / 2.0) * error / np.abs(safe * np.log(safe))
    lo, hi = safe ** np.exp(spread), safe ** np.exp(-spread)
    return Curve(days, at_risk, mine, value, np.where(inside, lo, np.nan), np.where(inside, hi, np.nan), 0.0)


def median_time(curve: Curve) -> tuple[float, float, float]:
    """Median of a Kaplan-Meier curve with its limits; infinite where the curve stays above one half.

    Notes
    -----
    Where the curve is exactly one half for a while the middle of that time is the median, as in R's
    ``survfit``. The limits are the first times at which the limits of the curve are at most one half.

    References
    ----------
    Brookmeyer R, Crowley J. A confidence interval for the median survival time. Biometrics 1982;38:29-41.
    doi 10.2307/2530286
    """
    below = np.flatnonzero(curve.value <= 0.5 + 1e-12)
    if below.size == 0:
        middle = math.inf
    else:
        first = below[0]
        flat = abs(curve.value[first] - 0.5) <= 1e-12
        later = np.flatnonzero(curve.value < 0.5 - 1e-12)
        middle = float(curve.time[first])
        if flat and later.size:
            middle = (middle + float(curve.time[later[0]])) / 2.0
    return middle, _first_at_most_half(curve.time, curve.lo), _first_at_most_half(curve.time, curve.hi)


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> tuple[float, float]:
    """Log-rank chi-squared (1 df) of two groups and its asymptotic p.

    References
    ----------
    Mantel N. Evaluation of survival data and two new rank order statistics arising in its consideration.
    Cancer Chemother Rep 1966;50:163-170.
    """
    t, d, g = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool), np.asarray(group, dtype=bool)
    difference = variance = 0.0
    for day in np.unique(t[d]):
        risk = t >= day
        n, n1, deaths = int(risk.sum()), int((risk & g).sum()), int((d & (t == day)).sum())
        difference += int((d & g & (t == day)).sum()) - deaths * n1 / n
        if n > 1:
            variance += deaths * (n1 / n) * (1 - n1 / n) * (n - deaths) / (n - 1)
    if variance == 0:
        return math.nan, math.nan
    statistic = difference**2 / variance
    return statistic, chi2_p(statistic, 1)


def _tally(
    time: ArrayLike, codes: NDArray[np.int64], cause: int | None = None
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Days, subjects at risk, events of any kind and events of the cause on each day."""
    t = np.asarray(time, dtype=np.float64)
    if t.ndim != 1 or t.shape != codes.shape or not np.all(np.isfinite(t)) or np.any(t < 0):
        raise ValueError("time must be finite days from 0 on, one a subject")
    days = np.unique(t)
    at_risk = np.array([(t >= d).sum() for d in days], dtype=np.int64)
    every = np.array([((t == d) & (codes != 0)).sum() for d in days], dtype=np.int64)
    mine = every if cause is None else np.array([((t == d) & (codes == cause)).sum() for d in days], dtype=np.int64)
    return days, at_risk, every, mine


def _limits(value: Floats, error: Floats, alpha: float, conf_type: ConfType) -> tuple[Floats, Floats]:
    """Limits of a survival share from the standard error of its logarithm."""
    z = normal_upper(alpha / 2.0)
    inside = (value > 0) & (value < 1)
    safe = np.where(inside, value, 0.5)
    if conf_type == "log":
        lo, hi = safe * np.exp(-z * error), np.minimum(safe * np.exp(z * error), 1.0)
    else:
        spread = z * error / np.abs(np.log(safe))
        lo, hi = safe ** np.exp(spread), safe ** np.exp(-spread)
    return np.where(inside, lo, np.nan), np.where(inside, hi, np.nan)


def _incidence_variance(
    value: Floats, before: Floats, at_risk: NDArray[np.int64], every: NDArray[np.int64], mine: NDArray[np.int64]
) -> Floats:
    left = at_risk - every
    hazard = np.where(left > 0, every / (at_risk * np.where(left > 0, left, 1)), 0.0)
    share = before * (at_risk - mine) / at_risk * before * mine / at_risk**2
    cross = before * mine / at_risk**2
    rest = value[:, None] - value[None, :]
    past = np.tril(np.ones((value.size, value.size)))
    return np.asarray(
        (past * (rest**2 * hazard + share - 2.0 * rest * cross)).sum(axis=1).clip(min=0.0), dtype=np.float64
    )


def _first_at_most_half(time: Floats, limit: Floats) -> float:
    reached = np.flatnonzero(np.nan_to_num(limit, nan=1.0) <= 0.5)
    return float(time[reached[0]]) if reached.size else math.inf
