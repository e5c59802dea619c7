"""All questions of the analysis plan, asked of one change table: table `association`.

Primary: did the named population change. Secondary: does its change differ by response, what is the response
rate, and the same two questions of other named populations. Exploratory: everything else in the table,
adjusted together. Sensitivity: the primary and secondary contrasts again with the baseline adjusted for, and
by ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunoprofile.columns import ASSOCIATION
from immunoprofile.comparison.compositions import ask_compositions
from immunoprofile.comparison.families import adjust_changes, adjust_differences, adjust_named, ask_hierarchy
from immunoprofile.comparison.measures import MEASURES
from immunoprofile.comparison.questions import (
    Row,
    add_influence,
    ask_ancova,
    ask_difference,
    ask_overall,
    ask_rank_sum,
    ask_rates,
    disagree,
)
from immunoprofile.comparison.responders import read_responders
from immunoprofile.comparison.selection import Evidence, Key, Selection, check_evidence
from immunoprofile.errors import InputError, closest, printable
from immunoprofile.provenance import versions
from immunoprofile.tables import build_frame

Named = Mapping[str, str] | Sequence[Mapping[str, str]]
_FIELDS = ("pop_id", "denom_id", "measure")


def associate(
    change: pd.DataFrame,
    response: pd.DataFrame | None = None,
    *,
    primary: Named,
    strata: Mapping[str, Any] | None = None,
    seed: int = 0,
    secondary: Named = (),
    definition: str | None = None,
) -> pd.DataFrame:
    """Change in all subjects, its association with response, and the response rate: table `association`.

    Parameters
    ----------
    change
        As `paired_change` writes it, of one window; tables of several measures may stand below each other.
    response
        subject_id and responder (true, false, NA); with definition_id where there are several definitions.
    primary
        Mapping, or mappings, of pop_id, denom_id and measure. denom_id and measure may be left out where the
        change table has one only; the denom_id of a concentration is not looked at, it has none.
    strata
        Subject to stratum: relabelings stay within strata.
    seed
        For what is drawn rather than enumerated.
    secondary
        Populations named before looking, adjusted by Holm.
    definition
        Response definition; without it ``iwg-2009`` where the table has it, else the first one.

    Returns
    -------
    DataFrame
        A row that cannot be tested (fewer than 5 pairs, or 3 in a group) has its numbers, no p, and a flag.

    Raises
    ------
    InputError
        Columns or values that cannot be used, or a named population that the change table lacks.
    PairingError
        Several rows of a subject for one population, several windows, or several responses of a subject.

    Notes
    -----
    Families: the primary questions together (Holm), the secondary ones by question (Holm), the exploratory
    ones by question (step-down min-p). Sensitivity rows repeat a question and are not adjusted. Without a
    control arm a change is not an effect, and an association with response is not its cause.
    """
    responder, name = (None, definition) if response is None else read_responders(response, definition)
    evidence = check_evidence(change, responder, strata)
    rows = plan_rows(evidence, primary=_listed(primary), secondary=_listed(secondary), seed=seed, definition=name)
    return build_frame(ASSOCIATION, write_rows(rows))


def plan_rows(
    evidence: Evidence,
    *,
    primary: Sequence[Mapping[str, str]],
    secondary: Sequence[Mapping[str, str]] = (),
    seed: int = 0,
    definition: str | None = None,
    hierarchy: Mapping[str, str] | None = None,
) -> list[Row]:
    """The rows of `associate`; `hierarchy` (population to parent) asks for Meinshausen's procedure as well."""
    first = find_keys(evidence.keys, primary)
    second = [k for k in find_keys(evidence.keys, secondary, "secondary") if k not in first]
    others = [k for k in evidence.keys if k not in {*first, *second} and k.measure != "ilr"]
    rows = _ask_named(evidence, first, "primary", seed, definition)
    rows += _ask_named(evidence, second, "secondary", seed, definition)
    adjust_named(rows)
    rows += _ask_others(evidence, others, seed, definition)
    rows += ask_compositions(evidence, seed, definition)
    if hierarchy is not None and evidence.responder is not None:
        rows += ask_hierarchy([evidence.select(k, grouped=True) for k in others], hierarchy, seed, definition)
    if evidence.responder is not None:
        rows += ask_rates(evidence.responder, evidence.window, definition)
    return rows


def find_keys(keys: list[Key], named: Sequence[Mapping[str, str]], role: str = "primary") -> list[Key]:
    """The populations of a change table that a plan names, in its order, each once.

    Raises
    ------
    InputError
        One that the table lacks, or that several rows fit.
    """
    return list(dict.fromkeys(_find(keys, item, role) for item in named))


def write_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows as the table holds them: flags joined, NaN missing, the program's version."""
    engine = versions()["immunoprofile"]
    return [_written(row, engine) for row in rows]


def _ask_named(evidence: Evidence, keys: list[Key], role: str, seed: int, definition: str | None) -> list[Row]:
    rows = []
    for key in keys:
        everyone = evidence.select(key, grouped=False)
        overall = ask_overall(everyone, role)
        add_influence(overall, everyone, seed)
        rows.append(overall)
        if evidence.responder is not None:
            rows += _ask_contrast(evidence.select(key, grouped=True), seed, definition)
    return rows


def _ask_contrast(selection: Selection, seed: int, definition: str | None) -> list[Row]:
    """The difference by response, with the two other views of it beside."""
    plain = ask_difference(selection, "secondary", seed, definition)
    add_influence(plain, selection, seed)
    adjusted = ask_ancova(selection, seed, definition)
    if disagree(plain, adjusted):
        for row in (plain, adjusted):
            row["flags"] = row["flags"] | {"CHANGE_ANCOVA_DISAGREE"}
    return [plain, adjusted, ask_rank_sum(selection, definition)]


def _ask_others(evidence: Evidence, keys: list[Key], seed: int, definition: str | None) -> list[Row]:
    everyone = [evidence.select(k, grouped=False) for k in keys]
    changes = [ask_overall(s, "exploratory") for s in everyone]
    adjust_changes(changes, everyone, seed)
    if evidence.responder is None:
        return changes
    grouped = [evidence.select(k, grouped=True) for k in keys]
    differences = [ask_difference(s, "exploratory", seed, definition) for s in grouped]
    adjust_differences(differences, grouped, seed)
    return changes + differences


def _listed(named: Named) -> list[Mapping[str, str]]:
    return [named] if isinstance(named, Mapping) else list(named)


def _find(keys: list[Key], item: Mapping[str, str], role: str) -> Key:
    """The one population of the change table that a plan names."""
    unknown = sorted(set(item) - set(_FIELDS))
    if unknown or "pop_id" not in item:
        raise InputError(
            f'unknown name "{printable(unknown[0])}"' if unknown else "no pop_id is named",
            where=role, expected=", ".join(_FIELDS), remedy="Name pop_id, denom_id and measure.",
            code="PLAN-FIELDS",
        )  # fmt: skip
    found = [k for k in keys if _meant(k, item)]
    if len(found) == 1:
        return found[0]
    wanted = ", ".join(f"{f} {printable(item[f])}" for f in _FIELDS if f in item)
    known = [f"{k.pop_id} of {k.denom_id} ({k.measure})" for k in (found or keys)]
    raise InputError(
        f"{wanted}: {'several populations' if found else 'no population'} of the change table fit",
        where=role, expected=wanted, found=", ".join(known),
        remedy="Name pop_id, denom_id and measure. " + closest(item["pop_id"], known), code="PLAN-POPULATION",
    )  # fmt: skip


def _meant(key: Key, item: Mapping[str, str]) -> bool:
    same = item["pop_id"] == key.pop_id and item.get("measure", key.measure) == key.measure
    divided = key.measure not in MEASURES or MEASURES[key.measure].divided
    return same and (not divided or item.get("denom_id", key.denom_id) == key.denom_id)


def _written(row: Row, engine: str) -> Row:
    """One row as the table holds it."""
    plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
    numbers = {k: v.item() if isinstance(v, np.generic) else v for k, v in plain.items()}
    return numbers | {"flags": ";".join(sorted(row["flags"])), "engine_version": engine}
