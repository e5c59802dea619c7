"""Events through a plan, block after block, to a bit a gate a event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import InputError, printable
from immunoprofile.fcs import Channel, Events, Finding
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.plan import Plan, compile_plan
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.kernels.arrays import Scratch
from immunoprofile.kernels.gates import run_block
from immunoprofile.kernels.quality import count_bits
from immunoprofile.spillover import Spillover

BLOCK = 4096
"""Events a block: its columns (about 30 of 32 kB) stay in a second-level cache of 1 MB, and calls are few."""
# Below this a second thread costs more than it saves.
_EVENTS_A_THREAD = 200_000


class EventSource(Protocol):
    """Whatever a plan can walk: `Events`, or arrays in tests."""

    @property
    def n_events(self) -> int: ...
    @property
    def channels(self) -> Sequence[Channel]: ...
    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]: ...
    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class Membership:
    """Which events each population holds.

    Attributes
    ----------
    words : (n_words, n_events) uint64
        Bit g % 64 of word g // 64 is gate g of the plan.
    nan_counts
        Path to the events of its parent that were left out because a value was NaN.
    removed : (n_events,) bool or None
        Events that no population holds, not even the root.
    """

    plan: Plan
    n_events: int
    words: NDArray[np.uint64]
    _counts: dict[str, int]
    nan_counts: dict[str, int]
    findings: tuple[Finding, ...]
    removed: NDArray[np.bool_] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """``All events``, then the template's populations in its order (those left out excepted)."""
        return tuple(self._counts)

    def counts(self) -> dict[str, int]:
        """Events in each population, in template order."""
        return dict(self._counts)

    def count(self, path: str) -> int:
        """Events in one population, asked for by path, trailing path, name or id."""
        return self._counts[self._evaluated(path)]

    def mask(self, path: str) -> NDArray[np.bool_]:
        """(n_events,) which events one population holds."""
        full = self._evaluated(path)
        if full == ROOT:
            return np.ones(self.n_events, dtype=np.bool_) if self.removed is None else ~self.removed
        bit = self.plan.bit(full)
        mask: NDArray[np.bool_] = ((self.words[bit >> 6] >> np.uint64(bit & 63)) & np.uint64(1)).astype(np.bool_)
        return mask

    def without(self, removed: NDArray[np.bool_]) -> Membership:
        """The membership without some events: no population holds them, and no count counts them.

        Parameters
        ----------
        removed : (n_events,) bool

        Notes
        -----
        `nan_counts` and `findings` stay: they tell of the file, not of what is counted.
        """
        gone = np.asarray(removed, dtype=np.bool_) if self.removed is None else self.removed | removed
        if gone.shape != (self.n_events,):
            raise ValueError(f"{gone.shape} is no mask of {self.n_events} events")
        taken = np.zeros(len(self.plan.gates), dtype=np.int64)
        count_bits(self.words, gone, taken)
        place = {g.path: i for i, g in enumerate(self.plan.gates)}
        counts = {p: c - int(taken[place[p]]) for p, c in self._counts.items() if p != ROOT}
        return replace(
            self,
            words=np.where(gone, np.uint64(0), self.words),
            _counts={ROOT: self.n_events - int(gone.sum())} | counts,
            removed=gone,
        )

    def _evaluated(self, path: str) -> str:
        full = self.plan.template.find(path)
        if full not in self._counts:
            raise InputError(
                f'population "{printable(full)}" was left out: it needs an optional marker that the file lacks',
                code="POPULATION-OMITTED",
                remedy="Ask for a population without that marker, or give a file that has it.",
            )
        return full


def run_plan(plan: Plan, events: EventSource, *, threads: int = 1, block: int = BLOCK) -> Membership:
    """Gate the events of one file.

    Parameters
    ----------
    events
        Must have the panel that the plan was compiled for.
    threads
        At most this many walk a large file; the result does not depend on it, nor on `block`.

    Notes
    -----
    Memory: a block a thread and 8 bytes an event for every 64 gates, whatever the file's size.
    """
    n = events.n_events
    words = np.zeros((max(plan.n_words, 1), n), dtype=np.uint64)
    ranges = _ranges(n, min(threads, max(1, n // _EVENTS_A_THREAD)), block)
    if len(ranges) > 1:
        with ThreadPoolExecutor(len(ranges)) as pool:
            parts = list(pool.map(lambda r: _walk(plan, events, words, r, block), ranges))
    else:
        parts = [_walk(plan, events, words, r, block) for r in ranges]
    held, lost = np.sum(parts, axis=0).T
    place = {g.path: i for i, g in enumerate(plan.gates)}
    listed = [p for p in plan.template.paths if p in place]
    counts = {ROOT: n} | {p: int(held[place[p]]) for p in listed}
    nan_counts = {p: int(lost[place[p]]) for p in listed if lost[place[p]]}
    return Membership(plan, n, words, counts, nan_counts, (*plan.findings, *map(_nan_finding, nan_counts.items())))


def _nan_finding(item: tuple[str, int]) -> Finding:
    path, lost = item
    return Finding(
        "GATE-NAN",
        "warning",
        path,
        f'{lost} events have no number where "{printable(path)}" looks; they are outside',
    )


def _ranges(n: int, parts: int, block: int) -> list[tuple[int, int]]:
    size = -(-n // parts) if n else 1
    size = -(-size // block) * block
    return [(start, min(start + size, n)) for start in range(0, n, size)] or [(0, 0)]


def _walk(
    plan: Plan, events: EventSource, words: NDArray[np.uint64], span: tuple[int, int], block: int
) -> NDArray[np.int64]:
    counts = np.zeros((len(plan.gates), 2), dtype=np.int64)
    scratch = _scratch(plan, block)
    bits = np.zeros((words.shape[0], block), dtype=np.uint64)
    for first, raw in events.linear_blocks(plan.columns, block, *span):
        run_block(plan.arrays, np.ascontiguousarray(raw), scratch, bits, counts)
        words[:, first : first + raw.shape[1]] = bits[:, : raw.shape[1]]
    return counts


def _scratch(plan: Plan, block: int) -> Scratch:
    n_raw, n_gates = len(plan.columns), len(plan.gates)
    most = max((len(g.geometry.dimensions) for g in plan.gates), default=0)
    return Scratch(
        work=np.empty((plan.n_derived, block)),
        dense=np.empty((n_raw + 1, block)),
        held=np.empty((n_gates + 1, block), dtype=np.uint32),
        sizes=np.empty(n_gates + 1, dtype=np.int64),
        states=np.empty(block, dtype=np.uint8),
        doubtful=np.empty(block, dtype=np.uint32),
        gaps=np.empty(n_raw + plan.n_derived, dtype=np.bool_),
        points=np.empty((most, block)),
    )


def apply_template(
    template: GatingTemplate, events: Events, *, spillover: Spillover | None = None, threads: int = 1
) -> Membership:
    """Gate one file with a template.

    Parameters
    ----------
    spillover
        Replaces the matrices of file and template, never `uncompensated` dimensions.

    Raises
    ------
    PanelMismatchError, SpilloverError
        Before any event is read.
    """
    return run_plan(
        compile_plan(template, events.channels, events.spillover, replacement=spillover),
        events,
        threads=threads,
    )
