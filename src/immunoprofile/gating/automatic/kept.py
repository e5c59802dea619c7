"""Settled gates as JSON and back without loss, so that a run that goes on settles nothing twice.

Unlike frozen gates, which a later run applies to samples of its own, these are the very ones of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from immunoprofile.gating.automatic.fit import Fit
from immunoprofile.gating.automatic.frozen import geometry_of, numbers_of
from immunoprofile.gating.automatic.planes import Split
from immunoprofile.gating.automatic.records import GateRecord, Resolved
from immunoprofile.gating.gates import Gate
from immunoprofile.gating.template import GatingTemplate


def pack_resolved(resolved: Mapping[str, Resolved]) -> dict[str, Any]:
    """Settled templates of samples as JSON has them; what samples share stands once."""
    packed: list[dict[str, Any]] = []
    numbers: dict[tuple[int, int], int] = {}
    samples: dict[str, dict[str, int]] = {}
    for name, one in resolved.items():
        gates = {g.path: g for g in one.template.gates}
        samples[name] = {}
        for path, record in one.records.items():
            # By identity: all members of a pool hold the same record and the same gate.
            key = (id(record), id(gates[path]))
            if key not in numbers:
                numbers[key] = len(packed)
                packed.append(_packed(record, gates[path]))
            samples[name][path] = numbers[key]
    return {"gates": packed, "samples": samples}


def unpack_resolved(content: Mapping[str, Any], template: GatingTemplate) -> dict[str, Resolved]:
    """The settled templates that `pack_resolved` was given.

    Parameters
    ----------
    template
        The template as declared, the same as then.

    Raises
    ------
    KeyError, TypeError, ValueError, IndexError
        The content is not what was packed for this template.
    """
    declared = {g.path: g for g in template.gates}
    made = [_unpacked(held, declared[held["path"]]) for held in content["gates"]]
    found = {}
    for name, places in content["samples"].items():
        settled = {path: made[number] for path, number in places.items()}
        gates = tuple(settled[g.path][1] if g.path in settled else g for g in template.gates)
        found[name] = Resolved(replace(template, gates=gates), {path: r for path, (r, _) in settled.items()})
    return found


def _packed(record: GateRecord, gate: Gate) -> dict[str, Any]:
    fit = record.fit
    return {
        "path": record.path,
        "pool": list(record.pool),
        "fitted": list(record.fitted),
        "words": record.words,
        "unbridged": list(record.unbridged),
        "fit": {"words": fit.words, "at": fit.at, "span": fit.span, **numbers_of(fit.geometry)},
        "split": None if fit.split is None else [fit.split.angle, fit.split.at, fit.split.depth],
        "origin": gate.origin,
        "reason": gate.reason,
    }


def _unpacked(held: Mapping[str, Any], gate: Gate) -> tuple[GateRecord, Gate]:
    rule, fit = gate.auto, held["fit"]
    if rule is None:
        raise ValueError(f"{gate.path} is no automatic gate")
    shape = geometry_of(fit, rule.dimensions)
    split = None if held["split"] is None else Split(*held["split"])
    record = GateRecord(
        held["path"],
        (held["pool"][0], held["pool"][1]),
        tuple(held["fitted"]),
        Fit(shape, fit["words"], fit["at"], split, fit["span"]),
        held["words"],
        tuple(held["unbridged"]),
    )
    settled = replace(
        gate, geometry=shape or gate.geometry, declared=gate.geometry, origin=held["origin"], reason=held["reason"]
    )
    return record, settled
