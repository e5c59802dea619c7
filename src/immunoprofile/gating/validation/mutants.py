"""Mutants of a template: every boundary moved a little, one at a time, both ways.

A boundary is a bound of a range or rectangle, a divider of a quadrant gate (with all parts that share it), an edge of a
polygon (along its normal), the centre and each half-axis of an ellipse. Of an automatic gate these are the boundaries
that each fixture shows, those of its fallback, and the numbers of its rule that are places on an axis. An edge that
lies off the axis is open: it decides nothing and is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from immunoprofile.errors import printable
from immunoprofile.gating.gates import AutoRule, Boolean, Dimension, Ellipsoid, Gate, Geometry, Polygon, Rectangle
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.scales import FlowJoBiex, Identity, Linear


@dataclass(frozen=True, slots=True)
class Mutant:
    """A template with one boundary moved.

    Attributes
    ----------
    paths
        The gates that changed: one, or all parts that share a divider.
    part
        The boundary in words: ``CD3 min``, ``edge 2``.
    moved
        What was done to it in words: ``0.5 to 0.52``.
    """

    template: GatingTemplate
    paths: tuple[str, ...]
    part: str
    moved: str


@dataclass(frozen=True, slots=True)
class FoundMutant:
    """One boundary of an automatic gate moved from where each fixture shows it.

    Attributes
    ----------
    geometries
        Name of a fixture to the gate there, moved; fixtures in which the gate is its fallback are not named.
    """

    paths: tuple[str, ...]
    part: str
    moved: str
    geometries: Mapping[str, Geometry]


@dataclass(frozen=True, slots=True)
class _Move:
    """`key` says which boundary and which way, whatever its place."""

    key: str
    part: str
    moved: str
    geometry: Geometry


Spans = Mapping[Dimension, tuple[float, float]]
"""Where each axis that has no length of its own begins and ends in the fixtures."""


def axis_ends(dimension: Dimension, spans: Spans) -> tuple[float, float]:
    """Where an axis begins and ends: what lies beyond is off the scale.

    0 and 1 on the scales of Gating-ML (of a linear one its own ends), 0 and 4096 on FlowJo's; of an axis in linear
    units what the fixtures show.
    """
    scale = dimension.scale
    if isinstance(scale, FlowJoBiex):
        return 0.0, 4096.0
    if isinstance(scale, Identity):
        return spans.get(dimension, (0.0, 1.0))
    if isinstance(scale, Linear) and not math.isclose(float(scale(0.0)), 0.0):
        return min(0.0, float(scale(0.0))), 1.0
    return 0.0, 1.0


def list_mutants(template: GatingTemplate, *, shift: float = 0.02, spans: Spans | None = None) -> Iterator[Mutant]:
    """Every mutant of a template, in the order of its gates.

    Parameters
    ----------
    shift
        How far a boundary moves, as a share of its axis.
    spans
        See `Spans`.
    """
    known = spans or {}
    for gate in template.gates:
        if isinstance(gate.geometry, Rectangle) and gate.geometry.divider is not None:
            continue
        for move in _moves(gate.template_geometry, shift, known):
            words = "fallback " if gate.auto is not None else ""
            changed = replace(gate, geometry=move.geometry)
            yield Mutant(_with(template, changed), (gate.path,), words + move.part, move.moved)
        if gate.auto is not None:
            for part, moved, rule in _rule_moves(gate.auto, shift, known):
                yield Mutant(_with(template, replace(gate, auto=rule)), (gate.path,), part, moved)
    yield from _dividers(template, shift, known)


def list_found_mutants(
    template: GatingTemplate, settled: Mapping[str, GatingTemplate], *, shift: float = 0.02, spans: Spans | None = None
) -> Iterator[FoundMutant]:
    """Every boundary of the automatic gates as the fixtures show them, moved; a boundary is one in all fixtures.

    Parameters
    ----------
    settled
        Name of each fixture to the template with its automatic gates found there.
    """
    for gate in template.gates:
        found: dict[str, dict[str, _Move]] = {}
        for fixture, shown in settled.items():
            there = shown.gate(gate.path)
            if gate.auto is not None and there.origin == "auto":
                for move in _moves(there.geometry, shift, spans or {}):
                    if not _is_fallback(move.key, gate.auto, there.geometry):
                        found.setdefault(move.key, {})[fixture] = move
        for moves in found.values():
            first = next(iter(moves.values()))
            geometries = {fixture: move.geometry for fixture, move in moves.items()}
            yield FoundMutant((gate.path,), f"found {first.part}", first.moved, geometries)


def _is_fallback(key: str, rule: AutoRule, geometry: Geometry) -> bool:
    """True of the bound that a rule on one axis leaves where the fallback has it."""
    cut = "0min" if rule.keep == "above" else "0max"
    return len(rule.dimensions) == 1 and isinstance(geometry, Rectangle) and not key.startswith(cut)


def _with(template: GatingTemplate, *changed: Gate) -> GatingTemplate:
    by_path = {g.path: g for g in changed}
    return replace(template, gates=tuple(by_path.get(g.path, g) for g in template.gates))


def _moves(geometry: Geometry, shift: float, spans: Spans) -> Iterator[_Move]:
    if isinstance(geometry, Boolean):
        return
    ends = [axis_ends(d, spans) for d in geometry.dimensions]
    steps = [shift * (high - low) for low, high in ends]
    if isinstance(geometry, Rectangle):
        yield from _bound_moves(geometry, ends, steps)
    elif isinstance(geometry, Polygon):
        yield from _edge_moves(geometry, ends, steps)
    else:
        yield from _ellipse_moves(geometry, ends, steps)


def _bound_moves(geometry: Rectangle, ends: list[tuple[float, float]], steps: list[float]) -> Iterator[_Move]:
    for k, (dimension, pair) in enumerate(zip(geometry.dimensions, geometry.bounds, strict=True)):
        for side, value in zip(("min", "max"), pair, strict=True):
            if value is None or not ends[k][0] <= value <= ends[k][1]:
                continue
            for sign in (-1, 1):
                new = value + sign * steps[k]
                bounds = (new, pair[1]) if side == "min" else (pair[0], new)
                if bounds[0] is not None and bounds[1] is not None and not bounds[0] < bounds[1]:
                    continue
                changed = (*geometry.bounds[:k], bounds, *geometry.bounds[k + 1 :])
                name = f"{name_of(dimension)} {side}"
                yield _Move(f"{k}{side}{sign}", name, f"{value:g} to {new:g}", replace(geometry, bounds=changed))


def _edge_moves(geometry: Polygon, ends: list[tuple[float, float]], steps: list[float]) -> Iterator[_Move]:
    vertices = np.array(geometry.vertices, dtype=np.float64)
    for i in range(len(vertices)):
        pair = (i, (i + 1) % len(vertices))
        start, stop = vertices[pair[0]], vertices[pair[1]]
        if is_open_edge(start, stop, ends):
            continue
        # The normal in shares of the axes, so that a step is the same share of each.
        along = (stop - start) / steps
        length = float(np.hypot(*along))
        if length == 0:
            continue
        normal = np.array([-along[1], along[0]]) / length * steps
        for sign in (-1, 1):
            moved = vertices.copy()
            moved[list(pair)] += sign * normal
            words = " and ".join(
                f"{name_of(d)} by {sign * n:+.3g}"
                for d, n in zip(geometry.dimensions, normal, strict=True)
                if abs(n) > 1e-12
            )
            part = f"edge {i + 1} ({_point(start)} to {_point(stop)})"
            outline = tuple((float(a), float(b)) for a, b in moved)
            yield _Move(f"edge{i}{sign}", part, words, replace(geometry, vertices=outline))


def is_open_edge(start: np.ndarray, stop: np.ndarray, ends: list[tuple[float, float]]) -> bool:
    """True where both ends of an edge lie off the scale on the same side of an axis."""
    return any(
        (start[k] < low and stop[k] < low) or (start[k] > high and stop[k] > high) for k, (low, high) in enumerate(ends)
    )


def _point(vertex: np.ndarray) -> str:
    return f"{vertex[0]:g},{vertex[1]:g}"


def _ellipse_moves(geometry: Ellipsoid, ends: list[tuple[float, float]], steps: list[float]) -> Iterator[_Move]:
    for k, dimension in enumerate(geometry.dimensions):
        if not ends[k][0] <= geometry.center[k] <= ends[k][1]:
            continue
        for sign in (-1, 1):
            new = geometry.center[k] + sign * steps[k]
            center = (*geometry.center[:k], new, *geometry.center[k + 1 :])
            moved = f"{geometry.center[k]:g} to {new:g}"
            yield _Move(f"center{k}{sign}", f"center {name_of(dimension)}", moved, replace(geometry, center=center))
    if not geometry.is_ellipsoid:
        return
    lengths, axes = np.linalg.eigh(np.array(geometry.covariance))
    for k in range(len(lengths)):
        half = math.sqrt(lengths[k] * geometry.distance_square)
        step = 1 / math.sqrt(float(np.sum((axes[:, k] / np.array(steps)) ** 2)))
        for sign in (-1, 1):
            new = half + sign * step
            if new <= 0:
                continue
            changed = lengths.copy()
            changed[k] = new**2 / geometry.distance_square
            covariance = (axes * changed) @ axes.T
            rows = tuple(tuple(float(v) for v in row) for row in (covariance + covariance.T) / 2)
            changed_gate = replace(geometry, covariance=rows)
            yield _Move(f"half{k}{sign}", f"half-axis {k + 1}", f"{half:g} to {new:g}", changed_gate)


def _dividers(template: GatingTemplate, shift: float, spans: Spans) -> Iterator[Mutant]:
    """Mutants of quadrant gates: all parts that share a divider move together."""
    shared: dict[tuple[str, str, Dimension, float], list[Gate]] = {}
    for gate in template.gates:
        geometry = gate.geometry
        if isinstance(geometry, Rectangle) and geometry.divider is not None:
            for dimension, pair in zip(geometry.dimensions, geometry.bounds, strict=True):
                for value in pair:
                    low, high = axis_ends(dimension, spans)
                    if value is not None and low <= value <= high:
                        shared.setdefault((gate.parent, geometry.divider, dimension, value), []).append(gate)
    for (_, _, dimension, value), gates in shared.items():
        low, high = axis_ends(dimension, spans)
        for new in (value - shift * (high - low), value + shift * (high - low)):
            changed = [replace(g, geometry=_divided(g.geometry, dimension, value, new)) for g in gates]
            paths = tuple(g.path for g in gates)
            yield Mutant(_with(template, *changed), paths, f"divider {name_of(dimension)}", f"{value:g} to {new:g}")


def _divided(geometry: Geometry, dimension: Dimension, old: float, new: float) -> Geometry:
    assert isinstance(geometry, Rectangle)
    bounds = tuple(
        (_swapped(d == dimension, pair[0], old, new), _swapped(d == dimension, pair[1], old, new))
        for d, pair in zip(geometry.dimensions, geometry.bounds, strict=True)
    )
    return replace(geometry, bounds=bounds)


def _swapped(mine: bool, value: float | None, old: float, new: float) -> float | None:
    return new if mine and value == old else value


def _rule_moves(rule: AutoRule, shift: float, spans: Spans) -> Iterator[tuple[str, str, AutoRule]]:
    """Moves of the numbers of a rule that are places on an axis: where it looks, and what it aims at."""
    low, high = axis_ends(rule.dimensions[0], spans)
    for k, value in enumerate(rule.between or ()):
        for sign in (-1, 1):
            new = value + sign * shift * (high - low)
            between = (new, rule.between[1]) if k == 0 else (rule.between[0], new)  # type: ignore[index]
            if low <= value <= high and between[0] < between[1]:
                yield "auto between", f"{value:g} to {new:g}", replace(rule, between=between)
    for k, value in enumerate(rule.target or ()):
        low, high = axis_ends(rule.dimensions[k], spans)
        for sign in (-1, 1):
            new = value + sign * shift * (high - low)
            target = tuple(new if i == k else v for i, v in enumerate(rule.target or ()))
            yield f"auto target {name_of(rule.dimensions[k])}", f"{value:g} to {new:g}", replace(rule, target=target)


def name_of(dimension: Dimension) -> str:
    """A dimension's channels in words."""
    return printable("/".join(dimension.channels), 60)
