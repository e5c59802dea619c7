"""Where events lie on the axes of plots, as numbers of bins: one walk through a file for all of its plots.

The bounds of bins are taken back to linear units once for an axis, as those of gates are. So an event needs no
transform: its leading bits say where its bin begins, and the bounds beside it decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Channel
from immunoprofile.gating import ROOT, GatingTemplate, Rectangle
from immunoprofile.gating.gates import Dimension, Gate
from immunoprofile.gating.membership import EventSource
from immunoprofile.gating.sources import Source, SourceTable, resolve_sources
from immunoprofile.kernels.compensation import add_weighted, spoil
from immunoprofile.kernels.histogram import PREFIX_SHIFT, PREFIXES, place_events
from immunoprofile.scales import Scale
from immunoprofile.spillover import Spillover

BINS = 128
_BLOCK = 4096
_ROOM = 64
"""Axes whose bounds are remembered: more than a study's templates have."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension and the stretch of it that is drawn, in scaled units."""

    dimension: Dimension
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """An axis in linear units.

    Parameters
    ----------
    edges : (BINS + 1,)
        The smallest linear value of each bin; the first is -infinity, and infinity ends them.
    starts : (PREFIXES,) uint8
        The bin of the smallest value with these leading bits.
    """

    edges: NDArray[np.float64]
    starts: NDArray[np.uint8]


def bin_events(
    template: GatingTemplate,
    axes: Sequence[Axis],
    chosen: NDArray[np.intp],
    events: EventSource,
    spillover: Spillover | None,
    replacement: Spillover | None,
) -> list[NDArray[np.uint8] | None]:
    """Bins of some events on several axes.

    Parameters
    ----------
    chosen
        Numbers of the events, rising.
    spillover, replacement
        The file's matrix, and what takes the place of those of file and template.

    Returns
    -------
    list
        (n_chosen,) numbers of bins for each axis, `NO_BIN` for what is no number; None where the axis needs an
        optional marker that the file lacks. What lies beyond an axis is in its outermost bins.

    Raises
    ------
    PanelMismatchError, SpilloverError
        As for gating.
    """
    table = _sources(template, axes, events.channels, spillover, replacement)
    found = [None if f"{i}" in table.omitted else np.empty(chosen.size, dtype=np.uint8) for i in range(len(axes))]
    wanted = [
        (table.of_gate[f"{i}"][0], find_bounds(a), f)
        for i, (a, f) in enumerate(zip(axes, found, strict=True))
        if f is not None
    ]
    if not chosen.size or not wanted:
        return found
    rows = _Rows(table)
    for first, raw in events.linear_blocks(table.columns, _BLOCK):
        block = np.ascontiguousarray(raw)
        start, stop = np.searchsorted(chosen, (first, first + block.shape[1]))
        if start == stop:
            continue
        local = (chosen[start:stop] - first).astype(np.int64)
        rows.take(block)
        for source, bounds, out in wanted:
            place_events(rows.row(source), local, bounds.edges, bounds.starts, out[start:stop])
    return found


def _sources(
    template: GatingTemplate,
    axes: Sequence[Axis],
    channels: Sequence[Channel],
    spillover: Spillover | None,
    replacement: Spillover | None,
) -> SourceTable:
    gates = tuple(
        Gate(f"{i}", f"{i}", ROOT, f"axis_{i}", Rectangle((a.dimension,), ((0.0, None),))) for i, a in enumerate(axes)
    )
    probe = GatingTemplate(template.id, template.version, "", "draft", template.markers, template.compensation, gates)
    return resolve_sources(probe, channels, spillover, replacement)


class _Rows:
    """Linear values of the sources, block after block; each compensated channel is made once a block."""

    def __init__(self, table: SourceTable) -> None:
        place = {c: i for i, c in enumerate(table.columns)}
        self.raw: dict[Source, int] = {("raw", c): i for c, i in place.items()}
        self.mixtures: dict[Source, tuple[NDArray[np.float64], NDArray[np.int64]]] = {}
        for source in table.sources:
            if source[0] == "compensated":
                matrix, columns = table.matrices[source[1]]
                reads = np.array([place[c] for c in columns], dtype=np.int64)
                self.mixtures[source] = np.ascontiguousarray(matrix.inverse[:, source[2]]), reads

    def take(self, block: NDArray[np.float64]) -> None:
        """Go on to the next block."""
        self.block, self.gaps = block, not np.isfinite(block).all()
        self.made: dict[Source, NDArray[np.float64]] = {}

    def row(self, source: Source) -> NDArray[np.float64]:
        """(n,) values of a source in this block."""
        if source in self.raw:
            found: NDArray[np.float64] = self.block[self.raw[source]]
            return found
        if source not in self.made:
            self.made[source] = self._compensated(source) if source in self.mixtures else self._ratio(source)
        return self.made[source]

    def _compensated(self, source: Source) -> NDArray[np.float64]:
        (weights, reads), n = self.mixtures[source], self.block.shape[1]
        out = np.empty(n)
        add_weighted(weights, self.block, reads, out, n)
        if self.gaps:
            spoil(self.block, reads, out, n)
        return out

    def _ratio(self, source: Source) -> NDArray[np.float64]:
        a, b, c = source[3:]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio: NDArray[np.float64] = a * (self.row(source[1]) - b) / (self.row(source[2]) - c)
        return ratio


def find_bounds(axis: Axis) -> Bounds:
    """Where the bins of an axis begin, in linear units."""
    return _bounds(axis.dimension.scale, axis.low, axis.high)


@lru_cache(maxsize=_ROOM)
def _bounds(scale: Scale, low: float, high: float) -> Bounds:
    """All bounds at once by bisection over the float64 in their order, of which there are 2**64."""
    wanted, step = np.arange(1, BINS), (high - low) / BINS
    below = np.full(wanted.size, _order_of(-np.inf), dtype=np.int64)
    above = np.full(wanted.size, _order_of(np.inf), dtype=np.int64)
    while True:
        middle = (below >> 1) + (above >> 1) + (below & above & 1)
        if ((middle == below) | (middle == above)).all():
            break
        with np.errstate(invalid="ignore", over="ignore"):
            reached = (scale(_float_of(middle)) - low) / step >= wanted
        above, below = np.where(reached, middle, above), np.where(reached, below, middle)
    edges = np.concatenate([[-np.inf], _float_of(above), [np.inf]])
    return Bounds(edges, np.searchsorted(edges[1:-1], _first_values(), side="right").astype(np.uint8))


def _first_values() -> NDArray[np.float64]:
    """(PREFIXES,) the smallest float64 with each leading bits; infinity for what is no number."""
    places = np.arange(PREFIXES, dtype=np.uint64)
    negative = places >= PREFIXES >> 1
    bits = (places << np.uint64(PREFIX_SHIFT)) | np.where(negative, np.uint64((1 << PREFIX_SHIFT) - 1), np.uint64(0))
    values = bits.view(np.float64)
    return np.where(np.isnan(values), np.where(negative, -np.inf, np.inf), values)


def _order_of(value: float) -> int:
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else -(2**63) - bits


def _float_of(order: NDArray[np.int64]) -> NDArray[np.float64]:
    bits = np.where(order >= 0, order, np.int64(-(2**63)) - order)
    found: NDArray[np.float64] = bits.view(np.float64)
    return found
