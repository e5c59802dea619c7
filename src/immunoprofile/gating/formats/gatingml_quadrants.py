"""Which rectangles of a template are the parts of one quadrant gate of Gating-ML, and its dividers."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from immunoprofile.gating.gates import Dimension, Gate, Rectangle


def part_of(gate: Gate) -> Rectangle:
    """The geometry of a gate that is a part of a quadrant gate."""
    if not isinstance(gate.geometry, Rectangle):
        raise TypeError(f"{gate.path} is a {gate.geometry.kind}")
    return gate.geometry


def quadrant_runs(gates: Sequence[Gate]) -> Iterator[tuple[Gate, ...]]:
    """Gates in order; neighbours with one divider and one parent together, all others alone."""

    def key(item: tuple[int, Gate]) -> tuple[object, ...]:
        number, gate = item
        divider = gate.geometry.divider if isinstance(gate.geometry, Rectangle) else None
        return (number,) if divider is None else (divider, gate.parent)

    for _, run in groupby(enumerate(gates), key=key):
        yield tuple(gate for _, gate in run)


def dividers_of(gates: Sequence[Gate]) -> dict[Dimension, list[float]] | None:
    """Dividers and their values in rising order.

    None where the gates are no quadrants, or a part lies otherwise than between neighbouring values of its dividers:
    such parts are written as the rectangles that they are.
    """
    found: dict[Dimension, set[float]] = {}
    for gate in gates:
        geometry = gate.geometry
        if not isinstance(geometry, Rectangle) or geometry.divider is None:
            return None
        if len(set(geometry.dimensions)) < len(geometry.dimensions) or (None, None) in geometry.bounds:
            return None
        for dimension, bounds in zip(geometry.dimensions, geometry.bounds, strict=True):
            if bounds == (None, -sys.float_info.max):  # no number lies below that could say where the part is
                return None
            found.setdefault(dimension, set()).update(b for b in bounds if b is not None)
    for gate in gates:
        geometry = part_of(gate)
        for dimension, (low, high) in zip(geometry.dimensions, geometry.bounds, strict=True):
            above = -math.inf if low is None else low
            below = math.inf if high is None else high
            if any(above < value < below for value in found[dimension]):
                return None
    return {dimension: sorted(values) for dimension, values in found.items()}


def place_between(low: float | None, high: float | None) -> float:
    """A location inside ``low <= x < high``; a missing bound is infinite, one is given."""
    if low is not None and high is not None:
        middle = (low + high) / 2
        return middle if low <= middle < high else low
    if high is None:
        return (low or 0.0) + 1.0
    return high - 1.0 if high - 1.0 < high else math.nextafter(high, -math.inf)
