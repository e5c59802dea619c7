"""Samples of a cohort as the checks across samples see them: who, when, which tube, and how many of what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pandas as pd

from immunoprofile.gating import GatingTemplate


class SampleFacts(Protocol):
    """What the sample sheet says; a row of it, or a stand-in in tests."""

    @property
    def sample_id(self) -> str: ...
    @property
    def subject_id(self) -> str | None: ...
    @property
    def visit(self) -> str | None: ...
    @property
    def day(self) -> int | None: ...
    @property
    def panel(self) -> str | None: ...
    @property
    def batch(self) -> str | None: ...
    @property
    def dataset(self) -> int | None: ...
    @property
    def note(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Draw:
    """One gated sample.

    Parameters
    ----------
    counts
        Population to events, denominators among them.
    evaluable
        Pairs of population and denominator that have a fraction.
    roles
        Role to population.
    """

    sample: SampleFacts
    counts: Mapping[str, int]
    evaluable: frozenset[tuple[str, str]]
    roles: Mapping[str, str]
    fcs_sha256: str | None
    template_sha256: str | None

    @property
    def sample_id(self) -> str:
        """As in the sample sheet."""
        return self.sample.sample_id

    def pair(self, pop_id: str, denom_id: str) -> tuple[int, int] | None:
        """Count and denominator of a fraction; None where the sample has none that can be evaluated."""
        if (pop_id, denom_id) not in self.evaluable:
            return None
        return self.counts[pop_id], self.counts[denom_id]

    def of_role(self, role: str) -> int | None:
        """Events of the population with a role."""
        return self.counts.get(self.roles.get(role, ""))


@dataclass(frozen=True, slots=True)
class Cohort:
    """Gated samples in the order of the sheet."""

    draws: tuple[Draw, ...] = field(default=())

    def by(self, *names: str) -> dict[tuple[str, ...], list[Draw]]:
        """Draws grouped by facts of the sheet; those that lack one are left out."""
        groups: dict[tuple[str, ...], list[Draw]] = {}
        for draw in self.draws:
            key = tuple(getattr(draw.sample, n) for n in names)
            if None not in key:
                groups.setdefault(tuple(map(str, key)), []).append(draw)
        return groups


def gather_draws(
    populations: pd.DataFrame, samples: Iterable[SampleFacts], templates: Iterable[GatingTemplate]
) -> Cohort:
    """The samples that have rows in `populations`."""
    roles = {t.digest: _roles(t) for t in templates}
    rows: dict[str, list[_Row]] = {}
    columns = ("sample_id", "pop_id", "denom_id", "count", "denom_count", "frac", "fcs_sha256", "template_sha256")
    # Plain lists: a frame a sample costs more than everything that is asked of it.
    for name, *row in zip(
        *(populations[c].to_numpy(dtype=object, na_value=None).tolist() for c in columns), strict=True
    ):
        rows.setdefault(str(name), []).append(_Row(*row))
    return Cohort(tuple(_draw(s, rows[s.sample_id], roles) for s in samples if s.sample_id in rows))


def _roles(template: GatingTemplate) -> dict[str, str]:
    """Role to population, of the roles that one population has."""
    given = [g.role for g in template.gates if g.role is not None]
    return {g.role: g.id for g in template.gates if g.role is not None and given.count(g.role) == 1}


class _Row(NamedTuple):
    pop_id: str
    denom_id: str
    count: Any
    denom_count: Any
    frac: Any
    fcs_sha256: Any
    template_sha256: Any


def _draw(sample: SampleFacts, rows: Sequence[_Row], roles: Mapping[str, Mapping[str, str]]) -> Draw:
    counts = {r.denom_id: int(r.denom_count) for r in rows if r.denom_count is not None}
    counts |= {r.pop_id: int(r.count) for r in rows if r.count is not None}
    sha, template = rows[0].fcs_sha256, rows[0].template_sha256
    return Draw(
        sample,
        counts,
        frozenset((r.pop_id, r.denom_id) for r in rows if r.frac is not None),
        roles.get(str(template), {}),
        None if sha is None else str(sha),
        None if template is None else str(template),
    )
