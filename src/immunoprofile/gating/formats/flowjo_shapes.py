"""One gate of a FlowJo workspace: its element to a geometry over the axes of its sample.

FlowJo keeps bounds and vertices in linear units, and ellipses in 256ths of the display: two foci and the ends of both
axes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from immunoprofile.errors import printable
from immunoprofile.gating.formats.assembly import shape_complaints
from immunoprofile.gating.formats.flowjo_axes import Axes, Axis, D, G, RefusalError, number
from immunoprofile.gating.gates import Ellipsoid, Geometry, Polygon, Rectangle

_DISPLAY = 256.0
# FlowJo's own default where a gate says nothing.
_BINS = 256
_MOST_BINS = 4096


def read_geometry(gate: Any, axes: Axes, *, is_binned: bool) -> tuple[Geometry, str | None]:
    """The geometry in a ``<Gate>``, and why it goes without FlowJo's bins although it should have them.

    Raises
    ------
    RefusalError
        It cannot be carried.
    """
    shapes = [e for e in gate if isinstance(e.tag, str)]
    if len(shapes) != 1:
        raise RefusalError(f"its <Gate> holds {len(shapes)} shapes")
    shape = shapes[0]
    kind = shape.tag.removeprefix(G)
    found = [axes.find(_name(d)) for d in shape.iterfind(G + "dimension")]
    geometry: Geometry
    if kind == "RectangleGate":
        geometry, note = _rectangle(shape, found), None
    elif kind in {"PolygonGate", "EllipsoidGate"}:
        if len(found) != 2:
            raise RefusalError(f"it has {len(found)} dimensions, and only two can be carried")
        bins, note = _bins(shape, found) if is_binned else (None, None)
        geometry = (_polygon if kind == "PolygonGate" else _ellipse)(shape, found[0], found[1], bins)
    else:
        raise RefusalError(f"a {printable(kind.rpartition('}')[2], 40)} is not known here")
    complaints = shape_complaints(geometry)
    if complaints:
        raise RefusalError(complaints[0][0])
    return geometry, note


def is_outside(gate: Any) -> bool:
    """True where the population is what lies outside of the shape."""
    return any(e.get("eventsInside", "1") == "0" for e in gate)


def _name(dimension: Any) -> str:
    channels = list(dimension.iterfind(D + "fcs-dimension"))
    if len(channels) != 1:
        raise RefusalError("one of its dimensions names no channel")
    return str(channels[0].get(D + "name"))


def _rectangle(shape: Any, axes: list[Axis]) -> Rectangle:
    dimensions, bounds = [], []
    for axis, element in zip(axes, shape.iterfind(G + "dimension"), strict=True):
        low, high = (None if element.get(G + k) is None else number(element, G + k) for k in ("min", "max"))
        dimension, bound = axis.bounded(low, high)
        dimensions.append(dimension)
        bounds.append(bound)
    return Rectangle(tuple(dimensions), tuple(bounds))


def _bins(shape: Any, axes: list[Axis]) -> tuple[int | None, str | None]:
    text = shape.get("gateResolution", str(_BINS))
    if not (text.isdecimal() and 1 <= int(text) <= _MOST_BINS):
        return None, f"its resolution is {printable(text, 20)}"
    away = [a.detector for a in axes if not a.is_binned]
    if away:
        return None, f'the display of "{printable(away[0])}" begins above zero'
    return int(text), None


def _polygon(shape: Any, x: Axis, y: Axis, bins: int | None) -> Polygon:
    points = [_coordinates(v) for v in shape.iterfind(G + "vertex")]
    vertices = tuple((x.scaled(p[0]), y.scaled(p[1])) for p in points)
    if not np.isfinite(vertices).all():
        raise RefusalError("one of its vertices lies off its scale")
    return Polygon((x.dimension(x.known_scale()), y.dimension(y.known_scale())), vertices, bins=bins)


def _ellipse(shape: Any, x: Axis, y: Axis, bins: int | None) -> Ellipsoid:
    foci, ends = (
        np.array([_coordinates(v) for v in shape.iterfind(f"{G}{part}/{G}vertex")]).reshape(-1, 2) / _DISPLAY
        for part in ("foci", "edge")
    )
    if foci.shape != (2, 2) or ends.shape != (4, 2):
        raise RefusalError("an ellipse has two foci and the ends of two axes")
    long = max(math.dist(ends[0], ends[1]), math.dist(ends[2], ends[3])) / 2
    focal = math.dist(foci[0], foci[1]) / 2
    short_square = long**2 - focal**2
    if short_square <= 0:
        raise RefusalError("the foci of its ellipse do not go with its axes")
    # The ends of the short axis are whole numbers and less exact than the foci; a circle has any direction.
    along = (foci[1] - foci[0]) / (2 * focal) if focal > 0 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    lengths = np.array([x.length, y.length])
    center = np.array([x.origin, y.origin]) + lengths * foci.mean(axis=0)
    spread = long**2 * np.outer(along, along) + short_square * np.outer(across, across)
    covariance = spread * np.outer(lengths, lengths)
    dimensions = (x.dimension(x.known_scale()), y.dimension(y.known_scale()))
    return Ellipsoid(
        dimensions, tuple(center.tolist()), tuple(tuple(row) for row in covariance.tolist()), 1.0, bins=bins
    )


def _coordinates(vertex: Any) -> list[float]:
    found = [number(c, D + "value") for c in vertex.iterfind(G + "coordinate")]
    if len(found) != 2:
        raise RefusalError("one of its vertices has not two coordinates")
    return found
