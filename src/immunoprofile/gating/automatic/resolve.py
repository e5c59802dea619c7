"""Templates with automatic gates become plain ones, a sample each: from the root downwards, pool by pool.

A gate is found in the events of its parent as the parent was resolved for that sample. All gates that rest on the
same number of automatic gates are found in one walk through each file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from immunoprofile.errors import ImmunoprofileError, printable
from immunoprofile.gating.automatic.fit import Fit, fit_rule
from immunoprofile.gating.automatic.pools import (
    BRIDGE,
    Key,
    PoolSample,
    choose_controls,
    choose_fitted,
    key_words,
    nearest_patient,
    pool_key,
    unbridged_batches,
)
from immunoprofile.gating.automatic.values import Values, has_axes, scaled_values
from immunoprofile.gating.gates import AutoRule, Boolean, Gate
from immunoprofile.gating.membership import run_plan
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.plan import compile_plan
from immunoprofile.gating.template import GatingTemplate, Marker

_COUNTED = frozenset({"quantile", "fmo"})
"""Methods that count events; the others look at densities, which a pile-up at the end of a range would bend."""


@dataclass(frozen=True, slots=True)
class GateRecord:
    """How one automatic gate was settled for one sample.

    Attributes
    ----------
    pool, fitted
        Whose gate it shares, and the samples it was found in.
    words
        How it was found, in whom, or why it was not.
    unbridged
        Batches of the pool without a bridging control, where it spans several.
    """

    path: str
    pool: Key
    fitted: tuple[str, ...]
    fit: Fit
    words: str
    unbridged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A template with every automatic gate settled, and how each was.

    Attributes
    ----------
    template
        Gates alike and in the same order; geometries are those found, or the fallbacks. Its digest is that of the
        template as declared.
    """

    template: GatingTemplate
    records: Mapping[str, GateRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrozenGate:
    """A gate of an earlier run, applied as it stands."""

    fit: Fit
    pool: Key
    fitted: tuple[str, ...]
    words: str


Frozen = Mapping[str, Mapping[str, FrozenGate]]
"""Sample id to path to gate."""


def has_automatic_gates(template: GatingTemplate) -> bool:
    """True where some gate is found in the data."""
    return any(g.auto is not None for g in template.gates)


def resolve_template(
    template: GatingTemplate,
    samples: Sequence[PoolSample],
    *,
    baseline: str | None = None,
    frozen: Frozen | None = None,
    jobs: int = 1,
) -> dict[str, Resolved]:
    """Settle every automatic gate of a template for every sample of one panel.

    Parameters
    ----------
    samples
        Patients' samples and controls, in any order: the result does not depend on it.
    baseline
        The visit that ``fit = "baseline"`` means.
    frozen
        Gates that are applied as an earlier run found them.
    jobs
        Files read at a time.

    Returns
    -------
    dict
        Sample id to its resolved template. The bridging control's runs are a pool; any other control has the gates of
        the patient's sample it stands nearest to: the same draw, subject or batch, else of the first sample.

    Notes
    -----
    Nothing raises here for a sample that cannot be gated: it takes no part in its pool, and fails where it is gated.
    """
    work = _Work(template, samples, baseline, frozen or {})
    with ThreadPoolExecutor(max(1, jobs)) as executor:
        for gates in _rounds(template):
            work.settle(gates, lambda f, tasks: list(executor.map(f, tasks)))
    found = {s.sample_id: Resolved(work.template_of(s.sample_id), work.records[s.sample_id]) for s in work.pooled}
    for control in (c for c in work.controls if c.control != BRIDGE):
        owner = nearest_patient(control, work.patients)
        found[control.sample_id] = Resolved(template) if owner is None else found[owner.sample_id]
    return found


def _rounds(template: GatingTemplate) -> list[list[Gate]]:
    """Automatic gates by how many others they rest on."""
    depth: dict[str, int] = {ROOT: 0}

    def below(path: str) -> int:
        if path not in depth:
            gate = template.gate(path)
            terms = [t.path for t in gate.geometry.terms] if isinstance(gate.geometry, Boolean) else []
            depth[path] = max(map(below, (gate.parent, *terms))) + (gate.auto is not None)
        return depth[path]

    rounds: dict[int, list[Gate]] = {}
    for gate in template.gates:
        if gate.auto is not None:
            rounds.setdefault(below(gate.path), []).append(gate)
    return [rounds[k] for k in sorted(rounds)]


@dataclass(frozen=True, slots=True)
class _Pool:
    gate: Gate
    rule: AutoRule
    key: Key
    members: tuple[PoolSample, ...]
    sources: tuple[PoolSample, ...]
    who: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class _Task:
    """One walk through one file: with the gates as settled for `owner` (itself, or whose control it is)."""

    sample: PoolSample
    owner: str
    gates: tuple[Gate, ...]


_Map = Callable[[Callable[[_Task], dict[str, "Values | str"]], Sequence[_Task]], Iterable[dict[str, "Values | str"]]]


class _Work:
    """Gates settled so far, a sample each."""

    def __init__(
        self, template: GatingTemplate, samples: Sequence[PoolSample], baseline: str | None, frozen: Frozen
    ) -> None:
        ordered = sorted(samples, key=lambda s: s.sample_id)
        self.template, self.baseline, self.frozen = template, baseline, frozen
        self.patients = [s for s in ordered if s.control is None]
        self.controls = [s for s in ordered if s.control is not None]
        self.pooled = [s for s in ordered if s.control in {None, BRIDGE}]
        self.settled: dict[str, dict[str, Gate]] = {s.sample_id: {} for s in self.pooled}
        self.records: dict[str, dict[str, GateRecord]] = {s.sample_id: {} for s in self.pooled}

    def template_of(self, sample_id: str) -> GatingTemplate:
        found = self.settled[sample_id]
        return replace(self.template, gates=tuple(found.get(g.path, g) for g in self.template.gates))

    def settle(self, gates: Sequence[Gate], run: _Map) -> None:
        """Find the gates of one round for everybody."""
        pools = [pool for gate in gates for pool in self._pools(gate)]
        wanted: dict[tuple[str, str], list[Gate]] = {}
        readers: dict[tuple[str, str], PoolSample] = {}
        for pool in pools:
            for source in pool.sources:
                place = (source.sample_id, pool.owner or source.sample_id)
                wanted.setdefault(place, []).append(pool.gate)
                readers[place] = source
        tasks = [_Task(readers[p], p[1], tuple(g)) for p, g in sorted(wanted.items(), key=lambda item: item[0])]
        found = {
            (t.sample.sample_id, t.owner, path): v for t, r in zip(tasks, run(self._read, tasks), strict=True)
            for path, v in r.items()
        }  # fmt: skip
        for pool in pools:
            self._settle_pool(pool, found)

    def _pools(self, gate: Gate) -> list[_Pool]:
        """The pools of a gate whose members are not all frozen; those that are are settled at once."""
        assert gate.auto is not None
        by_key: dict[Key, list[PoolSample]] = {}
        for sample in self.pooled:
            by_key.setdefault(pool_key(gate.auto, sample), []).append(sample)
        pools = []
        for key, members in sorted(by_key.items()):
            left = [m for m in members if not self._thaw(gate, m)]
            if left:
                pools.append(self._pool(gate, gate.auto, key, tuple(members)))
        return pools

    def _thaw(self, gate: Gate, sample: PoolSample) -> bool:
        """Apply a frozen gate to a sample, if there is one."""
        cold = self.frozen.get(sample.sample_id, {}).get(gate.path)
        if cold is None:
            return False
        settled = replace(
            gate,
            geometry=cold.fit.geometry or gate.geometry,
            declared=gate.geometry,
            origin="fallback" if cold.fit.geometry is None else "frozen",
            reason=cold.words,
        )
        self._set(sample, settled)
        record = GateRecord(gate.path, cold.pool, cold.fitted, cold.fit, cold.fit.words)
        self.records[sample.sample_id][gate.path] = record
        return True

    def _pool(self, gate: Gate, rule: AutoRule, key: Key, members: tuple[PoolSample, ...]) -> _Pool:
        fitted, who = choose_fitted(rule, members, self.baseline)
        if rule.method != "fmo":
            return _Pool(gate, rule, key, members, tuple(fitted), who, None)
        name = rule.dimensions[0].channels[0]
        marker = next((m for m in self.template.markers if m.name == name), Marker(name, (name,)))
        controls = choose_controls(marker, fitted, self.controls)
        owner = fitted[0].sample_id if fitted else None
        return _Pool(gate, rule, key, members, tuple(controls), f"control fmo:{printable(name, 40)}", owner)

    def _read(self, task: _Task) -> dict[str, Values | str]:
        """Values of each gate's axes in its parent, or why there are none."""
        assert task.sample.events is not None
        try:
            return self._values(task)
        except ImmunoprofileError as problem:
            words = f"{printable(task.sample.sample_id, 60)} cannot be gated ({problem.code})"
            return {g.path: words for g in task.gates}

    def _values(self, task: _Task) -> dict[str, Values | str]:
        events, matrix = task.sample.events, task.sample.replacement
        assert events is not None
        template = _above(self.template_of(task.owner), {g.parent for g in task.gates})
        plan = compile_plan(template, events.channels, events.spillover, replacement=matrix)
        members = run_plan(plan, events)
        found: dict[str, Values | str] = {}
        for gate in task.gates:
            assert gate.auto is not None
            name = printable(task.sample.sample_id, 60)
            if gate.parent not in members.paths:
                found[gate.path] = f"{name} lacks an optional marker of its parent"
                continue
            mask = members.mask(gate.parent)
            if not has_axes(template, gate.auto.dimensions, events, matrix):
                found[gate.path] = f"{name} lacks an optional marker of its rule"
                continue
            values = scaled_values(
                template, gate.auto.dimensions, events, matrix, mask, drop_saturated=gate.auto.method not in _COUNTED
            )
            few = values.shape[1] < gate.auto.min_events
            found[gate.path] = f"{name} has {values.shape[1]} events in the parent" if few else values
        return found

    def _settle_pool(self, pool: _Pool, found: Mapping[tuple[str, str, str], Values | str]) -> None:
        read = [(s.sample_id, found[s.sample_id, pool.owner or s.sample_id, pool.gate.path]) for s in pool.sources]
        usable = [(name, v) for name, v in read if not isinstance(v, str)]
        lost = [v for _, v in read if isinstance(v, str)]
        if usable:
            fit = fit_rule(pool.rule, [v for _, v in usable], pool.gate.geometry)
        else:
            fit = Fit(None, "; ".join(lost) or _nobody(pool))
        names = tuple(name for name, _ in usable)
        words = _words(pool, fit, names, lost if usable else [])
        gate = replace(
            pool.gate,
            geometry=fit.geometry or pool.gate.geometry,
            declared=pool.gate.geometry,
            origin="fallback" if fit.geometry is None else "auto",
            reason=words,
        )
        unbridged = unbridged_batches(pool.members, self.controls) if pool.key[0] != "control" else ()
        record = GateRecord(pool.gate.path, pool.key, names, fit, words, unbridged)
        for member in pool.members:
            if pool.gate.path not in self.settled[member.sample_id]:
                self._set(member, gate)
                self.records[member.sample_id][pool.gate.path] = record

    def _set(self, sample: PoolSample, gate: Gate) -> None:
        self.settled[sample.sample_id][gate.path] = gate


def _nobody(pool: _Pool) -> str:
    return f"no {pool.who}" if pool.rule.method == "fmo" else "no sample of the pool can be read"


def _words(pool: _Pool, fit: Fit, names: Sequence[str], lost: Sequence[str]) -> str:
    """One line for `gates_resolved`: what was found, in whom."""
    if pool.key[0] == "sample" and pool.rule.method != "fmo":
        parts = [f"{pool.rule.method}: {fit.words}"]
    else:
        shown = ", ".join(printable(n, 40) for n in names[:6]) + (
            f" and {len(names) - 6} more" if len(names) > 6 else ""
        )
        where = f"; pool {key_words(pool.key)}" + (f", found in {shown} ({pool.who})" if names else "")
        parts = [f"{pool.rule.method}: {fit.words}{where}"]
    return "; ".join([*parts, *lost])


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
    gates = tuple(g for g in template.gates if g.path in kept)
    return replace(template, gates=gates, reports=(), limits=())
