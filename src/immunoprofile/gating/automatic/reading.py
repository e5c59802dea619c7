"""One walk through one file: the events of several gates' parents, each on the axes of its rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from immunoprofile.errors import ImmunoprofileError, printable
from immunoprofile.fcs import PASSING
from immunoprofile.gating.automatic.pools import PoolSample
from immunoprofile.gating.automatic.values import Values, Wanted, read_values
from immunoprofile.gating.gates import Boolean, Gate
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

    Raises
    ------
    FcsError
        The file could be opened and now cannot be read, for a reason that may pass (`fcs.PASSING`): gates that are
        found without it would be others tomorrow.
    """
    try:
        members = _gate_parents(template, sample, {g.parent for g, _ in gates})
        return _read(members, sample, gates)
    except ImmunoprofileError as problem:
        if problem.code in PASSING:
            raise
        words = f"{printable(sample.sample_id, 60)} cannot be gated ({problem.code})"
        return {g.path: words for g, _ in gates}


def _gate_parents(template: GatingTemplate, sample: PoolSample, parents: set[str]) -> Membership:
    events = sample.events
    assert events is not None
    plan = compile_plan(_above(template, parents), events.channels, events.spillover, replacement=sample.replacement)
    return run_plan(plan, events)


def _read(members: Membership, sample: PoolSample, gates: Sequence[tuple[Gate, int]]) -> dict[str, Values | str]:
    name, events = printable(sample.sample_id, 60), sample.events
    assert events is not None
    found: dict[str, Values | str] = {g.path: f"{name} lacks an optional marker of its parent" for g, _ in gates}
    asked = [(g, g.auto, most) for g, most in gates if g.auto is not None and g.parent in members.paths]
    wanted = [
        Wanted(rule.dimensions, members.mask(g.parent), rule.method not in _COUNTED, most) for g, rule, most in asked
    ]
    read = read_values(members.plan.template, wanted, events, sample.replacement)
    for (gate, rule, _), values in zip(asked, read, strict=True):
        if values is None:
            found[gate.path] = f"{name} lacks an optional marker of its rule"
        elif values.shape[1] < rule.min_events:
            found[gate.path] = f"{name} has {values.shape[1]} events in the parent"
        else:
            found[gate.path] = values
    return found


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
