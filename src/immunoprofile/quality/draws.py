"""Samples of a cohort as the checks across samples see them: who, when, which tube, and how many of what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

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
    rows = {str(name): group for name, group in populations.groupby("sample_id", sort=False)}
    return Cohort(tuple(_draw(s, rows[s.sample_id], roles) for s in samples if s.sample_id in rows))


def _roles(template: GatingTemplate) -> dict[str, str]:
    """Role to population, of the roles that one population has."""
    given = [g.role for g in template.gates if g.role is not None]
    return {g.role: g.id for g in template.gates if g.role is not None and given.count(g.role) == 1}


def _draw(sample: SampleFacts, rows: pd.DataFrame, roles: Mapping[str, Mapping[str, str]]) -> Draw:
    counts: dict[str, int] = {}
    for pop, count in (
        (p, c) for a, b in (("denom_id", "denom_count"), ("pop_id", "count")) for p, c in _pairs(rows, a, b)
    ):
        counts[pop] = count
    known = rows[rows["frac"].notna()]
    first = rows.iloc[0]
    sha, template = first["fcs_sha256"], first["template_sha256"]
    return Draw(
        sample,
        counts,
        frozenset(zip(known["pop_id"].astype(str), known["denom_id"].astype(str), strict=True)),
        roles.get(str(template), {}),
        None if pd.isna(sha) else str(sha),
        None if pd.isna(template) else str(template),
    )


def _pairs(rows: pd.DataFrame, name: str, count: str) -> list[tuple[str, int]]:
    return [(str(p), int(c)) for p, c in zip(rows[name], rows[count], strict=True) if not pd.isna(c)]
