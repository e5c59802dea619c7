"""Events just outside an outer edge: those that an edge meant as open would lose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from immunoprofile.errors import printable
from immunoprofile.fcs import Events
from immunoprofile.gating.gates import Dimension, Polygon, Rectangle
from immunoprofile.gating.membership import apply_template
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.gating.validation.lint import EDGE_SHARE, at_the_end
from immunoprofile.gating.validation.mutants import axis_ends, name_of
from immunoprofile.scales import Identity


@dataclass(frozen=True, slots=True)
class Outside:
    """Events of the parent within 2 % of the axis outside an edge near the end of that axis.

    Attributes
    ----------
    edge
        The edge in words: ``CD3 max 0.99``.
    n_events, n_inside
        How many lie just outside, and how many the gate holds.
    """

    path: str
    edge: str
    n_events: int
    n_inside: int


def count_outside(template: GatingTemplate, events: Events) -> tuple[Outside, ...]:
    """The edges near the ends of their axes that have events just outside, in the order of the gates.

    Raises
    ------
    PanelMismatchError, SpilloverError
        The template does not fit the file, whether it has such an edge or not.

    Notes
    -----
    Events are counted as a gate would hold them whose edge were moved outwards by that much.
    """
    wider = {}
    for gate in template.gates:
        for number, (edge, geometry) in enumerate(_widened(gate.template_geometry)):
            wider[f"{gate.id}_wider_{number}"] = (gate, edge, geometry)
    probes = tuple(
        replace(g, name=name, path=f"{g.path}/\0{name}", id=name, geometry=shape, auto=None, declared=None)
        for name, (g, _, shape) in wider.items()
    )
    probe = replace(template, gates=(*template.gates, *probes), reports=(), limits=(), tests=())
    members = apply_template(probe, events)
    found = []
    for (gate, edge, _), copy in zip(wider.values(), probes, strict=True):
        if copy.path in members.paths:
            inside, more = members.count(gate.path), members.count(copy.path)
            if more > inside:
                found.append(Outside(gate.path, edge, more - inside, inside))
    return tuple(found)


def _widened(geometry: object) -> Iterator[tuple[str, Rectangle | Polygon]]:
    """Copies of a gate, each with one edge near the end of its axis moved outwards."""
    if not isinstance(geometry, Rectangle | Polygon):
        return
    for k, dimension in enumerate(geometry.dimensions):
        if isinstance(dimension.scale, Identity):
            continue
        for top in (False, True):
            value = _outermost(geometry, k, top)
            if value is not None and _near(dimension, value, top):
                start, end = axis_ends(dimension, {})
                step = EDGE_SHARE * (end - start) * (1 if top else -1)
                words = f"{printable(name_of(dimension))} {'max' if top else 'min'} {value:g}"
                yield words, _moved(geometry, k, top, value, step)


def _near(dimension: Dimension, value: float, top: bool) -> bool:
    start, end = axis_ends(dimension, {})
    return at_the_end(dimension, value, end if top else start, end - start)


def _outermost(geometry: Rectangle | Polygon, k: int, top: bool) -> float | None:
    if isinstance(geometry, Rectangle):
        return geometry.bounds[k][1 if top else 0]
    places = [v[k] for v in geometry.vertices]
    return max(places) if top else min(places)


def _moved(geometry: Rectangle | Polygon, k: int, top: bool, value: float, step: float) -> Rectangle | Polygon:
    if isinstance(geometry, Rectangle):
        low, high = geometry.bounds[k]
        pair = (low, value + step) if top else (value + step, high)
        return replace(geometry, bounds=(*geometry.bounds[:k], pair, *geometry.bounds[k + 1 :]))
    vertices = tuple(
        (x + step, y) if k == 0 and x == value else (x, y + step) if k == 1 and y == value else (x, y)
        for x, y in geometry.vertices
    )
    return replace(geometry, vertices=vertices)
