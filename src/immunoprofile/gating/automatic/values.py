"""The events of one population on the axes of a rule."""

from __future__ import annotations

from collections.abc import Sequence

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


def scaled_values(
    template: GatingTemplate,
    dimensions: Sequence[Dimension],
    events: Events,
    replacement: Spillover | None,
    mask: NDArray[np.bool_],
    *,
    drop_saturated: bool = True,
    most: int = MOST_EVENTS,
) -> Values:
    """Scaled values of some dimensions for some events of a file.

    Parameters
    ----------
    mask : (n_events,)
        The population. Of more than `most` events so many are taken, at even steps through the file.
    drop_saturated
        Leave events at the top of a detector's range out: they are piled up there, whatever they were.

    Returns
    -------
    (n_dimensions, n) float64
        Without events that have no number in some dimension.

    Raises
    ------
    PanelMismatchError, SpilloverError
        As for gating.
    """
    table = _sources(template, dimensions, events, replacement)
    chosen = np.flatnonzero(mask)
    if chosen.size > most:
        chosen = chosen[(np.arange(most) * chosen.size) // most]
    raw = _read(events, table, chosen)
    sources = table.of_gate["axes"]
    found = np.vstack([d.scale(_values(s, table, raw)) for d, s in zip(dimensions, sources, strict=True)])
    keep = ~np.isnan(found).any(axis=0)
    if drop_saturated:
        keep &= ~_saturated(sources, table, events.channels, raw)
    return np.ascontiguousarray(found[:, keep])


def has_axes(
    template: GatingTemplate, dimensions: Sequence[Dimension], events: Events, replacement: Spillover | None
) -> bool:
    """False where an axis needs an optional marker that the file lacks."""
    return not _sources(template, dimensions, events, replacement).omitted


def _sources(
    template: GatingTemplate, dimensions: Sequence[Dimension], events: Events, replacement: Spillover | None
) -> SourceTable:
    gate = Gate("axes", "axes", ROOT, "axes", Rectangle(tuple(dimensions), ((0.0, None),) * len(dimensions)))
    probe = GatingTemplate(template.id, template.version, "", "draft", template.markers, template.compensation, (gate,))
    return resolve_sources(probe, events.channels, events.spillover, replacement)


def _read(events: Events, table: SourceTable, chosen: NDArray[np.intp]) -> Values:
    """(n_columns, n) linear values of the chosen events, which are in rising order."""
    raw = np.empty((len(table.columns), chosen.size))
    for first, block in events.linear_blocks(table.columns, _BLOCK):
        start, stop = np.searchsorted(chosen, (first, first + block.shape[1]))
        raw[:, start:stop] = block[:, chosen[start:stop] - first]
    return raw


def _values(source: Source, table: SourceTable, raw: Values) -> Values:
    if source[0] == "raw":
        column: Values = raw[table.columns.index(source[1])]
        return column
    if source[0] == "compensated":
        matrix, columns = table.matrices[source[1]]
        rows = [table.columns.index(c) for c in columns]
        weights = matrix.inverse[:, source[2]]
        found: Values = np.zeros(raw.shape[1])
        for row, weight in zip(rows, weights, strict=True):
            found += raw[row] * weight
        return found
    top, bottom = (_values(s, table, raw) for s in source[1:3])
    a, b, c = source[3:]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Values = a * (top - b) / (bottom - c)
    return ratio


def _saturated(
    sources: Sequence[Source], table: SourceTable, channels: Sequence[Channel], raw: Values
) -> NDArray[np.bool_]:
    """Events at the top of a detector's declared range; none where so many are that the range must be wrong."""
    lost = np.zeros(raw.shape[1], dtype=np.bool_)
    for column in {c for s in sources if (c := _own_column(s, table)) is not None}:
        top = float(channels[column].range or 0)
        at_top = raw[table.columns.index(column)] >= top - 1
        if top > 1 and at_top.mean() <= _WRONG_RANGE:
            lost |= at_top
    return lost


def _own_column(source: Source, table: SourceTable) -> int | None:
    """The detector that a dimension is named after; None for ratios and for mixtures of other fluorochromes."""
    if source[0] == "raw":
        return int(source[1])
    if source[0] == "compensated":
        matrix, columns = table.matrices[source[1]]
        return int(columns[source[2]]) if len(matrix.fluorochromes) == len(columns) else None
    return None
