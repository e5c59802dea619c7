"""The time channel: events in the order in which they passed, whatever unit, wrap or order the file has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.kernels.quality import begin_bins

MIN_EVENTS = 1000
"""Ten bins of a hundred events: fewer say nothing about the course of an acquisition."""
_MIN_STEPS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When each event passed.

    Parameters
    ----------
    time : (n_events,)
        Never going back, in the file's own unit, in the order of `order`.
    order : (n_events,) or None
        Events in the order of time; None where the file has them so.
    n_back
        Times that the file's clock goes back.
    resolution
        Smallest step between two times.
    """

    time: NDArray[np.float64]
    order: NDArray[np.intp] | None
    n_back: int
    resolution: float


def read_clock(time: NDArray[np.float64]) -> Clock | str:
    """The clock of a time channel; or the reason why it tells nothing.

    Parameters
    ----------
    time : (n_events,)
        As the file has it, in any unit.

    Notes
    -----
    A step back by more than half of the channel's span is a counter that began again (it overflowed, or files were
    joined): what follows is put behind what went before. After smaller steps back the events are sorted by time.
    """
    if time.size < MIN_EVENTS:
        return f"fewer than {MIN_EVENTS:,} events"
    # NaN is the least and the largest of values that it is among.
    least, most = float(time.min()), float(time.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        return "the time channel holds values that are no numbers"
    span = most - least
    if span == 0:
        return "the time channel never changes"
    steps = np.diff(time)
    n_back = int(np.count_nonzero(steps < 0))
    order: NDArray[np.intp] | None = None
    if n_back:
        restarts = np.flatnonzero(steps < -span / 2)
        # A sorted or shuffled file goes back far and often: no counter does so more often than every tenth event.
        if restarts.size * 10 < time.size:
            time = _unwrap(time, restarts)
        if (np.diff(time) < 0).any():
            order = np.argsort(time, kind="stable")
            time = time[order]
        steps = np.diff(time)
    shortest = float(steps.min())
    resolution = shortest if shortest > 0 else float(steps[steps > 0].min())
    if (time[-1] - time[0]) / resolution < _MIN_STEPS:
        return f"the time channel has fewer than {_MIN_STEPS} steps"
    return Clock(time, order, n_back, resolution)


def _unwrap(time: NDArray[np.float64], restarts: NDArray[np.intp]) -> NDArray[np.float64]:
    lift = np.zeros(time.size)
    lift[restarts + 1] = time[restarts] - time[restarts + 1]
    return time + np.cumsum(lift)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Course of the rate.

    Parameters
    ----------
    odd : (n_events,) bool
        Events, in order of time, that passed at another rate than most.
    stopped
        Share of the acquisition time with less than a tenth of the usual rate.
    """

    odd: NDArray[np.bool_]
    stopped: float


_STOPPED = 0.1
_MAX_BINS = 200
_EVENTS_A_BIN = 500
_ROUNDING = 1e-9
"""A time that rounding leaves a hair below its step belongs to that step."""


def read_flow(clock: Clock, ratio: float, z: float) -> Flow:
    """Which events passed at a rate that is not the usual one.

    Parameters
    ----------
    ratio
        A rate below ``1 / ratio`` or above `ratio` times the usual one is odd.
    z
        Only where it also differs by this many standard deviations of a Poisson count.

    Notes
    -----
    The usual rate is that of the median event, not of the median second: a pause, however long, holds few events. Time
    is cut into 10 to 200 equal bins of whole steps of the clock; a bin that the acquisition fills only in part (the
    last) is judged by its part.
    """
    span = float(clock.time[-1] - clock.time[0])
    wanted = min(max(clock.time.size // _EVENTS_A_BIN, 10), _MAX_BINS)
    length = span + clock.resolution
    width = max(np.ceil(length / wanted / clock.resolution), 1.0) * clock.resolution
    begins = np.zeros(int(span / width + _ROUNDING) + 2, dtype=np.int64)
    begin_bins(clock.time, width, _ROUNDING, begins)
    of_bins = np.diff(begins)
    counts = of_bins.astype(np.float64)
    exposure = np.ones(counts.size)
    exposure[-1] = max((length - (counts.size - 1) * width) / width, clock.resolution / width)
    rates = counts / exposure
    usual = _weighted_median(rates, counts)
    expected = usual * exposure
    beyond = np.abs(counts - expected) > z * np.sqrt(expected)
    odd = beyond & ((rates < usual / ratio) | (rates > usual * ratio))
    stopped = float(exposure[(rates < _STOPPED * usual) & beyond].sum() / exposure.sum())
    return Flow(np.repeat(odd, of_bins), stopped)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, share[-1] / 2)])
