"""Platelet response as the outcome: when, for how long, over doses, and with which baseline."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.firth import firth_logistic
from immunoprofile.comparison.measures import effect_of
from immunoprofile.comparison.plan import Facts, Plan
from immunoprofile.comparison.questions import LOW_N, Row, told
from immunoprofile.comparison.selection import Selection
from immunoprofile.comparison.survival import cumulative_incidence, kaplan_meier, median_time
from immunoprofile.comparison.trend import cochran_armitage, jonckheere
from immunoprofile.errors import InsufficientDataError

_REFUSED = {"TOO-FEW-PAIRS": "TOO_FEW_PAIRS", "TOO-FEW-PER-GROUP": "TOO_FEW_PER_GROUP"}


def ask_time_to_response(own: pd.DataFrame, plan: Plan, definition: str | None) -> list[Row]:
    """Cumulative incidence of response by the response day, rescue as the competing event."""
    if not {"time_to_response_days", "ttr_event"} <= set(own.columns):
        return []
    known = own[own["time_to_response_days"].notna() & own["ttr_event"].notna()]
    base = _base("time_to_response", "aalen_johansen", plan, definition) | {
        "scale": "proportion", "denom_id": "all_treated", "n_total": len(known), "n_missing": len(own) - len(known),
        "estimate_label": f"cumulative_incidence_day_{plan.response_day}",
    }  # fmt: skip
    if known.empty:
        return [base]
    time, event = (known[c].to_numpy(dtype=np.float64) for c in ("time_to_response_days", "ttr_event"))
    responses, rescues = (cumulative_incidence(time, event, cause=c) for c in (1, 2))
    value, lo, hi = responses.at(plan.response_day)
    note = (
        f"{int((event == 1).sum())} responses, {int((event == 2).sum())} rescued first "
        f"(cumulative incidence {rescues.at(plan.response_day)[0]:.3f}), {int((event == 0).sum())} censored"
    )
    if len(own) > len(known):
        note += f"; left out: {len(own) - len(known)} without a time"
    counted = {"n_resp": int((event == 1).sum()), "n_nonresp": int((event != 1).sum()), "note": note}
    return [base | _share(value, lo, hi, "log_log_delta_method") | counted]


def ask_duration(own: pd.DataFrame, plan: Plan, definition: str | None) -> list[Row]:
    """Median duration of response (Kaplan-Meier), responders only; never compared with anybody else."""
    if not {"duration_days", "dor_event"} <= set(own.columns):
        return []
    known = own[own["duration_days"].notna() & own["dor_event"].notna()]
    base = _base("duration", "kaplan_meier", plan, definition) | {
        "scale": "days", "denom_id": "responders", "n_total": len(known), "n_resp": len(known),
        "estimate_label": "median_duration_days",
    }  # fmt: skip
    if known.empty:
        return [base | {"note": "no subject with a duration of response"}]
    time, event = known["duration_days"].to_numpy(np.float64), known["dor_event"].to_numpy(np.float64) == 1
    median, lo, hi = median_time(kaplan_meier(time, event))
    note = f"{int(event.sum())} lost, {int((~event).sum())} censored"
    if math.isinf(median):
        note += "; more than half still respond at the last count, no median"
    if "prop_time_in_response" in known.columns and known["prop_time_in_response"].notna().any():
        note += f"; median share of the observed time in response {known['prop_time_in_response'].median():.2f}"
    bounded = math.isfinite(lo) and math.isfinite(hi)
    limits = {"ci_lo": lo, "ci_hi": hi, "effect_lo": lo, "effect_hi": hi} if bounded else {}
    known_median = None if math.isinf(median) else median
    return [
        base | limits | {
            "estimate": known_median, "effect": known_median, "note": note, "ci_method": "brookmeyer_crowley_log_log",
            "ci_level": 1.0 - ALPHA if bounded else None,
            "flags": base["flags"] | (frozenset() if bounded else frozenset({"CI_UNBOUNDED"})),
        }
    ]  # fmt: skip


def ask_dose_trends(selections: list[Selection], facts: Facts, plan: Plan, definition: str | None) -> list[Row]:
    """Response rate over doses, and change over doses, by exact tests of trend."""
    dose = facts.dose or {}
    if len(set(dose.values())) < 2:
        return []
    rows, (responder, _) = [], facts.responders(definition)
    known = {s: r for s, r in (responder or {}).items() if r is not None and s in dose}
    if known:
        doses, labels = np.array([dose[s] for s in known]), np.array(list(known.values()), dtype=np.bool_)
        base = _base("dose_trend", "cochran_armitage_exact", plan, definition) | {
            "scale": "proportion", "denom_id": "evaluable", "n_total": len(known), "n_resp": int(labels.sum()),
            "n_nonresp": int((~labels).sum()), "n_missing": len(responder or {}) - len(known),
            "estimate_label": "mean_dose_responders_minus_others", "note": _dose_groups(doses),
        }  # fmt: skip
        rows.append(_tested(base, partial(cochran_armitage, doses, labels), None))
    for s in selections:
        inside = [i for i, name in enumerate(s.subjects) if name in dose]
        doses = np.array([dose[s.subjects[i]] for i in inside])
        base = _of_population("dose_trend", "jonckheere_exact", s, plan) | {
            "n_total": len(inside), "n_missing": s.n_missing + len(s.subjects) - len(inside),
            "contrast": "change over doses", "estimate_label": "jonckheere_share_of_concordant_pairs",
            "note": _dose_groups(doses),
        }  # fmt: skip
        rows.append(_tested(base, partial(jonckheere, doses, s.delta[inside], seed=plan.seed), None))
    return rows


def ask_predictor(selection: Selection, plan: Plan, definition: str | None) -> Row:
    """Does the baseline go with response? Odds of response per standard deviation of the baseline (Firth)."""
    group = selection.group if selection.group is not None else np.zeros(0, dtype=np.bool_)
    spread = float(selection.baseline.std(ddof=1)) if selection.baseline.size > 1 else math.nan
    base = _of_population("predictor", "firth_logistic", selection, plan) | {
        "contrast": f"response per sd of baseline{_under(definition)}", "n_total": group.size,
        "n_resp": int(group.sum()), "n_nonresp": int((~group).sum()), "n_missing": selection.n_missing,
        "estimate_label": "log_odds_of_response_per_sd", "note": f"one sd of the baseline is {spread:.3g}",
    }  # fmt: skip
    values = selection.baseline / spread if spread > 0 else selection.baseline
    return _tested(base, partial(firth_logistic, values, group), "logit_frac")


def maturity_flags(own: pd.DataFrame, last_window_day: float, plan: Plan) -> frozenset[str]:
    """Is the response label older than the window, and was everybody observed long enough?

    Returns
    -------
    ``RESPONSE_AFTER_WINDOW``: a response was confirmed after the last sample of the window.
    ``RESPONSE_IMMATURE``: a subject is not a responder, or only an unconfirmed one, and was not observed to the
    response day.
    """
    flags = set()
    if "confirmed_day" in own.columns and bool((own["confirmed_day"] > last_window_day).fillna(False).any()):
        flags.add("RESPONSE_AFTER_WINDOW")
    if {"ttr_event", "time_to_response_days"} <= set(own.columns):
        open_label = (own["ttr_event"] == 0) & (own["time_to_response_days"] < plan.response_day)
        if bool(open_label.fillna(False).any()):
            flags.add("RESPONSE_IMMATURE")
    return frozenset(flags)


def _share(value: float, lo: float, hi: float, method: str) -> Row:
    limited = math.isfinite(lo) and math.isfinite(hi)
    limits = {"ci_lo": lo, "ci_hi": hi, "effect_lo": lo, "effect_hi": hi, "ci_level": 1.0 - ALPHA} if limited else {}
    return {"estimate": value, "effect": value, "ci_method": method} | limits


def _base(question: str, method: str, plan: Plan, definition: str | None) -> Row:
    return {
        "analysis_id": f"{question}.{method}", "pop_id": "responders", "contrast": f"{question}{_under(definition)}",
        "role": "secondary" if question == "time_to_response" else "exploratory", "question": question,
        "window": "+".join(plan.window), "method": method, "alternative": "two-sided", "flags": frozenset(),
    }  # fmt: skip


def _of_population(question: str, method: str, selection: Selection, plan: Plan) -> Row:
    key = selection.key
    few = frozenset({"LOW_N"} if selection.delta.size < LOW_N else ())
    return {
        "analysis_id": f"{question}.{method}.{key.measure}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "role": "exploratory", "question": question, "scale": key.measure, "window": "+".join(plan.window),
        "method": method, "alternative": "two-sided", "inputs_sha256": selection.digest, "flags": few,
    }  # fmt: skip


def _dose_groups(doses: np.ndarray) -> str:
    levels, sizes = np.unique(doses, return_counts=True)
    return "subjects a dose: " + ", ".join(f"{d:g}: {n}" for d, n in zip(levels, sizes, strict=True))


def _tested(base: Row, test: Callable[[], Answer], measure: str | None) -> Row:
    try:
        answer = test()
    except InsufficientDataError as refusal:
        return base | {"flags": base["flags"] | {_REFUSED.get(refusal.code, "NOT_TESTABLE")}}
    flags = answer.flags | ({"MIN_P_ABOVE_ALPHA"} if answer.min_p > ALPHA else set())
    columns = told(answer, measure or "ilr")
    effect = None if measure is None else effect_of(answer.estimate, measure)
    return base | columns | {"effect": effect, "flags": base["flags"] | flags}


def _under(definition: str | None) -> str:
    return f" ({definition})" if definition else ""
