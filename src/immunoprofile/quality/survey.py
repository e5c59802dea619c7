"""One walk through the events of a file: what clock, signals and the ends of the ranges say about each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Channel
from immunoprofile.gating import EventSource, Membership, Plan
from immunoprofile.kernels.quality import count_block
from immunoprofile.quality.clock import Clock, read_clock, read_flow
from immunoprofile.quality.ruleset import RuleSet
from immunoprofile.quality.segments import find_drift

CUTS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles at which a channel's distribution is followed: its middle, its shoulders, and a population of 5 %."""
_BLOCK = 4096
_SAMPLED_BLOCKS, _SAMPLED_EVENTS = 4, 512
_MIN_BIN, _MAX_BINS = 100, 400
_OFF = "the template's [quality] turns it off"


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
    """Look at the acquisition of a gated file as its template's ``[quality]`` asks, in a walk of its own.

    Parameters
    ----------
    members
        Says which channels the gates use; those and the clock are read, nothing else.
    rules
        Settings of `time_affected`.

    Notes
    -----
    Raw signals are followed, not compensated ones: what changes during an acquisition changes the detectors. Bins of
    equal numbers of events (100 at least, 400 bins at most); cuts are quantiles of 4 blocks of 512
    events spread over the file: where a cut lies precisely does not matter, only that it stays.
    """
    watched = Watched(members.plan, events, rules)
    for _ in watched.linear_blocks(members.plan.columns, _BLOCK):
        pass
    return watched.survey()


class Watched:
    """Events that are followed while something else walks through them: a gated file is read once for both.

    Parameters
    ----------
    plan
        Says which channels the gates use.
    rules
        Settings of `time_affected`.

    Notes
    -----
    An `EventSource`: `gating.run_plan` gates it as it would gate `events`. What is counted does not depend on the order
    of blocks nor on threads.
    """

    def __init__(self, plan: Plan, events: EventSource, rules: RuleSet) -> None:
        self.n_events, self.channels = events.n_events, events.channels
        self._events, self._plan, self._rules = events, plan, rules
        self._quality, self._lock, self._seen = plan.template.quality, Lock(), 0
        self._columns = [c for c in plan.columns if events.channels[c].kind != "time"]
        self._timed: int | str = _OFF if self._quality.time == "off" else _clock_of(events)
        asked = not isinstance(self._timed, str) or self._quality.margins != "off"
        self._asked = asked and events.n_events > 0 and bool(self._columns)
        if self._asked:
            timed = not isinstance(self._timed, str)
            self._time = np.empty(events.n_events if timed else 0)
            self._at_margin = np.zeros(events.n_events, dtype=np.uint8)
            cuts = _cuts(events, self._columns) if timed else np.full((len(self._columns), len(CUTS)), np.nan)
            self._tally = _Tally.of([events.channels[c] for c in self._columns], cuts, place_events(self.n_events))

    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """As those of the events; blocks of the plan's columns are followed."""
        if not self._asked or tuple(columns) != self._plan.columns:
            yield from self._events.linear_blocks(columns, size, start, stop)
            return
        timed = -1 if isinstance(self._timed, str) else self._timed
        held = [*columns, *([timed] if timed >= 0 and timed not in columns else [])]
        place = held.index(timed) if timed >= 0 else -1
        # The channels that are followed come first, as they nearly always do: then no row is copied.
        followed = None if held[: len(self._columns)] == self._columns else [held.index(c) for c in self._columns]
        for first, read in self._events.linear_blocks(held, size, start, stop):
            block = np.ascontiguousarray(read)
            span = slice(first, first + block.shape[1])
            if place >= 0:
                self._time[span] = block[place]
            rows = block[: len(self._columns)] if followed is None else block[followed]
            with self._lock:
                self._tally.count(rows, span, self._at_margin)
                self._seen += block.shape[1]
            yield first, block[: len(columns)]

    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> NDArray[np.float64]:
        """As that of the events."""
        return self._events.linear_sample(columns, starts, size)

    def survey(self) -> Survey:
        """What was found, once all events were walked through.

        Raises
        ------
        ValueError
            Some were not, or some twice: a programmer's mistake.
        """
        n, timed = self.n_events, self._timed
        if not n or not self._columns:
            reason = "the file holds no events" if not n else "no gate looks at a channel"
            # Only a clock that could be read says less than that there is nothing to follow.
            return Survey(n, timed if isinstance(timed, str) else reason, reason)
        if not self._asked:
            return Survey(n, str(timed), _OFF)
        if self._seen != n:
            raise ValueError(f"{self._seen} of {n} events were walked through")
        clock = timed if isinstance(timed, str) else read_clock(self._time)
        course = clock if isinstance(clock, str) else self._course(clock)
        if self._quality.margins == "off":
            return Survey(n, course, _OFF)
        channels = (self.channels[c] for c in self._columns)
        named = {c.detector: int(m) for c, m in zip(channels, self._tally.margins, strict=True) if m}
        return Survey(n, course, self._at_margin.view(np.bool_), named)

    def _course(self, clock: Clock) -> Course:
        channels, tally = [self.channels[c] for c in self._columns], self._tally
        if clock.order is not None:
            # The file is not in the order of time, which shows only now: its events lie in other bins.
            tally = _Tally.of(channels, tally.cuts, _bins(clock, self.n_events))
            for first, block in self._events.linear_blocks(self._columns, _BLOCK):
                span = slice(first, first + block.shape[1])
                tally.count(np.ascontiguousarray(block), span, np.zeros(self.n_events, dtype=np.uint8))
        return _course(clock, tally.counts, tally.bins, channels, self._rules)


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Events counted by bin and cut, channel by channel (`kernels.quality.count_block`)."""

    bins: NDArray[np.int32]
    cuts: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]
    margins: NDArray[np.int64]

    @classmethod
    def of(cls, channels: Sequence[Channel], cuts: NDArray[np.float64], bins: NDArray[np.int32]) -> _Tally:
        shape = (int(bins.max()) + 1, len(channels), cuts.shape[1] + 1)
        counts, margins = np.zeros(shape, dtype=np.int64), np.zeros(len(channels), dtype=np.int64)
        return cls(bins, cuts, *_ends(channels), counts, margins)

    def count(self, block: NDArray[np.float64], span: slice, at_margin: NDArray[np.uint8]) -> None:
        edges = np.empty(block.shape[1] + 1, dtype=np.int64)
        bins, marked = self.bins[span], at_margin[span]
        count_block(block, bins, self.cuts, self.low, self.high, self.counts, marked, self.margins, edges)


def _clock_of(events: EventSource) -> int | str:
    """The channel that tells the time, or why there is none."""
    timed = [c for c in events.channels if c.kind == "time"]
    if not timed:
        return "the file has no time channel"
    if not events.n_events:
        return "the file holds no events"
    # Of a clock in two words the first channel called Time is the one that counts.
    return next((c for c in timed if c.detector.strip().casefold() == "time"), timed[0]).index


def place_events(n: int) -> NDArray[np.int32]:
    """(n,) bin of each event of a file in the order of time: 100 events or more a bin, 400 bins or fewer."""
    n_bins = min(max(n // _MIN_BIN, 1), _MAX_BINS)
    # Event i lies in bin i * n_bins // n, so bin b begins at the first i that is not below b * n / n_bins.
    begins = -(-np.arange(n_bins + 1, dtype=np.int64) * n // n_bins)
    return np.repeat(np.arange(n_bins, dtype=np.int32), np.diff(begins))


def _bins(clock: Clock, n: int) -> NDArray[np.int32]:
    """Bin of each event, in the order of the file."""
    placed = place_events(n)
    if clock.order is None:
        return placed
    bins = np.empty(n, dtype=np.int32)
    bins[clock.order] = placed
    return bins


def _cuts(events: EventSource, columns: Sequence[int]) -> NDArray[np.float64]:
    n = events.n_events
    if n <= _SAMPLED_BLOCKS * _SAMPLED_EVENTS:
        sample = events.linear_sample(columns, (0,), n)
    else:
        last = n - _SAMPLED_EVENTS
        starts = [last * i // (_SAMPLED_BLOCKS - 1) for i in range(_SAMPLED_BLOCKS)]
        sample = events.linear_sample(columns, starts, _SAMPLED_EVENTS)
    sample.sort(axis=1)  # NaN goes last
    known = sample.shape[1] - np.isnan(sample).sum(axis=1)
    places = (np.asarray(CUTS)[None, :] * np.maximum(known - 1, 0)[:, None]).astype(np.intp)
    cuts: NDArray[np.float64] = sample[np.arange(len(columns))[:, None], places]
    return cuts


def _ends(channels: Sequence[Channel]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear values at or below which, and at or above which, an event is at an end of a channel's range.

    A cell may be negative for a marker, so fluorescence has no lower end; scatter of nothing is no event.
    """
    low = [0.0 if c.kind == "scatter" else -np.inf for c in channels]
    return np.array(low), np.array([c.saturation for c in channels])


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
    odd_signal = drift.odd[bins] if drift.odd.any() else np.zeros(bins.size, dtype=np.bool_)
    return Course(
        odd=odd_rate | odd_signal,
        by_rate=share_of(odd_rate),
        by_signal=share_of(odd_signal),
        effect=drift.effect,
        detector="" if drift.channel < 0 else channels[drift.channel].detector,
        stopped=flow.stopped,
        n_back=clock.n_back,
    )


def share_of(chosen: NDArray[np.bool_]) -> float:
    """Which part of some events is chosen; by counting bits, many times quicker than a mean."""
    return int(np.count_nonzero(chosen)) / chosen.size


_SETTINGS = {"rate_ratio": 2.0, "rate_z": 5.0, "split_z": 6.0, "effect": 0.3}
"""Those of `laboratory.toml`, for a laboratory that leaves the rule out and yet removes events by time."""
