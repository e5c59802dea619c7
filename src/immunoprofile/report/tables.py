"""The tables of the page: what the result tables hold, in the order and the words that a reader needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.meanings import explain_exclusion, explain_flag, explain_method, explain_response, name_method
from immunoprofile.report.names import Names, own_definition, split_definitions
from immunoprofile.report.numbers import TIE, absent, effect_interval, p_value, ratio

_ROLES = ("primary", "secondary", "sensitivity", "exploratory")
_QUESTIONS = {"overall_change": "change", "group_diff": "by response"}


@dataclass(frozen=True, slots=True)
class PageTable:
    """One table: anchor, title, what it says, headers and rows of text.

    `numeric` columns hold numbers, `unbroken` ones text that reads badly over two lines.
    """

    anchor: str
    title: str
    note: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    unbroken: frozenset[int] = frozenset({0})


def page_tables(results: Results, names: Names) -> list[PageTable]:
    """Subjects, change, association, fractions not evaluable, quality and failures: those that have rows."""
    tables = (
        _subjects(results),
        *_changes(results, names),
        _associations(results, names),
        _barred(results.populations, names),
        _checks(results.samples_qc),
        _failures(results.failures),
    )
    return [t for t in tables if t is not None and t.rows]


def _cell(value: object) -> str:
    """A value as text: NA where missing, numbers short, text safe to show."""
    if absent(value):
        return "NA"
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(value, 400)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in r.items()} for r in frame.to_dict("records")]


def _rows(records: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_cell(r.get(c)) for c in columns) for r in records)


def _subjects(results: Results) -> PageTable | None:
    if results.response is None:
        return None
    own = own_definition(results)
    mine, others_rows = split_definitions(results.response, own)
    beside = others_rows.groupby("subject_id")
    others = {str(s): ", ".join(dict.fromkeys(map(_cell, g["best_response"]))) for s, g in beside}
    visits = _visits(results.populations)
    left_out = _left_out(results)
    rows = []
    for r in _records(mine):
        subject = str(r["subject_id"])
        why = "" if absent(r.get("reason")) else f" ({explain_response(str(r['reason']))})"
        rows.append(
            (
                _cell(subject), f"{_cell(r['best_response'])}{why}", others.get(subject, ""),
                _cell(r.get("baseline_plt_1e9_per_l")), _cell(r.get("first_response_day")), _cell(r.get("loss_day")),
                visits.get(subject, "none"), left_out.get(subject, "included" if left_out else "NA"),
            )
        )  # fmt: skip
    headers = (
        "Subject", "Best response", "Other definitions", "Baseline platelets, 10⁹/L", "Onset, day", "Lost, day",
        "Samples gated", "Primary comparison",
    )  # fmt: skip
    note = f"Response by {printable(own or 'the table given')}. Days count from the first infusion, which is day 0."
    return PageTable("subjects", "Subjects", note, headers, tuple(rows), frozenset({3, 4, 5}))


def _visits(populations: pd.DataFrame) -> dict[str, str]:
    if not {"subject_id", "visit"} <= set(populations.columns):
        return {}
    order = ["subject_id", *(c for c in ("day",) if c in populations.columns)]
    seen = populations.sort_values(order, kind="stable").drop_duplicates(["subject_id", "visit"])
    return {str(s): ", ".join(map(_cell, g["visit"])) for s, g in seen.groupby("subject_id")}


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
    change = _records(results.change)
    primary = _records(results.association[results.association["role"] == "primary"])
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
        tables.append(PageTable(anchor, title, note, headers, cells, frozenset({3, 4, 5, 6}), frozenset({0, 1, 2})))
    return tables


def _change_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    ratio_known, points_known = (not absent(row[c]) for c in ("fold_or_odds_ratio", "delta_frac_pp"))
    return (
        _cell(row["subject_id"]), _cell(row["baseline_sample_id"]), _codes(row["post_sample_ids"]),
        _cell(row["base_count"]), _cell(row["post_count_min"]),
        ratio(float(row["fold_or_odds_ratio"])) if ratio_known else "NA",
        f"{float(row['delta_frac_pp']):+.2f}" if points_known else "NA", _codes(row.get("flags")),
    )  # fmt: skip


def _codes(joined: object) -> str:
    """Codes or names that a table joins by ``;``, with room to break the line."""
    return "" if absent(joined) else _cell(joined).replace(";", ", ")


def _associations(results: Results, names: Names) -> PageTable | None:
    if results.association is None:
        return None
    records = [r for r in _records(results.association) if r["question"] in _QUESTIONS]
    records.sort(key=_reading_order)
    rows = tuple(_association_row(r, names) for r in records)
    flags = sorted({f for r in records for f in str(r["flags"] if not absent(r["flags"]) else "").split(";") if f})
    meaning = " ".join(f"{explain_flag(f)}." for f in flags)
    methods = " ".join(
        f"{name_method(m)[0].upper()}{name_method(m)[1:]}: {explain_method(m)}."
        for m in dict.fromkeys(str(r["method"]) for r in records)
    )
    headers = ("Role", "Question", "Quantity", "n", "Effect", "Interval", "p", "Adjusted p", "Method", "Flags")
    note = (
        "Effects are odds ratios (of fractions) or fold changes: of the window to baseline in all subjects, or (by "
        "response) of the change in responders to that in non-responders, whose numbers stand behind n. A row without "
        f"p was not tested; its flags say why. {methods} {meaning}"
    )
    numeric, unbroken = frozenset({3, 4, 6, 7}), frozenset({0, 1, 8})
    return PageTable("association", "Comparisons", note, headers, rows, numeric, unbroken)


def _reading_order(row: Mapping[str, Any]) -> tuple[int, int, str, str]:
    question = list(_QUESTIONS).index(str(row["question"]))
    return _ROLES.index(str(row["role"])), question, str(row["pop_id"]), str(row["denom_id"])


def _association_row(row: Mapping[str, Any], names: Names) -> tuple[str, ...]:
    groups = "" if absent(row["n_resp"]) else f" ({_cell(row['n_resp'])} / {_cell(row['n_nonresp'])})"
    effect = "NA" if absent(row["effect"]) else ratio(float(row["effect"]))
    interval = "" if absent(row["ci_level"]) else effect_interval(row).strip("()")
    return (
        _cell(row["role"]), _QUESTIONS[str(row["question"])], names.measured(row), f"{_cell(row['n_total'])}{groups}",
        effect, interval, _p(row["p_raw"], "not tested"), _p(row["p_adj"], ""),
        name_method(str(row["method"])), _codes(row["flags"]),
    )  # fmt: skip


def _p(value: object, otherwise: str) -> str:
    return otherwise if absent(value) else p_value(value).removeprefix(f"p{TIE}").removeprefix(f"={TIE}")


def _barred(populations: pd.DataFrame, names: Names) -> PageTable | None:
    if "status" not in populations.columns:
        return None
    rows = []
    barred = populations[populations["status"] == "not_evaluable"]
    for (pop, denom, flags), group in barred.groupby(["pop_id", "denom_id", barred["flags"].fillna("")]):
        of = len(populations[(populations["pop_id"] == pop) & (populations["denom_id"] == denom)])
        why = "; ".join(explain_flag(f) for f in str(flags).split(";") if f)
        least = _cell(group["denom_count"].min())
        rows.append((names.population(pop), names.population(denom), f"{len(group)} of {of}", least, why))
    headers = ("Population", "Denominator", "Samples", "Smallest denominator", "Why")
    note = "Fractions that were not computed. Their counts stay in populations.csv."
    return PageTable("not-evaluable", "Fractions not evaluable", note, headers, tuple(rows), frozenset({2, 3}))


def _checks(samples_qc: pd.DataFrame) -> PageTable:
    columns = ("sample_id", "rule_id", "level", "value", "threshold", "detail")
    noticed = samples_qc[samples_qc["level"].isin(["warn", "fail"])]
    headers = ("Sample", "Rule", "Level", "Value", "Limit", "What it is")
    passed = int((samples_qc["level"] == "pass").sum())
    note = f"{passed} of {len(samples_qc)} checks passed; these did not."
    return PageTable("quality", "Quality", note, headers, _rows(_records(noticed), columns), frozenset({3, 4}))


def _failures(failures: pd.DataFrame) -> PageTable:
    columns = ("item_id", "item_kind", "stage", "code", "message")
    headers = ("Item", "Kind", "Stage", "Code", "What went wrong")
    return PageTable("failures", "Failures", "What could not be done.", headers, _rows(_records(failures), columns))
