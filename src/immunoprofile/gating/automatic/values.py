"""The events of populations on the axes of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Channel, Events
from immunoprofile.gating.gates import Dimension, Gate, Rectangle
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.sources import Source, SourceTable, resolve_sources
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.spillover import Spillover

Values = NDArray[np.float64]

MOST_EVENTS = 200_000
"""Events a sample and gate: the standard error of a valley's place is then far below a thousandth of the axis."""
_BLOCK = 65_536
_WRONG_RANGE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Some axes of some events.

    Parameters
    ----------
    mask : (n_events,)
        The population. Of more than `most` events so many are taken, at even steps through the file.
    drop_saturated
        Leave events at the top of a detector's range out: they are piled up there, whatever they were.
    """

    dimensions: tuple[Dimension, ...]
    mask: NDArray[np.bool_]
    drop_saturated: bool = True
    most: int = MOST_EVENTS

    @property
    def events(self) -> NDArray[np.intp]:
        """Numbers of the events to take, rising."""
        chosen = np.flatnonzero(self.mask)
        if chosen.size > self.most:
            chosen = chosen[(np.arange(self.most) * chosen.size) // self.most]
        return chosen


def read_values(
    template: GatingTemplate, wanted: Sequence[Wanted], events: Events, replacement: Spillover | None
) -> list[Values | None]:
    """Scaled values of several populations in one walk through a file.

    Returns
    -------
    list
        (n_dimensions, n) of each, without events that have no number in some dimension; None where an axis needs an
        optional marker that the file lacks.

    Raises
    ------
    PanelMismatchError, SpilloverError
        As for gating.
    """
    names = [f"axes {i}" for i in range(len(wanted))]
    table = _sources(template, names, wanted, events, replacement)
    asked = {
        name: _Taken(w, table.of_gate[name], table, events.channels)
        for name, w in zip(names, wanted, strict=True)
        if name not in table.omitted
    }
    if any(taken.chosen.size for taken in asked.values()):
        place = {c: i for i, c in enumerate(table.columns)}
        for first, block in events.linear_blocks(table.columns, _BLOCK):
            for taken in asked.values():
                taken.take(first, block, place)
    return [asked[name].scaled() if name in asked else None for name in names]


def _sources(
    template: GatingTemplate,
    names: Sequence[str],
    wanted: Sequence[Wanted],
    events: Events,
    replacement: Spillover | None,
) -> SourceTable:
    gates = tuple(
        Gate(name, name, ROOT, name, Rectangle(w.dimensions, ((0.0, None),) * len(w.dimensions)))
        for name, w in zip(names, wanted, strict=True)
    )
    probe = GatingTemplate(template.id, template.version, "", "draft", template.markers, template.compensation, gates)
    return resolve_sources(probe, events.channels, events.spillover, replacement)


class _Taken:
    """The values of one `Wanted`, filled block after block: a number an event and axis, whatever the matrix's size."""

    def __init__(
        self, wanted: Wanted, sources: Sequence[Source], table: SourceTable, channels: Sequence[Channel]
    ) -> None:
        self.wanted, self.sources, self.table = wanted, sources, table
        self.chosen = wanted.events
        self.linear: Values = np.empty((len(sources), self.chosen.size))
        own = {c for s in sources if (c := _own_column(s, table)) is not None} if wanted.drop_saturated else set()
        tops = {c: float(channels[c].range or 0) for c in own}
        self.tops = {c: (top - 1, np.zeros(self.chosen.size, dtype=np.bool_)) for c, top in tops.items() if top > 1}

    def take(self, first: int, block: Values, place: Mapping[int, int]) -> None:
        """Take the chosen events of one block."""
        start, stop = np.searchsorted(self.chosen, (first, first + block.shape[1]))
        if start == stop:
            return
        rows = self.chosen[start:stop] - first
        for axis, source in enumerate(self.sources):
            self.linear[axis, start:stop] = _values(source, self.table, block, rows, place)
        for column, (top, at_top) in self.tops.items():
            at_top[start:stop] = block[place[column], rows] >= top

    def scaled(self) -> Values:
        """(n_dimensions, n) scaled, without events that are left out."""
        found = np.vstack([d.scale(v) for d, v in zip(self.wanted.dimensions, self.linear, strict=True)])
        keep = ~np.isnan(found).any(axis=0)
        for _, at_top in self.tops.values():
            # Where many events are at the top, the declared range is wrong.
            if at_top.size and at_top.mean() <= _WRONG_RANGE:
                keep &= ~at_top
        return np.ascontiguousarray(found[:, keep])


def _values(
    source: Source, table: SourceTable, block: Values, rows: NDArray[np.intp], place: Mapping[int, int]
) -> Values:
    """Linear values of a source for some events of a block."""
    if source[0] == "raw":
        column: Values = block[place[source[1]], rows]
        return column
    if source[0] == "compensated":
        matrix, columns = table.matrices[source[1]]
        found: Values = np.zeros(rows.size)
        for number, weight in zip(columns, matrix.inverse[:, source[2]], strict=True):
            found += block[place[number], rows] * weight
        return found
    top, bottom = (_values(s, table, block, rows, place) for s in source[1:3])
    a, b, c = source[3:]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = a * (top - b) / (bottom - c)
    return ratio


def _own_column(source: Source, table: SourceTable) -> int | None:
    """The detector that a dimension is named after; None for ratios and for mixtures of other fluorochromes."""
    if source[0] == "raw":
        return int(source[1])
    if source[0] == "compensated":
        matrix, columns = table.matrices[source[1]]
        return int(columns[source[2]]) if len(matrix.fluorochromes) == len(columns) else None
    return None
