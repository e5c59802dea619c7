"""What a gate was drawn on: small histograms of every gate's parent, taken while the sample is at hand.

A report draws its density plots from these, long after the FCS files have gone to the archive. Gates that share a
parent and axes share a plot. One JSON text a sample: a few hundred bytes of words, and counts as deflated little-endian
integers in base64.

Of a parent with more than `MOST_EVENTS` events so many are drawn, at even steps through the file; `n_drawn` says it.
Numbers in tables never come from here.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Events
from immunoprofile.gating import ROOT, Membership, Plan
from immunoprofile.gating.gates import Dimension, Gate, Ratio, Rectangle
from immunoprofile.gating.template import describe_geometry
from immunoprofile.kernels.histogram import count_pairs, count_singles
from immunoprofile.kernels.intensities import list_members
from immunoprofile.populations.binned import BINS, Axis, bin_events
from immunoprofile.scales import FlowJoBiex, Identity, Scale
from immunoprofile.spillover import Spillover

FORMAT = "immunoprofile picture 1"
MOST_EVENTS = 20_000
"""A plot of 128 x 128 bins looks alike with more."""

_BACK_SHIFT = 2
"""Populations behind are shown in 32 x 32 bins."""
_BACK_EVENTS = 2_000
_MOST_BACK = 4
"""Populations shown again on the plots above them: more would hide one another."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class _Plot:
    """The gates that share a parent and axes, and the populations further down that are shown on it."""

    parent: str
    axes: tuple[Dimension, ...]
    gates: tuple[Gate, ...]
    back: tuple[Gate, ...]


def picture_sample(
    members: Membership,
    events: Events,
    sample_id: str,
    *,
    spillover: Spillover | None = None,
    in_use: Spillover | None = None,
) -> bytes:
    """The histograms of one sample's gates, as UTF-8 JSON.

    Parameters
    ----------
    members
        The membership of these events; what it removed is not drawn.
    spillover
        What replaced the matrices of file and template when they were gated, if anything did.
    in_use
        The matrix that the events were compensated with, to be shown; None where there was none.

    Returns
    -------
    bytes
        The same for the same events, template and matrix: nothing in it depends on time, machine or threads.

    Notes
    -----
    Plots are in template order. A gate of more than two dimensions is drawn on its first two; booleans have no axes
    and no plot of their own. Values beyond an axis are piled up in its outermost bins.
    """
    plots = _plots(members.plan)
    spans = {(p.parent, p.axes): _axes_of(p, events) for p in plots}
    axes = list(dict.fromkeys(a for found in spans.values() for a in found))
    held = {path: _drawn(members, path, MOST_EVENTS) for path in {p.parent: None for p in plots}}
    behind = {path: _drawn(members, path, _BACK_EVENTS) for path in {g.path: None for p in plots for g in p.back}}
    chosen, places = _side_by_side(members.n_events, [*held.values(), *behind.values()])
    bins = bin_events(members.plan.template, axes, chosen, events, events.spillover, spillover)
    placed = dict(zip(axes, bins, strict=True))
    drawn = [_describe_plot(p, spans[p.parent, p.axes], _Shown(placed, places, held, behind), members) for p in plots]
    matrix = None if in_use is None else [list(in_use.detectors), in_use.matrix.tolist()]
    text = {
        "format": FORMAT,
        "sample_id": sample_id,
        "template": members.plan.template.id,
        "spillover": matrix,
        "plots": drawn,
    }
    return json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=16)
def _plots(plan: Plan) -> list[_Plot]:
    template = plan.template
    # The plan's gates are those that were applied: settled, overridden, and without what the panel cannot show.
    applied = {g.path: g for g in plan.gates}
    gates = [applied[p] for p in template.paths if p in applied]
    grouped: dict[tuple[str, tuple[Dimension, ...]], list[Gate]] = {}
    for gate in gates:
        if gate.geometry.dimensions:
            grouped.setdefault((gate.parent, gate.geometry.dimensions[:2]), []).append(gate)
    parents = {g.parent for g in gates}
    leaves = [g for g in gates if g.path not in parents]
    found = []
    for (parent, axes), own in grouped.items():
        mine = {g.path for g in own}
        below = [g for g in leaves if g.path not in mine and parent in template.ancestors(g.path)]
        found.append(_Plot(parent, axes, tuple(own), tuple(below[:_MOST_BACK])))
    return found


@dataclass(frozen=True)
class _Shown:
    """The events of all plots.

    Parameters
    ----------
    bins
        Axis to the bins of the events that some plot shows; None where the file lacks the marker.
    places : (n_events,)
        Where an event of the file stands among those.
    held, behind
        Path to the events that are drawn of it as a parent, and as a population shown above.
    """

    bins: Mapping[Axis, NDArray[np.uint8] | None]
    places: NDArray[np.int32]
    held: Mapping[str, NDArray[np.intp]]
    behind: Mapping[str, NDArray[np.intp]]

    def counted(self, axes: Sequence[Axis], events: NDArray[np.intp], shift: int) -> tuple[Counts, int]:
        """Counts on the axes, bins joined by twos `shift` times, and how many events have a place there."""
        counts: Counts = np.zeros((BINS >> shift,) * len(axes), dtype=np.int64)
        found = [b for a in axes if (b := self.bins[a]) is not None]
        if len(found) < len(axes):
            return counts, 0
        chosen = self.places[events]
        if len(found) == 1:
            return counts, int(count_singles(found[0], chosen, shift, counts))
        return counts, int(count_pairs(found[0], found[1], chosen, shift, counts))


def _drawn(members: Membership, path: str, most: int) -> NDArray[np.intp]:
    """Events of a population, rising; of more than `most` so many, at even steps through the file."""
    chosen = _members_of(members, path)
    return chosen if chosen.size <= most else chosen[(np.arange(most) * chosen.size) // most]


def _members_of(members: Membership, path: str) -> NDArray[np.intp]:
    if path == ROOT:
        return np.flatnonzero(members.mask(path))
    bit, held = members.plan.bit(path), np.empty(members.n_events + 1, dtype=np.int32)
    return held[: list_members(members.words[bit >> 6], bit & 63, held)].astype(np.intp)


def _side_by_side(n_events: int, lists: Sequence[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """The events of any of the lists, rising, and where each stands among them."""
    asked = np.zeros(n_events, dtype=np.bool_)
    for chosen in lists:
        asked[chosen] = True
    return np.flatnonzero(asked), np.cumsum(asked, dtype=np.int32) - np.int32(1)


def _axes_of(plot: _Plot, events: Events) -> tuple[Axis, ...]:
    return tuple(Axis(d, *_span(d, plot.gates, i, events)) for i, d in enumerate(plot.axes))


def _describe_plot(plot: _Plot, axes: Sequence[Axis], shown: _Shown, members: Membership) -> dict[str, Any]:
    counts, drawn = shown.counted(axes, shown.held[plot.parent], 0)
    return {
        "parent": plot.parent,
        "parent_id": members.plan.template.id_of(plot.parent),
        "n_parent": members.count(plot.parent),
        "n_drawn": drawn,
        "axes": [_describe_axis(a.dimension, (a.low, a.high)) for a in axes],
        "bins": BINS,
        "counts": _packed(counts),
        "gates": [_describe_gate(g, members) for g in plot.gates],
        "back": [
            {
                "pop_id": g.id,
                "name": g.name,
                "bins": BINS >> _BACK_SHIFT,
                "counts": _packed(shown.counted(axes, shown.behind[g.path], _BACK_SHIFT)[0]),
            }
            for g in plot.back
        ],
    }


def _describe_gate(gate: Gate, members: Membership) -> dict[str, Any]:
    return {
        "pop_id": gate.id,
        "name": gate.name,
        "path": gate.path,
        "kind": gate.geometry.kind,
        "origin": gate.applied_as[0],
        "n": members.count(gate.path),
        **{k: v for k, v in describe_geometry(gate.geometry).items() if k != "dimensions"},
    }


def _describe_axis(dimension: Dimension, span: tuple[float, float]) -> dict[str, Any]:
    channel = dimension.channel
    name = f"{channel.numerator} / {channel.denominator}" if isinstance(channel, Ratio) else channel
    return {"channel": name, "scale": dimension.scale.settings, "low": span[0], "high": span[1]}


def _span(dimension: Dimension, gates: Sequence[Gate], axis: int, events: Events) -> tuple[float, float]:
    """The stretch of an axis that is drawn: the whole scale, or what the channel can hold."""
    scale = dimension.scale
    if isinstance(scale, FlowJoBiex):
        return 0.0, 4096.0
    if not isinstance(scale, Identity):
        return 0.0, 1.0
    if isinstance(dimension.channel, Ratio):
        return _around(gates, axis)
    return 0.0, max(float(scale(_range_of(dimension.channel, gates, axis, events))), 1.0)


def _range_of(channel: str, gates: Sequence[Gate], axis: int, events: Events) -> float:
    """The declared range of the channel that a marker stands for; what the gates need where it cannot be told."""
    named = [c for c in events.channels if channel in {c.detector, c.marker}]
    declared = float(named[0].range or 0) if len(named) == 1 else 0.0
    return declared if declared > 1 else _around(gates, axis)[1]


def _around(gates: Sequence[Gate], axis: int) -> tuple[float, float]:
    """Room on both sides of the bounds of gates."""
    bounds = [b for g in gates if isinstance(g.geometry, Rectangle) for b in g.geometry.bounds[axis] if b is not None]
    bounds += [v[axis] for g in gates for v in getattr(g.geometry, "vertices", ())]
    low, high = (min(bounds), max(bounds)) if bounds else (0.0, 1.0)
    room = (high - low) or abs(high) or 1.0
    return low - room, high + room


def _packed(counts: Counts) -> str:
    # 20,000 events at most: two bytes hold every count. Mostly zeros: the quickest level packs them nearly as small.
    return base64.b64encode(zlib.compress(counts.astype("<u2").tobytes(), 1)).decode()


def unpack_counts(text: str, shape: tuple[int, ...]) -> Counts:
    """Counts as they were packed.

    Raises
    ------
    ValueError
        The text does not hold so many counts.
    """
    most = 2 * int(np.prod(shape))
    opened = zlib.decompressobj()
    try:
        raw = opened.decompress(base64.b64decode(text, validate=True), most + 1)
    except zlib.error as problem:
        raise ValueError(str(problem)) from None
    if len(raw) != most:
        raise ValueError(f"{len(raw)} bytes, expected {most}")
    return np.frombuffer(raw, dtype="<u2").astype(np.int64).reshape(shape)


def axis_scale(settings: dict[str, Any]) -> Scale:
    """The scale that a picture's axis names.

    Raises
    ------
    ValueError
        It names none of ours.
    """
    from immunoprofile.scales import KINDS

    named = dict(settings)
    kind = KINDS.get(str(named.pop("kind", "")))
    if kind is None:
        raise ValueError("unknown scale")
    try:
        return kind(**{k: float(v) for k, v in named.items()})
    except (TypeError, ValueError) as problem:
        raise ValueError(str(problem)) from None
