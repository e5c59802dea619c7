"""A plan in words: what is read, what is compensated for whom, how each gate is decided."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from immunoprofile.errors import printable
from immunoprofile.gating.gates import Boolean, Gate
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.plan import Plan
from immunoprofile.kernels.arrays import (
    FIRST_DETECTOR,
    FIRST_DIM,
    FIRST_TARGET,
    HIGH,
    KIND,
    LAST_DETECTOR,
    LOW,
    MAP,
    RECTANGLE,
    ROW,
    SOURCE,
)


def describe_plan(plan: Plan, detectors: tuple[str, ...]) -> list[str]:
    """Lines that say what a plan does, in the order in which it does it.

    Parameters
    ----------
    detectors
        Names of the file's channels, by their number.
    """
    sources = plan.arrays.sources
    raw = [printable(detectors[c], 40) for c in plan.columns]
    ratios = [f"ratio {i + 1}" for i in range(len(sources.ratios))]
    names = (*raw, *(f"{printable(n, 40)}*" for n in plan.derived), *ratios)
    lines = [f"reads {len(raw)} of {len(detectors)} channels: {', '.join(raw)}"]
    lines += [_compensated(plan, target, names) for target in sorted(range(len(sources.targets)), key=_row(plan))]
    lines += [f"{r}: {names[a]} to {names[b]}" for r, (a, b) in zip(ratios, sources.ratios, strict=True)]
    lines += [f"{printable(g.path)}: {_how(plan, i, g, names)}{_origin(g)}" for i, g in enumerate(plan.gates)]
    lines += [f"left out: {printable(path)}" for path in plan.omitted]
    return lines + [f"finding {f.code}: {printable(f.message)}" for f in plan.findings]


def _row(plan: Plan) -> Callable[[int], int]:
    return lambda target: int(plan.arrays.sources.targets[target, ROW])


def _compensated(plan: Plan, target: int, names: tuple[str, ...]) -> str:
    row = plan.arrays.sources.targets[target]
    first = plan.arrays.gates.rows[:, FIRST_TARGET]
    region = int(np.searchsorted(first, target, side="right")) - 1
    where = ROOT if region == len(plan.gates) else plan.gates[region].path
    n_detectors = row[LAST_DETECTOR] - row[FIRST_DETECTOR]
    name = names[len(plan.columns) + row[ROW]]
    return f"{name} compensated from {n_detectors} detectors, for events of {printable(where)}"


def _how(plan: Plan, number: int, gate: Gate, names: tuple[str, ...]) -> str:
    gates = plan.arrays.gates
    if isinstance(gate.geometry, Boolean):
        terms = ", ".join(("not " if t.complement else "") + printable(t.path) for t in gate.geometry.terms)
        return f"{'all' if gate.geometry.operation == 'and' else 'any'} of {terms}"
    dims = range(gates.rows[number, FIRST_DIM], gates.rows[number + 1, FIRST_DIM])
    bounds = " and ".join(
        _bounds(names[gates.dims[k, SOURCE]], gates.limits[k, LOW], gates.limits[k, HIGH]) for k in dims
    )
    if gates.rows[number, KIND] == RECTANGLE:
        return bounds
    cells = gates.rows[number, MAP]
    share = "every event in it transformed"
    if cells >= 0:
        share = f"{(gates.maps[cells] < 2).mean():.1%} of its cells decided without a transform"
    return f"{gate.geometry.kind} within {bounds}; {share}"


def _origin(gate: Gate) -> str:
    """What is said of a geometry that is not the template's own word."""
    origin, reason = gate.applied_as
    return "" if origin == "template" else f" ({origin}: {printable(reason)})"


def _bounds(source: str, low: float, high: float) -> str:
    if math.isnan(low):
        return f"{source} never"
    left = "" if low == -math.inf else f"{low:g} <= "
    right = "" if math.isnan(high) else f" < {high:g}"
    return f"{left}{source}{right}" if left or right else f"{source} a number"
