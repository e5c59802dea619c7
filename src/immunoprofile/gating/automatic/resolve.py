"""Templates with automatic gates become plain ones, a sample each: from the root downwards, pool by pool.

A gate is found in the events of its parent as the parent was resolved for that sample. All gates that rest on the
same number of automatic gates are found in one walk through each file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from immunoprofile.errors import printable
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
from immunoprofile.gating.automatic.reading import read_parents
from immunoprofile.gating.automatic.records import Frozen, GateRecord, Resolved
from immunoprofile.gating.automatic.values import MOST_EVENTS, Values
from immunoprofile.gating.gates import AutoRule, Boolean, Gate
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate, Marker

_POOL_EVENTS = 4_000_000
"""Events of all samples of a pool together: 32 MB an axis."""


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
            work.settle(gates, lambda f, tasks: list(executor.map(f, tasks)), max(1, jobs))
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
    gates: tuple[tuple[Gate, int], ...]


def _task(place: tuple[str, str], pools: Sequence[_Pool]) -> _Task:
    """What to read in one file, each gate with the most events that its pool takes of a sample."""
    sample = next(s for s in pools[0].sources if s.sample_id == place[0])
    return _Task(sample, place[1], tuple((p.gate, _most_events(p)) for p in pools))


def _most_events(pool: _Pool) -> int:
    """Events of one sample: fewer where a pool has many, so that it fits into memory whole."""
    return max(MOST_EVENTS // 10, min(MOST_EVENTS, _POOL_EVENTS // len(pool.sources)))


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

    def settle(self, gates: Sequence[Gate], run: _Map, window: int) -> None:
        """Find the gates of one round for everybody.

        So many pools at a time: their events are held until their gates are found, and no longer.
        """
        by_key: dict[Key, list[_Pool]] = {}
        for gate in gates:
            for pool in self._pools(gate):
                by_key.setdefault(pool.key, []).append(pool)
        groups = [by_key[k] for k in sorted(by_key)]
        for start in range(0, len(groups), window):
            self._settle_pools([p for group in groups[start : start + window] for p in group], run)

    def _settle_pools(self, pools: Sequence[_Pool], run: _Map) -> None:
        wanted: dict[tuple[str, str], list[_Pool]] = {}
        for pool in pools:
            for source in pool.sources:
                wanted.setdefault((source.sample_id, pool.owner or source.sample_id), []).append(pool)
        tasks = [_task(place, of_place) for place, of_place in sorted(wanted.items(), key=lambda item: item[0])]
        found = {
            (t.sample.sample_id, t.owner, path): v
            for t, read in zip(tasks, run(self._read, tasks), strict=True)
            for path, v in read.items()
        }
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
        return read_parents(self.template_of(task.owner), task.sample, task.gates)

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
