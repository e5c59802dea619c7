"""Tables about samples: fractions, what was not evaluable, checks, gates that are not the template's, failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.meanings import explain_flag
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import absent, percent
from immunoprofile.report.page_table import About, PageTable, cell, cells, codes, records, tokens
from immunoprofile.report.ranges import tabulate_ranges

_Whose = Mapping[str, tuple[str, str]]


def sample_tables(results: Results, names: Names) -> list[PageTable]:
    """The tables that have rows, in the order in which a laboratory asks."""
    whose = _whose(results.populations)
    tables = (
        _failures(results.failures),
        _barred(results.populations, names),
        _checks(results.samples_qc, whose),
        _unanswered(results.checks_unanswered, whose),
        _moved_gates(results.gates_resolved, names, whose),
        _states(results.sample_states, whose),
        _bridges(results.control_shifts, names),
        _fractions(results.populations, names),
        tabulate_ranges(results.populations, names),
    )
    return [t for t in tables if t is not None and t.rows]


def _whose(populations: pd.DataFrame) -> _Whose:
    """Subject and visit of each sample."""
    if not {"sample_id", "subject_id", "visit"} <= set(populations.columns):
        return {}
    rows = records(populations.drop_duplicates("sample_id"))
    return {str(r["sample_id"]): (_plain(r["subject_id"]), _plain(r["visit"])) for r in rows}


def _plain(value: object) -> str:
    return "" if absent(value) else cell(value)


def _about(row: Mapping[str, Any], whose: _Whose, population: object = "", flags: object = "") -> About:
    subject, visit = whose.get(str(row["sample_id"]), ("", ""))
    return About(subject, visit, tokens(population), tokens(flags))


def _failures(failures: pd.DataFrame) -> PageTable:
    columns = ("item_id", "item_kind", "stage", "code", "message")
    headers = ("Item", "Kind", "Stage", "Code", "What went wrong")
    return PageTable("failures", "Failures", "What could not be done.", headers, cells(records(failures), columns))


def _barred(populations: pd.DataFrame, names: Names) -> PageTable | None:
    if "status" not in populations.columns:
        return None
    rows, about = [], []
    barred = populations[populations["status"] == "not_evaluable"]
    for (pop, denom, flags), group in barred.groupby(["pop_id", "denom_id", barred["flags"].fillna("")]):
        of = len(populations[(populations["pop_id"] == pop) & (populations["denom_id"] == denom)])
        why = "; ".join(explain_flag(f) for f in str(flags).split(";") if f)
        least = cell(group["denom_count"].min())
        rows.append((names.population(pop), names.population(denom), f"{len(group)} of {of}", least, why))
        about.append(About(population=tokens(pop), flags=tokens(flags)))
    headers = ("Population", "Denominator", "Samples", "Smallest denominator", "Why")
    note = "Fractions that were not computed. Their counts stay in populations.csv."
    numeric = frozenset({2, 3})
    return PageTable(
        "not-evaluable", "Fractions not evaluable", note, headers, tuple(rows), numeric, about=tuple(about)
    )


def _checks(samples_qc: pd.DataFrame, whose: _Whose) -> PageTable:
    columns = ("sample_id", "rule_id", "item", "level", "value", "threshold", "detail")
    noticed = records(samples_qc[samples_qc["level"].isin(["warn", "fail"])])
    headers = ("Sample", "Rule", "Item", "Level", "Value", "Limit", "What it is")
    passed = int((samples_qc["level"] == "pass").sum())
    note = f"{passed} of {len(samples_qc)} checks passed; these did not. Notes without a verdict are not listed."
    about = tuple(_about(r, whose, flags=r["flag"]) for r in noticed)
    return PageTable("quality", "Checks that did not pass", note, headers, cells(noticed, columns), frozenset({4, 5}),
                     about=about)  # fmt: skip


def _unanswered(table: pd.DataFrame | None, whose: _Whose) -> PageTable | None:
    """One row a rule and reason: what a whole study cannot answer is one line, not hundreds."""
    if table is None:
        return None
    rows = []
    for (rule, reason), group in table.groupby(["rule_id", table["reason"].fillna("")]):
        samples = [printable(s, 80) for s in group["sample_id"]]
        shown = "all samples" if len(samples) == len(whose) and len(samples) > 1 else ", ".join(samples)
        rows.append((cell(rule), cell(reason), str(len(samples)), shown))
    headers = ("Rule", "Why it could not be asked", "Samples", "Which")
    note = "Silence is not a pass: these checks were not made."
    return PageTable("unanswered", "Checks not made", note, headers, tuple(rows), frozenset({2}))


def _moved_gates(gates: pd.DataFrame, names: Names, whose: _Whose) -> PageTable:
    moved = records(gates[gates["origin"].ne("template").fillna(False).astype(bool)])
    rows = tuple(
        (
            cell(r["sample_id"]),
            names.population(r["pop_id"]),
            cell(r["pop_path"]),
            cell(r["origin"]),
            _plain(r["reason"]),
        )
        for r in moved
    )
    headers = ("Sample", "Population", "Gate", "Origin", "Why")
    note = "Every gate that is not the template's own in a sample: found in the data, fallen back, frozen, or moved."
    about = tuple(_about(r, whose, r["pop_id"]) for r in moved)
    return PageTable("moved-gates", "Gates that are not the template's", note, headers, rows, about=about)


def _states(states: pd.DataFrame | None, whose: _Whose) -> PageTable | None:
    if states is None:
        return None
    held = records(states)
    columns = ("sample_id", "state_id", "kind", "days_since", "effect", "meaning", "source")
    headers = ("Sample", "State", "Treatment", "Days before", "Effect", "What it means", "Source")
    note = "Treatments before a draw that change what its sample can say."
    about = tuple(_about(r, whose, flags=r["flag"]) for r in held)
    return PageTable("states", "Treatment before the draw", note, headers, cells(held, columns), frozenset({3}),
                     about=about)  # fmt: skip


def _bridges(shifts: pd.DataFrame | None, names: Names) -> PageTable | None:
    if shifts is None:
        return None
    found = records(shifts)
    rows = tuple(
        (
            cell(r["sample_id"]), f"{names.population(r['pop_id'])} of {names.population(r['denom_id'])}",
            cell(r["batch_from"]), cell(r["batch_to"]), cell(r["log_ratio"]), cell(r["control_log_ratio"]),
            cell(r["expected_sd"]),
        )
        for r in found
    )  # fmt: skip
    headers = ("Sample", "Fraction", "From run", "To run", "Shift (ln)", "Bridging control's (ln)", "Its counting SD")
    note = "A subject's shift beside that of the bridging control between the same runs."
    about = tuple(About(cell(r["subject_id"]), "", tokens(r["pop_id"])) for r in found)
    return PageTable(
        "bridges", "Shifts beside bridging controls", note, headers, rows, frozenset({4, 5, 6}), about=about
    )


def _fractions(populations: pd.DataFrame, names: Names) -> PageTable | None:
    if not {"sample_id", "count", "denom_count", "frac"} <= set(populations.columns):
        return None
    found = records(populations)
    rows = tuple(_fraction_row(r, names) for r in found)
    headers = (
        "Sample", "Subject", "Visit", "Population", "Denominator", "Events", "of", "Percent", "95 % limits", "Cells/µL",
        "Status", "Flags",
    )  # fmt: skip
    note = (
        "Every fraction with its numerator and denominator. Limits are counting error only: staining and biology are "
        "not in them."
    )
    about = tuple(
        About(_plain(r.get("subject_id")), _plain(r.get("visit")), tokens(r["pop_id"]), tokens(r.get("flags")))
        for r in found
    )
    numeric, unbroken = frozenset({5, 6, 7, 8, 9}), frozenset({0, 1, 2})
    return PageTable("populations", "All fractions", note, headers, rows, numeric, unbroken, about)


def _fraction_row(row: Mapping[str, Any], names: Names) -> tuple[str, ...]:
    limits = (row.get("frac_lo"), row.get("frac_hi"))
    between = "" if any(map(absent, limits)) else f"{percent(float(limits[0]))} to {percent(float(limits[1]))}"  # type: ignore[arg-type]
    return (
        cell(row["sample_id"]), _plain(row.get("subject_id")), _plain(row.get("visit")),
        names.population(row["pop_id"]), names.population(row["denom_id"]), cell(row["count"]),
        cell(row["denom_count"]), "NA" if absent(row["frac"]) else f"{100 * float(row['frac']):.4g}", between,
        _plain(row.get("cells_per_ul")), _plain(row.get("status")), codes(row.get("flags")),
    )  # fmt: skip
