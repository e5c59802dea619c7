"""One row of `association` in words: n, estimate and interval first, then p, and no more than they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunoprofile.comparison.measures import MEASURES
from immunoprofile.errors import printable

P_FLOOR = 0.0001
"""Below, a p-value is written as smaller than this (analysis plan)."""

_P_HOW = {
    "exact": "exact",
    "mc": "Monte Carlo",
    "relabel_fixed_covariate": "relabeling with the baseline held fixed, approximate",
    "asymptotic": "asymptotic",
}


def describe_p(p: float | None) -> str:
    """``p < 0.0001``, or p with two digits that count and at most four decimals; ``no p`` where none.

    Examples
    --------
    >>> describe_p(0.0488), describe_p(0.00002), describe_p(1.0)
    ('p = 0.049', 'p < 0.0001', 'p = 1.0')
    """
    if p is None or pd.isna(p):
        return "no p"
    if p < P_FLOOR:
        return f"p < {P_FLOOR:.4f}"
    decimals = 4 if p < 0.01 else 3 if p < 0.1 else 2
    return "p = 1.0" if p > 0.995 else f"p = {p:.{decimals}f}"


def describe_association(row: Mapping[str, Any]) -> str:
    """One row of table `association` in one or two sentences.

    Parameters
    ----------
    row
        A mapping of the table's columns, such as a row of the frame.

    Notes
    -----
    The text says "associated with", never that something causes, improves or is significant, and gives n,
    estimate and interval before p. Without a control arm a change is not an effect, and the sentence says so.
    """
    ask = {"overall_change": _change, "group_diff": _difference, "response_rate": _rate}
    return ask.get(str(row["question"]), _other)(row)


def _change(row: Mapping[str, Any]) -> str:
    start = f"{_subject(row)}, n = {_count(row, 'n_total')}"
    if _missing(row, "estimate") and _missing(row, "effect"):
        return f"{start}: nothing to describe{_reason(row)}."
    if _missing(row, "effect"):
        return f"{_other(row)} There is no control arm: a change, not an effect."
    return (
        f"{start}: the window {printable(row['window'])} was associated with {_kind(row)} "
        f"{row['effect']:.2f} times {_those(row)} at baseline{_interval(row)}; {_test(row)}. "
        "There is no control arm: a change, not an effect."
    )


def _difference(row: Mapping[str, Any]) -> str:
    groups = f"{_count(row, 'n_resp')} responders, {_count(row, 'n_nonresp')} non-responders"
    start = f"{_subject(row)}, n = {_count(row, 'n_total')} ({groups})"
    if _missing(row, "estimate") and _missing(row, "effect"):
        return f"{start}: nothing to compare{_reason(row)}."
    if _missing(row, "effect"):
        return f"{_other(row)} Association, not cause."
    adjusted = " at equal baseline" if "ancova" in str(row["method"]) else ""
    return (
        f"{start}: being a responder was associated with {row['effect']:.2f} times the relative "
        f"change of {_kind(row)} seen in non-responders{adjusted}{_interval(row)}; {_test(row)}. "
        "Association, not cause."
    )


def _other(row: Mapping[str, Any]) -> str:
    """Any other question: what was estimated, by what, with its interval and its note."""
    name = f"{printable(row['question'])}, {_subject(row)} ({printable(row['method'])})"
    told = f" {printable(row['note'])}." if not _missing(row, "note") else ""
    if _missing(row, "estimate"):
        return f"{name}: not estimated{_reason(row)}.{told}"
    limits = " (no interval)"
    if not _missing(row, "ci_lo") and not _missing(row, "ci_hi"):
        level = "range" if _missing(row, "ci_level") else f"{100 * row['ci_level']:.3g} % CI"
        limits = f" ({level} {row['ci_lo']:.3g} to {row['ci_hi']:.3g})"
    label = printable(row["estimate_label"])
    return f"{name}, n = {_count(row, 'n_total')}: {label} {row['estimate']:.3g}{limits}; {_test(row)}.{told}"


def _rate(row: Mapping[str, Any]) -> str:
    whole = "evaluable" if row["denom_id"] == "evaluable" else "treated, the not evaluable counted as non-response"
    start = f"Response in {_count(row, 'n_resp')} of {_count(row, 'n_total')} {whole}"
    if _missing(row, "estimate"):
        return f"{start}."
    limits = f"{100 * row['ci_level']:.3g} % CI {100 * row['ci_lo']:.1f} to {100 * row['ci_hi']:.1f} %"
    return f"{start}: {100 * row['estimate']:.1f} % ({limits})."


def _subject(row: Mapping[str, Any]) -> str:
    of = f" of {printable(row['denom_id'])}" if row["scale"] == "logit_frac" else ""
    return f"{printable(row['pop_id'])}{of}"


def _kind(row: Mapping[str, Any]) -> str:
    measure = MEASURES.get(str(row["scale"]))
    return measure.effect_word if measure else "values"


def _those(row: Mapping[str, Any]) -> str:
    return "those" if row["scale"] == "logit_frac" else "that"


def _interval(row: Mapping[str, Any]) -> str:
    if _missing(row, "ci_lo") or _missing(row, "ci_hi"):
        return " (no interval)"
    return f" ({100 * row['ci_level']:.3g} % CI {row['effect_lo']:.2f} to {row['effect_hi']:.2f})"


def _test(row: Mapping[str, Any]) -> str:
    if _missing(row, "p_raw"):
        return f"not tested{_reason(row)}"
    how = _P_HOW.get(str(row["p_method"]), str(row["p_method"]))
    adjusted = ""
    if not _missing(row, "p_adj") and not _missing(row, "n_tests") and row["n_tests"] > 1:
        adjusted = f"; adjusted for {int(row['n_tests'])} tests {describe_p(row['p_adj'])}"
    return f"{describe_p(row['p_raw'])} ({how}){adjusted}"


def _reason(row: Mapping[str, Any]) -> str:
    return f" ({row['flags']})" if not _missing(row, "flags") and row["flags"] else ""


def _count(row: Mapping[str, Any], column: str) -> str:
    return "NA" if _missing(row, column) else str(int(row[column]))


def _missing(row: Mapping[str, Any], column: str) -> bool:
    return bool(pd.isna(row.get(column)))
