"""A gating template: gates over the markers of a panel, as one frozen value with a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from immunoprofile.errors import InputError, Problem
from immunoprofile.gating.expectations import TemplateTest
from immunoprofile.gating.gates import (
    AutoRule,
    Boolean,
    Dimension,
    Ellipsoid,
    Gate,
    Geometry,
    Polygon,
    Ratio,
    Rectangle,
)
from immunoprofile.gating.paths import ROOT, AmbiguousPathError, find_path
from immunoprofile.provenance import digest_of_value
from immunoprofile.spillover import Spillover

ROOT_ID = "all_events"


@dataclass(frozen=True, slots=True)
class Marker:
    """A channel as the template calls it.

    Found by ``$PnS``, then ``$PnN``, among `names`; only by ``$PnN`` where `by_detector`.
    """

    name: str
    names: tuple[str, ...]
    optional: bool = False
    by_detector: bool = False


@dataclass(frozen=True, slots=True)
class Compensation:
    """Which spillover the dimensions use that name none themselves.

    `source` is ``file``, ``matrix`` (then `default` names one of `matrices`) or ``none``. `missing` says what a file
    without a matrix is: an error, or allowed.
    """

    source: Literal["file", "matrix", "none"] = "file"
    default: str | None = None
    missing: Literal["error", "allow"] = "error"
    matrices: tuple[tuple[str, Spillover], ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A population that reaches the tables, and its denominators beside its parent."""

    path: str
    denominators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """Smallest denominators of a population's fractions: below the first a warning, below the second no fraction."""

    warn_denominator_below: int | None = None
    not_evaluable_denominator_below: int | None = None


Handling = Literal["off", "flag", "remove"]


@dataclass(frozen=True, slots=True)
class Quality:
    """What is done about events of a disturbed acquisition, at an end of the range, of two cells at once.

    ``flag`` judges how many there are, ``remove`` takes them out before anything is counted, ``off`` does not look.
    """

    time: Handling = "flag"
    margins: Handling = "flag"
    doublets: Handling = "flag"


@dataclass(frozen=True, slots=True)
class Intensities:
    """Populations (paths) and markers (names) whose intensities are measured; all that are reported where empty."""

    populations: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()


@dataclass(frozen=True)
class GatingTemplate:
    """Gates in the order in which the file gives them; `gates` holds no root.

    `refused` names what a file of another program holds and this template does not, gate by gate with the reason.
    `tests` are no part of the digest: they say what comes out and change nothing in it.
    """

    id: str
    version: str
    title: str
    status: Literal["draft", "locked", "retired"]
    markers: tuple[Marker, ...]
    compensation: Compensation
    gates: tuple[Gate, ...]
    reports: tuple[Report, ...] = ()
    limits: tuple[tuple[str, Limit], ...] = ()
    source: Path | None = field(default=None, compare=False)
    refused: tuple[Problem, ...] = field(default=(), compare=False)
    quality: Quality = Quality()
    tests: tuple[TemplateTest, ...] = ()
    intensities: Intensities = Intensities()

    def __hash__(self) -> int:
        """Worked out once: a template holds hundreds of values, and is looked up for every file."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, f.name) for f in fields(self) if f.compare))

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: hashes of text differ from process to process."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Root first, then the gates in order."""
        return (ROOT, *(g.path for g in self.gates))

    @cached_property
    def _by_path(self) -> Mapping[str, Gate]:
        return {g.path: g for g in self.gates}

    def find(self, query: str) -> str:
        """The path that a path, a trailing path, a name or an id stands for.

        Raises
        ------
        InputError
            None or several; candidates are named.
        """
        by_id = {g.id: g.path for g in self.gates} | {ROOT_ID: ROOT}
        try:
            return find_path(query, self.paths)
        except LookupError as problem:
            if query in by_id and not isinstance(problem, AmbiguousPathError):
                return by_id[query]
            raise InputError(str(problem), path=self.source, code="POPULATION-UNKNOWN") from None

    def gate(self, path: str) -> Gate:
        """The gate at a full path (not the root)."""
        return self._by_path[path]

    def id_of(self, path: str) -> str:
        """The pop_id of a path; ``all_events`` for the root."""
        return ROOT_ID if path == ROOT else self._by_path[path].id

    def ancestors(self, path: str) -> tuple[str, ...]:
        """Parent, its parent, ... up to the root."""
        found = []
        while path != ROOT:
            path = self._by_path[path].parent
            found.append(path)
        return tuple(found)

    def reported(self) -> dict[str, tuple[str, ...]]:
        """Each population that reaches the tables and its denominators, the parent first, in template order.

        A template without reports gives every population over its parent.
        """
        wanted = {r.path: r.denominators for r in self.reports} or dict.fromkeys(self.paths[1:], ())
        return {
            path: tuple(dict.fromkeys((self._by_path[path].parent, *wanted[path])))
            for path in self.paths[1:]
            if path in wanted
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical content: comments, order of keys and layout do not matter."""
        return digest_of_value(canonical(self))


def canonical(template: GatingTemplate) -> dict[str, Any]:
    """Everything that can change a number or its name, as JSON-like values."""
    comp = template.compensation
    return {
        "id": template.id,
        "version": template.version,
        "markers": [[m.name, list(m.names), m.optional, m.by_detector] for m in template.markers],
        "compensation": [comp.source, comp.default, comp.missing]
        + [[name, list(s.detectors), list(s.fluorochromes), s.matrix.tolist()] for name, s in comp.matrices],
        "gates": [
            [
                g.path,
                g.id,
                g.label,
                g.cell_ontology,
                g.name_hipc,
                g.role,
                g.template_geometry.kind,
                describe_geometry(g.template_geometry),
                *([] if g.auto is None else [describe_rule(g.auto)]),
            ]
            for g in template.gates
        ],
        "reports": [[r.path, list(r.denominators)] for r in template.reports],
        "limits": [
            [p, limit.warn_denominator_below, limit.not_evaluable_denominator_below] for p, limit in template.limits
        ],
    } | describe_settings(template)


def describe_settings(template: GatingTemplate) -> dict[str, Any]:
    """``[quality]`` and ``[intensities]`` where they are not the usual ones."""
    return describe_quality(template.quality) | describe_intensities(template.intensities)


def describe_intensities(wanted: Intensities) -> dict[str, Any]:
    """``[intensities]`` where it leaves something out: templates that say nothing of it keep their digest."""
    given = {"populations": list(wanted.populations), "markers": list(wanted.markers)}
    shown = {name: listed for name, listed in given.items() if listed}
    return {"intensities": shown} if shown else {}


def describe_quality(quality: Quality) -> dict[str, Any]:
    """``[quality]`` where it is not the usual one: templates that say nothing of it keep their digest."""
    shown = {"time": quality.time, "margins": quality.margins, "doublets": quality.doublets}
    return {} if quality == Quality() else {"quality": shown}


def describe_geometry(geometry: Geometry) -> dict[str, Any]:
    """A gate's geometry with its axes as JSON-like values, for digests and `gates_resolved`."""
    shape: dict[str, Any] = {"dimensions": [_describe_dimension(d) for d in geometry.dimensions]}
    if isinstance(geometry, Rectangle):
        shape["bounds"] = [list(b) for b in geometry.bounds]
    elif isinstance(geometry, Polygon):
        shape["vertices"] = [list(v) for v in geometry.vertices]
    elif isinstance(geometry, Ellipsoid):
        shape |= {
            "center": list(geometry.center),
            "covariance": [list(row) for row in geometry.covariance],
            "distance_square": geometry.distance_square,
        }
    elif isinstance(geometry, Boolean):
        shape = {geometry.operation: [("!" if t.complement else "") + t.path for t in geometry.terms]}
    if isinstance(geometry, Polygon | Ellipsoid) and geometry.bins is not None:
        shape["bins"] = geometry.bins
    return shape


def describe_rule(rule: AutoRule) -> dict[str, Any]:
    """An automatic rule with its axes as JSON-like values, without what it leaves open."""
    settings = {f.name: getattr(rule, f.name) for f in fields(rule) if f.name != "dimensions"}
    shape: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items() if v is not None}
    return {"dimensions": [_describe_dimension(d) for d in rule.dimensions]} | shape


def _describe_dimension(dimension: Dimension) -> dict[str, Any]:
    channel = dimension.channel
    if isinstance(channel, Ratio):
        name: Any = [channel.numerator, channel.denominator, channel.a, channel.b, channel.c]
    else:
        name = channel
    return {"channel": name, "scale": dimension.scale.settings, "compensation": dimension.compensation}
