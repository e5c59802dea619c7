"""What ours in ``custom_info`` holds: one model for each element, and how each is made from a template.

Apart from `gatingml_custom`, which finds those elements, so that a file without any needs no pydantic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from immunoprofile.errors import printable
from immunoprofile.gating.formats.gatingml_custom import is_xml_text
from immunoprofile.gating.formats.shape import QualityShape
from immunoprofile.gating.formats.shape_auto import AutoShape
from immunoprofile.gating.gates import AutoRule, Boolean, Dimension, Gate, Method, Pool, Rectangle
from immunoprofile.gating.template import GatingTemplate, Quality

_MOST = 2_000

Text = Annotated[str, Field(max_length=1_000)]
Name = Annotated[str, Field(min_length=1, max_length=1_000)]
PopulationId = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=1_000)]


class _Info(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AxisInfo(_Info):
    """An axis of a gate: its marker or, of a ratio, its two; whether the template says how it is compensated."""

    markers: Annotated[list[Name], Field(min_length=1, max_length=2)]
    as_template: bool = False


class AutoInfo(_Info):
    """An automatic gate's rule; its axes are the gate's, whose shape in XML is the fallback."""

    method: Method
    keep: Literal["above", "below"] | None = None
    between: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    pool: Pool
    fit: Literal["baseline", "all"]
    quantile: float | None = None
    components: int | None = None
    target: Annotated[list[float], Field(max_length=2)] | None = None
    angles: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    width: float | None = None
    bandwidth: float | None = None
    drift: float | None = None
    min_events: int


class GateInfo(_Info):
    """What a gate is called. `divider` and `operation` are what its shape in XML cannot say."""

    name: Name
    id: PopulationId
    label: Text = ""
    cell_ontology: Text | None = None
    name_hipc: Text | None = None
    role: Text | None = None
    axes: Annotated[list[AxisInfo], Field(max_length=_MOST)] = []
    divider: Text | None = None
    operation: Literal["or"] | None = None
    auto: AutoInfo | None = None

    @model_validator(mode="after")
    def _rule(self) -> GateInfo:
        if self.auto is not None:
            axes = dict(zip("xy", ("x", "y")[: len(self.axes)], strict=False))
            AutoShape.model_validate(axes | self.auto.model_dump(exclude_none=True))
        return self


class QuadrantsInfo(_Info):
    """What a quadrant gate is called: its axes by divider, its parts by the id of their element."""

    divider: Text
    axes: Annotated[list[AxisInfo], Field(max_length=_MOST)]
    parts: dict[Name, GateInfo]


class MarkerInfo(_Info):
    """A marker, and the name by which the file's dimensions call it."""

    name: Name
    names: Annotated[list[Name], Field(max_length=_MOST)]
    optional: bool
    by_detector: bool
    dimension: Name


class CompensationInfo(_Info):
    """The template's compensation; `matrices` are names by the id of their element."""

    source: Literal["file", "matrix", "none"]
    default: Name | None
    missing: Literal["error", "allow"]
    matrices: dict[Name, Name]

    @model_validator(mode="after")
    def _default_known(self) -> CompensationInfo:
        if self.source == "matrix" and self.default not in self.matrices.values():
            raise ValueError("default is none of the matrices")
        return self


class ReportInfo(_Info):
    """A report by full paths."""

    population: Text
    of: Annotated[list[Text], Field(max_length=_MOST)]


class LimitInfo(_Info):
    """A limit by its population's full path."""

    population: Text
    warn_denominator_below: int | None
    not_evaluable_denominator_below: int | None


class TemplateInfo(_Info):
    """Everything of a template that belongs to no single gate."""

    id: PopulationId
    version: Text
    title: Text
    status: Literal["draft", "locked", "retired"]
    markers: Annotated[list[MarkerInfo], Field(max_length=_MOST)]
    compensation: CompensationInfo
    reports: Annotated[list[ReportInfo], Field(max_length=_MOST)]
    limits: Annotated[list[LimitInfo], Field(max_length=_MOST)]
    quality: QualityShape | None = None


INFO: dict[str, type[_Info]] = {"gate": GateInfo, "quadrants": QuadrantsInfo, "template": TemplateInfo}
"""What each of our elements holds."""


def template_info(template: GatingTemplate, dimensions: Mapping[str, str], matrices: Mapping[str, str]) -> TemplateInfo:
    """What a template is beside its gates.

    Parameters
    ----------
    dimensions
        What the file's dimensions call each marker.
    matrices
        Id of each matrix's element by its name.
    """
    comp = template.compensation
    return TemplateInfo(
        id=template.id,
        version=template.version,
        title=template.title,
        status=template.status,
        markers=[
            MarkerInfo(
                name=m.name,
                names=list(m.names),
                optional=m.optional,
                by_detector=m.by_detector,
                dimension=dimensions[m.name],
            )
            for m in template.markers
        ],
        compensation=CompensationInfo(
            source=comp.source,
            default=comp.default,
            missing=comp.missing,
            matrices={element: name for name, element in matrices.items()},
        ),
        reports=[ReportInfo(population=r.path, of=list(r.denominators)) for r in template.reports],
        limits=[
            LimitInfo(
                population=path,
                warn_denominator_below=limit.warn_denominator_below,
                not_evaluable_denominator_below=limit.not_evaluable_denominator_below,
            )
            for path, limit in template.limits
        ],
        quality=None if template.quality == Quality() else QualityShape(**asdict(template.quality)),
    )


def gate_info(gate: Gate, *, part: bool = False) -> GateInfo:
    """What a gate is beside its shape; a part of a quadrant gate leaves its axes to that."""
    geometry = gate.geometry
    alone = isinstance(geometry, Boolean) and len(geometry.terms) == 1 and geometry.operation == "or"
    return GateInfo(
        name=gate.name,
        id=gate.id,
        label=gate.label,
        cell_ontology=gate.cell_ontology,
        name_hipc=gate.name_hipc,
        role=gate.role,
        axes=[] if part else [axis_info(d) for d in geometry.dimensions],
        divider=geometry.divider if isinstance(geometry, Rectangle) and not part else None,
        operation="or" if alone else None,
        auto=None if gate.auto is None else _auto_info(gate.auto),
    )


def _auto_info(rule: AutoRule) -> AutoInfo:
    settings = {f.name: getattr(rule, f.name) for f in fields(rule) if f.name != "dimensions"}
    return AutoInfo.model_validate({k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()})


def axis_info(dimension: Dimension) -> AxisInfo:
    """How a template gives an axis."""
    return AxisInfo(markers=list(dimension.channels), as_template=dimension.compensation is None)


def info_text(info: _Info) -> str:
    """JSON that XML can hold, in letters where it can hold those."""
    usual = {"quality"} if isinstance(info, TemplateInfo) and info.quality is None else None
    value = info.model_dump(exclude_defaults=isinstance(info, GateInfo | QuadrantsInfo), exclude=usual)
    plain = json.dumps(value, ensure_ascii=False)
    return plain if is_xml_text(plain) else json.dumps(value)


def first_complaint(problem: Exception) -> str:
    """The first thing that is wrong with our information, in a few words."""
    if isinstance(problem, ValidationError):
        first = problem.errors(include_url=False, include_context=False)[0]
        place = ".".join(printable(p, 40) for p in first["loc"])
        return f"{place}: {first['msg']}"
    return printable(problem, 80)
