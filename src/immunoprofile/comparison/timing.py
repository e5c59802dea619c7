"""What came first? Shifts before onset, and response after a landmark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.measures import effect_of
from immunoprofile.comparison.plan import Facts, Plan
from immunoprofile.comparison.questions import Row, told
from immunoprofile.comparison.relabeling import group_difference
from immunoprofile.comparison.selection import Key
from immunoprofile.comparison.signed_rank import signed_rank
from immunoprofile.comparison.variations import not_available
from immunoprofile.errors import InsufficientDataError
from immunoprofile.intervals import clopper_pearson

_NEEDED = ("first_response_day", "confirmed_day", "responder")


def ask_timing(values: pd.DataFrame, key: Key, plan: Plan, facts: Facts, definition: str | None) -> list[Row]:
    """Rows of `direction` and `landmark` for one population.

    Parameters
    ----------
    values
        As `visits.visit_values` gives them: all samples after baseline.
    """
    own = facts.own_response(definition)
    missing = [c for c in _NEEDED if c not in own.columns]
    if missing or values["day"].isna().all():
        why = f"the response table has no {', '.join(missing)}" if missing else "no sample has a day"
        return [not_available(key, q, why, plan, q) for q in ("direction", "landmark")]
    timed = values[values["day"].notna()]
    onset, confirmed = (_days(own, c) for c in ("first_response_day", "confirmed_day"))
    return [
        *_not_yet_responding(timed, onset, key, plan),
        *_preceded(timed, onset, key, plan, definition),
        *_landmark(timed, own, onset, confirmed, key, plan, definition),
    ]


def _days(own: pd.DataFrame, column: str) -> dict[str, float]:
    return {str(s): float(d) for s, d in own[column].items() if not pd.isna(d)}


def _not_yet_responding(values: pd.DataFrame, onset: dict[str, float], key: Key, plan: Plan) -> list[Row]:
    """The shift at the first visit after baseline, in subjects who did not respond by that sample."""
    first = values.groupby("visit")["day"].median().idxmin()
    rows = values[values["visit"] == first]
    before = rows[[onset.get(s, np.inf) > d for s, d in zip(rows["subject_id"], rows["day"], strict=True)]]
    note = f"visit {first}, subjects not yet responding; {len(rows) - len(before)} already responding left out"
    base = _base("direction", "not_yet_responding", key, plan, note) | {
        "contrast": f"{first} - baseline", "method": "wilcoxon_signed_rank_pratt", "n_total": len(before),
        "n_missing": len(rows) - len(before),
    }  # fmt: skip
    return [_tested(base, lambda: signed_rank(before["delta"].to_numpy(dtype=np.float64)), key)]


def _preceded(values: pd.DataFrame, onset: dict[str, float], key: Key, plan: Plan, definition: str | None) -> list[Row]:
    """Of the responders with samples: in how many was one taken before onset that shows the common shift?"""
    sign = np.sign(values.groupby("subject_id")["delta"].mean().median())
    seen = sorted(set(values["subject_id"]) & set(onset))
    early = values[[onset.get(s, -np.inf) > d for s, d in zip(values["subject_id"], values["day"], strict=True)]]
    shown = set(early["subject_id"][np.sign(early["delta"]) == sign])
    sampled = sorted(set(early["subject_id"]) & set(seen))
    count = len(shown & set(seen))
    note = (
        f"of {len(seen)} responders {len(sampled)} have a sample before onset; shown before onset by: "
        f"{', '.join(sorted(shown & set(seen))) or 'none'}"
    )
    base = _base("direction", "shift_before_onset", key, plan, note) | {
        "contrast": f"before onset{f' ({definition})' if definition else ''}", "method": "clopper_pearson",
        "scale": "proportion", "n_total": len(sampled), "n_missing": len(seen) - len(sampled),
        "estimate_label": "share_of_responders_sampled_before_onset",
    }  # fmt: skip
    if not sampled:
        return [base | {"flags": frozenset({"NOT_AVAILABLE"})}]
    lo, hi = map(float, clopper_pearson(count, len(sampled), 1.0 - ALPHA))
    share = count / len(sampled)
    return [
        base | {"estimate": share, "effect": share, "ci_lo": lo, "ci_hi": hi, "effect_lo": lo, "effect_hi": hi,
                "ci_level": 1.0 - ALPHA, "ci_method": "clopper_pearson"}
    ]  # fmt: skip


def _landmark(
    values: pd.DataFrame, own: pd.DataFrame, onset: dict[str, float], confirmed: dict[str, float], key: Key, plan: Plan,
    definition: str | None,
) -> list[Row]:  # fmt: skip
    """The last shift by the landmark, in later responders against those who never respond."""
    day = plan.landmark_day
    last = values[values["day"] <= day].groupby("subject_id").tail(1).set_index("subject_id")["delta"]
    label = {str(s): bool(r) for s, r in own["responder"].items() if not pd.isna(r)}
    under = f" ({definition})" if definition else ""
    rows = []
    for name, start in (("landmark", confirmed), ("landmark_by_onset", onset)):
        done = {s for s, d in start.items() if d <= day}
        gone = done | _ended(own, day)
        used = [s for s in sorted(last.index) if s in label and s not in gone]
        group = np.array([label[s] for s in used], dtype=np.bool_)
        note = (
            f"day {day}: {len(done & set(last.index))} subjects responding by then and "
            f"{len((gone - done) & set(last.index))} rescued or lost by then left out"
        )
        base = _base("landmark", name, key, plan, note) | {
            "contrast": f"later responder - non-responder{under}", "method": "change_score", "n_total": len(used),
            "n_resp": int(group.sum()), "n_nonresp": int((~group).sum()), "n_missing": len(label) - len(used),
        }  # fmt: skip
        delta = last.reindex(used).to_numpy(dtype=np.float64)
        rows.append(_tested(base, partial(group_difference, delta, group, seed=plan.seed), key))
    return rows


def _ended(own: pd.DataFrame, day: float) -> set[str]:
    """Subjects rescued by the day, or whose observation ended by then without response."""
    gone = set()
    if {"time_to_response_days", "ttr_event"} <= set(own.columns):
        early = own["time_to_response_days"].notna() & (own["time_to_response_days"] <= day)
        gone |= set(own.index[(early & own["ttr_event"].isin([0, 2])).fillna(False)])
    if "first_rescue_day" in own.columns:
        gone |= set(own.index[(own["first_rescue_day"] <= day).fillna(False)])
    return {str(s) for s in gone}


def _base(question: str, name: str, key: Key, plan: Plan, note: str) -> Row:
    return {
        "analysis_id": f"{question}.{key.measure}.{name}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "role": "sensitivity", "question": question, "sensitivity": name, "scale": key.measure,
        "window": "+".join(plan.window), "alternative": "two-sided", "note": note, "flags": frozenset(),
        "estimate_label": "change" if question == "direction" else "mean_difference_change",
    }  # fmt: skip


def _tested(base: Row, test: Callable[[], Answer], key: Key) -> Row:
    try:
        answer = test()
    except InsufficientDataError as refusal:
        return base | {"flags": frozenset({refusal.code.replace("-", "_")})}
    columns = told(answer, key.measure) | {"effect": effect_of(answer.estimate, key.measure)}
    return base | columns | {"flags": base["flags"] | answer.flags}
