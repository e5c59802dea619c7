"""Cells of a sheet become typed values; what cannot be read becomes a problem with file and row.

Each reader returns the value, or None where the cell is blank or wrong; a wrong cell has then been added to
the problems, so that one pass finds them all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from immunoprofile.errors import Problem, closest, printable

LINE = "line"
"""Name of a frame's index that holds the line of each row in its file."""

_MOST_DIGITS = 15
"""Beyond them a number is no measurement, and no float holds it exactly."""

_LARGEST_DAY = 100_000
"""270 years: a larger one is a spreadsheet's serial date or a slip of the keyboard."""
_TRUE, _FALSE = {"true", "yes", "1", "y"}, {"false", "no", "0", "n"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a sheet: its cells as clean text, blank ones left out, and where it stands.

    `problems` is the list that all rows of a sheet share.
    """

    path: str
    line: int
    columns: frozenset[str]
    cells: Mapping[str, str]
    problems: list[Problem] = field(repr=False, compare=False)

    def report(self, what: str, column: str, remedy: str, code: str) -> None:
        """Add a problem of this row."""
        found = self.cells.get(column)
        place = f"row {self.line}, {column}"
        self.problems.append(Problem(what, self.path, place, found=found, remedy=remedy, code=code))


def read_rows(frame: pd.DataFrame, path: str, problems: list[Problem]) -> list[Row]:
    """The rows of a sheet.

    Notes
    -----
    A row is named by its line in the file: the index where that is called ``line``, else its position with the
    header as line 1.
    """
    lines: Iterable[int] = frame.index if frame.index.name == LINE else range(2, len(frame) + 2)
    columns = [str(c) for c in frame.columns]
    # Column by column as plain objects: pandas would wrap each cell of a column of text once more.
    held = (frame.iloc[:, i].astype(object).to_numpy() for i in range(len(columns)))
    rows = zip(lines, zip(*held, strict=True), strict=True)
    named = frozenset(columns)
    return [Row(path, int(n), named, _clean(columns, cells), problems) for n, cells in rows]


def _clean(columns: Sequence[str], cells: Iterable[Hashable]) -> dict[str, str]:
    texts = ((c, _text(v)) for c, v in zip(columns, cells, strict=True))
    return {c: t for c, t in texts if t is not None}


def _text(value: Any) -> str | None:
    if not isinstance(value, str) and (value is None or pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp | datetime):
        return value.date().isoformat()
    text = str(value).strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).strip()
    return None if text in {"", "NA"} else text


def check_columns(
    frame: pd.DataFrame, required: Iterable[str | tuple[str, ...]], path: str, problems: list[Problem]
) -> bool:
    """Are the required columns there, once each? Of a tuple of names one is enough."""
    names = [str(c) for c in frame.columns]
    before = len(problems)
    for twice in sorted({n for n in names if names.count(n) > 1}):
        problems.append(_header(f'column "{printable(twice)}" stands twice', path, "Keep one of them."))
    for need in required:
        options = (need,) if isinstance(need, str) else need
        if not set(options) & set(names):
            what = f"column {' or '.join(options)} is missing"
            problems.append(_header(what, path, f"Add it. {closest(options[0], names)}"))
    return len(problems) == before


def _header(what: str, path: str, remedy: str) -> Problem:
    return Problem(what, path, "header", remedy=remedy, code="SHEET-COLUMN")


def text(row: Row, column: str, *, required: bool = False) -> str | None:
    """The text of a cell; control characters in it are a problem, and so is a blank where it is required."""
    value = row.cells.get(column)
    if value is None:
        if required:
            row.report("is blank", column, "Fill it in, or remove the row.", "SHEET-BLANK")
        return None
    if not value.isprintable() and printable(value, len(value)) != value:
        what = f'"{printable(value, 60)}" holds characters that cannot be seen'
        row.report(what, column, "Remove them.", "SHEET-CHARACTER")
        return None
    return value


def decimal(row: Row, column: str, *, minimum: int | None = None, required: bool = False) -> Decimal | None:
    """The number of a cell, exactly as written; never NaN or infinite, never with a decimal comma."""
    value = text(row, column, required=required)
    if value is None:
        return None
    try:
        number = Decimal(value) if value.isascii() and "_" not in value else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        what = f'"{printable(value, 60)}" is not a number'
        row.report(what, column, "Write a number with a decimal point.", "SHEET-NUMBER")
        return None
    if minimum is not None and number < minimum:
        row.report(f"{printable(value, 60)} is below {minimum}", column, "Correct it.", "SHEET-NUMBER")
        return None
    return number


def integer(row: Row, column: str, *, minimum: int | None = None, required: bool = False) -> int | None:
    """The whole number of a cell; ``14.0`` is 14, ``14.5`` a problem."""
    number = decimal(row, column, minimum=minimum, required=required)
    if number is None:
        return None
    if number != int(number):
        what = f'"{printable(row.cells[column], 60)}" is not a whole number'
        row.report(what, column, "Write a whole number.", "SHEET-INTEGER")
        return None
    return int(number)


def boolean(row: Row, column: str) -> bool | None:
    """The truth value of a cell: TRUE or FALSE, yes or no, 1 or 0."""
    value = text(row, column)
    if value is None:
        return None
    folded = value.casefold().removesuffix(".0")
    if folded not in _TRUE | _FALSE:
        row.report(f'"{printable(value, 60)}" is neither TRUE nor FALSE', column, "Write one.", "SHEET-BOOLEAN")
        return None
    return folded in _TRUE


def choice(row: Row, column: str, allowed: Sequence[str], *, required: bool = False) -> str | None:
    """One of the words that the column may hold; case and blanks do not matter."""
    value = text(row, column, required=required)
    if value is None:
        return None
    folded = value.casefold().replace(" ", "_").replace("-", "_")
    if folded not in allowed:
        what = f'"{printable(value, 60)}" is not one of its words'
        row.report(what, column, closest(value, allowed), "SHEET-WORD")
        return None
    return folded


def calendar_date(row: Row, column: str) -> date | None:
    """The ISO date of a cell; of a time stamp the date as written, without regard to its zone."""
    value = text(row, column)
    if value is None:
        return None
    try:
        if len(value) < len("2024-01-31") or value[4] != "-" or value[7] != "-":
            raise ValueError(value)
        return datetime.fromisoformat(value).date()
    except ValueError:
        what = f'"{printable(value, 60)}" is not a date'
        row.report(what, column, "Write it as YYYY-MM-DD.", "SHEET-DATE")
        return None


def day_of(
    row: Row, first_infusion: date | None, *, day: str = "day", dated: str = "date", required: bool = True
) -> int | None:
    """The day of a row since the first infusion, from its day or from its date.

    Notes
    -----
    Both may stand there if they agree. A date needs the subject's first_infusion_date. Dates are subtracted as
    calendar days.
    """
    if day not in row.cells and dated not in row.cells:
        if required:
            row.report(f"neither {day} nor {dated} is given", day, "Give one of them.", "SHEET-BLANK")
        return None
    number, when = _day_number(row, day), calendar_date(row, dated)
    if when is None:
        return number
    if first_infusion is None:
        if number is None and day not in row.cells:
            what = "a date cannot become a day without the subject's first_infusion_date"
            row.report(what, dated, "Give first_infusion_date in the subjects, or the day here.", "SHEET-DATE")
        return number
    counted = (when - first_infusion).days
    if number is not None and number != counted:
        what = f"{day} {number} and {dated} {when} disagree: that date is day {counted}"
        row.report(what, day, "Correct one of them.", "SHEET-DATE")
        return None
    return counted


def _day_number(row: Row, day: str) -> int | None:
    number = integer(row, day)
    if number is not None and abs(number) > _LARGEST_DAY:
        row.report(f"{number} is no day of a study", day, "Count days from the first infusion.", "SHEET-INTEGER")
        return None
    return number
