"""Tables about subjects and answers, in the order and the words that a reader needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.meanings import explain_exclusion, explain_flag, explain_method, explain_response, name_method
from immunoprofile.report.names import Names, own_definition, split_definitions
from immunoprofile.report.numbers import TIE, absent, effect_interval, p_value, ratio
from immunoprofile.report.page_table import About, PageTable, cell, codes, records, tokens
from immunoprofile.report.sensitivity import name_otherwise

_ROLES = ("primary", "secondary", "sensitivity", "exploratory")
_QUESTIONS = {
    "overall_change": "change",
    "group_diff": "by response",
    "response_rate": "response rate",
    "time_to_response": "time to response",
    "duration": "duration of response",
    "dose_trend": "trend over doses",
    "correlation": "correlation",
    "predictor": "predictor",
    "prediction": "prediction",
    "landmark": "landmark",
    "direction": "direction",
    "composition": "composition",
    "hierarchy": "hierarchy",
}


def page_tables(results: Results, names: Names) -> list[PageTable]:
    """Tables about subjects and answers: subjects, change, comparisons; those that have rows."""
    tables = (_subjects(results), *_changes(results, names), _associations(results, names))
    return [t for t in tables if t is not None and t.rows]


def _subjects(results: Results) -> PageTable | None:
    if results.response is None:
        return None
    own = own_definition(results)
    mine, others_rows = split_definitions(results.response, own)
    beside = others_rows.groupby("subject_id")
    others = {str(s): ", ".join(dict.fromkeys(map(cell, g["best_response"]))) for s, g in beside}
    visits = _visits(results.populations)
    left_out = _left_out(results)
    rows = []
    for r in records(mine):
        subject = str(r["subject_id"])
        why = "" if absent(r.get("reason")) else f" ({explain_response(str(r['reason']))})"
        rows.append(
            (
                cell(subject), f"{cell(r['best_response'])}{why}", others.get(subject, ""),
                cell(r.get("baseline_plt_1e9_per_l")), cell(r.get("first_response_day")), cell(r.get("loss_day")),
                visits.get(subject, "none"), left_out.get(subject, "included" if left_out else "NA"),
            )
        )  # fmt: skip
    headers = (
        "Subject", "Best response", "Other definitions", "Baseline platelets, 10⁹/L", "Onset, day", "Lost, day",
        "Samples gated", "Primary comparison",
    )  # fmt: skip
    note = f"Response by {printable(own or 'the table given')}. Days count from the first infusion, which is day 0."
    about = tuple(About(cell(r["subject_id"]), flags=tokens(r.get("flags"))) for r in records(mine))
    return PageTable("subjects", "Subjects", note, headers, tuple(rows), frozenset({3, 4, 5}), about=about)


def _visits(populations: pd.DataFrame) -> dict[str, str]:
    if not {"subject_id", "visit"} <= set(populations.columns):
        return {}
    order = ["subject_id", *(c for c in ("day",) if c in populations.columns)]
    seen = populations.sort_values(order, kind="stable").drop_duplicates(["subject_id", "visit"])
    return {str(s): ", ".join(map(cell, g["visit"])) for s, g in seen.groupby("subject_id")}


def _left_out(results: Results) -> dict[str, str]:
    """What became of each subject in the first primary comparison."""
    rows = next((rows for _, rows in _primary_change(results)), [])
    return {
        str(r["subject_id"]): "included"
        if r["include_primary"] is True
        else explain_exclusion(str(r["exclude_reason"]))
        for r in rows
    }


def _primary_change(results: Results) -> list[tuple[Mapping[str, Any], list[dict[str, Any]]]]:
    """Each primary comparison with its rows of `change`."""
    if results.change is None or results.association is None:
        return []
    change = records(results.change)
    primary = records(results.association[results.association["role"] == "primary"])
    return [(asked, [r for r in change if _fits(r, asked)]) for asked in primary]


def _fits(row: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return (row["pop_id"], row["denom_id"], row["measure"]) == (asked["pop_id"], asked["denom_id"], asked["scale"])


def _changes(results: Results, names: Names) -> list[PageTable]:
    headers = (
        "Subject", "Baseline sample", "Window samples", "Events at baseline", "Fewest events in window",
        "Ratio to baseline", "Percent points", "Flags",
    )  # fmt: skip
    tables = []
    for number, (asked, rows) in enumerate(_primary_change(results), start=1):
        note = (
            f"{names.measured(asked)}, a subject a row. The ratio is an odds ratio of fractions, else a fold change; "
            "percent points describe and are not analysed. All other populations are in change.csv."
        )
        cells = tuple(_change_row(r) for r in rows)
        anchor, title = f"change-{number}", "Change" if number == 1 else f"Change {number}"
        about = tuple(
            About(cell(r["subject_id"]), population=cell(r["pop_id"]), flags=tokens(r.get("flags"))) for r in rows
        )
        numeric, unbroken = frozenset({3, 4, 5, 6}), frozenset({0, 1, 2})
        tables.append(PageTable(anchor, title, note, headers, cells, numeric, unbroken, about))
    return tables


def _change_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    ratio_known, points_known = (not absent(row[c]) for c in ("fold_or_odds_ratio", "delta_frac_pp"))
    return (
        cell(row["subject_id"]), cell(row["baseline_sample_id"]), codes(row["post_sample_ids"]),
        cell(row["base_count"]), cell(row["post_count_min"]),
        ratio(float(row["fold_or_odds_ratio"])) if ratio_known else "NA",
        f"{float(row['delta_frac_pp']):+.2f}" if points_known else "NA", codes(row.get("flags")),
    )  # fmt: skip


def _associations(results: Results, names: Names) -> PageTable | None:
    if results.association is None:
        return None
    asked = sorted(records(results.association), key=_reading_order)
    rows = tuple(_association_row(r, names) for r in asked)
    flags = sorted({f for r in asked for f in str(r["flags"] if not absent(r["flags"]) else "").split(";") if f})
    meaning = " ".join(f"{explain_flag(f)}." for f in flags)
    methods = " ".join(
        f"{name_method(m)[0].upper()}{name_method(m)[1:]}: {explain_method(m)}."
        for m in dict.fromkeys(str(r["method"]) for r in asked if not absent(r["method"]))
        if m
    )
    headers = (
        "Role", "Question", "Quantity", "n", "Effect", "Interval", "p", "Adjusted p", "Family", "Method", "Flags",
    )  # fmt: skip
    note = (
        "Effects are odds ratios (of fractions) or fold changes: of the window to baseline in all subjects, or (by "
        "response) of the change in responders to that in non-responders, whose numbers stand behind n. A row without "
        "p was not tested; its flags say why. Tests of one family are adjusted together; their number stands behind "
        f"the family. {methods} {meaning}"
    )
    about = tuple(About(population=tokens(r["pop_id"]), flags=tokens(r["flags"])) for r in asked)
    numeric, unbroken = frozenset({3, 4, 6, 7}), frozenset({1, 9})
    return PageTable("association", "Comparisons", note, headers, rows, numeric, unbroken, about)


def _reading_order(row: Mapping[str, Any]) -> tuple[int, int, str, str, str]:
    questions = list(_QUESTIONS)
    question = questions.index(str(row["question"])) if row["question"] in _QUESTIONS else len(questions)
    role = _ROLES.index(str(row["role"])) if row["role"] in _ROLES else len(_ROLES)
    return role, question, str(row["pop_id"]), str(row["denom_id"]), str(row["analysis_id"])


def _association_row(row: Mapping[str, Any], names: Names) -> tuple[str, ...]:
    groups = "" if absent(row["n_resp"]) else f" ({cell(row['n_resp'])} / {cell(row['n_nonresp'])})"
    interval = "" if absent(row["ci_level"]) or absent(row["effect"]) else effect_interval(row).strip("()")
    otherwise = "" if absent(row.get("sensitivity")) else f": {name_otherwise(row)}"
    question = _QUESTIONS.get(str(row["question"]), cell(row["question"]))
    return (
        f"{cell(row['role'])}{otherwise}", question, _quantity(row, names), f"{cell(row['n_total'])}{groups}",
        _effect(row), interval, _p(row["p_raw"], "not tested"), _p(row["p_adj"], ""), _family(row),
        "" if absent(row["method"]) else name_method(str(row["method"])), codes(row["flags"]),
    )  # fmt: skip


def _quantity(row: Mapping[str, Any], names: Names) -> str:
    return cell(row["contrast"]) if absent(row["pop_id"]) or not str(row["pop_id"]) else names.measured(row)


def _effect(row: Mapping[str, Any]) -> str:
    if not absent(row["effect"]):
        return ratio(float(row["effect"]))
    return (
        "NA"
        if absent(row["estimate"])
        else f"{cell(row['estimate'])} ({cell(row['estimate_label']).replace('_', ' ')})"
    )


def _family(row: Mapping[str, Any]) -> str:
    """The family, how it was adjusted, and how many tests it has."""
    if absent(row["family_id"]) or absent(row["p_adj"]):
        return ""
    tests = "" if absent(row["n_tests"]) else f", {cell(row['n_tests'])} tests"
    how = "" if absent(row["adj_method"]) else f" ({cell(row['adj_method']).replace('_', ' ')}{tests})"
    return f"{cell(row['family_id']).replace('_', ' ').replace(':', ': ')}{how}"


def _p(value: object, otherwise: str) -> str:
    return otherwise if absent(value) else p_value(value).removeprefix(f"p{TIE}").removeprefix(f"={TIE}")
