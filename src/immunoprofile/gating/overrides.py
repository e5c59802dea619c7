"""Gates that stand elsewhere in single samples: moved, or drawn anew, by somebody, for a reason.

They take the place of a template's gates, found or fixed, in the samples they name; the tables list them with the
origin ``override`` and with who, when and why. The template and its digest stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from immunoprofile.errors import InputError, Problem, printable
from immunoprofile.gating.formats.assembly import shape_complaints
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    Boolean,
    Dimension,
    Ellipsoid,
    Gate,
    Geometry,
    Polygon,
    Ratio,
    Rectangle,
)
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.scales import KINDS


@dataclass(frozen=True, slots=True)
class Override:
    """One row of ``overrides.csv``.

    Parameters
    ----------
    sheet, where
        The file and the place in it, for messages.
    gate
        Path, unique trailing path, name or id.
    dx, dy
        How far the gate moves on its first and second axis, units of the scale. A part of a quadrant gate takes the
        divider and the other parts along.
    geometry
        JSON as ``gates_resolved`` writes it, in place of a move.
    """

    sheet: str
    where: str
    gate: str
    dx: float | None
    dy: float | None
    geometry: str | None
    who: str
    date: str
    reason: str

    @property
    def words(self) -> str:
        """Why the gate stands elsewhere, for the tables."""
        moves = [f"{n} {v:g}" for n, v in (("dx", self.dx), ("dy", self.dy)) if v is not None]
        how = ", ".join(moves) or "drawn anew"
        return f"{how}; {printable(self.who)}, {printable(self.date)}: {printable(self.reason)}"


def override_gates(template: GatingTemplate, overrides: Sequence[Override]) -> tuple[GatingTemplate, list[Problem]]:
    """A sample's template with its overrides in place, and what is wrong with them.

    Notes
    -----
    A gate that was found in the data is moved from where it was found; gates below it stay where they were found.
    """
    gates = {g.path: g for g in template.gates}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for override in overrides:
        try:
            path = template.find(override.gate)
        except InputError as problem:
            problems.append(_problem(override, f"{str(problem.problems[0].what).rstrip('.')}", None, "OVERRIDE-GATE"))
            continue
        if path not in gates:
            problems.append(_problem(override, "the root is no gate", "Name a gate.", "OVERRIDE-GATE"))
        elif path in seen:
            what = f'"{printable(path)}" is overridden already in {seen[path]}'
            problems.append(_problem(override, what, "Keep one of the rows.", "OVERRIDE-TWICE"))
        else:
            for gate, geometry in _changes(template, gates[path], override, problems):
                seen[gate.path] = override.where
                gates[gate.path] = replace(
                    gate, geometry=geometry, declared=gate.template_geometry, origin="override", reason=override.words
                )
    return replace(template, gates=tuple(gates.values())), problems


def _problem(override: Override, what: str, remedy: str | None, code: str) -> Problem:
    return Problem(what, override.sheet, f"{override.where}, gate", found=override.gate, remedy=remedy, code=code)


def _changes(
    template: GatingTemplate, gate: Gate, override: Override, problems: list[Problem]
) -> list[tuple[Gate, Geometry]]:
    """The gates that change, each with its new geometry."""
    try:
        if override.geometry is not None:
            return [(gate, _drawn(template, gate, override.geometry))]
        parts = _parts(template, gate)
        return [(g, _moved(g.geometry, override.dx or 0.0, override.dy or 0.0)) for g in parts]
    except _WrongOverrideError as problem:
        problems.append(_problem(override, f'"{printable(gate.path)}" {problem}', problem.remedy, "OVERRIDE-GEOMETRY"))
        return []


class _WrongOverrideError(Exception):
    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def _parts(template: GatingTemplate, gate: Gate) -> list[Gate]:
    """The gate alone; of a part of a quadrant gate all parts."""
    divider = getattr(gate.geometry, "divider", None)
    if divider is None:
        return [gate]
    return [g for g in template.gates if g.parent == gate.parent and getattr(g.geometry, "divider", None) == divider]


def _moved(geometry: Geometry, dx: float, dy: float) -> Geometry:
    if isinstance(geometry, Boolean):
        raise _WrongOverrideError("is a boolean and cannot be moved", "Move the gates that it rests on.")
    if len(geometry.dimensions) == 1 and dy:
        raise _WrongOverrideError("has one axis, and dy is given", "Write the move as dx.")
    steps = (dx, dy, *[0.0] * (len(geometry.dimensions) - 2))
    if isinstance(geometry, Rectangle):
        bounds = tuple(
            (None if low is None else low + s, None if high is None else high + s)
            for (low, high), s in zip(geometry.bounds, steps, strict=False)
        )
        return replace(geometry, bounds=bounds)
    if isinstance(geometry, Polygon):
        return replace(geometry, vertices=tuple((x + dx, y + dy) for x, y in geometry.vertices))
    return replace(geometry, center=tuple(c + s for c, s in zip(geometry.center, steps, strict=True)))


def _drawn(template: GatingTemplate, gate: Gate, text: str) -> Geometry:
    try:
        geometry = _geometry(json.loads(text), gate)
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise _WrongOverrideError(
            f"cannot be drawn from this geometry ({type(problem).__name__}: {printable(str(problem), 80)})",
            "Write it as the column geometry of gates_resolved has it.",
        ) from problem
    known = {m.name for m in template.markers}
    for dimension in geometry.dimensions:
        for name in dimension.channels:
            if name not in known:
                raise _WrongOverrideError(f'asks for "{printable(name)}", no marker of the template', "Correct it.")
        matrices = {None, FILE, UNCOMPENSATED, *dict(template.compensation.matrices)}
        if dimension.compensation not in matrices:
            what = f'asks for matrix "{printable(dimension.compensation)}", which the template has not'
            raise _WrongOverrideError(what, "Correct it.")
    for what, remedy in shape_complaints(geometry):
        raise _WrongOverrideError(f"in its new geometry: {what}", remedy)
    return geometry


def _geometry(shape: dict[str, Any], gate: Gate) -> Geometry:
    """A geometry from what `template.describe_geometry` makes of one."""
    dimensions = tuple(_dimension(d) for d in shape["dimensions"])
    bins = shape.get("bins")
    if "bounds" in shape:
        bounds = tuple((_bound(low), _bound(high)) for low, high in shape["bounds"])
        if len(bounds) != len(dimensions):
            raise ValueError("bounds and dimensions differ in number")
        return Rectangle(dimensions, bounds, getattr(gate.geometry, "divider", None))
    if "vertices" in shape:
        x, y = dimensions
        return Polygon((x, y), tuple((float(a), float(b)) for a, b in shape["vertices"]), bins=bins)
    covariance = tuple(tuple(float(v) for v in row) for row in shape["covariance"])
    center = tuple(float(v) for v in shape["center"])
    return Ellipsoid(dimensions, center, covariance, float(shape["distance_square"]), bins=bins)


def _bound(value: Any) -> float | None:
    return None if value is None else float(value)


def _dimension(shape: dict[str, Any]) -> Dimension:
    settings = dict(shape["scale"])
    scale = KINDS[settings.pop("kind")](**settings)
    channel = shape["channel"]
    if isinstance(channel, list):
        top, bottom, a, b, c = channel
        return Dimension(Ratio(str(top), str(bottom), float(a), float(b), float(c)), scale, shape["compensation"])
    return Dimension(str(channel), scale, shape["compensation"])
