"""The primary question again under other choices: which samples, which subjects, which definition, which scale.

Each variation changes one choice of the plan and asks the same two questions. One that cannot be asked is a row
all the same, with the flag ``NOT_AVAILABLE`` and the reason in `note`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from immunoprofile.comparison.change import LOW_EVENTS, paired_change
from immunoprofile.comparison.checks import numbers
from immunoprofile.comparison.plan import Facts, Plan, recent_rituximab, unstable_concomitants
from immunoprofile.comparison.questions import Row, ask_difference, ask_overall
from immunoprofile.comparison.selection import Evidence, Key, check_evidence
from immunoprofile.comparison.visits import of_population
from immunoprofile.errors import AnalysisError, InputError

_BELOW = ("below_lloq", "below_lod")


@dataclass(frozen=True, slots=True, eq=False)
class Variation:
    """One choice made otherwise; `why_not` where it cannot be made."""

    name: str
    note: str
    populations: pd.DataFrame | None = None
    measure: str | None = None
    left_out: frozenset[str] = frozenset()
    with_rescued: bool = False
    definition: str | None = None
    why_not: str | None = None


def ask_variations(populations: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None) -> list[Row]:
    """Sensitivity rows of one primary population: `sensitivity` says what was done otherwise."""
    samples, rows = of_population(populations, key), list[Row]()
    for variation in _variations(samples, key, plan, facts, definition):
        if variation.why_not is not None:
            rows.append(not_available(key, variation.name, variation.why_not, plan))
            continue
        try:
            rows += _ask(variation, samples, key, plan, facts, definition)
        except (AnalysisError, InputError) as problem:
            rows.append(not_available(key, variation.name, _first_line(problem), plan))
    return rows


def not_available(key: Key, name: str, why: str, plan: Plan, question: str = "overall_change") -> Row:
    """A sensitivity analysis that could not be made, as a row."""
    return {
        "analysis_id": f"{question}.not_available.{key.measure}.{name}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "contrast": "none", "role": "sensitivity", "question": question, "sensitivity": name, "scale": key.measure,
        "window": "+".join(plan.window), "method": "none", "note": f"could not be asked: {why}",
        "flags": frozenset({"NOT_AVAILABLE"}),
    }  # fmt: skip


def marked(row: Row, name: str, note: str) -> Row:
    """A row as the sensitivity analysis of that name."""
    told = "; ".join(t for t in (note, row.get("note")) if t)
    return row | {
        "analysis_id": f"{row['analysis_id']}.{name}", "role": "sensitivity", "sensitivity": name, "note": told or None,
    }  # fmt: skip


def _variations(rows: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None) -> Iterator[Variation]:
    if key.measure == "logit_frac":
        yield _concentrations(rows)
    yield _without_low_events(rows)
    yield from _subject_subsets(rows, plan, facts)
    if facts.response is not None and facts.first_rescue(definition) is None:
        why = "the response table has no first_rescue_day, so window samples after rescue treatment stay in all answers"
        yield Variation("without_samples_after_rescue", "", why_not=why)
    if facts.first_rescue(definition):
        yield Variation("with_samples_after_rescue", "samples after rescue stay (treatment policy)", with_rescued=True)
    for other in _other_definitions(facts, definition):
        yield Variation(f"definition_{other}", f"response by {other}", definition=other)


def _concentrations(rows: pd.DataFrame) -> Variation:
    known = "cells_per_ul" in rows.columns and bool(rows["cells_per_ul"].notna().any())
    why = None if known else "the populations table has no cells_per_ul"
    return Variation("cells_per_ul", "cells per microlitre", measure="log_cells_per_ul", why_not=why)


def _without_low_events(rows: pd.DataFrame) -> Variation:
    name = "without_low_event_samples"
    if "count" not in rows.columns:
        return Variation(name, "", why_not="the populations table has no counts")
    low = numbers(rows, "count") < LOW_EVENTS
    if "status" in rows.columns:
        low |= rows["status"].isin(_BELOW).to_numpy(dtype=bool)
    note = f"without {int(low.sum())} samples below {LOW_EVENTS} events or below the limit of quantification"
    return Variation(name, note, populations=rows[~low])


def _subject_subsets(rows: pd.DataFrame, plan: Plan, facts: Facts) -> Iterator[Variation]:
    everyone = set(rows["subject_id"].astype(str))
    last = _last_window_day(rows, plan)
    no_treatments, no_infusions = "no treatments are known", "the infusions of the subjects are not known"
    yield _subset(
        "without_recent_rituximab", f"without rituximab within {plan.recent_rituximab_days} days before treatment",
        recent_rituximab(facts, plan.recent_rituximab_days), everyone, no_treatments,
    )  # fmt: skip
    yield _subset(
        "stable_concomitant_treatment", f"concomitant treatment unchanged from day 0 to day {last:g}",
        unstable_concomitants(facts, last), everyone, no_treatments,
    )  # fmt: skip
    given = facts.n_infusions
    yield _subset(
        "all_infusions", f"at least {plan.infusions} infusions",
        None if given is None else {s for s in everyone if given.get(s, 0) < plan.infusions}, everyone, no_infusions,
    )  # fmt: skip
    dose = facts.dose
    highest = max(dose.values()) if dose else 0.0
    yield _subset(
        "highest_dose", f"dose {highest:g} only",
        None if dose is None else {s for s in everyone if dose.get(s) != highest}, everyone, "no numeric doses known",
    )  # fmt: skip


def _subset(name: str, note: str, left_out: set[str] | None, everyone: Collection[str], why_not: str) -> Variation:
    if left_out is None:
        return Variation(name, note, why_not=why_not)
    gone = frozenset(left_out & set(everyone))
    return Variation(name, f"{note}: {len(gone)} subjects left out", left_out=gone)


def _last_window_day(rows: pd.DataFrame, plan: Plan) -> float:
    if "day" not in rows.columns:
        return float("inf")
    days = numbers(rows[rows["visit"].isin(list(plan.window))], "day")
    return float(np.nanmax(days)) if np.isfinite(days).any() else float("inf")


def _other_definitions(facts: Facts, definition: str | None) -> list[str]:
    if facts.response is None or "definition_id" not in facts.response.columns:
        return []
    return [str(d) for d in sorted(facts.response["definition_id"].dropna().unique()) if str(d) != definition]


def _ask(
    variation: Variation, samples: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None
) -> list[Row]:
    named = variation.definition or definition
    evidence = _evidence(variation, samples, key, plan, facts, named)
    own, rows = evidence.keys[0], list[Row]()
    if variation.definition is None:
        rows.append(ask_overall(evidence.select(own, grouped=False), "sensitivity"))
    if evidence.responder is not None:
        rows.append(ask_difference(evidence.select(own, grouped=True), "sensitivity", plan.seed, named))
    return [marked(row, variation.name, variation.note) for row in rows]


def _evidence(
    variation: Variation, samples: pd.DataFrame, key: Key, plan: Plan, facts: Facts, named: str | None
) -> Evidence:
    """The change table of a variation, checked, with the response and strata of its subjects."""
    rows = samples if variation.populations is None else variation.populations
    rows = rows[~rows["subject_id"].astype(str).isin(variation.left_out)]
    change = paired_change(
        rows, baseline=plan.baseline, window=plan.window, measure=variation.measure or key.measure, panels=plan.panels,
        first_rescue_day=None if variation.with_rescued else facts.first_rescue(named),
    )  # fmt: skip
    responder, _ = facts.responders(named)
    kept = None if responder is None else {s: r for s, r in responder.items() if s not in variation.left_out}
    return check_evidence(change, kept, facts.strata)


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0]
