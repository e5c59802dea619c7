"""Many samples' templates to one: what most samples share, and where single samples deviate from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from immunoprofile.errors import InputError, printable
from immunoprofile.gating.gates import Gate, Geometry, Rectangle
from immunoprofile.gating.paths import ROOT, make_id
from immunoprofile.gating.template import GatingTemplate, describe_geometry
from immunoprofile.spillover import Spillover

# Bounds that went through two samples' different scales agree to about nine digits; no hand draws to six.
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Deviation:
    """Where one sample differs from the shared template.

    Parameters
    ----------
    sample, path
        The sample's name; the gate's path, or the root's for its matrix.
    geometry
        What the sample has there; None where it has no such gate, or the matrix differs.
    what
        The difference, in words.
    """

    sample: str
    path: str
    geometry: Geometry | None
    what: str


def shared_template(by_sample: Mapping[str, GatingTemplate]) -> tuple[GatingTemplate, tuple[Deviation, ...]]:
    """The gates that more than half of the gated samples have, as most of them have them, and every deviation.

    Parameters
    ----------
    by_sample
        As `read_flowjo` gives it; samples without gates have no say and are deviations.

    Returns
    -------
    template, deviations
        Deviations in order of samples, then gates. A gate that only a minority has is a deviation too.

    Raises
    ------
    InputError
        No sample has gates.

    Notes
    -----
    Rectangles are alike where their linear bounds agree to six digits, whatever the scale they are drawn on.
    Polygons and ellipses are alike with equal scales and coordinates, because their edges are straight on the scale.
    Of equally frequent geometries the one that comes first in the samples' order is taken.
    """
    gated = {s: t for s, t in by_sample.items() if t.gates}
    if not gated:
        raise InputError(
            "no sample has gates to share",
            code="SHARED-EMPTY",
            remedy="Give a workspace with gated samples.",
        )
    gates = _common_gates(gated)
    matrices = _common_matrices(gated)
    markers = {m.name: m for t in gated.values() for m in t.markers}
    used = {n for g in gates for d in g.geometry.dimensions for n in d.channels}
    first = next(iter(gated.values()))
    shared = replace(
        first,
        gates=gates,
        markers=tuple(m for n, m in markers.items() if n in used),
        compensation=replace(first.compensation, matrices=tuple(matrices.items())),
        refused=tuple(dict.fromkeys(p for t in by_sample.values() for p in t.refused)),
    )
    return shared, tuple(d for s, t in by_sample.items() for d in _deviations(s, t, shared))


def _common_gates(gated: Mapping[str, GatingTemplate]) -> tuple[Gate, ...]:
    having = Counter(g.path for t in gated.values() for g in t.gates)
    common: dict[str, Gate] = {}
    taken: list[str] = []
    for path in having:
        if 2 * having[path] <= len(gated):
            continue
        found = [t.gate(path) for t in gated.values() if path in t.paths]
        keys = [_key(g.geometry) for g in found]
        gate = found[keys.index(Counter(keys).most_common(1)[0][0])]
        taken.append(make_id(gate.name, taken))
        common[path] = replace(gate, id=taken[-1])
    return tuple(common.values())


def _key(geometry: Geometry) -> str:
    """Equal for geometries that are alike."""
    shape = describe_geometry(geometry)
    if isinstance(geometry, Rectangle):
        shape["dimensions"] = [[d["channel"], d["compensation"]] for d in shape["dimensions"]]
        shape["bounds"] = [
            [None if v is None else f"{float(d.scale.inverse(v)):.{_DIGITS}g}" for v in pair]
            for d, pair in zip(geometry.dimensions, geometry.bounds, strict=True)
        ]
    return json.dumps([geometry.kind, shape], sort_keys=True)


def _common_matrices(gated: Mapping[str, GatingTemplate]) -> dict[str, Spillover]:
    listed = [pair for t in gated.values() for pair in t.compensation.matrices]
    found: dict[str, Spillover] = {}
    for name in dict.fromkeys(n for n, _ in listed):
        same = [m for n, m in listed if n == name]
        found[name] = Counter(same).most_common(1)[0][0]
    return found


def _deviations(sample: str, template: GatingTemplate, shared: GatingTemplate) -> list[Deviation]:
    if not template.gates:
        return [Deviation(sample, ROOT, None, "has no gates")]
    found = [
        Deviation(sample, ROOT, None, f'compensation matrix "{printable(name)}" differs')
        for name, matrix in template.compensation.matrices
        if dict(shared.compensation.matrices).get(name) != matrix
    ]
    for path in shared.paths[1:]:
        if path not in template.paths:
            found.append(Deviation(sample, path, None, "lacks this gate"))
        elif _key(template.gate(path).geometry) != _key(shared.gate(path).geometry):
            found.append(Deviation(sample, path, template.gate(path).geometry, "has another geometry"))
    extra = [p for p in template.paths[1:] if p not in shared.paths]
    return found + [Deviation(sample, p, template.gate(p).geometry, "has a gate that few have") for p in extra]
