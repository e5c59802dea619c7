"""One gate element of Gating-ML 2.0 to geometries: rectangles, polygons, ellipsoids, quadrants, booleans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from immunoprofile.errors import printable
from immunoprofile.gating.formats.gatingml_custom import template_compensation
from immunoprofile.gating.formats.gatingml_definitions import Definitions, RatioDefinition, clip_before
from immunoprofile.gating.formats.gatingml_words import (
    DATATYPES,
    FCS,
    GATING,
    UNCOMPENSATED_REF,
    RefusalError,
    attribute,
    bound,
    finite,
    local,
    number,
    only,
    truth,
)
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    Boolean,
    Dimension,
    Ellipsoid,
    Geometry,
    Polygon,
    Ratio,
    Rectangle,
    Term,
)
from immunoprofile.scales import Identity

if TYPE_CHECKING:
    from immunoprofile.gating.formats.gatingml_info import AxisInfo, GateInfo, QuadrantsInfo

Divider = tuple[Dimension, tuple[float, ...]]


def read_geometry(element: Any, found: Definitions, info: GateInfo | None) -> Geometry:
    """The geometry of a gate that is one population; terms of a boolean are still ids.

    Raises
    ------
    RefusalError
        What the standard asks for is missing or impossible, or a reference leads nowhere.
    """
    kind = local(element.tag)
    if kind == "BooleanGate":
        return _boolean(element, info)
    axes = element.findall(f"{GATING}dimension")
    dimensions = read_dimensions(element, axes, found, None if info is None else info.axes)
    if kind == "RectangleGate":
        if not dimensions:
            raise RefusalError(element, "a rectangle needs a dimension")
        bounds = tuple((bound(a, f"{GATING}min", "-INF"), bound(a, f"{GATING}max", "INF")) for a in axes)
        return Rectangle(dimensions, bounds, None if info is None else info.divider)
    for axis in axes:
        if axis.get(f"{GATING}min") is not None or axis.get(f"{GATING}max") is not None:
            raise RefusalError(axis, f"min and max mean nothing in a {kind}", "Remove them, or use a RectangleGate.")
    return _polygon(element, dimensions) if kind == "PolygonGate" else _ellipsoid(element, dimensions)


def _polygon(element: Any, dimensions: tuple[Dimension, ...]) -> Polygon:
    vertices = [_coordinates(v) for v in element.findall(f"{GATING}vertex")]
    if len(dimensions) != 2 or any(len(v) != 2 for v in vertices):
        raise RefusalError(element, "a polygon has two dimensions and two coordinates a vertex")
    return Polygon((dimensions[0], dimensions[1]), tuple((x, y) for x, y in vertices))


def _ellipsoid(element: Any, dimensions: tuple[Dimension, ...]) -> Ellipsoid:
    rows = tuple(
        tuple(number(e, f"{DATATYPES}value") for e in row.findall(f"{GATING}entry"))
        for row in only(element, f"{GATING}covarianceMatrix").findall(f"{GATING}row")
    )
    if len(dimensions) < 2:
        raise RefusalError(element, "an ellipsoid has two dimensions or more")
    center = tuple(_coordinates(only(element, f"{GATING}mean")))
    return Ellipsoid(dimensions, center, rows, number(only(element, f"{GATING}distanceSquare"), f"{DATATYPES}value"))


def _coordinates(element: Any) -> list[float]:
    return [number(c, f"{DATATYPES}value") for c in element.findall(f"{GATING}coordinate")]


def _boolean(element: Any, info: GateInfo | None) -> Boolean:
    operations = [c for k in ("and", "or", "not") for c in element.findall(GATING + k)]
    if len(operations) != 1:
        raise RefusalError(element, "a boolean gate holds one of and, or, not")
    operation = local(operations[0].tag)
    references = operations[0].findall(f"{GATING}gateReference")
    if not references or (operation == "not" and len(references) != 1):
        raise RefusalError(operations[0], f"{operation} has {len(references)} references")
    terms = tuple(
        Term(attribute(r, f"{GATING}ref"), truth(r, f"{GATING}use-as-complement") != (operation == "not"))
        for r in references
    )
    if operation == "not" and info is not None and info.operation is not None:
        operation = info.operation
    return Boolean("or" if operation == "or" else "and", terms)


def read_quadrants(
    element: Any, found: Definitions, info: QuadrantsInfo | None
) -> Iterator[tuple[Any, Rectangle | RefusalError]]:
    """The parts of a quadrant gate, each with its element; a part that cannot be used is a refusal.

    Raises
    ------
    RefusalError
        Its dividers cannot be used, and so none of its parts.
    """
    dividers: dict[str, Divider] = {}
    elements = element.findall(f"{GATING}divider")
    dimensions = read_dimensions(element, elements, found, None if info is None else info.axes)
    for divider, dimension in zip(elements, dimensions, strict=True):
        name = attribute(divider, f"{GATING}id")
        values = {finite(v, v.text or "") for v in divider.findall(f"{GATING}value")}
        if not values or name in dividers:
            raise RefusalError(divider, f'the divider "{printable(name)}" has no value, or its id is used twice')
        dividers[name] = dimension, tuple(sorted(values))
    title = element.get(f"{GATING}id", "") if info is None else info.divider
    for part in element.findall(f"{GATING}Quadrant"):
        try:
            yield part, _quadrant(part, dividers, found, title)
        except RefusalError as refusal:
            yield part, refusal


def _quadrant(part: Any, dividers: dict[str, Divider], found: Definitions, title: str) -> Rectangle:
    bounds: dict[str, tuple[float | None, float | None]] = {}
    for position in part.findall(f"{GATING}position"):
        reference = attribute(position, f"{GATING}divider_ref")
        _, values = found.find(position, "divider of this gate", reference, dividers)
        location = number(position, f"{GATING}location")
        if reference in bounds:
            raise RefusalError(position, f'"{printable(reference)}" has two positions', "Give one.")
        low = max((v for v in values if v <= location), default=None)
        bounds[reference] = low, min((v for v in values if v > location), default=None)
    if not bounds:
        raise RefusalError(part, "a quadrant needs a position")
    return Rectangle(tuple(dividers[r][0] for r in bounds), tuple(bounds.values()), title)


def read_dimensions(
    gate: Any, elements: Sequence[Any], found: Definitions, axes: Sequence[AxisInfo] | None
) -> tuple[Dimension, ...]:
    """The dimensions of a gate, by our markers where our information is beside them."""
    if axes is None:
        return tuple(_dimension(e, found, None) for e in elements)
    if len(axes) != len(elements):
        raise RefusalError(
            gate,
            f"custom_info speaks of {len(axes)} dimensions, the gate has {len(elements)}",
            _REWRITTEN,
            "GATINGML-CUSTOM",
        )
    return tuple(_dimension(e, found, a) for e, a in zip(elements, axes, strict=True))


_REWRITTEN = "The gate was changed after it was written: take its custom_info out, or write it again."


def _dimension(element: Any, found: Definitions, axis: AxisInfo | None) -> Dimension:
    compensation = _compensation(element, found)
    reference = element.get(f"{GATING}transformation-ref")
    scale = Identity() if reference is None else found.find(element, "transformation", reference, found.scales)
    source = _source(element, found)
    if isinstance(source, RatioDefinition):
        scale = clip_before(scale, source.low, source.high)
        ends = [_marker(element, found, axis, k, n) for k, n in enumerate((source.numerator, source.denominator))]
        channel: str | Ratio = Ratio(ends[0], ends[1], source.a, source.b, source.c)
    else:
        channel = _marker(element, found, axis, 0, source)
    if axis is not None and len(axis.markers) != (2 if isinstance(source, RatioDefinition) else 1):
        raise _other(element, "the number of channels")
    return Dimension(channel, scale, _as_given(element, found, axis, compensation))


def _source(element: Any, found: Definitions) -> str | RatioDefinition:
    direct, derived = (element.findall(DATATYPES + tag) for tag in ("fcs-dimension", "new-dimension"))
    if len(direct) + len(derived) != 1:
        raise RefusalError(element, f"<{local(element.tag)}> names {len(direct) + len(derived)} channels, not one")
    if direct:
        return attribute(direct[0], f"{DATATYPES}name")
    reference = attribute(derived[0], f"{DATATYPES}transformation-ref")
    ratio: RatioDefinition = found.find(element, "ratio", reference, found.ratios)
    return ratio


def _compensation(element: Any, found: Definitions) -> str:
    reference = attribute(element, f"{GATING}compensation-ref")
    if reference in {FCS, UNCOMPENSATED_REF}:
        return FILE if reference == FCS else UNCOMPENSATED
    name: str = found.find(element, "spectrum matrix", reference, found.matrices)[0]
    return name


def _as_given(element: Any, found: Definitions, axis: AxisInfo | None, compensation: str) -> str | None:
    """None where our information says that the template's own compensation is meant."""
    if axis is None or not axis.as_template or found.template is None:
        return compensation
    if template_compensation(found.template.compensation) != compensation:
        raise _other(element, "the compensation")
    return None


def _marker(element: Any, found: Definitions, axis: AxisInfo | None, place: int, written: str) -> str:
    """The template's name for the channel that a dimension names."""
    markers = found.template.markers if found.template else []
    if axis is None:
        ours = [m.name for m in markers if m.dimension == written] or [m.name for m in markers if m.name == written]
        if len(ours) > 1 or (ours and written not in {m.dimension for m in markers}):
            raise RefusalError(
                element,
                f'"{printable(written)}" could be any of {", ".join(printable(n) for n in ours)} or a detector',
                "Say which in custom_info, or name the detector otherwise.",
                "GATINGML-CUSTOM",
            )
        return ours[0] if ours else written
    name = axis.markers[min(place, len(axis.markers) - 1)]
    known = {m.name: m for m in markers}
    if name not in known or written not in {name, known[name].dimension}:
        raise _other(element, f'"{printable(name)}"')
    return name


def _other(element: Any, what: str) -> RefusalError:
    return RefusalError(element, f"{what} in custom_info and in the gate differ", _REWRITTEN, "GATINGML-CUSTOM")
