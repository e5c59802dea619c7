"""What a laboratory should look at: fallbacks, samples whose own cut lies elsewhere, pools that nothing bridges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from immunoprofile.errors import printable
from immunoprofile.fcs import Events
from immunoprofile.gating.automatic.fit import drift_limit, own_place
from immunoprofile.gating.automatic.pools import key_words
from immunoprofile.gating.automatic.records import GateRecord, Resolved
from immunoprofile.gating.automatic.values import scaled_values
from immunoprofile.gating.gates import Gate
from immunoprofile.gating.membership import Membership
from immunoprofile.spillover import Spillover


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One thing about one automatic gate of one sample; `value` and `threshold` NaN where there is no number."""

    rule_id: str
    path: str
    value: float
    threshold: float
    level: str
    flag: str
    detail: str


def check_gates(resolved: Resolved, members: Membership, events: Events, matrix: Spillover | None) -> list[GateCheck]:
    """Check every automatic gate of one sample, in template order.

    Parameters
    ----------
    members
        The sample gated with the resolved template.
    matrix
        What replaces the file's spillover.

    Notes
    -----
    A sample's own cut is found by the same rule in its own events alone; only the pool's cut gates. Where its own
    events show none, or it alone is the pool, there is nothing to compare.
    """
    found: list[GateCheck] = []
    for gate in resolved.template.gates:
        record = resolved.records.get(gate.path)
        if record is not None and gate.path in members.paths:
            found.extend(_check_gate(gate, record, members, events, matrix))
    return found


def _check_gate(
    gate: Gate, record: GateRecord, members: Membership, events: Events, matrix: Spillover | None
) -> Iterator[GateCheck]:
    if gate.origin == "fallback":
        what = f"the template's fallback was used: {gate.reason}"
        yield GateCheck("gate_fallback", gate.path, math.nan, math.nan, "warn", "GATE_FALLBACK", what)
    if record.unbridged:
        shown = ", ".join(printable(b, 40) for b in record.unbridged)
        what = f"{key_words(record.pool)} spans batches without a bridging control: {shown}"
        yield GateCheck("pool_bridge", gate.path, len(record.unbridged), 0, "warn", "POOL_NOT_BRIDGED", what)
    if record.fit.at is None or record.pool[0] == "sample":
        return
    drift = _drift(gate, record, members, events, matrix)
    if drift is not None:
        yield drift


def _drift(
    gate: Gate, record: GateRecord, members: Membership, events: Events, matrix: Spillover | None
) -> GateCheck | None:
    rule, pooled = gate.auto, record.fit.at
    assert rule is not None and pooled is not None
    values = scaled_values(members.plan.template, rule.dimensions, events, matrix, members.mask(gate.parent))
    if values.shape[1] < rule.min_events:
        return None
    own = own_place(rule, record.fit, values)
    if own is None:
        return None
    away, limit = own - pooled, drift_limit(rule, [values])
    beyond = abs(away) > limit
    what = f"own {rule.method} at {own:.4g}, {key_words(record.pool)} at {pooled:.4g}, in units of the axis"
    return GateCheck(
        "gate_drift", gate.path, away, limit, "warn" if beyond else "pass", "GATE_DRIFT" if beyond else "", what
    )
