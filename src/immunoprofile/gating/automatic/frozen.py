"""Gates of an earlier run as JSON, one file a subject and panel, so that a later visit never changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from immunoprofile.gating.automatic.fit import Fit
from immunoprofile.gating.automatic.planes import Split
from immunoprofile.gating.automatic.records import FrozenGate, GateRecord, Resolved
from immunoprofile.gating.gates import Dimension, Ellipsoid, Gate, Geometry, Polygon, Rectangle
from immunoprofile.gating.template import GatingTemplate

FORMAT = 1
Pair = tuple[float, float]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FrozenShape(_Shape):
    """One gate: bounds, vertices, or center with covariance and distance_square; none of them where it fell back."""

    pool: tuple[str, str]
    fitted: list[str]
    words: str
    at: float | None = None
    line: tuple[float, float, float] | None = None
    bounds: list[tuple[float | None, float | None]] | None = None
    vertices: list[Pair] | None = None
    center: list[float] | None = None
    covariance: list[list[float]] | None = None
    distance_square: float | None = None


class FrozenFile(_Shape):
    """Everything of one subject and panel: the gates of each sample, and the digest of the template they belong to."""

    format: int = Field(ge=FORMAT, le=FORMAT)
    subject_id: str
    panel: str
    template_id: str
    template_version: str
    template_sha256: str
    samples: dict[str, dict[str, FrozenShape]]


def freeze(template: GatingTemplate, subject_id: str, panel: str, resolved: Mapping[str, Resolved]) -> dict[str, Any]:
    """The content of a subject's file.

    Parameters
    ----------
    resolved
        Sample id to its resolved template, for the subject's samples of this panel.
    """
    samples = {
        name: {path: _shape_of(r.records[path]) for path in sorted(r.records)} for name, r in sorted(resolved.items())
    }
    return FrozenFile(
        format=FORMAT,
        subject_id=subject_id,
        panel=panel,
        template_id=template.id,
        template_version=template.version,
        template_sha256=template.digest,
        samples=samples,
    ).model_dump(mode="json", exclude_none=True)


def thaw(
    file: FrozenFile, template: GatingTemplate, samples: Sequence[str], source: str
) -> dict[str, dict[str, FrozenGate]]:
    """The frozen gates of a subject's samples.

    Parameters
    ----------
    samples
        Ids of the subject's samples. One that the file does not know has the gates that its subject shares.
    source
        What the file is called in `gates_resolved`.
    """
    gates = {g.path: g for g in template.gates if g.auto is not None}
    known = {
        name: {path: _thawed(gates[path], shape, source) for path, shape in held.items() if path in gates}
        for name, held in file.samples.items()
    }
    shared: dict[str, FrozenGate] = {}
    for name in sorted(known):
        shared |= {path: g for path, g in known[name].items() if g.pool == ("subject", file.subject_id)}
    return {name: known.get(name, shared) for name in samples}


def _shape_of(record: GateRecord) -> FrozenShape:
    fit = record.fit
    split = None if fit.split is None else (fit.split.angle, fit.split.at, fit.split.depth)
    values = numbers_of(fit.geometry)
    return FrozenShape(
        pool=record.pool, fitted=list(record.fitted), words=record.words, at=fit.at, line=split, **values
    )


def numbers_of(geometry: Geometry | None) -> dict[str, Any]:
    """The numbers of a geometry by name, as JSON has them; none where there is none."""
    if isinstance(geometry, Rectangle):
        return {"bounds": list(geometry.bounds)}
    if isinstance(geometry, Polygon):
        return {"vertices": list(geometry.vertices)}
    if isinstance(geometry, Ellipsoid):
        return {
            "center": list(geometry.center),
            "covariance": [list(row) for row in geometry.covariance],
            "distance_square": geometry.distance_square,
        }
    return {}


def _thawed(gate: Gate, shape: FrozenShape, source: str) -> FrozenGate:
    rule = gate.auto
    assert rule is not None
    fit = Fit(
        geometry_of(shape.model_dump(exclude_none=True), rule.dimensions),
        shape.words,
        shape.at,
        Split(*shape.line) if shape.line else None,
    )
    return FrozenGate(fit, shape.pool, tuple(shape.fitted), f"{source}: {shape.words}")


def geometry_of(numbers: Mapping[str, Any], dimensions: tuple[Dimension, ...]) -> Geometry | None:
    """The geometry of which `numbers_of` gave the numbers, on these axes."""
    if "bounds" in numbers:
        return Rectangle(dimensions, tuple((low, high) for low, high in numbers["bounds"]))
    if "vertices" in numbers:
        return Polygon((dimensions[0], dimensions[1]), tuple((x, y) for x, y in numbers["vertices"]))
    if "center" in numbers:
        covariance = tuple(tuple(row) for row in numbers["covariance"])
        return Ellipsoid(dimensions, tuple(numbers["center"]), covariance, numbers["distance_square"])
    return None
