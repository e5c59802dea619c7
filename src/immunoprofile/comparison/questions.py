"""From a question and its subjects to a row of `association`: tested where it can be, described where not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from immunoprofile.comparison.ancova import ancova
from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.measures import MEASURES, effect_of
from immunoprofile.comparison.rank_sum import rank_sum
from immunoprofile.comparison.relabeling import Bools, Floats, group_difference
from immunoprofile.comparison.selection import Selection
from immunoprofile.comparison.shift import hodges_lehmann
from immunoprofile.comparison.signed_rank import signed_rank
from immunoprofile.errors import InsufficientDataError
from immunoprofile.intervals import clopper_pearson
from immunoprofile.provenance import digest_of_value

Row = dict[str, Any]
Test = Callable[[Selection], Answer]

LOW_N = 12
"""Below, an analysis describes first (analysis plan: bands of n)."""

IMBALANCE = 0.5
"""Standardised baseline difference above which a contrast is flagged (analysis plan)."""

MISSING = 0.2
"""Share of subjects left out above which an answer is flagged (analysis plan)."""

LOO_DRAWS = 4_999
"""Relabelings drawn for each subject left out, where not all are used."""

_REFUSALS = {"TOO-FEW-PAIRS": "TOO_FEW_PAIRS", "TOO-FEW-PER-GROUP": "TOO_FEW_PER_GROUP"}


def ask_overall(selection: Selection, role: str) -> Row:
    """Did the population change in all subjects? Exact signed-rank test."""
    row, answer = _row("overall_change", "wilcoxon_signed_rank_pratt", selection, role, _overall)
    if answer is None:
        n = selection.delta.size
        row["estimate"] = hodges_lehmann(selection.delta).estimate if n else math.nan
    row["estimate_label"] = f"hodges_lehmann_{_word(selection)}_change"
    row["contrast"] = "post - baseline"
    return _finished(row, selection.delta, None)


def ask_difference(selection: Selection, role: str, seed: int, definition: str | None) -> Row:
    """Does the change differ by response? Difference of mean changes, p from relabelings."""
    row, answer = _row("group_diff", _stratified("change_score", selection), selection, role, _difference(seed))
    if answer is None:
        row["estimate"] = _plain_difference(selection)
    row["estimate_label"] = f"mean_difference_{_word(selection)}_change"
    return _grouped(row, selection, definition)


def ask_ancova(selection: Selection, seed: int, definition: str | None) -> Row:
    """The same contrast adjusted for baseline, as sensitivity."""

    def adjusted(s: Selection) -> Answer:
        return ancova(s.post, s.baseline, _labels(s), strata=s.strata, seed=seed)

    row, _ = _row("group_diff", _stratified("ancova", selection), selection, "sensitivity", adjusted)
    row["estimate_label"] = f"baseline_adjusted_{_word(selection)}_difference"
    return _grouped(row, selection, definition)


def ask_rank_sum(selection: Selection, definition: str | None) -> Row:
    """The same contrast by ranks, as sensitivity; strata are not used."""

    def ranked(s: Selection) -> Answer:
        return rank_sum(s.delta[_labels(s)], s.delta[~_labels(s)])

    row, _ = _row("group_diff", "mann_whitney", selection, "sensitivity", ranked)
    row["estimate_label"] = f"hodges_lehmann_shift_{_word(selection)}_change"
    return _grouped(row, selection, definition)


def ask_rates(responder: dict[str, bool | None], window: str, definition: str | None) -> list[Row]:
    """How many respond: of the evaluable, and of all treated with the others counted as non-response."""
    evaluable = [r for r in responder.values() if r is not None]
    digest = digest_of_value({"responder": responder, "definition": definition})
    common = {"contrast": f"responders / {{}}{_under(definition)}", "window": window, "inputs_sha256": digest}
    rows = [
        _rate("evaluable", sum(evaluable), len(evaluable), len(responder) - len(evaluable)),
        _rate("all_treated", sum(evaluable), len(responder), 0),
    ]
    return [common | r | {"contrast": common["contrast"].format(r["denom_id"])} for r in rows]


def add_influence(row: Row, selection: Selection, seed: int) -> None:
    """Put the largest shift of estimate and the largest p, one subject left out, into a tested row."""
    if row.get("p_raw") is None:
        return
    test: Test = _overall if selection.group is None else _difference(seed, LOO_DRAWS)
    again = []
    for i in range(len(selection.subjects)):
        try:
            again.append(test(selection.without(i)))
        except InsufficientDataError:
            return
    row["loo_max_shift"] = max(abs(a.estimate - row["estimate"]) for a in again)
    row["loo_p_max"] = max(a.p for a in again)
    if len({a.p <= ALPHA for a in again} | {row["p_raw"] <= ALPHA}) > 1:
        row["flags"] = row["flags"] | {"CONCLUSION_TURNS"}


def standardised_difference(values: Floats, group: Bools) -> float:
    """Difference of means over the root of the mean variance of both groups; NaN where neither varies."""
    first, second = values[group], values[~group]
    if min(first.size, second.size) < 2:
        return math.nan
    spread = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2.0)
    return float(first.mean() - second.mean()) / spread if spread > 0 else math.nan


def disagree(change: Row, adjusted: Row) -> bool:
    """Do change score and ANCOVA disagree: only one p at 0.05 or below, or both with opposite signs?"""
    if change.get("p_raw") is None or adjusted.get("p_raw") is None:
        return False
    small = [r["p_raw"] <= ALPHA for r in (change, adjusted)]
    return small[0] != small[1] or (all(small) and change["estimate"] * adjusted["estimate"] < 0)


def _overall(selection: Selection) -> Answer:
    return signed_rank(selection.delta)


def _difference(seed: int, draws: int | None = None) -> Test:
    more = {} if draws is None else {"draws": draws}

    def run(s: Selection) -> Answer:
        return group_difference(s.delta, _labels(s), strata=s.strata, seed=seed, **more)

    return run


def _labels(selection: Selection) -> Bools:
    if selection.group is None:
        raise ValueError("this question needs the response of the subjects")
    return selection.group


def _row(question: str, method: str, selection: Selection, role: str, test: Test) -> tuple[Row, Answer | None]:
    """The row with everything the test says; without a test, why, and no p."""
    key = selection.key
    n, flags = selection.delta.size, set(selection.flags)
    row: Row = {
        "analysis_id": f"{question}.{method}.{key.measure}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "role": role, "question": question, "scale": key.measure, "window": selection.window,
        "method": method, "alternative": "two-sided", "n_total": n, "n_missing": selection.n_missing,
        "inputs_sha256": selection.digest,
    }  # fmt: skip
    moved = selection.moved
    row["note"] = "; ".join(t for t in (selection.note, moved.words) if t) or None
    flags |= moved.flags | ({"LOW_N"} if n < LOW_N else set())
    flags |= {"MISSING_OVER_20_PERCENT"} if selection.n_missing > MISSING * (n + selection.n_missing) else set()
    try:
        answer = test(selection)
    except InsufficientDataError as refusal:
        return row | {"flags": flags | {_REFUSALS.get(refusal.code, "NOT_TESTABLE")}}, None
    flags |= answer.flags | ({"MIN_P_ABOVE_ALPHA"} if answer.min_p > ALPHA else set())
    return row | told(answer, key.measure) | {"flags": flags}, answer


def told(answer: Answer, measure: str) -> Row:
    """The columns of `association` that an answer fills; `measure` decides what the exponential means."""
    bounded = math.isfinite(answer.ci_lo) and math.isfinite(answer.ci_hi)
    return {
        "ci_lo": answer.ci_lo if bounded else None,
        "ci_hi": answer.ci_hi if bounded else None,
        "estimate": answer.estimate,
        "ci_level": answer.ci_level if bounded else None,
        "ci_method": answer.ci_method,
        "effect_lo": effect_of(answer.ci_lo, measure) if bounded else None,
        "effect_hi": effect_of(answer.ci_hi, measure) if bounded else None,
        "statistic": answer.statistic,
        "df": answer.df,
        "p_raw": answer.p,
        "p_method": answer.p_method,
        "n_perm": answer.n_perm,
        "seed": answer.seed,
        "min_attainable_p": answer.min_p,
    }


def _grouped(row: Row, selection: Selection, definition: str | None) -> Row:
    group = _labels(selection)
    row["contrast"] = f"responder - non-responder{_under(definition)}"
    row["n_resp"], row["n_nonresp"] = int(group.sum()), int((~group).sum())
    if abs(standardised_difference(selection.baseline, group)) > IMBALANCE:
        row["flags"] = row["flags"] | {"BASELINE_IMBALANCE"}
    return _finished(row, selection.delta, group)


def _finished(row: Row, deltas: Floats, group: Bools | None) -> Row:
    estimate = row.get("estimate", math.nan)
    spread = _spread(deltas, group)
    row["effect"] = effect_of(estimate, row["scale"])
    row["std_effect"] = estimate / spread if spread > 0 else None
    return row


def _spread(deltas: Floats, group: Bools | None) -> float:
    """Standard deviation of the changes, within groups where there are groups; NaN where unknown."""
    parts = [deltas] if group is None else [deltas[group], deltas[~group]]
    df = sum(max(p.size - 1, 0) for p in parts)
    if df == 0:
        return math.nan
    return math.sqrt(sum(float(np.square(p - p.mean()).sum()) for p in parts if p.size) / df)


def _plain_difference(selection: Selection) -> float:
    group = _labels(selection)
    if group.all() or not group.any():
        return math.nan
    return float(selection.delta[group].mean() - selection.delta[~group].mean())


def _rate(denominator: str, count: int, total: int, missing: int) -> Row:
    row: Row = {
        "analysis_id": f"response_rate.{denominator}", "pop_id": "responders", "denom_id": denominator,
        "role": "secondary", "question": "response_rate", "scale": "proportion", "method": "clopper_pearson",
        "n_total": total, "n_resp": count, "n_nonresp": total - count, "n_missing": missing,
        "estimate_label": "proportion", "flags": {"LOW_N"} if total < LOW_N else set(),
    }  # fmt: skip
    if total == 0:
        return row
    lo, hi = map(float, clopper_pearson(count, total, 1.0 - ALPHA))
    limits = {"ci_lo": lo, "ci_hi": hi, "ci_level": 1.0 - ALPHA, "ci_method": "clopper_pearson"}
    return row | limits | {"estimate": count / total, "effect": count / total, "effect_lo": lo, "effect_hi": hi}


def _word(selection: Selection) -> str:
    return MEASURES[selection.key.measure].difference_word if selection.key.measure in MEASURES else "value"


def _stratified(method: str, selection: Selection) -> str:
    return method if selection.strata is None else f"{method}_stratified"


def _under(definition: str | None) -> str:
    return f" ({definition})" if definition else ""
