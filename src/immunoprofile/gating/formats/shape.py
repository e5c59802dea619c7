"""The shape of a TOML template: which keys, which types. Whether it makes sense is `formats.toml`'s second pass."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from immunoprofile.errors import Problem, closest, printable
from immunoprofile.gating.formats.shape_auto import AutoShape
from immunoprofile.gating.formats.shape_scales import Fraction, Model, Name, Number, ScaleShape

Pair = tuple[Number, Number]
Corner = Literal["++", "+-", "-+", "--"]


class TemplateHead(Model):
    """[template]"""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=64)]
    version: Name
    title: str = ""
    status: Literal["draft", "locked", "retired"] = "draft"


class RatioShape(Model):
    """ratio = { top, bottom, a, b, c }: a (top - b) / (bottom - c) of two markers"""

    top: Name
    bottom: Name
    a: Number = 1.0
    b: Number = 0.0
    c: Number = 0.0


class MarkerShape(Model):
    """A row of [markers]"""

    names: Annotated[list[Name], Field(min_length=1)] | None = None
    ratio: RatioShape | None = None
    scale: Name
    optional: bool = False
    by: Literal["marker", "detector"] = "marker"
    compensation: Name | None = None


class MatrixShape(Model):
    """matrices.NAME = { file, fluorochromes }: a matrix whose rows are not called as its detectors"""

    file: Name
    fluorochromes: Annotated[list[Name], Field(min_length=1)]


class CompensationShape(Model):
    """[compensation]"""

    source: Literal["file", "matrix", "none"] = "file"
    matrix: Name | None = None
    missing: Literal["error", "allow"] = "error"
    matrices: dict[Name, Name | MatrixShape] = Field(default_factory=dict)


class BoundsShape(Model):
    """min and max of one marker"""

    min: Number | None = None
    max: Number | None = None


class RangeShape(BoundsShape):
    """range = { x, min, max }"""

    x: Name


class PolygonShape(Model):
    """polygon = { x, y, vertices }"""

    x: Name
    y: Name
    vertices: list[Pair]
    bins: Annotated[int, Field(gt=0)] | None = None


class EllipseShape(Model):
    """ellipse = { x, y, center, covariance, distance_square }"""

    x: Name
    y: Name
    center: Pair
    covariance: tuple[Pair, Pair]
    distance_square: Number
    bins: Annotated[int, Field(gt=0)] | None = None


class EllipsoidShape(Model):
    """ellipsoid = { dimensions, center, covariance, distance_square }"""

    dimensions: list[Name]
    center: list[Number]
    covariance: list[list[Number]]
    distance_square: Number
    bins: Annotated[int, Field(gt=0)] | None = None


class QuadrantShape(Model):
    """quadrant = { x, y, x_at, y_at, names, ids }"""

    x: Name
    y: Name
    x_at: Number
    y_at: Number
    names: dict[Corner, Name]
    ids: dict[Corner, Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]] = Field(default_factory=dict)
    cell_ontology: dict[Corner, str] = Field(default_factory=dict)
    name_hipc: dict[Corner, str] = Field(default_factory=dict)
    labels: dict[Corner, str] = Field(default_factory=dict)


class BooleanShape(Model):
    """boolean = { and = [..] } | { or = [..] } | { not = [..] }"""

    all_of: list[Name] | None = Field(default=None, alias="and")
    any_of: list[Name] | None = Field(default=None, alias="or")
    none_of: list[Name] | None = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _one(self) -> BooleanShape:
        given = [t for t in (self.all_of, self.any_of, self.none_of) if t is not None]
        if len(given) != 1 or not given[0]:
            raise ValueError("give exactly one of and, or, not, with at least one population")
        return self


FALLBACKS = ("range", "rectangle", "polygon", "ellipse")


class FallbackShape(Model):
    """fallback = { range = { ... } }: what an automatic gate is where the data do not show it"""

    range: RangeShape | None = None
    rectangle: dict[Name, BoundsShape] | None = None
    polygon: PolygonShape | None = None
    ellipse: EllipseShape | None = None

    @model_validator(mode="after")
    def _one(self) -> FallbackShape:
        given = [g for g in FALLBACKS if getattr(self, g) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(FALLBACKS)}; there are {len(given)}")
        return self


GEOMETRIES = ("range", "rectangle", "polygon", "ellipse", "ellipsoid", "quadrant", "boolean")
Role = Literal["singlets", "live", "lymphocytes", "leukocytes", "t", "cd4", "cd8", "b", "nk", "beads"]


class GateShape(Model):
    """A [[gate]]"""

    name: Name | None = None
    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=64)] | None = None
    parent: Name | None = None
    label: str | None = None
    cell_ontology: Annotated[str, Field(pattern=r"^CL:\d{7}$")] | None = None
    name_hipc: str | None = None
    role: Role | None = None
    divider: Name | None = None
    range: RangeShape | None = None
    rectangle: dict[Name, BoundsShape] | None = None
    polygon: PolygonShape | None = None
    ellipse: EllipseShape | None = None
    ellipsoid: EllipsoidShape | None = None
    quadrant: QuadrantShape | None = None
    boolean: BooleanShape | None = None
    auto: AutoShape | None = None
    fallback: FallbackShape | None = None

    @model_validator(mode="after")
    def _one(self) -> GateShape:
        given = [g for g in GEOMETRIES if getattr(self, g) is not None]
        if self.auto is not None or self.fallback is not None:
            return self._automatic(given)
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(GEOMETRIES)}; there are {len(given)}")
        if self.name is None and self.quadrant is None:
            raise ValueError("a gate needs a name")
        return self

    def _automatic(self, given: list[str]) -> GateShape:
        if self.fallback is None:
            raise ValueError("auto needs a fallback: what the gate is where the data do not show it")
        if self.auto is None:
            raise ValueError("fallback goes with auto, and only with it")
        if given:
            raise ValueError(f"auto takes the place of {', '.join(given)}: write that inside fallback = {{ ... }}")
        if self.name is None:
            raise ValueError("a gate needs a name")
        return self


class ReportShape(Model):
    """A [[report]]"""

    population: Name
    of: list[Name] = Field(default_factory=list)


class LimitShape(Model):
    """A row of [limits]"""

    warn_denominator_below: Annotated[int, Field(ge=0)] | None = None
    not_evaluable_denominator_below: Annotated[int, Field(ge=0)] | None = None


class QualityShape(Model):
    """[quality]"""

    time: Literal["off", "flag", "remove"] = "flag"
    margins: Literal["off", "flag", "remove"] = "flag"
    doublets: Literal["off", "flag", "remove"] = "flag"


class IntensitiesShape(Model):
    """[intensities]"""

    populations: list[Name] = Field(default_factory=list)
    markers: list[Name] = Field(default_factory=list)


class ExpectShape(Model):
    """expect."POPULATION" = { count | frac_of_parent | frac_of, tolerance, f1, label }"""

    count: Annotated[int, Field(ge=0)] | None = None
    frac_of_parent: Fraction | None = None
    frac_of: Annotated[dict[Name, Fraction], Field(min_length=1)] | None = None
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    f1: Fraction | None = None
    label: Name | Annotated[list[Name], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _sense(self) -> ExpectShape:
        fractions = self.frac_of_parent is not None or self.frac_of is not None
        if self.count is None and not fractions and self.f1 is None:
            raise ValueError("says nothing: give count, frac_of_parent, frac_of or f1")
        if self.count is not None and fractions:
            raise ValueError("give a count or fractions, not both: they share one tolerance")
        if fractions and self.tolerance is None:
            raise ValueError("a fraction needs a tolerance")
        if self.tolerance is not None and self.count is None and not fractions:
            raise ValueError("tolerance goes with a count or a fraction; f1 is the least that is accepted")
        if (self.f1 is None) != (self.label is None):
            raise ValueError("f1 and label go together")
        return self


class TestShape(Model):
    """A [[test]]"""

    sample: Name
    labels: Name | None = None
    label_column: Name = "label"
    expect: Annotated[dict[Name, ExpectShape], Field(min_length=1)]

    @model_validator(mode="after")
    def _sense(self) -> TestShape:
        if self.labels is None and any(e.f1 is not None for e in self.expect.values()):
            raise ValueError("f1 needs labels: the table with the label of each event")
        return self


class TemplateShape(Model):
    """A whole template file"""

    template: TemplateHead
    markers: dict[Name, MarkerShape]
    scales: dict[Name, ScaleShape]
    compensation: CompensationShape = CompensationShape()
    gate: Annotated[list[GateShape], Field(min_length=1, max_length=2000)]
    report: list[ReportShape] = Field(default_factory=list)
    limits: dict[Name, LimitShape] = Field(default_factory=dict)
    quality: QualityShape = QualityShape()
    intensities: IntensitiesShape = IntensitiesShape()
    test: list[TestShape] = Field(default_factory=list)


def shape_problems(error: ValidationError, path: str, root: type[BaseModel]) -> list[Problem]:
    """One problem for each complaint of pydantic, with its place as ``gate[3].polygon.vertices``."""
    return [_problem(dict(e), path, root) for e in error.errors(include_url=False)]


def _problem(complaint: dict[str, Any], path: str, root: type[BaseModel]) -> Problem:
    place = [p for p in complaint["loc"] if p not in _UNION_TAGS]
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{printable(p)}" for p in place).lstrip(".")
    if complaint["type"] == "extra_forbidden":
        key, known = str(place[-1]), _keys_at(root, place[:-1])
        return Problem(
            f'unknown key "{printable(key)}"',
            path,
            where,
            ", ".join(known),
            key,
            closest(key, known),
            "KEY-UNKNOWN",
        )
    if complaint["type"] == "missing":
        return Problem(f'"{printable(place[-1])}" is missing', path, where, remedy="Write it here.", code="KEY-MISSING")
    if complaint["type"] in {"union_tag_invalid", "literal_error"}:
        return _choice_problem(complaint, path, where)
    message = str(complaint["msg"]).removeprefix("Value error, ")
    given = complaint.get("input")
    found = None if isinstance(given, dict | list) else printable(given, 80)
    return Problem(
        message[:1].lower() + message[1:],
        path,
        where,
        found=found,
        remedy=None if found is None else f"It says {found} now.",
        code="VALUE",
    )


def _choice_problem(complaint: dict[str, Any], path: str, where: str) -> Problem:
    """A word that is none of those allowed in its place."""
    context = complaint["ctx"]
    known = re.findall(r"'([^']*)'", str(context.get("expected_tags", context.get("expected"))))
    kind = "discriminator" in context
    given = context["tag"] if kind else complaint.get("input")
    return Problem(
        f'"{printable(given, 80)}" is not known here',
        path,
        f"{where}.{str(context['discriminator']).strip(chr(39))}" if kind else where,
        ", ".join(known),
        printable(given, 80),
        closest(str(given), known),
        "VALUE",
    )


_UNION_TAGS = {"linear", "identity", "log", "asinh", "logicle", "hyperlog", "flowjo_biex"}


def _keys_at(model: Any, place: list[Any]) -> list[str]:
    """The keys that a model allows at a place, for the hint."""
    for part in place:
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is not None:
            model = field.annotation
        candidates = list(_models_in(model))
        model = candidates[0] if candidates else None
        if len(candidates) > 1:
            names = {f.alias or n for m in candidates for n, f in m.model_fields.items()}
            return sorted(names)
    return [f.alias or n for n, f in model.model_fields.items()] if _is_model(model) else []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models_in(part)]
