"""Which moved boundaries do a template's tests notice? The fixtures' own quality, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from immunoprofile.errors import ImmunoprofileError
from immunoprofile.gating.automatic.values import Wanted, read_values
from immunoprofile.gating.gates import Boolean, Dimension
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.gating.validation.fixtures import Fixture
from immunoprofile.gating.validation.mutants import FoundMutant, Mutant, list_found_mutants, list_mutants
from immunoprofile.gating.validation.verdicts import gate_fixture, judge, settle_alone
from immunoprofile.scales import Identity

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Notice:
    """One mutant and the expectation that it broke first, in words; None where no test noticed.

    Attributes
    ----------
    paths, part, moved
        Of `Mutant`.
    """

    paths: tuple[str, ...]
    part: str
    moved: str
    by: str | None

    @property
    def noticed(self) -> bool:
        """True where some test failed."""
        return self.by is not None


def run_mutants(
    template: GatingTemplate, fixtures: Sequence[Fixture], *, shift: float = 0.02, progress: Progress | None = None
) -> tuple[Notice, ...]:
    """Run the tests on every mutant until one fails.

    Parameters
    ----------
    template
        Its tests must hold: else every mutant would be noticed.
    shift
        How far a boundary moves, as a share of its axis.
    """
    spans = _spans(template, fixtures)
    # Automatic gates that a moved boundary cannot reach stay as the fixture showed them.
    settled = {f.where: settle_alone(template, f.events, f.controls) for f in fixtures}
    mutants: list[Mutant | FoundMutant] = [
        *list_mutants(template, shift=shift, spans=spans),
        *list_found_mutants(template, settled, shift=shift, spans=spans),
    ]
    notices = []
    for number, mutant in enumerate(mutants):
        notices.append(
            Notice(mutant.paths, mutant.part, mutant.moved, _first_failure(mutant, template, settled, fixtures))
        )
        if progress is not None:
            progress(number + 1, len(mutants), mutant.paths[0])
    return tuple(notices)


def _first_failure(
    mutant: Mutant | FoundMutant,
    template: GatingTemplate,
    settled: dict[str, GatingTemplate],
    fixtures: Sequence[Fixture],
) -> str | None:
    touched = _resting_on(template, mutant.paths)
    for fixture in fixtures:
        wanted = tuple(e for e in fixture.test.expectations if {e.path, e.denominator} & touched)
        if not wanted:
            continue
        narrowed = replace(fixture, test=replace(fixture.test, expectations=wanted))
        asked = {p for e in wanted for p in (e.path, e.denominator) if p is not None}
        tried = _tried(mutant, template, settled[fixture.where], touched, fixture.where)
        if tried is None:
            continue
        try:
            for verdict in judge(gate_fixture(_needed(tried, asked), fixture), narrowed):
                if not verdict.met:
                    return f"{fixture.where}: {verdict.asked}"
        except ImmunoprofileError as problem:
            return f"{fixture.where}: {problem.code}"
    return None


def _tried(
    mutant: Mutant | FoundMutant, template: GatingTemplate, settled: GatingTemplate, touched: set[str], fixture: str
) -> GatingTemplate | None:
    """The mutant with the automatic gates that it cannot reach as they were found; those it can are found anew.

    None where the boundary is not there: the gate is its fallback in this fixture.
    """
    changed = template.gates
    if isinstance(mutant, Mutant):
        changed = mutant.template.gates
    elif fixture not in mutant.geometries:
        return None
    else:
        moved = mutant.geometries[fixture]
        changed = tuple(replace(g, geometry=moved, auto=None) if g.path in mutant.paths else g for g in changed)
    gates = tuple(
        m if m.path in touched else replace(s, auto=None) for m, s in zip(changed, settled.gates, strict=True)
    )
    return replace(template, gates=gates)


def _resting_on(template: GatingTemplate, paths: Iterable[str]) -> set[str]:
    """The gates themselves and all that rest on them, as parent or as term."""
    found, grew = set(paths), True
    while grew:
        more = {g.path for g in template.gates if g.path not in found and _feet(template, g.path) & found}
        found |= more
        grew = bool(more)
    return found


def _needed(template: GatingTemplate, asked: Iterable[str]) -> GatingTemplate:
    """The gates that some populations rest on, and no others."""
    kept: set[str] = set()
    waiting = [p for p in asked if p != ROOT]
    while waiting:
        path = waiting.pop()
        if path not in kept and path != ROOT:
            kept.add(path)
            waiting.extend(_feet(template, path))
    gates = tuple(g for g in template.gates if g.path in kept)
    return replace(template, gates=gates, reports=(), limits=(), tests=())


def _feet(template: GatingTemplate, path: str) -> set[str]:
    gate = template.gate(path)
    terms = {t.path for t in gate.geometry.terms} if isinstance(gate.geometry, Boolean) else set()
    return {gate.parent} | terms


def _spans(template: GatingTemplate, fixtures: Sequence[Fixture]) -> dict[Dimension, tuple[float, float]]:
    """Where axes in linear units begin and end: the middle 99.8 % of the fixtures' events, the widest of them."""
    wanted = dict.fromkeys(
        d for g in template.gates for d in g.template_geometry.dimensions if isinstance(d.scale, Identity)
    )
    return {d: ends for d in wanted if (ends := _widest(_ends(template, d, fixtures))) is not None}


def _ends(template: GatingTemplate, dimension: Dimension, fixtures: Sequence[Fixture]) -> Iterator[tuple[float, float]]:
    for fixture in fixtures:
        every = np.ones(fixture.events.n_events, dtype=np.bool_)
        (values,) = read_values(template, [Wanted((dimension,), every, False)], fixture.events, None)
        if values is not None:
            finite = values[0][np.isfinite(values[0])]
            if finite.size:
                low, high = np.quantile(finite, [0.001, 0.999])
                yield float(low), float(high)


def _widest(ends: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    listed = list(ends)
    if not listed:
        return None
    low, high = min(e[0] for e in listed), max(e[1] for e in listed)
    return (low, high) if low < high else None
