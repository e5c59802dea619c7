"""The shape of a TOML template: which keys, which types. Whether it makes sense is judged in `formats.toml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from immunoprofile.gating.formats.shape_auto import AutoShape, QuadrantAutoShape
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
    """quadrant = { x, y, x_at, y_at, names, ids, auto }"""

    x: Name
    y: Name
    x_at: Number
    y_at: Number
    names: dict[Corner, Name]
    ids: dict[Corner, Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]] = Field(default_factory=dict)
    cell_ontology: dict[Corner, str] = Field(default_factory=dict)
    name_hipc: dict[Corner, str] = Field(default_factory=dict)
    labels: dict[Corner, str] = Field(default_factory=dict)
    auto: QuadrantAutoShape | None = None


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
        if complaint := self.complaint():
            raise ValueError(complaint)
        return self

    def complaint(self) -> str | None:
        """What is wrong with the gate as a whole: which keys it has, whatever they hold."""
        given = [g for g in GEOMETRIES if getattr(self, g) is not None]
        found = []
        if self.auto is not None or self.fallback is not None:
            found += self._automatic(given)
        elif len(given) != 1:
            found.append(f"give exactly one of {', '.join(GEOMETRIES)}; there are {len(given)}")
        if self.name is None and self.quadrant is None:
            found.append("a gate needs a name")
        return "; ".join(found) or None

    def _automatic(self, given: list[str]) -> list[str]:
        found = []
        if self.fallback is None:
            found.append("auto needs a fallback: what the gate is where the data do not show it")
        if self.auto is None:
            found.append("fallback goes with auto, and only with it")
        if given:
            found.append(f"auto takes the place of {', '.join(given)}: write that inside fallback = {{ ... }}")
        return found


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
        fractions, found = self.frac_of_parent is not None or self.frac_of is not None, []
        if self.count is None and not fractions and self.f1 is None:
            found.append("says nothing: give count, frac_of_parent, frac_of or f1")
        if self.count is not None and fractions:
            found.append("give a count or fractions, not both: they share one tolerance")
        if fractions and self.tolerance is None:
            found.append("a fraction needs a tolerance")
        if self.tolerance is not None and self.count is None and not fractions:
            found.append("tolerance goes with a count or a fraction; f1 is the least that is accepted")
        if (self.f1 is None) != (self.label is None):
            found.append("f1 and label go together")
        if found:
            raise ValueError("; ".join(found))
        return self


class TestShape(Model):
    """A [[test]]"""

    sample: Name
    labels: Name | None = None
    label_column: Name = "label"
    controls: dict[Name, Name] = Field(default_factory=dict)
    expect: Annotated[dict[Name, ExpectShape], Field(min_length=1)]

    @model_validator(mode="after")
    def _sense(self) -> TestShape:
        if complaint := self.complaint():
            raise ValueError(complaint)
        return self

    def complaint(self) -> str | None:
        """What is wrong with the test as a whole, also where its expectations are not read yet."""
        expect: Any = getattr(self, "expect", None)
        listed = list(expect.values()) if isinstance(expect, dict) else []
        asked = [e.get("f1") if isinstance(e, dict) else getattr(e, "f1", None) for e in listed]
        if self.labels is None and any(f1 is not None for f1 in asked):
            return "f1 needs labels: the table with the label of each event"
        return None


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
