"""Our template file: TOML in two passes, shape and then sense, each with all its problems at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from immunoprofile.errors import (
    InputError,
    Problem,
    SpilloverError,
    TemplateInvalidError,
    TemplateSyntaxError,
    closest,
    printable,
)
from immunoprofile.gating.expectations import Expectation, TemplateTest
from immunoprofile.gating.formats.assembly import Draft, assemble
from immunoprofile.gating.formats.shape import (
    FallbackShape,
    GateShape,
    MarkerShape,
    MatrixShape,
    QuadrantShape,
    TemplateShape,
    TestShape,
    shape_problems,
)
from immunoprofile.gating.formats.shape_auto import AutoShape
from immunoprofile.gating.formats.shape_scales import ScaleShape
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    AutoRule,
    Boolean,
    Dimension,
    Ellipsoid,
    Geometry,
    Polygon,
    Ratio,
    Rectangle,
    Term,
)
from immunoprofile.gating.template import Compensation, GatingTemplate, Intensities, Limit, Marker, Quality
from immunoprofile.provenance import read_regular
from immunoprofile.scales import KINDS, Scale
from immunoprofile.spillover import Spillover, read_spillover

_MAX_BYTES = 5_000_000


def read_toml(path: Path) -> GatingTemplate:
    """Read a template file.

    Raises
    ------
    TemplateSyntaxError
        Missing, not TOML, unknown keys or wrong types: all of them.
    TemplateInvalidError
        Right in shape, wrong in sense: all problems.
    """
    return _sense(_shape(path), path)


def _shape(path: Path) -> TemplateShape:
    try:
        data = read_regular(path, _MAX_BYTES)
    except OSError as problem:
        raise TemplateSyntaxError(
            f"template cannot be read ({problem.strerror})",
            path=path,
            code="TEMPLATE-ACCESS",
            remedy="Check the path.",
        ) from problem
    try:
        return TemplateShape.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except ValidationError as problem:
        raise TemplateSyntaxError.of(shape_problems(problem, str(path), TemplateShape)) from None
    except (ValueError, RecursionError) as problem:  # not TOML, not UTF-8, or a number with thousands of digits
        raise TemplateSyntaxError(
            f"is not TOML ({problem})", path=path, remedy="Mend the line it names.", code="TEMPLATE-TOML"
        ) from problem


class _Sense:
    """The names a template's parts are looked up by, and the problems found on the way."""

    def __init__(self, shape: TemplateShape, path: Path) -> None:
        self.path, self.problems = path, list[Problem]()
        self.scales = {n: s for n, found in shape.scales.items() if (s := self.scale(n, found)) is not None}
        self.known = list(shape.markers)
        self.matrices = _matrices(self, shape)
        self.axes: dict[str, Dimension] = {}
        for name, marker in shape.markers.items():
            axis = self._dimension(name, marker, shape)
            if axis is not None:
                self.axes[name] = axis

    def _dimension(self, name: str, marker: MarkerShape, shape: TemplateShape) -> Dimension | None:
        where, sound = f"markers.{name}", True
        if marker.scale not in shape.scales:
            hint = closest(marker.scale, shape.scales)
            self.problem(f"{where}.scale", f'no scale named "{printable(marker.scale)}"', hint, "SCALE-UNKNOWN")
            sound = False
        if marker.compensation not in {None, FILE, UNCOMPENSATED, *self.matrices}:
            hint = closest(str(marker.compensation), [FILE, UNCOMPENSATED, *self.matrices])
            what = f'no matrix named "{printable(marker.compensation)}"'
            self.problem(f"{where}.compensation", what, hint, "MATRIX-UNKNOWN")
            sound = False
        ratio = marker.ratio
        for end in () if ratio is None else (ratio.top, ratio.bottom):
            if end not in self.known or shape.markers[end].ratio is not None:
                hint = closest(end, self.known)
                self.problem(f"{where}.ratio", f'"{printable(end)}" is no marker with names', hint, "MARKER-UNKNOWN")
                sound = False
        if not sound or marker.scale not in self.scales:
            return None
        channel = name if ratio is None else Ratio(ratio.top, ratio.bottom, ratio.a, ratio.b, ratio.c)
        return Dimension(channel, self.scales[marker.scale], marker.compensation)

    def problem(self, where: str, what: str, remedy: str | None, code: str) -> None:
        self.problems.append(Problem(what, str(self.path), where, remedy=remedy, code=code))

    def scale(self, name: str, shape: ScaleShape) -> Scale | None:
        numbers = shape.model_dump(exclude={"kind"}, exclude_none=True)
        try:
            return KINDS[shape.kind](**numbers)
        except ValueError as problem:
            self.problem(f"scales.{name}", str(problem), "Correct its numbers.", "SCALE-INVALID")
            return None

    def axis(self, where: str, name: str) -> Dimension | None:
        if name not in self.known:
            self.problem(where, f'no marker named "{printable(name)}"', closest(name, self.known), "MARKER-UNKNOWN")
        return self.axes.get(name)


def _sense(shape: TemplateShape, path: Path) -> GatingTemplate:
    sense = _Sense(shape, path)
    drafts = [d for i, g in enumerate(shape.gate) for d in _drafts(sense, i, g)]
    comp = _compensation(sense, shape)
    markers = tuple(
        Marker(n, tuple(m.names or [n]), m.optional, m.by == "detector")
        for n, m in shape.markers.items()
        if m.ratio is None
    )
    head = shape.template
    assembled = assemble(
        drafts,
        [(f"report[{i}]", r.population, r.of) for i, r in enumerate(shape.report)],
        [
            (f"limits.{n}", n, Limit(x.warn_denominator_below, x.not_evaluable_denominator_below))
            for n, x in shape.limits.items()
        ],
        str(path),
        [(f"test[{i}]", _test(t)) for i, t in enumerate(shape.test)],
    )
    problems = [*sense.problems, *assembled.problems]
    if problems:
        raise TemplateInvalidError.of(problems)
    template = GatingTemplate(
        head.id,
        head.version,
        head.title,
        head.status,
        markers,
        comp,
        assembled.gates,
        assembled.reports,
        assembled.limits,
        path,
        quality=Quality(**shape.quality.model_dump()),
        tests=assembled.tests,
    )
    return replace(template, intensities=_intensities(sense, shape, template))


def _intensities(sense: _Sense, shape: TemplateShape, template: GatingTemplate) -> Intensities:
    """What ``[intensities]`` names, as paths and markers; only reported populations have intensities.

    Raises
    ------
    TemplateInvalidError
        A name that is not known, or not reported.
    """
    reported, found = template.reported(), []
    for i, name in enumerate(shape.intensities.populations):
        where = f"intensities.populations[{i}]"
        try:
            path = template.find(name)
        except InputError as error:
            sense.problem(where, error.problems[0].what, error.problems[0].remedy, error.code)
            continue
        if path not in reported:
            what = f'"{printable(name)}" is not reported'
            sense.problem(where, what, "Add a [[report]] of it.", "POPULATION-UNREPORTED")
        found.append(path)
    for i, name in enumerate(shape.intensities.markers):
        sense.axis(f"intensities.markers[{i}]", name)
    if sense.problems:
        raise TemplateInvalidError.of(sense.problems)
    return Intensities(tuple(found), tuple(shape.intensities.markers))


def _test(shape: TestShape) -> TemplateTest:
    """A test as written: one expectation a number."""
    found: list[Expectation] = []
    for path, expect in shape.expect.items():
        slack = expect.tolerance or 0.0
        if expect.count is not None:
            found.append(Expectation(path, "count", expect.count, slack))
        if expect.frac_of_parent is not None:
            found.append(Expectation(path, "frac_of_parent", expect.frac_of_parent, slack))
        for whole, value in (expect.frac_of or {}).items():
            found.append(Expectation(path, "frac_of", value, slack, whole))
        if expect.f1 is not None:
            labels = (expect.label,) if isinstance(expect.label, str) else tuple(expect.label or ())
            found.append(Expectation(path, "f1", expect.f1, labels=labels))
    return TemplateTest(shape.sample, tuple(found), shape.labels, shape.label_column)


def _compensation(sense: _Sense, shape: TemplateShape) -> Compensation:
    comp = shape.compensation
    if (comp.source == "matrix") != (comp.matrix is not None):
        sense.problem(
            "compensation.matrix",
            'goes with source = "matrix", and only with it',
            'Write source = "matrix" and matrix = "FILE.csv", or neither.',
            "COMPENSATION",
        )
    return Compensation(comp.source, comp.matrix, comp.missing, tuple(sense.matrices.items()))


def _matrices(sense: _Sense, shape: TemplateShape) -> dict[str, Spillover]:
    """The template's matrices by name; one that is named by its file alone is called as the file."""
    comp = shape.compensation
    wanted: dict[str, str | MatrixShape] = dict(comp.matrices)
    if comp.matrix is not None:
        wanted.setdefault(comp.matrix, comp.matrix)
    found = {}
    for name, given in wanted.items():
        file, rows = (given, ()) if isinstance(given, str) else (given.file, given.fluorochromes)
        try:
            found[name] = read_spillover(sense.path.parent / file, rows)
        except SpilloverError as error:
            sense.problem("compensation.matrix", str(error).rstrip("."), None, error.code)
    return found


def _drafts(sense: _Sense, number: int, shape: GateShape) -> Iterator[Draft]:
    where = f"gate[{number}]"
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


def _rule(sense: _Sense, where: str, auto: AutoShape, fallback: Geometry | None) -> AutoRule | None:
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


def _geometry(sense: _Sense, where: str, shape: GateShape | FallbackShape) -> Geometry | None:
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


def _outline(sense: _Sense, where: str, shape: GateShape | FallbackShape) -> Geometry | None:
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


def _quadrants(sense: _Sense, where: str, shape: GateShape, quadrant: QuadrantShape) -> Iterator[Draft]:
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
    for corner, name in quadrant.names.items():
        bounds = tuple(
            (at, None) if sign == "+" else (None, at)
            for sign, at in zip(corner, (quadrant.x_at, quadrant.y_at), strict=True)
        )
        geometry = Rectangle((x, y), bounds, divider) if x is not None and y is not None else None
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
