"""One walk through one file: the events of several gates' parents, each on the axes of its rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from immunoprofile.errors import ImmunoprofileError, printable
from immunoprofile.gating.automatic.pools import PoolSample
from immunoprofile.gating.automatic.values import Values, has_axes, scaled_values
from immunoprofile.gating.gates import AutoRule, Boolean, Gate
from immunoprofile.gating.membership import Membership, run_plan
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.plan import compile_plan
from immunoprofile.gating.template import GatingTemplate

_COUNTED = frozenset({"quantile", "fmo"})
"""Methods that count events; the others look at densities, which a pile-up at the end of a range would bend."""


def read_parents(
    template: GatingTemplate, sample: PoolSample, gates: Sequence[tuple[Gate, int]]
) -> dict[str, Values | str]:
    """Path of each gate to the values of its parent's events on the rule's axes, or to the reason why there are none.

    Parameters
    ----------
    template
        With the gates above these settled for this sample.
    gates
        Automatic gates, each with the most events to take.
    """
    try:
        members = _gate_parents(template, sample, {g.parent for g, _ in gates})
        return {g.path: _values(members, sample, g, g.auto, most) for g, most in gates if g.auto is not None}
    except ImmunoprofileError as problem:
        words = f"{printable(sample.sample_id, 60)} cannot be gated ({problem.code})"
        return {g.path: words for g, _ in gates}


def _gate_parents(template: GatingTemplate, sample: PoolSample, parents: set[str]) -> Membership:
    events = sample.events
    assert events is not None
    plan = compile_plan(_above(template, parents), events.channels, events.spillover, replacement=sample.replacement)
    return run_plan(plan, events)


def _values(members: Membership, sample: PoolSample, gate: Gate, rule: AutoRule, most: int) -> Values | str:
    name, events, template = printable(sample.sample_id, 60), sample.events, members.plan.template
    assert events is not None
    if gate.parent not in members.paths:
        return f"{name} lacks an optional marker of its parent"
    if not has_axes(template, rule.dimensions, events, sample.replacement):
        return f"{name} lacks an optional marker of its rule"
    values = scaled_values(
        template,
        rule.dimensions,
        events,
        sample.replacement,
        members.mask(gate.parent),
        drop_saturated=rule.method not in _COUNTED,
        most=most,
    )
    few = values.shape[1] < rule.min_events
    return f"{name} has {values.shape[1]} events in the parent" if few else values


def _above(template: GatingTemplate, wanted: Iterable[str]) -> GatingTemplate:
    """The template's gates that some populations rest on, and no others."""
    kept: set[str] = set()
    waiting = [p for p in wanted if p != ROOT]
    while waiting:
        path = waiting.pop()
        if path in kept or path == ROOT:
            continue
        kept.add(path)
        gate = template.gate(path)
        waiting.append(gate.parent)
        if isinstance(gate.geometry, Boolean):
            waiting.extend(t.path for t in gate.geometry.terms)
    return replace(template, gates=tuple(g for g in template.gates if g.path in kept), reports=(), limits=())
