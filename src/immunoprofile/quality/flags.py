"""Flags of the checks on the rows of `populations` that they concern, and on no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunoprofile.gating import ROOT, GatingTemplate
from immunoprofile.quality.judge import LEVELS
from immunoprofile.quality.ruleset import Rule, RuleSet


def flag_populations(
    populations: pd.DataFrame, checks: pd.DataFrame, templates: Iterable[GatingTemplate], rules: RuleSet
) -> pd.DataFrame:
    """The table of populations with the flags of the checks.

    Parameters
    ----------
    populations
        Columns of `columns.POPULATIONS`.
    checks
        Columns of `columns.SAMPLES_QC`.
    templates
        Those that the populations are of: they say which populations lie at or below a role.
    rules
        Say from which level a flag goes where.
    """
    known = {r.id: r for r in rules.rules}
    kept = [
        (row, known[row.rule_id])
        for row in checks.itertuples()
        if row.rule_id in known and LEVELS.index(row.level) >= LEVELS.index(known[row.rule_id].flags_from)
    ]
    if not kept or populations.empty:
        return populations
    lineage = {t.digest: _roles_above(t) for t in templates}
    added: list[set[str]] = [set() for _ in range(len(populations))]
    of_sample = populations.groupby("sample_id", sort=False).indices
    columns = {name: populations[name].to_numpy(dtype=object, na_value="") for name in _ASKED}
    for row, rule in kept:
        places = of_sample.get(row.sample_id, np.empty(0, np.intp))
        rows = {name: column[places] for name, column in columns.items()}
        for place in places[_concerned(rows, rule, row.item, lineage)]:
            added[place].add(row.flag)
    joined = [
        ";".join(sorted({*filter(None, str(old).split(";")), *new})) if new else old
        for old, new in zip(populations["flags"], added, strict=True)
    ]
    return populations.assign(flags=pd.array(joined, dtype="string"))


_ASKED = ("abs_method", "pop_id", "template_sha256", "pop_path")


def _concerned(
    rows: Mapping[str, NDArray[np.object_]],
    rule: Rule,
    item: str,
    lineage: Mapping[str, Mapping[str, frozenset[str]]],
) -> NDArray[np.bool_]:
    """Which rows of one sample a rule concerns; the columns of `_ASKED` with empty text where they are missing."""
    found = np.zeros(rows["pop_id"].size, dtype=np.bool_)
    if "all" in rule.concerns:
        return ~found
    if "absolute" in rule.concerns:
        found |= ~np.isin(rows["abs_method"], ("", "none"))
    if "item" in rule.concerns:
        found |= (rows["pop_id"] == _population(item)).astype(np.bool_)
    roles = set(rule.concerns)
    pairs = zip(rows["template_sha256"], rows["pop_path"], strict=True)
    found |= np.array([bool(roles & lineage.get(sha, {}).get(path, frozenset())) for sha, path in pairs], np.bool_)
    return found


def _population(item: str) -> str:
    """The population of an item: ``treg``, ``treg/cd4`` or ``treg:CD25``."""
    return item.split("/", maxsplit=1)[0].split(":", maxsplit=1)[0]


def _roles_above(template: GatingTemplate) -> dict[str, frozenset[str]]:
    """Path to the roles of the gate and of every gate above it."""
    roles = {g.path: g.role for g in template.gates}
    return {
        path: frozenset(r for p in (path, *template.ancestors(path)) if p != ROOT and (r := roles[p]) is not None)
        for path in roles
    }
