"""Sheets become records, with every problem of every row found in one pass."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar, get_args

import pandas as pd

from immunoprofile.errors import Problem, closest, printable
from immunoprofile.platelets import cells
from immunoprofile.platelets.cells import Row
from immunoprofile.platelets.criteria import TreatmentKind
from immunoprofile.platelets.records import Bleeding, Count, Subject, Treatment
from immunoprofile.platelets.units import CANONICAL, UNITS, read_amount, unit_factor

KINDS: tuple[str, ...] = get_args(TreatmentKind)
ROLES = ("rescue", "concomitant", "prior")
CHANGES = ("start", "increase", "decrease", "stop")

Subjects = Mapping[str, Subject]
RecordT = TypeVar("RecordT")


def check_subjects(frame: pd.DataFrame, path: str = "subjects") -> tuple[dict[str, Subject], list[Problem]]:
    """The subjects of a sheet by their id, in its order, and what is wrong with it.

    Parameters
    ----------
    frame
        Column subject_id; optional first_infusion_date, infusion_days, last_observation_day, end_reason.
    path
        How messages call the sheet.
    """
    problems: list[Problem] = []
    subjects: dict[str, Subject] = {}
    if cells.check_columns(frame, ["subject_id"], path, problems):
        taken: dict[str, tuple[str, int]] = {}
        for row in cells.read_rows(frame, path, problems):
            subject = _subject(row)
            if subject is not None and claim_id(row, "subject_id", subject.subject_id, taken):
                subjects[subject.subject_id] = subject
    return subjects, problems


def _subject(row: Row) -> Subject | None:
    name = cells.text(row, "subject_id", required=True)
    first = cells.calendar_date(row, "first_infusion_date")
    days = _infusion_days(row)
    last = cells.integer(row, "last_observation_day")
    reason = cells.text(row, "end_reason")
    return None if name is None else Subject(name, first, days, last, reason)


def _infusion_days(row: Row) -> tuple[int, ...]:
    written = cells.text(row, "infusion_days")
    parts = re.split(r"[;,\s]+", written.strip(" ;,[]")) if written else []
    if not all(re.fullmatch(r"\d{1,4}(\.0)?", p) for p in parts):
        what = f'"{printable(written, 60)}" is not a list of days'
        row.report(what, "infusion_days", "Write whole days such as 0;7;14;21.", "SHEET-INTEGER")
        return ()
    return tuple(int(float(p)) for p in parts)


def claim_id(row: Row, column: str, name: str, taken: dict[str, tuple[str, int]]) -> bool:
    """Is this id new? Ids that differ only in case or in how letters are composed clash, as files would."""
    folded = unicodedata.normalize("NFC", name).casefold()
    if folded not in taken:
        taken[folded] = (name, row.line)
        return True
    other, line = taken[folded]
    alike = "" if other == name else f' (as "{printable(other)}", which differs in case only)'
    row.report(
        f'"{printable(name)}" stands already in row {line}{alike}',
        column,
        "Give each its own id.",
        "SHEET-DUPLICATE",
    )
    return False


def check_platelets(
    frame: pd.DataFrame, subjects: Subjects, path: str = "platelets"
) -> tuple[tuple[Count, ...], list[Problem]]:
    """The platelet counts of a sheet in 10^9/L, and what is wrong with it.

    Parameters
    ----------
    frame
        Columns subject_id, day or date, and platelets_1e9_per_l, or platelets with unit; optional predose,
        clumped. ``<10`` and ``<=5`` are read as bounds.
    subjects
        The subjects by their id, from `check_subjects`.
    path
        How messages call the sheet.
    """
    problems: list[Problem] = []
    required: list[str | tuple[str, ...]] = [
        "subject_id",
        ("day", "date"),
        ("platelets_1e9_per_l", "platelets"),
    ]
    if not cells.check_columns(frame, required, path, problems) or not _unit_named(frame, path, problems):
        return (), problems
    return _records(frame, subjects, path, problems, _count), problems


def _unit_named(frame: pd.DataFrame, path: str, problems: list[Problem]) -> bool:
    names = set(map(str, frame.columns))
    if {"platelets_1e9_per_l", "platelets"} <= names:
        what, remedy = "platelets_1e9_per_l and platelets stand side by side", "Keep one of them."
    elif "platelets" in names and "unit" not in names:
        what = "column platelets has no unit"
        remedy = f"Add a column unit ({', '.join(UNITS)}), or name the column platelets_1e9_per_l."
    else:
        return True
    problems.append(Problem(what, path, "header", remedy=remedy, code="PLATELETS-UNIT"))
    return False


def _records(
    frame: pd.DataFrame,
    subjects: Subjects,
    path: str,
    problems: list[Problem],
    make: Callable[[Row, Subject], RecordT | None],
) -> tuple[RecordT, ...]:
    """One record a row; rows of unknown subjects are a problem, named once a subject."""
    made: list[RecordT] = []
    unknown: dict[str, list[Row]] = {}
    for row in cells.read_rows(frame, path, problems):
        name = cells.text(row, "subject_id", required=True)
        if name is not None and name not in subjects:
            unknown.setdefault(name, []).append(row)
        elif name is not None:
            record = make(row, subjects[name])
            made += [] if record is None else [record]
    for name, rows in unknown.items():
        report_unknown_subject(rows[0], name, subjects, len(rows))
    return tuple(made)


def report_unknown_subject(row: Row, name: str, subjects: Subjects, n_rows: int = 1) -> None:
    """Add the problem that a subject is not among the subjects, with the closest one that is."""
    more = f" (in {n_rows} rows)" if n_rows > 1 else ""
    what = f'subject "{printable(name)}" is not among the subjects{more}'
    row.report(what, "subject_id", closest(name, subjects), "SHEET-SUBJECT")


def _count(row: Row, subject: Subject) -> Count | None:
    day = cells.day_of(row, subject.first_infusion_date)
    amount = _amount(row)
    predose, clumped = cells.boolean(row, "predose"), cells.boolean(row, "clumped")
    if day is None or amount is None:
        return None
    value, qualifier, unit = amount
    return Count(subject.subject_id, day, value, qualifier, unit, predose, bool(clumped), row.line)


def _amount(row: Row) -> tuple[Decimal, str, str] | None:
    column = "platelets" if "platelets" in row.columns else "platelets_1e9_per_l"
    unit, factor = CANONICAL, Decimal(1)
    if "unit" in row.cells or column == "platelets":
        named = cells.text(row, "unit", required=True)
        known = None if named is None else unit_factor(named)
        if named is None:
            return None
        if known is None or (column == "platelets_1e9_per_l" and known != 1):
            what = f'unit "{printable(named, 60)}" does not fit the column {column}'
            row.report(what, "unit", f"Write one of {', '.join(UNITS)}.", "PLATELETS-UNIT")
            return None
        unit, factor = named, known
    written = cells.text(row, column, required=True)
    amount = None if written is None else read_amount(written)
    if written is not None and amount is None:
        what = f'"{printable(written, 60)}" is not a platelet count'
        row.report(what, column, "Write a number with a decimal point, or a bound such as <10.", "PLATELETS-VALUE")
    return None if amount is None else (amount.value * factor, amount.qualifier, unit)


def check_treatments(
    frame: pd.DataFrame, subjects: Subjects, path: str = "treatments"
) -> tuple[tuple[Treatment, ...], list[Problem]]:
    """The treatments of a sheet, and what is wrong with it.

    Parameters
    ----------
    frame
        Columns subject_id, day or date, kind, role; optional end_day or end_date, change.
    subjects, path
        As in `check_platelets`.
    """
    problems: list[Problem] = []
    if not cells.check_columns(frame, ["subject_id", ("day", "date"), "kind", "role"], path, problems):
        return (), problems
    return _records(frame, subjects, path, problems, _treatment), problems


def _treatment(row: Row, subject: Subject) -> Treatment | None:
    first = subject.first_infusion_date
    day = cells.day_of(row, first)
    end = cells.day_of(row, first, day="end_day", dated="end_date", required=False)
    kind = cells.choice(row, "kind", KINDS, required=True)
    role = cells.choice(row, "role", ROLES, required=True)
    change = cells.choice(row, "change", CHANGES)
    if day is None or kind is None or role is None:
        return None
    if end is not None and end < day:
        row.report(f"ends on day {end}, before it starts on day {day}", "end_day", "Correct one.", "SHEET-DATE")
        return None
    return Treatment(subject.subject_id, day, end, kind, role, change)


def check_bleeding(
    frame: pd.DataFrame, subjects: Subjects, path: str = "bleeding"
) -> tuple[tuple[Bleeding, ...], list[Problem]]:
    """The bleeding assessments of a sheet, and what is wrong with it.

    Parameters
    ----------
    frame
        Columns subject_id, day or date, grade (0 or more; 0 is an assessment that found none); optional
        scale.
    subjects, path
        As in `check_platelets`.
    """
    problems: list[Problem] = []
    if not cells.check_columns(frame, ["subject_id", ("day", "date"), "grade"], path, problems):
        return (), problems
    return _records(frame, subjects, path, problems, _bleeding), problems


def _bleeding(row: Row, subject: Subject) -> Bleeding | None:
    day = cells.day_of(row, subject.first_infusion_date)
    grade = cells.decimal(row, "grade", minimum=0, required=True)
    return None if day is None or grade is None else Bleeding(subject.subject_id, day, grade)


def by_subject(records: Sequence[RecordT], name: Callable[[RecordT], str]) -> dict[str, list[RecordT]]:
    """Records grouped by their subject."""
    groups: dict[str, list[RecordT]] = {}
    for record in records:
        groups.setdefault(name(record), []).append(record)
    return groups
