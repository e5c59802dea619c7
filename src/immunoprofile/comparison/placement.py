"""Gates a little elsewhere: how far does the primary answer move when every threshold moves within its tolerance?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from immunoprofile.comparison.change import paired_change
from immunoprofile.comparison.measures import effect_of
from immunoprofile.comparison.plan import Facts, Plan
from immunoprofile.comparison.questions import Row, ask_difference, ask_overall
from immunoprofile.comparison.selection import Key, check_evidence
from immunoprofile.comparison.variations import marked, not_available
from immunoprofile.comparison.visits import of_population
from immunoprofile.errors import AnalysisError, InputError

RULE = "gates "
"""How the name of a placement begins that is another rule and no moved threshold: its answer has rows of its own."""

NO_RULE = "no sample could be gated so, or no batch is known"

_KEPT = (
    "pop_id", "denom_id", "contrast", "question", "scale", "window", "alternative", "n_total", "n_resp", "n_nonresp",
)  # fmt: skip


def gate_placement_range(tables: Mapping[str, pd.DataFrame], key: Key, plan: Plan, facts: Facts) -> list[Row]:
    """The range of the primary estimates over populations tables from gates placed elsewhere.

    Parameters
    ----------
    tables
        Name of a placement (``CD25 +0.02``) to the populations table that it gives; the gates of the plan are
        not among them. Only rows of the primary population are looked at.

    Returns
    -------
    list of rows of `association`
        One for the change, one for its difference by response where known: `estimate` is the middle of the
        range, ci_lo and ci_hi are its ends (``range_over_gate_placements``: a range, not a confidence
        interval), `note` names the placements at both ends, how many were tried, and the range of p. A placement
        whose name begins with ``gates `` (fixed, pooled by subject or batch) has its own rows as well.
    """
    responder, definition = facts.responders(plan.definition)
    rescue = facts.first_rescue(definition)
    answers: dict[str, list[tuple[str, Row]]] = {"overall_change": [], "group_diff": []}
    failed = []
    for name, table in tables.items():
        try:
            change = paired_change(
                of_population(table, key), baseline=plan.baseline, window=plan.window, measure=key.measure,
                first_rescue_day=rescue, panels=plan.panels,
            )  # fmt: skip
            evidence = check_evidence(change, responder, facts.strata)
        except (AnalysisError, InputError):
            failed.append(name)
            continue
        answers["overall_change"].append((name, ask_overall(evidence.select(key, grouped=False), "sensitivity")))
        if responder is not None:
            row = ask_difference(evidence.select(key, grouped=True), "sensitivity", plan.seed, definition)
            answers["group_diff"].append((name, row))
    ranges = [
        _range(question, found, [n for n in failed if not _is_rule(n)], key)
        for question, found in answers.items()
        if found
    ]
    return [*ranges, *_by_rule(answers), *(not_available(key, _slug(n), NO_RULE, plan) for n in failed if _is_rule(n))]


def _by_rule(answers: Mapping[str, list[tuple[str, Row]]]) -> list[Row]:
    """Gates fixed, or pooled otherwise, beside each other: an answer each."""
    return [
        marked(row, _slug(name), f"automatic gates of the primary population: {name}")
        for found in answers.values()
        for name, row in found
        if _is_rule(name)
    ]


def _is_rule(name: str) -> bool:
    return name.startswith(RULE)


def _slug(name: str) -> str:
    return name.replace(" ", "_")


def _range(question: str, answers: list[tuple[str, Row]], failed: list[str], key: Key) -> Row:
    known = [(name, row) for name, row in answers if row.get("estimate") == row.get("estimate")]
    if not known:
        known = answers
    low = min(known, key=lambda a: float(a[1]["estimate"]))
    high = max(known, key=lambda a: float(a[1]["estimate"]))
    p = [float(row["p_raw"]) for _, row in known if row.get("p_raw") is not None]
    lo, hi = float(low[1]["estimate"]), float(high[1]["estimate"])
    note = f"{len(known)} placements; lowest at {low[0]}, highest at {high[0]}"
    note += f"; p from {min(p):.4g} to {max(p):.4g}" if p else "; not tested"
    note += f"; nothing to compare at {', '.join(failed)}" if failed else ""
    turns = {"CONCLUSION_TURNS"} if len({x <= 0.05 for x in p}) > 1 else set()
    return {name: low[1].get(name) for name in _KEPT} | {
        "analysis_id": f"{question}.gate_placement.{key.measure}", "role": "sensitivity",
        "sensitivity": "gate_placement", "method": "gate_placement_range", "estimate": (lo + hi) / 2.0, "ci_lo": lo,
        "ci_hi": hi, "ci_method": "range_over_gate_placements", "effect": effect_of((lo + hi) / 2.0, key.measure),
        "effect_lo": effect_of(lo, key.measure), "effect_hi": effect_of(hi, key.measure),
        "estimate_label": "middle_of_range", "note": note, "flags": frozenset(turns),
    }  # fmt: skip
