"""A plan in words: what is read, what is compensated for whom, how each gate is decided."""

from __future__ import annotations

import math

from immunoprofile.errors import printable
from immunoprofile.gating.gates import Boolean, Gate
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.plan import Plan
from immunoprofile.kernels.gates import RECTANGLE


def describe_plan(plan: Plan, detectors: tuple[str, ...]) -> list[str]:
    """Lines that say what a plan does, in the order in which it does it.

    Parameters
    ----------
    detectors
        Names of the file's channels, by their number.
    """
    arrays = plan.arrays
    raw = [printable(detectors[c], 40) for c in plan.columns]
    ratios = [f"ratio {i + 1}" for i in range(len(arrays.ratio_sources))]
    names = (*raw, *(f"{printable(n, 40)}*" for n in plan.derived), *ratios)
    regions = {int(t): r for r in range(len(plan.gates) + 1) for t in _targets(plan, r)}
    lines = [f"reads {len(raw)} of {len(detectors)} channels: {', '.join(raw)}"]
    for target, matrix in enumerate(arrays.weight_matrix):
        first, last = arrays.matrix_start[matrix], arrays.matrix_start[matrix + 1]
        region = regions[target]
        where = ROOT if region == len(plan.gates) else plan.gates[region].path
        name = names[len(raw) + target]
        lines.append(f"{name} compensated from {last - first} detectors, for events of {printable(where)}")
    lines += [f"{r}: {names[a]} to {names[b]}" for r, (a, b) in zip(ratios, arrays.ratio_sources, strict=True)]
    lines += [f"{printable(g.path)}: {_how(plan, i, g, names)}{_origin(g)}" for i, g in enumerate(plan.gates)]
    lines += [f"left out: {printable(path)}" for path in plan.omitted]
    return lines + [f"finding {f.code}: {printable(f.message)}" for f in plan.findings]


def _targets(plan: Plan, region: int) -> list[int]:
    start = plan.arrays.region_start
    return [int(t) for t in plan.arrays.region_targets[start[region] : start[region + 1]]]


def _how(plan: Plan, number: int, gate: Gate, names: tuple[str, ...]) -> str:
    arrays = plan.arrays
    if isinstance(gate.geometry, Boolean):
        terms = ", ".join(("not " if t.complement else "") + printable(t.path) for t in gate.geometry.terms)
        return f"{'all' if gate.geometry.operation == 'and' else 'any'} of {terms}"
    dims = range(arrays.dim_start[number], arrays.dim_start[number + 1])
    bounds = " and ".join(_bounds(names[arrays.dim_source[k]], arrays.dim_low[k], arrays.dim_high[k]) for k in dims)
    if arrays.gate_kind[number] == RECTANGLE:
        return bounds
    cells = arrays.map_number[number]
    share = "every event in it transformed"
    if cells >= 0:
        share = f"{(arrays.maps[cells] < 2).mean():.1%} of its cells decided without a transform"
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
