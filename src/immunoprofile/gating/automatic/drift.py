"""What a laboratory should look at: fallbacks, samples whose own cut lies elsewhere, pools that nothing bridges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from immunoprofile.errors import printable
from immunoprofile.fcs import Events
from immunoprofile.gating.automatic.fit import drift_limit, own_place
from immunoprofile.gating.automatic.pools import key_words
from immunoprofile.gating.automatic.records import GateRecord, Resolved
from immunoprofile.gating.automatic.values import Values, Wanted, read_values
from immunoprofile.gating.gates import AutoRule, Gate
from immunoprofile.gating.membership import Membership
from immunoprofile.spillover import Spillover


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One thing about one automatic gate of one sample.

    `value` beyond `threshold` is a finding: of a fallback 1 beyond 0, of a pool the batches that nothing bridges, of a
    drift how far the sample's own cut lies from the pool's, on the axis.
    """

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
    template = resolved.template
    listed = [(g, resolved.records[g.path]) for g in template.gates if g.path in resolved.records]
    compared = [
        (g.path, Wanted(g.auto.dimensions, members.mask(g.parent)))
        for g, record in listed
        if g.auto is not None and g.path in members.paths and record.fit.at is not None and record.pool[0] != "sample"
    ]
    read = read_values(template, [w for _, w in compared], events, matrix) if compared else []
    values = {path: v for (path, _), v in zip(compared, read, strict=True) if v is not None}
    checks = [_check_gate(g, record, values.get(g.path)) for g, record in listed if g.path in members.paths]
    return [check for found in checks for check in found]


def _check_gate(gate: Gate, record: GateRecord, values: Values | None) -> Iterator[GateCheck]:
    name = printable(gate.path, 200)
    if gate.origin == "fallback":
        what = f"{name}: the template's fallback was used: {gate.reason}"
        yield GateCheck("gate_fallback", gate.path, 1, 0, "warn", "GATE_FALLBACK", what)
    if record.unbridged:
        shown = ", ".join(printable(b, 40) for b in record.unbridged)
        what = f"{name}: {key_words(record.pool)} spans batches without a bridging control: {shown}"
        yield GateCheck("pool_bridge", gate.path, len(record.unbridged), 0, "warn", "POOL_NOT_BRIDGED", what)
    if values is not None and gate.auto is not None and values.shape[1] >= gate.auto.min_events:
        yield from _drift(gate.path, gate.auto, record, values)


def _drift(path: str, rule: AutoRule, record: GateRecord, values: Values) -> Iterator[GateCheck]:
    own, pooled = own_place(rule, record.fit, values), record.fit.at
    if own is None or pooled is None:
        return
    away, limit = own - pooled, drift_limit(rule, [values])
    beyond = abs(away) > limit
    places = f"own {rule.method} at {own:.4g}, {key_words(record.pool)} at {pooled:.4g}"
    what = f"{printable(path, 200)}: {places}, in units of the axis"
    level, flag = ("warn", "GATE_DRIFT") if beyond else ("pass", "")
    yield GateCheck("gate_drift", path, away, limit, level, flag, what)
