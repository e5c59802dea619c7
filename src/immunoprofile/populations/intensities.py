"""How brightly a population shines: median, means and spread of each marker, on compensated linear values.

The file is read once more for them, a group of markers at a time, so that memory stays bounded however large it is.
Values are those that the gates saw, to the last bit. Nothing is clipped: after compensation negatives spread around
zero, and a geometric mean that would need them is NA.

References
----------
Percentiles are linear between order statistics: type 7 of Hyndman RJ, Fan Y. Sample quantiles in statistical packages.
Am Stat 1996;50:361-365. doi:10.1080/00031305.1996.10473566
The robust coefficient of variation is half the distance between the percentiles that lie one standard deviation from
the median of a normal distribution, divided by the median, as in FlowJo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from immunoprofile.columns import INTENSITIES
from immunoprofile.fcs import Channel
from immunoprofile.gating import ROOT, GatingTemplate, Membership, Rectangle
from immunoprofile.gating.gates import Dimension, Gate, Ratio
from immunoprofile.gating.membership import EventSource
from immunoprofile.gating.sources import SourceTable, resolve_sources
from immunoprofile.kernels.compensation import add_weighted, spoil
from immunoprofile.kernels.intensities import N_KEYS, N_MOMENTS, PREFIXES, key_rows, list_members, summarise_rows
from immunoprofile.populations.layout import layout_of
from immunoprofile.scales import Asinh, Identity, Linear
from immunoprofile.spillover import Spillover
from immunoprofile.tables import Columns

_LEVELS = np.array([0.158655253931457, 0.5, 0.841344746068543])  # normal distribution at -1, 0 and 1
_BLOCK = 4096
_MOST_BYTES = 64_000_000
"""Compensated values held at a time; a marker alone may take more."""
# Stands for "some fluorescence scale" where a marker has no gate: only its kind matters here.
_FLUORESCENCE = Asinh(t=262144.0, m=4.5, a=0.0)


class PanelEvents(EventSource, Protocol):
    """Events whose own spillover matrix is known."""

    @property
    def spillover(self) -> Spillover | None: ...


@dataclass(frozen=True, eq=False)
class Stain:
    """One marker to be measured: its channel, and how it is compensated (no weights: not at all)."""

    marker: str
    detector: str
    raw: int
    reads: NDArray[np.int64]
    weights: NDArray[np.float64]


def measure_intensities(
    members: Membership, events: PanelEvents, sample_id: str, *, spillover: Spillover | None = None
) -> Columns:
    """Intensities of the reported populations in the fluorescence markers of the template, or those it asks for.

    Parameters
    ----------
    members
        The membership of these events.
    spillover
        What replaced the matrices of file and template when they were gated, if anything did.

    Returns
    -------
    Columns
        Those of `columns.INTENSITIES`; those of FMO controls are NA (`compare_fmo` fills them).

    Notes
    -----
    Events with NaN or infinity in a channel are left out of that marker: `n_events` counts those used. Of no events
    everything is NA. A marker is compensated as the first gate that looks at it says, or else as the template does.
    Sums run in the order of the file, so the result does not depend on threads.
    """
    table, stains = _stains(members.plan.template, events, spillover)
    layout = layout_of(members.plan.template)
    paths = [layout.paths[i] for i in dict.fromkeys(layout.pop.tolist())]
    wanted = members.plan.template.intensities
    paths = [p for p in paths if p in members.paths and p in (wanted.populations or (p,))]
    asked = [i for i, s in enumerate(stains) if s.marker in (wanted.markers or (s.marker,))]
    order = sorted(asked, key=lambda i: stains[i].marker)
    results = np.full((len(paths), len(stains), N_MOMENTS + _LEVELS.size), np.nan)
    for group in _groups(order, members.n_events):
        values = _compensated(events, table.columns, [stains[i] for i in group])
        _summarise(members, paths, values, results, group)
    ids = [members.plan.template.id_of(p) for p in paths]
    return _columns(sample_id, ids, [stains[i] for i in order], results[:, order].reshape(-1, results.shape[2]))


def _groups(order: Sequence[int], n_events: int) -> Iterator[Sequence[int]]:
    size = max(1, _MOST_BYTES // max(8 * n_events, 1))
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _stains(
    template: GatingTemplate, events: PanelEvents, spillover: Spillover | None
) -> tuple[SourceTable, tuple[Stain, ...]]:
    """Where each marker of the template comes from in this panel; scatter, time and absent markers are left out."""
    optional = tuple(replace(m, optional=True) for m in template.markers)
    asked = replace(template, markers=optional, gates=tuple(_asking(template)), reports=(), limits=())
    table = resolve_sources(asked, events.channels, events.spillover, spillover)
    found = {path: sources[0] for path, sources in table.of_gate.items()}
    stains = (_stain(marker, source, table, events.channels) for marker, source in found.items())
    return table, tuple(s for s in stains if s is not None)


def _asking(template: GatingTemplate) -> Iterator[Gate]:
    """A gate without bounds for each marker, on the axis of the first gate of the template that looks at it."""
    axes: dict[str, Dimension] = {}
    for gate in template.gates:
        for dimension in gate.geometry.dimensions:
            if not isinstance(dimension.channel, Ratio):
                axes.setdefault(dimension.channel, dimension)
    for number, name in enumerate(dict.fromkeys([*(m.name for m in template.markers), *axes])):
        axis = axes.get(name, Dimension(name, _FLUORESCENCE))
        yield Gate(name, name, ROOT, f"marker_{number}", Rectangle((axis,), ((None, None),)))


def _stain(marker: str, source: Any, table: SourceTable, channels: Sequence[Channel]) -> Stain | None:
    place = {column: i for i, column in enumerate(table.columns)}
    if source[0] == "compensated":
        matrix, columns = table.matrices[source[1]]
        detector = matrix.fluorochromes[source[2]]
        reads = np.array([place[c] for c in columns], dtype=np.int64)
        return Stain(marker, detector, -1, reads, np.ascontiguousarray(matrix.inverse[:, source[2]]))
    channel = channels[source[1]]
    scale = table.template.gate(marker).geometry.dimensions[0].scale
    if channel.kind != "fluorescence" or isinstance(scale, Identity | Linear):
        return None
    return Stain(marker, channel.detector, place[source[1]], np.empty(0, np.int64), np.empty(0))


def _compensated(events: PanelEvents, columns: Sequence[int], stains: Sequence[Stain]) -> NDArray[np.float64]:
    """(n_events, n_stains) values as the gates saw them."""
    values = np.empty((events.n_events, len(stains)))
    made = np.empty((len(stains), _BLOCK))
    for first, raw in events.linear_blocks(columns, _BLOCK):
        block, n = np.ascontiguousarray(raw), raw.shape[1]
        # Looked at once, and not for every stain: hardly any file holds NaN or infinity.
        gaps = not np.isfinite(block).all()
        for row, stain in zip(made[:, :n], stains, strict=True):
            if stain.raw >= 0:
                row[:] = block[stain.raw]
                continue
            add_weighted(stain.weights, block, stain.reads, row, n)
            if gaps:
                spoil(block, stain.reads, row, n)
        values[first : first + n] = made[:, :n].T
    return values


def _summarise(
    members: Membership,
    paths: Sequence[str],
    values: NDArray[np.float64],
    results: NDArray[np.float64],
    group: Sequence[int],
) -> None:
    n, n_stains = values.shape
    held, bucket = np.empty(n + 1, dtype=np.int32), np.empty(n * n_stains)
    keys = np.empty(values.shape, dtype=np.uint16)
    key_rows(values, np.empty((n_stains, PREFIXES), dtype=np.int32), keys)
    counts = np.empty((n_stains, N_KEYS + 1), dtype=np.int32)
    slots = np.zeros((n_stains, N_KEYS + 1), dtype=np.uint8)
    for p, path in enumerate(paths):
        bit = members.plan.bit(path)
        size = list_members(members.words[bit >> 6], bit & 63, held)
        out = np.empty((n_stains, results.shape[2]))
        summarise_rows(values, keys, held, size, _LEVELS, counts, slots, bucket, out)
        results[p, group] = out


def _columns(sample_id: str, ids: Sequence[str], stains: Sequence[Stain], results: NDArray[np.float64]) -> Columns:
    n, nonpositive, total, logs, low, median, high = results.T
    some, positive = n > 0, (n > 0) & (nonpositive == 0)
    with np.errstate(all="ignore"):
        spread = np.where(median > 0, (high - low) / (2 * median), np.nan)
        mean, geometric = np.where(some, total / n, np.nan), np.where(positive, np.exp(logs / n), np.nan)
    # Values near the largest float overflow when they are added: nothing is known then.
    spread, mean, geometric = (np.where(np.isfinite(v), v, np.nan) for v in (spread, mean, geometric))
    kinds = ["uncompensated" if s.raw >= 0 else "compensated" for s in stains]
    return Columns(
        INTENSITIES,
        {
            "sample_id": sample_id,
            "pop_id": np.repeat(np.array(ids, dtype=object), len(stains)),
            "marker": np.tile(np.array([s.marker for s in stains], dtype=object), len(ids)),
            "detector": np.tile(np.array([s.detector for s in stains], dtype=object), len(ids)),
            "n_events": n,
            "n_nonpositive": nonpositive,
            "median_fi": median,
            "mean_fi": mean,
            "geomean_fi": geometric,
            "cv_robust": spread,
            "scale": np.tile(np.array(kinds, dtype=object), len(ids)),
            "flags": "",
        },
        len(ids) * len(stains),
    )
