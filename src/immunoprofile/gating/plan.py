"""Template and panel compiled into a plan: names become columns, gates become arrays. Made once for a panel.

A rectangle's bounds are taken back to linear units here, so that its events need no transform at all; a polygon's or
ellipsoid's bounding box is taken back too, so that only events inside it are transformed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunoprofile.fcs import Channel, Finding
from immunoprofile.gating.gates import Boolean, Ellipsoid, Gate, Polygon, Rectangle
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.quick import CELLS, CellMap, QuickScale, map_cells, quick_scale
from immunoprofile.gating.sources import Source, SourceTable, float_rows, int_rows, resolve_sources, starts
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.kernels.arrays import (
    ALL_OF,
    ANY_OF,
    ELLIPSOID,
    FIRST_DIM,
    GATE_COLUMNS,
    POLYGON,
    RECTANGLE,
    GateArrays,
    PlanArrays,
    ScaleArrays,
)
from immunoprofile.kernels.geometry import ON_EDGE
from immunoprofile.scales import FlowJoBiex, Scale
from immunoprofile.spillover import Spillover

# Bounding boxes only spare work: they may be a little large, never small.
_BOX_SLACK = 2 * ON_EDGE
_ELLIPSE_SLACK = 1 + 1e-9
# Steps of FlowJo's table of a biexponential axis (`scales.FlowJoBiex`).
_FLOWJO_STEPS = 4096.0


@dataclass(frozen=True, eq=False)
class Plan:
    """A template made ready for one panel and one spillover.

    Attributes
    ----------
    columns
        Channels of the file (0-based) that are read, in the order of the kernel's raw sources.
    gates
        In order of evaluation: parents and terms of booleans first.
    derived
        Names of the compensated channels, in the order of the kernel's derived sources.
    omitted
        Paths left out because an optional marker is missing.
    """

    template: GatingTemplate
    columns: tuple[int, ...]
    gates: tuple[Gate, ...]
    derived: tuple[str, ...]
    omitted: tuple[str, ...]
    findings: tuple[Finding, ...]
    arrays: PlanArrays
    n_derived: int

    @property
    def n_words(self) -> int:
        """64-bit words an event's bits take."""
        return (len(self.gates) + 63) // 64

    def bit(self, path: str) -> int:
        """Place of a gate among the bits."""
        return next(i for i, g in enumerate(self.gates) if g.path == path)


def compile_plan(
    template: GatingTemplate,
    channels: Sequence[Channel],
    spillover: Spillover | None = None,
    *,
    replacement: Spillover | None = None,
) -> Plan:
    """Compile a template for the channels of a file.

    Parameters
    ----------
    spillover
        What the file declares, if anything.
    replacement
        Takes the place of the file's and the template's matrices, never of `uncompensated` dimensions.

    Raises
    ------
    PanelMismatchError
        Markers that the panel lacks or has twice: all of them, each with the closest names.
    SpilloverError
        The template asks for the file's matrix and there is none, or a matrix names other detectors.
    """
    table = resolve_sources(template, channels, spillover, replacement)
    gates = tuple(g for g in _evaluation_order(template) if g.path not in table.omitted)
    arrays, n_derived = _arrays(gates, table)
    omitted = tuple(p for p in template.paths if p in table.omitted)
    return Plan(template, table.columns, gates, table.derived, omitted, table.findings, arrays, n_derived)


def _evaluation_order(template: GatingTemplate) -> list[Gate]:
    ordered: dict[str, Gate] = {}

    def visit(path: str) -> None:
        if path == ROOT or path in ordered:
            return
        gate = template.gate(path)
        visit(gate.parent)
        if isinstance(gate.geometry, Boolean):
            for term in gate.geometry.terms:
                visit(term.path)
        ordered[path] = gate

    for path in template.paths:
        visit(path)
    return list(ordered.values())


@dataclass(slots=True)
class _Dim:
    source: int
    scale: int
    low: float
    high: float
    steps: float = 0.0


class _Scales:
    """The plan's scales, each once, and their lookup tables: FlowJo's own, and the quick ones of ours."""

    def __init__(self) -> None:
        self.listed: list[Scale] = []
        self._quick: dict[Scale, QuickScale | None] = {}

    def index(self, scale: Scale) -> int:
        if scale not in self.listed:
            self.listed.append(scale)
        return self.listed.index(scale)

    def quick(self, scale: Scale) -> QuickScale | None:
        if scale not in self._quick:
            self._quick[scale] = quick_scale(scale)
        return self._quick[scale]

    def error(self, scale: Scale) -> float:
        """How far the quick value of a scale may be off."""
        quick = self.quick(scale)
        return 0.0 if quick is None else quick.error

    def arrays(self) -> ScaleArrays:
        numbers = np.zeros((len(self.listed), 10))
        tables: list[Any] = []
        for i, scale in enumerate(self.listed):
            numbers[i] = scale.parameters
            if scale.table is not None:
                numbers[i, 0] = len(tables)
                tables.append(scale.table)
        found = [self._quick.get(s) for s in self.listed]
        made = [q for q in found if q is not None]
        width = max((q.values.shape[1] for q in made), default=1)
        quick = np.full((len(made), 2, width), np.nan)
        for row, q in zip(quick, made, strict=True):
            row[:, : q.values.shape[1]] = q.values
        places = iter(range(len(made)))
        rows = [
            (s.code, -1, 0) if q is None else (s.code, next(places), q.first)
            for s, q in zip(self.listed, found, strict=True)
        ]
        return ScaleArrays(int_rows(rows, 3), numbers, np.stack(tables) if tables else np.zeros((0, 2, 0)), quick)


def _map(gate: Gate, scales: _Scales) -> CellMap | None:
    geometry = gate.geometry
    if isinstance(geometry, Polygon | Ellipsoid) and len(geometry.dimensions) == 2 and geometry.bins is None:
        x, y = (scales.error(d.scale) for d in geometry.dimensions)
        return map_cells(geometry, (x, y))
    return None


def _arrays(gates: Sequence[Gate], table: SourceTable) -> tuple[PlanArrays, int]:
    scales, place = _Scales(), {g.path: i for i, g in enumerate(gates)}
    index = {s: i for i, s in enumerate(table.sources)}
    dims = [list(_dimensions(g, table, index, scales)) for g in gates]
    shapes = [_shape(g) for g in gates]
    terms = [g.geometry.terms if isinstance(g.geometry, Boolean) else () for g in gates]
    maps = [_map(g, scales) for g in gates]
    made = [m for m in maps if m is not None]
    numbers = iter(range(len(made)))
    targets = _targets(gates, place, table)
    rows = np.zeros((len(gates) + 2, GATE_COLUMNS), dtype=np.int64)
    rows[: len(gates), :FIRST_DIM] = int_rows(
        [
            (_kind(g), place.get(g.parent, len(gates)), -1 if m is None else next(numbers))
            for g, m in zip(gates, maps, strict=True)
        ],
        FIRST_DIM,
    )
    # The root has none of its own but compensated channels.
    owned: list[list[Any]] = [[*dims, ()], [*shapes, ()], [*terms, ()], list(targets)]
    for column, lists in zip(range(FIRST_DIM, GATE_COLUMNS), owned, strict=True):
        rows[:, column] = starts(lists)
    flat = [d for found in dims for d in found]
    arrays = GateArrays(
        rows=rows,
        dims=int_rows([(d.source, d.scale) for d in flat], 2),
        limits=float_rows([(d.low, d.high, d.steps) for d in flat], 3),
        numbers=np.array([v for s in shapes for v in s], dtype=np.float64),
        terms=int_rows([(place[t.path], t.complement) for found in terms for t in found], 2),
        maps=np.array([m.states for m in made], dtype=np.uint8).reshape(-1, CELLS, CELLS),
        map_places=float_rows([(*m.origin, *m.per_unit) for m in made], 4),
    )
    sources = table.arrays([n for found in targets for n in found])
    return PlanArrays(sources, arrays, scales.arrays()), len(table.sources) - len(table.columns)


def _targets(gates: Sequence[Gate], place: dict[str, int], table: SourceTable) -> list[list[int]]:
    """For each gate, then the root: the compensated sources that are first needed for its events.

    That is the lowest gate that holds every event a source is asked for; for a part of a ratio it is the root.
    """
    compensated = [s for s in table.sources if s[0] == "compensated"]
    inside_ratio = {part for s in table.sources if s[0] == "ratio" for part in s[1:3]}
    lists: list[list[int]] = [[] for _ in range(len(gates) + 1)]
    for number, source in enumerate(compensated):
        parents = [g.parent for g in gates if source in _asked_for(g, table)]
        region = ROOT if source in inside_ratio else _common_ancestor(parents, table)
        lists[place.get(region, len(gates))].append(number)
    return lists


def _asked_for(gate: Gate, table: SourceTable) -> tuple[Source, ...]:
    return table.rests_on(gate.path) if isinstance(gate.geometry, Boolean) else table.of_gate[gate.path]


def _common_ancestor(paths: Sequence[str], table: SourceTable) -> str:
    """The lowest gate that each of the paths is or hangs from."""
    chains = [[p, *table.template.ancestors(p)] for p in dict.fromkeys(paths)]
    return next(p for p in chains[0] if all(p in chain for chain in chains))


def _kind(gate: Gate) -> int:
    geometry = gate.geometry
    if isinstance(geometry, Boolean):
        return ALL_OF if geometry.operation == "and" else ANY_OF
    if isinstance(geometry, Polygon):
        return POLYGON
    return ELLIPSOID if isinstance(geometry, Ellipsoid) else RECTANGLE


def _dimensions(gate: Gate, table: SourceTable, index: dict[Source, int], scales: _Scales) -> Iterator[_Dim]:
    geometry = gate.geometry
    if isinstance(geometry, Boolean):
        for source in table.rests_on(gate.path):
            yield _Dim(index[source], 0, -math.inf, math.nan)
        return
    limits, steps = _limits(geometry), _steps(geometry)
    for dimension, source, (low, high, closed), step in zip(
        geometry.dimensions, table.of_gate[gate.path], limits, steps, strict=True
    ):
        scale = dimension.scale
        yield _Dim(
            index[source],
            scales.index(scale),
            -math.inf if low is None else scale.first_linear(low),
            math.nan if high is None else scale.first_linear(high, strict=closed),
            step,
        )


def _steps(geometry: Rectangle | Polygon | Ellipsoid) -> list[float]:
    """FlowJo's bins a scaled unit of each dimension; 0 where a gate is exact."""
    bins = None if isinstance(geometry, Rectangle) else geometry.bins
    return [0.0 if bins is None else bins / display_range(d.scale) for d in geometry.dimensions]


def display_range(scale: Scale) -> float:
    """Length of a scale's axis in its own units: FlowJo's table counts 4096 steps, the others go to 1."""
    return _FLOWJO_STEPS if isinstance(scale, FlowJoBiex) else 1.0


def _binned(value: float, steps: float) -> float:
    # As `kernels.geometry.binned` does with events.
    return math.floor(value * steps + 0.5) / steps if steps else value


def _limits(geometry: Rectangle | Polygon | Ellipsoid) -> list[tuple[float | None, float | None, bool]]:
    """Scaled bounds per dimension; True where the upper one belongs to the gate."""
    if isinstance(geometry, Rectangle):
        return [(low, high, False) for low, high in geometry.bounds]
    slack = [_BOX_SLACK + (1 / steps if steps else 0.0) for steps in _steps(geometry)]
    if isinstance(geometry, Polygon):
        boxes = [(min(axis), max(axis)) for axis in zip(*geometry.vertices, strict=True)]
    elif not geometry.is_ellipsoid:
        return [(None, None, False)] * len(geometry.dimensions)
    else:
        spread = [
            math.sqrt(geometry.distance_square * row[i]) * _ELLIPSE_SLACK for i, row in enumerate(geometry.covariance)
        ]
        boxes = [(c - s, c + s) for c, s in zip(geometry.center, spread, strict=True)]
    return [(low - s, high + s, True) for (low, high), s in zip(boxes, slack, strict=True)]


def _shape(gate: Gate) -> list[float]:
    geometry = gate.geometry
    if isinstance(geometry, Polygon):
        axes = zip(zip(*geometry.vertices, strict=True), _steps(geometry), strict=True)
        return [_binned(x, steps) for axis, steps in axes for x in axis]
    if isinstance(geometry, Ellipsoid):
        precision = np.linalg.inv(np.array(geometry.covariance))
        return [*geometry.center, *precision.ravel().tolist(), geometry.distance_square]
    return []
