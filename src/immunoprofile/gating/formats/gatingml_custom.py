"""What Gating-ML has no place for, kept beside it in ``custom_info``: ours whole, of Cytobank's the names.

Ours is JSON in elements of our own namespace, because XML cannot hold every character that a name may have. One
``template`` under the root has the head, markers, compensation, reports and limits; one ``gate`` (or ``quadrants``)
in each gate has its name, pop_id and labels, and which marker and which compensation its axes were given by.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from immunoprofile.errors import printable
from immunoprofile.gating.formats.gatingml_words import CUSTOM_INFO, RefusalError, local, namespace
from immunoprofile.gating.formats.shape import QualityShape
from immunoprofile.gating.formats.shape_auto import AutoShape
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    AutoRule,
    Boolean,
    Dimension,
    Gate,
    Method,
    Pool,
    Rectangle,
)
from immunoprofile.gating.template import Compensation, GatingTemplate, Quality

SPACE = "urn:immunoprofile:gating-ml:1"
_ANY_VERSION = "urn:immunoprofile:gating-ml:"
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


_Model = TypeVar("_Model", bound=_Info)


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


def rule_of(info: GateInfo | None, dimensions: tuple[Dimension, ...]) -> AutoRule | None:
    """The automatic rule that a gate was written with, if any."""
    if info is None or info.auto is None:
        return None
    given: dict[str, Any] = info.auto.model_dump(exclude={"method"}, exclude_none=True)
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return AutoRule(info.auto.method, dimensions, **settings)


def axis_info(dimension: Dimension) -> AxisInfo:
    """How a template gives an axis."""
    return AxisInfo(markers=list(dimension.channels), as_template=dimension.compensation is None)


def template_compensation(comp: Compensation | CompensationInfo) -> str:
    """How dimensions are compensated that leave it to the template, as a dimension would say it."""
    return {"file": FILE, "none": UNCOMPENSATED, "matrix": str(comp.default)}[comp.source]


def info_text(info: _Info) -> str:
    """JSON that XML can hold, in letters where it can hold those."""
    usual = {"quality"} if isinstance(info, TemplateInfo) and info.quality is None else None
    value = info.model_dump(exclude_defaults=isinstance(info, GateInfo | QuadrantsInfo), exclude=usual)
    plain = json.dumps(value, ensure_ascii=False)
    return plain if is_xml_text(plain) else json.dumps(value)


def is_xml_text(text: str) -> bool:
    """True where XML 1.0 can hold every character, and a reader gets it back as it was."""
    return not any(c < " " or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text)


def read_info(element: Any, name: str, model: type[_Model]) -> _Model | None:
    """Our information of one kind in an element's ``custom_info``; None where there is none.

    Raises
    ------
    RefusalError
        It is of another version of this program, is there twice, or is not what this program writes.
    """
    ours = [e for info in element.iterchildren(CUSTOM_INFO) for e in info if namespace(e.tag).startswith(_ANY_VERSION)]
    if any(namespace(e.tag) != SPACE for e in ours):
        raise RefusalError(
            ours[0],
            f"custom_info is of another version of this program ({printable(namespace(ours[0].tag), 60)})",
            "Read it with that version, or update this one.",
            "GATINGML-VERSION",
        )
    found = [e for e in ours if local(e.tag) == name]
    if not found:
        return None
    if len(found) > 1:
        raise RefusalError(found[1], f'custom_info has "{name}" twice', "Keep one.", "GATINGML-CUSTOM")
    try:
        return model.model_validate(json.loads(found[0].text or ""))
    except (ValidationError, ValueError, RecursionError) as problem:
        raise RefusalError(
            found[0],
            f'"{name}" in custom_info is not what this program writes ({first_complaint(problem)})',
            "Export the file again, or take that element out: names then come from ids.",
            "GATINGML-CUSTOM",
        ) from None


def first_complaint(problem: Exception) -> str:
    """The first thing that is wrong with our information, in a few words."""
    if isinstance(problem, ValidationError):
        first = problem.errors(include_url=False, include_context=False)[0]
        place = ".".join(printable(p, 40) for p in first["loc"])
        return f"{place}: {first['msg']}"
    return printable(problem, 80)


def cytobank_text(element: Any, *names: str) -> str:
    """The first text that Cytobank keeps under one of these names beside a gate; empty where it keeps none."""
    for info in element.iterchildren(CUSTOM_INFO):
        for owner in info.iter("{*}cytobank"):
            for found in owner.iterchildren(*(f"{{*}}{n}" for n in names)):
                text = (found.text or "").strip()
                if text:
                    return str(text)
    return ""
