"""Platelets as time and number, in words: when response came, how long it lasted, and what goes with the counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from immunoprofile.errors import printable
from immunoprofile.report.meanings import P_METHODS
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import TIE, absent, counted, kept_together, level, p_value, percent, ratio

Row = Mapping[str, Any]

_COEFFICIENTS = {"spearman": "Spearman's rho", "kendall": "Kendall's tau", "repeated_measures_correlation": "r"}


def time_sentences(rows: Sequence[Row]) -> Iterator[str]:
    """Cumulative incidence of response, and duration of response."""
    for row in (r for r in rows if r["question"] == "time_to_response"):
        day = str(row["estimate_label"]).rpartition("_")[2]
        sizes = counted(int(row["n_total"]), "subject")
        if absent(row["estimate"]):
            yield f"Response by day {printable(day)}: {sizes}, no cumulative incidence."
            continue
        share = kept_together(f"{percent(float(row['estimate']))} %")
        yield (
            f"Response by day {printable(day)}: {sizes}, cumulative incidence {share} {_limits(row, 'ci', '.1%')}, "
            f"rescue as competing event; {printable(row['note'], 300)}."
        )
    for row in (r for r in rows if r["question"] == "duration"):
        yield _duration(row)


def _duration(row: Row) -> str:
    sizes = counted(int(row["n_total"]), "responder")
    note = "" if absent(row["note"]) else f"; {printable(row['note'], 300)}"
    if absent(row["estimate"]):
        reached = "median not reached" if int(row["n_total"]) else "no median"
        return f"Duration of response (Kaplan-Meier): {sizes}, {reached}{note}."
    median = kept_together(f"{float(row['estimate']):g} days")
    return f"Duration of response (Kaplan-Meier): {sizes}, median {median} {_limits(row, 'ci', 'g')}{note}."


def platelet_sentences(rows: Sequence[Row], names: Names) -> Iterator[str]:
    """Is the change of the primary populations associated with platelets; does their baseline go with response?"""
    for row in (r for r in rows if r["question"] == "correlation" and not absent(r["estimate"])):
        within = ", all visits, within subjects" if row["method"] == "repeated_measures_correlation" else ""
        word = _COEFFICIENTS.get(str(row["method"]), printable(row["method"]))
        coefficient = kept_together(f"{word} {float(row['estimate']):.2f}")
        yield (
            f"Exploratory, {_what(row, names)}, change associated with change of log platelets{within}: "
            f"{counted(int(row['n_total']), 'subject')}, {coefficient} {_limits(row, 'ci', '.2f')}; "
            f"{p_value(row['p_raw'])}{_how(row)}."
        )
    for row in (r for r in rows if r["question"] == "predictor" and not absent(r["effect"])):
        groups = f"{counted(int(row['n_resp']), 'responder')} and {counted(int(row['n_nonresp']), 'non-responder')}"
        odds = kept_together(f"odds ratio of response {ratio(row['effect'])}")
        yield (
            f"Exploratory, {names.measured(row)}, baseline associated with response: {groups}, {odds} per standard "
            f"deviation {_limits(row, 'effect', '.2f')}; {p_value(row['p_raw'])} (Firth's penalised logistic "
            "regression)."
        )


def _what(row: Row, names: Names) -> str:
    """A population and, where it is a part of one, its denominator."""
    divided = not absent(row["denom_id"]) and str(row["denom_id"]) not in {"", "none"}
    own = names.population(row["pop_id"])
    return f"{own} of {names.population(row['denom_id'])}" if divided else own


def _limits(row: Row, which: str, form: str) -> str:
    """An interval in brackets; of shares, days, coefficients or ratios as they stand."""
    lo, hi = row[f"{which}_lo"], row[f"{which}_hi"]
    if absent(lo) or absent(hi) or absent(row["ci_level"]):
        return "(no interval)"
    ends = kept_together(f"{float(lo):{form}} to {float(hi):{form}}")
    return f"({level(row)} {ends.replace('%', TIE + '%')})"


def _how(row: Row) -> str:
    known = P_METHODS.get(str(row["p_method"]))
    return f" ({known})" if known else ""
