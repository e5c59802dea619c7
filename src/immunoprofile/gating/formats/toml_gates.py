"""The [[gate]] blocks of a template file as drafts: shapes on their axes, rules with their fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from immunoprofile.errors import printable
from immunoprofile.gating.formats.assembly import Draft
from immunoprofile.gating.formats.parts import IllGate
from immunoprofile.gating.formats.sense import Sense
from immunoprofile.gating.formats.shape import FallbackShape, GateShape, QuadrantShape
from immunoprofile.gating.formats.shape_auto import AutoShape, QuadrantAutoShape
from immunoprofile.gating.gates import AutoRule, Boolean, Ellipsoid, Geometry, Polygon, Rectangle, Term
from immunoprofile.gating.paths import ROOT, join_path


def draft_gates(sense: Sense, number: int, shape: GateShape | IllGate) -> Iterator[Draft]:
    """The populations of one block: one, or a corner each; of an ill-formed one the names alone."""
    where = f"gate[{number}]"
    if isinstance(shape, IllGate):
        for place, name in shape.axes:
            sense.axis(f"{where}.{place}", name)
        yield from (Draft(where, name, shape.parent, None, given) for name, given in shape.populations)
        return
    if shape.quadrant is not None:
        yield from _quadrants(sense, where, shape, shape.quadrant)
        return
    if shape.auto is None:
        geometry, rule = _geometry(sense, where, shape), None
    else:
        assert shape.fallback is not None
        geometry = _geometry(sense, f"{where}.fallback", shape.fallback)
        rule = _rule(sense, f"{where}.auto", shape.auto, geometry)
    yield Draft(
        where,
        str(shape.name),
        shape.parent,
        geometry,
        shape.id,
        shape.label,
        shape.cell_ontology,
        shape.name_hipc,
        shape.role,
        auto=rule,
    )


AUTO_DEFAULTS: dict[str, dict[str, Any]] = {
    "tail": {"quantile": 0.99},
    "quantile": {"quantile": 0.99},
    "fmo": {"quantile": 0.995},
    "mixture": {"components": 2},
    "singlets": {"width": 4.0},
}
"""What a rule says that leaves it open: written into the template's content, so that its digest covers it."""


def _rule(sense: Sense, where: str, auto: AutoShape, fallback: Geometry | None) -> AutoRule | None:
    axes = [auto.x] if auto.y is None else [auto.x, auto.y]
    found = [sense.axis(f"{where}.{key}", name) for key, name in zip("xy", axes, strict=False)]
    dimensions = tuple(d for d in found if d is not None)
    if len(dimensions) < len(axes):
        return None
    if fallback is not None and fallback.dimensions != dimensions:
        what = "the fallback has other axes than the rule"
        sense.problem(where, what, f"Give it on {' and '.join(map(printable, axes))}, in this order.", "AUTO-FALLBACK")
    given = auto.model_dump(exclude={"method", "x", "y"}, exclude_none=True)
    defaults = dict(AUTO_DEFAULTS.get(auto.method, {}))
    if auto.method == "mixture" and len(axes) == 2:
        defaults["quantile"] = 0.95
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in {**defaults, **given}.items()}
    return AutoRule(auto.method, dimensions, **settings)


def _geometry(sense: Sense, where: str, shape: GateShape | FallbackShape) -> Geometry | None:
    if isinstance(shape, GateShape) and shape.boolean is not None:
        return _boolean(shape)
    if shape.range is not None:
        axes, bounds = [shape.range.x], [(shape.range.min, shape.range.max)]
    elif shape.rectangle is not None:
        axes, bounds = list(shape.rectangle), [(b.min, b.max) for b in shape.rectangle.values()]
    else:
        return _outline(sense, where, shape)
    found = [sense.axis(f"{where}.{a}", a) for a in axes]
    dimensions = tuple(d for d in found if d is not None)
    divider = shape.divider if isinstance(shape, GateShape) else None
    return Rectangle(dimensions, tuple(bounds), divider) if len(dimensions) == len(axes) else None


def _outline(sense: Sense, where: str, shape: GateShape | FallbackShape) -> Geometry | None:
    polygon, ellipse = shape.polygon, shape.ellipse
    ellipsoid = shape.ellipsoid if isinstance(shape, GateShape) else None
    if ellipsoid is not None:
        axes = ellipsoid.dimensions
    else:
        flat = polygon or ellipse
        assert flat is not None
        axes = [flat.x, flat.y]
    found = [sense.axis(f"{where}.{a}", a) for a in axes]
    dimensions = tuple(d for d in found if d is not None)
    if len(dimensions) != len(axes):
        return None
    if polygon is not None:
        return Polygon((dimensions[0], dimensions[1]), tuple(polygon.vertices), bins=polygon.bins)
    given = ellipse or ellipsoid
    assert given is not None
    covariance = tuple(tuple(row) for row in given.covariance)
    ellipse_gate = Ellipsoid(dimensions, tuple(given.center), covariance, given.distance_square, bins=given.bins)
    square = len(covariance) == len(axes) and all(len(row) == len(axes) for row in covariance)
    if square and not ellipse_gate.is_ellipsoid:
        sense.problem(f"{where}.covariance", "is not symmetric and positive definite", "Correct it.", "GATE-SHAPE")
        return None
    return ellipse_gate


def _boolean(shape: GateShape) -> Boolean:
    boolean = shape.boolean
    assert boolean is not None
    names = boolean.all_of or boolean.any_of or boolean.none_of or []
    flip = boolean.none_of is not None
    terms = tuple(Term(n.removeprefix("!"), n.startswith("!") != flip) for n in names)
    return Boolean("or" if boolean.any_of is not None else "and", terms)


def _quadrants(sense: Sense, where: str, shape: GateShape, quadrant: QuadrantShape) -> Iterator[Draft]:
    x, y = (sense.axis(f"{where}.quadrant.{k}", a) for k, a in (("x", quadrant.x), ("y", quadrant.y)))
    for key in ("id", "label", "cell_ontology", "name_hipc", "role"):
        if getattr(shape, key) is not None:
            sense.problem(
                f"{where}.{key}",
                "a quadrant gate has no population of its own",
                "Give ids, labels, cell_ontology and name_hipc per corner inside quadrant = { ... }.",
                "QUADRANT-KEY",
            )
    divider = shape.name or f"{quadrant.x} x {quadrant.y}"
    cuts = [] if quadrant.auto is None else list(_found_dividers(sense, where, shape, quadrant, quadrant.auto))
    yield from cuts
    for corner, name in quadrant.names.items():
        bounds = tuple(
            (at, None) if sign == "+" else (None, at)
            for sign, at in zip(corner, (quadrant.x_at, quadrant.y_at), strict=True)
        )
        geometry: Geometry | None = Rectangle((x, y), bounds, divider) if x is not None and y is not None else None
        if cuts:
            above = "" if shape.parent in {None, ROOT} else f"{shape.parent}/"
            terms = (Term(above + join_path([c.name]), s == "-") for c, s in zip(cuts, corner, strict=True))
            geometry = Boolean("and", tuple(terms))
        yield Draft(
            f"{where}.quadrant.{corner}",
            name,
            shape.parent,
            geometry,
            quadrant.ids.get(corner),
            quadrant.labels.get(corner),
            quadrant.cell_ontology.get(corner),
            quadrant.name_hipc.get(corner),
            None,
        )


def _found_dividers(
    sense: Sense, where: str, shape: GateShape, quadrant: QuadrantShape, auto: QuadrantAutoShape
) -> Iterator[Draft]:
    """The cuts of a quadrant gate whose dividers are found in the data; its corners are booleans of them."""
    divider = shape.name or f"{quadrant.x} x {quadrant.y}"
    axes: tuple[tuple[Literal["x", "y"], str, float], ...] = (
        ("x", quadrant.x, quadrant.x_at),
        ("y", quadrant.y, quadrant.y_at),
    )
    for key, marker, at in axes:
        axis = sense.axes.get(marker)
        fallback = None if axis is None else Rectangle((axis,), ((at, None),))
        place = f"{where}.quadrant.{key}"
        rule = None if axis is None else _rule(sense, place, auto.rule(marker, key), fallback)
        yield Draft(place, f"{marker}+ of {divider}", shape.parent, fallback, auto=rule)
