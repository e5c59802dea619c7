"""The whole analysis plan on one populations table: tables `change` and `association`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from immunoprofile.columns import ASSOCIATION, CHANGE
from immunoprofile.comparison.association import find_keys, plan_rows, write_rows
from immunoprofile.comparison.batches import batch_flags
from immunoprofile.comparison.change import paired_change
from immunoprofile.comparison.checks import numbers
from immunoprofile.comparison.companions import ask_platelets
from immunoprofile.comparison.forecast import ask_prediction
from immunoprofile.comparison.models import ask_models
from immunoprofile.comparison.outcomes import (
    ask_dose_trends,
    ask_duration,
    ask_predictor,
    ask_time_to_response,
    maturity_flags,
)
from immunoprofile.comparison.partitions import log_ratio_coordinates
from immunoprofile.comparison.placement import gate_placement_range
from immunoprofile.comparison.plan import Facts, Plan
from immunoprofile.comparison.questions import Row
from immunoprofile.comparison.ratios import log_ratios
from immunoprofile.comparison.selection import Evidence, Key, check_evidence
from immunoprofile.comparison.timing import ask_timing
from immunoprofile.comparison.variations import ask_variations, not_available
from immunoprofile.comparison.visits import visit_values
from immunoprofile.tables import build_frame, sort_frame

Placements = Mapping[tuple[str, str], Mapping[str, pd.DataFrame]]
"""Population and denominator to placement of gates to populations table."""

NO_EVENTS = "the events are not at hand, so no gate can be moved"

_BY_RESPONSE = frozenset({"group_diff", "landmark", "predictor", "prediction"})


def pair_plan(populations: pd.DataFrame, plan: Plan, facts: Facts) -> pd.DataFrame:
    """Table `change` of a plan: its own measure for all populations, the others for those it names.

    Raises
    ------
    InputError, PairingError
        As `paired_change`, `log_ratios` and `log_ratio_coordinates`.
    """
    named = [*plan.primary, *plan.secondary]
    rescue = facts.first_rescue(facts.responders(plan.definition)[1])

    def pair(table: pd.DataFrame, measure: str) -> pd.DataFrame:
        return paired_change(
            table, baseline=plan.baseline, window=plan.window, measure=measure, first_rescue_day=rescue,
            panels=plan.panels,
        )  # fmt: skip

    parts = [pair(populations, plan.measure)]
    for measure in dict.fromkeys(m for n in named if (m := n.get("measure", plan.measure)) != plan.measure):
        wanted = {n["pop_id"] for n in named if n.get("measure") == measure}
        parts.append(pair(populations[populations["pop_id"].isin(wanted)], measure))
    if plan.ratios:
        parts.append(pair(log_ratios(populations, plan.ratios), "log_ratio"))
    for name, members in plan.partitions.items():
        coordinates = log_ratio_coordinates(populations, name, members)
        parts += [pair(coordinates[coordinates["scale"] == s], s) for s in ("clr", "ilr")]
    return sort_frame(CHANGE, pd.concat(parts)) if len(parts) > 1 else parts[0]


def answer_plan(
    populations: pd.DataFrame, plan: Plan, facts: Facts, *, placements: Placements | str = NO_EVENTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `change` and `association`: the plan, then its sensitivity analyses.

    Parameters
    ----------
    populations
        As for `paired_change`.
    plan, facts
        See `plan`.
    placements
        Primary population and denominator to placement to populations table, from gates moved within their
        tolerance; or why there are none.

    Raises
    ------
    InputError, PairingError
        As `paired_change` and `associate`.

    Notes
    -----
    A sensitivity analysis that cannot be asked of these tables is a row with the flag ``NOT_AVAILABLE`` and the
    reason in `note`: what was left out is said, too.
    """
    change = pair_plan(populations, plan, facts)
    responder, definition = facts.responders(plan.definition)
    evidence = check_evidence(change, responder, facts.strata)
    rows = plan_rows(
        evidence, primary=plan.primary, secondary=plan.secondary, seed=plan.seed, definition=definition,
        hierarchy=plan.hierarchy,
    )  # fmt: skip
    first = find_keys(evidence.keys, plan.primary)
    rows += _outcome_rows(evidence, first, plan, facts, definition)
    rows += ask_prediction(evidence, first, plan, definition) if plan.predict else []
    if plan.sensitivity:
        for key in first:
            rows += _sensitivity_rows(populations, key, plan, facts, definition)
            rows += _placement_rows(placements, key, plan, facts)
    return change, build_frame(ASSOCIATION, write_rows(_with_context(rows, populations, plan, facts, definition)))


def _outcome_rows(evidence: Evidence, keys: list[Key], plan: Plan, facts: Facts, definition: str | None) -> list[Row]:
    own = facts.own_response(definition)
    everyone = [evidence.select(k, grouped=False) for k in keys]
    rows = ask_time_to_response(own, plan, definition) + ask_duration(own, plan, definition)
    rows += ask_dose_trends(everyone, facts, plan, definition)
    if evidence.responder is not None:
        rows += [ask_predictor(evidence.select(k, grouped=True), plan, definition) for k in keys]
    return rows


def _sensitivity_rows(
    populations: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None
) -> list[Row]:
    rescue = facts.first_rescue(definition)
    responder, _ = facts.responders(definition)
    rows = ask_variations(populations, key, plan, facts, definition)
    if key.measure not in {"logit_frac", "log_cells_per_ul", "log_mfi", "asinh_mfi"}:
        return rows
    values = visit_values(populations, key, plan.baseline, rescue)
    rows += ask_models(populations, key, plan, rescue, responder, definition)
    if facts.response is not None:
        rows += ask_timing(values, key, plan, facts, definition)
        rows += ask_platelets(values, key, plan, facts, definition)
    return rows


def _placement_rows(placements: Placements | str, key: Key, plan: Plan, facts: Facts) -> list[Row]:
    if isinstance(placements, str):
        return [not_available(key, "gate_placement", placements, plan)]
    tables = placements.get((key.pop_id, key.denom_id))
    if not tables:
        return [not_available(key, "gate_placement", "no gate of this population could be moved", plan)]
    return gate_placement_range(tables, key, plan, facts)


def _with_context(
    rows: list[Row], populations: pd.DataFrame, plan: Plan, facts: Facts, definition: str | None
) -> list[Row]:
    """The rows with what the study as a whole has to say: batches, and whether the response is mature."""
    responder, _ = facts.responders(definition)
    flags: Mapping[str, frozenset[str]] = batch_flags(populations, facts.batches, responder)
    mature = maturity_flags(facts.own_response(definition), _last_day(populations, plan), plan)
    found = []
    for row in rows:
        more = flags.get(str(row["question"]), frozenset())
        more |= mature if row["question"] in _BY_RESPONSE else frozenset()
        found.append(row | {"flags": frozenset(row["flags"]) | more})
    return found


def _last_day(populations: pd.DataFrame, plan: Plan) -> float:
    if "day" not in populations.columns:
        return float("inf")
    days = numbers(populations[populations["visit"].isin(list(plan.window))], "day")
    return float(np.nanmax(days)) if np.isfinite(days).any() else float("inf")
