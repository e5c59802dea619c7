"""Cells and platelets of the same days: does a shift go with the rise of the count?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.checks import numbers
from immunoprofile.comparison.correlation import kendall, repeated_measures_correlation, spearman
from immunoprofile.comparison.plan import Facts, Plan
from immunoprofile.comparison.questions import LOW_N, Row, told
from immunoprofile.comparison.selection import Key
from immunoprofile.errors import InsufficientDataError

NEAR_DAYS = 7
"""A platelet count this near to a sample stands for its day: the interval of the IWG's confirmation."""


def platelets_near(values: pd.DataFrame, counts: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Samples with the change of log platelets from baseline on their day.

    Parameters
    ----------
    values
        As `visits.visit_values` gives them.
    counts
        Table `response_counts` of one definition; only eligible counts speak.
    own
        Table `response` of that definition, by subject: the baseline counts.

    Returns
    -------
    DataFrame
        `values` with ``delta_log_platelets``: the nearest eligible count within 7 days, the earlier of two
        equally near; samples without one are left out.
    """
    eligible = counts[counts["eligible"].fillna(False).astype(bool) & (numbers(counts, "platelets_1e9_per_l") > 0)]
    series = {str(s): g for s, g in eligible.groupby(eligible["subject_id"].astype(str))}
    base = {str(s): float(b) for s, b in own["baseline_plt_1e9_per_l"].items() if not pd.isna(b) and b > 0}
    found = np.full(len(values), np.nan)
    for i, (subject, day) in enumerate(zip(values["subject_id"], values["day"], strict=True)):
        if subject in series and subject in base and not np.isnan(day):
            near = (numbers(series[subject], "day") - day).astype(np.float64)
            best = min(range(near.size), key=lambda j: (abs(near[j]), near[j]))
            if abs(near[best]) <= NEAR_DAYS:
                platelets = float(series[subject]["platelets_1e9_per_l"].iloc[best])
                found[i] = np.log(platelets) - np.log(base[subject])
    return values.assign(delta_log_platelets=found)[np.isfinite(found)]


def ask_platelets(values: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None) -> list[Row]:
    """Correlation of the shift with the change of log platelets: over subjects, and within them over visits."""
    own = facts.own_response(definition)
    if facts.counts is None or "baseline_plt_1e9_per_l" not in own.columns:
        return []
    counts = facts.counts
    if "definition_id" in counts.columns and definition is not None:
        counts = counts[counts["definition_id"] == definition]
    paired = platelets_near(values, counts, own)
    window = paired[paired["visit"].isin(list(plan.window))]
    means = window.groupby("subject_id")[["delta", "delta_log_platelets"]].mean()
    x, y = means["delta"].to_numpy(np.float64), means["delta_log_platelets"].to_numpy(np.float64)
    subjects = paired["subject_id"].to_numpy(dtype=str)
    all_x, all_y = paired["delta"].to_numpy(np.float64), paired["delta_log_platelets"].to_numpy(np.float64)
    n_subjects = int(np.unique(subjects).size)
    return [
        _row("spearman", partial(spearman, x, y, seed=plan.seed), key, plan, len(means)),
        _row("kendall", partial(kendall, x, y, seed=plan.seed), key, plan, len(means)),
        _row(
            "repeated_measures_correlation", partial(repeated_measures_correlation, all_x, all_y, subjects), key, plan,
            n_subjects, f"{len(paired)} samples of all visits",
        ),
    ]  # fmt: skip


def _row(method: str, test: Callable[[], Answer], key: Key, plan: Plan, n: int, more: str = "") -> Row:
    note = f"eligible count within {NEAR_DAYS} days of the sample{'; ' + more if more else ''}"
    base: Row = {
        "analysis_id": f"correlation.{method}.{key.measure}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "contrast": "change with change of log platelets", "role": "exploratory", "question": "correlation",
        "scale": "correlation", "window": "+".join(plan.window), "method": method, "alternative": "two-sided",
        "n_total": n, "estimate_label": "correlation", "note": note,
        "flags": frozenset({"LOW_N"} if n < LOW_N else ()),
    }  # fmt: skip
    try:
        answer = test()
    except InsufficientDataError as refusal:
        code = "TOO_FEW_PAIRS" if refusal.code == "TOO-FEW-PAIRS" else "NOT_TESTABLE"
        return base | {"flags": base["flags"] | {code}}
    flags = answer.flags | ({"MIN_P_ABOVE_ALPHA"} if answer.min_p > ALPHA else set())
    told_columns = told(answer, "ilr") | {"effect": answer.estimate, "effect_lo": answer.ci_lo}
    return base | told_columns | {"effect_hi": answer.ci_hi, "flags": base["flags"] | flags}
