"""One walk through the events of a file: what clock, signals and the ends of the ranges say about each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Channel
from immunoprofile.gating import EventSource, Membership
from immunoprofile.kernels.quality import count_block
from immunoprofile.quality.clock import Clock, read_clock, read_flow
from immunoprofile.quality.ruleset import RuleSet
from immunoprofile.quality.segments import find_drift

CUTS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles at which a channel's distribution is followed: its middle, its shoulders, and a population of 5 %."""
_BLOCK = 4096
_SAMPLED_BLOCKS, _SAMPLED_EVENTS = 16, 1024
_MIN_BIN, _MAX_BINS = 100, 400


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Events whose acquisition was not like that of most.

    Parameters
    ----------
    odd : (n_events,) bool
        In the order of the file: by rate or by signals.
    by_rate, by_signal
        Fractions of the events.
    effect, detector
        The largest shift of a signal, and where; empty where none is.
    stopped
        Share of the time with hardly any flow.
    n_back
        Times that the clock goes back.
    """

    odd: NDArray[np.bool_]
    by_rate: float
    by_signal: float
    effect: float
    detector: str
    stopped: float
    n_back: int


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What one walk through the events found; a reason in words where it could not or should not look.

    Parameters
    ----------
    course
        The acquisition over time.
    at_margin : (n_events,) bool
        Events at an end of the range in some channel that gates use.
    margins
        Detector to such events, the detectors that have some.
    """

    n_events: int
    course: Course | str
    at_margin: NDArray[np.bool_] | str
    margins: dict[str, int] = field(default_factory=dict)


def survey_events(members: Membership, events: EventSource, rules: RuleSet) -> Survey:
    """Look at the acquisition of a gated file as its template's ``[quality]`` asks.

    Parameters
    ----------
    members
        Says which channels the gates use; those and the clock are read, nothing else.
    rules
        Settings of `time_affected`.

    Notes
    -----
    Raw signals are followed, not compensated ones: what changes during an acquisition changes the detectors. Bins of
    equal numbers of events (100 at least, 400 bins at most); cuts are quantiles of 16 blocks spread over the file.
    """
    quality, n = members.plan.template.quality, events.n_events
    columns = [c for c in members.plan.columns if events.channels[c].kind != "time"]
    channels = [events.channels[c] for c in columns]
    off = "the template's [quality] turns it off"
    clock: Clock | str = off if quality.time == "off" else _clock(events)
    if not n or not columns:
        reason = "the file holds no events" if not n else "no gate looks at a channel"
        return Survey(n, clock if isinstance(clock, str) else reason, reason)
    if isinstance(clock, str) and quality.margins == "off":
        return Survey(n, clock, off)
    bins = _bins(clock, n)
    cuts = _cuts(events, columns) if isinstance(clock, Clock) else np.empty((len(columns), 0))
    low, high = _ends(channels)
    counts = np.zeros((int(bins.max()) + 1, len(columns), cuts.shape[1] + 1), dtype=np.int64)
    at_margin, margins = np.zeros(n, dtype=np.uint8), np.zeros(len(columns), dtype=np.int64)
    for first, block in events.linear_blocks(columns, _BLOCK):
        span = slice(first, first + block.shape[1])
        count_block(np.ascontiguousarray(block), bins[span], cuts, low, high, counts, at_margin[span], margins)
    course = clock if isinstance(clock, str) else _course(clock, counts, bins, channels, rules)
    if quality.margins == "off":
        return Survey(n, course, off)
    named = {c.detector: int(m) for c, m in zip(channels, margins, strict=True) if m}
    return Survey(n, course, at_margin.astype(np.bool_), named)


def _clock(events: EventSource) -> Clock | str:
    timed = [c for c in events.channels if c.kind == "time"]
    if not timed:
        return "the file has no time channel"
    if not events.n_events:
        return "the file holds no events"
    # Of a clock in two words the first channel called Time is the one that counts.
    named = next((c for c in timed if c.detector.strip().casefold() == "time"), timed[0])
    time = np.empty(events.n_events)
    for first, block in events.linear_blocks([named.index], 16 * _BLOCK):
        time[first : first + block.shape[1]] = block[0]
    return read_clock(time)


def _bins(clock: Clock | str, n: int) -> NDArray[np.int32]:
    """Bin of each event, in the order of the file."""
    if isinstance(clock, str):
        return np.zeros(n, dtype=np.int32)
    n_bins = min(max(n // _MIN_BIN, 1), _MAX_BINS)
    placed = (np.arange(n, dtype=np.int64) * n_bins // n).astype(np.int32)
    if clock.order is None:
        return placed
    bins = np.empty(n, dtype=np.int32)
    bins[clock.order] = placed
    return bins


def _cuts(events: EventSource, columns: Sequence[int]) -> NDArray[np.float64]:
    n = events.n_events
    if n <= _SAMPLED_BLOCKS * _SAMPLED_EVENTS:
        starts = [(0, n)]
    else:
        firsts = np.linspace(0, n - _SAMPLED_EVENTS, _SAMPLED_BLOCKS).astype(int)
        starts = [(int(f), int(f) + _SAMPLED_EVENTS) for f in firsts]
    parts = [
        block.copy() for start, stop in starts for _, block in events.linear_blocks(columns, stop - start, start, stop)
    ]
    sample = np.sort(np.concatenate(parts, axis=1), axis=1)  # NaN goes last
    known = sample.shape[1] - np.isnan(sample).sum(axis=1)
    places = (np.asarray(CUTS)[None, :] * np.maximum(known - 1, 0)[:, None]).astype(np.intp)
    return np.take_along_axis(sample, places, axis=1)


def _ends(channels: Sequence[Channel]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear values at or below which, and at or above which, an event is at an end of a channel's range.

    A cell may be negative for a marker, so fluorescence has no lower end; scatter of nothing is no event.
    """
    low = [0.0 if c.kind == "scatter" else -np.inf for c in channels]
    return np.array(low), np.array([_ceiling(c) for c in channels])


def _ceiling(channel: Channel) -> float:
    if not np.isfinite(channel.range):
        return np.inf
    decades, offset = channel.amplification
    if decades > 0:
        return float(10 ** (decades * (channel.range - 1) / channel.range) * offset)
    return float((channel.range - 1) / channel.gain)


def _course(
    clock: Clock, counts: NDArray[np.int64], bins: NDArray[np.int32], channels: Sequence[Channel], rules: RuleSet
) -> Course:
    rule = rules.find("time_affected")
    settings = _SETTINGS if rule is None else rule.settings
    flow = read_flow(clock, settings["rate_ratio"], settings["rate_z"])
    odd_rate = flow.odd
    if clock.order is not None:
        odd_rate = np.empty_like(flow.odd)
        odd_rate[clock.order] = flow.odd
    drift = find_drift(counts, settings["split_z"], settings["effect"])
    odd_signal = drift.odd[bins]
    return Course(
        odd=odd_rate | odd_signal,
        by_rate=float(odd_rate.mean()),
        by_signal=float(odd_signal.mean()),
        effect=drift.effect,
        detector="" if drift.channel < 0 else channels[drift.channel].detector,
        stopped=flow.stopped,
        n_back=clock.n_back,
    )


_SETTINGS = {"rate_ratio": 2.0, "rate_z": 5.0, "split_z": 6.0, "effect": 0.3}
"""Those of `laboratory.toml`, for a laboratory that leaves the rule out and yet removes events by time."""
