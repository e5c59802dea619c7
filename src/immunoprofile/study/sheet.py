"""A CSV sheet becomes a frame of text that knows the line of each row."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from immunoprofile.errors import Problem, printable
from immunoprofile.platelets.cells import LINE

MAX_BYTES = 100_000_000
"""A sheet of a large trial has a few megabytes."""
_LONGEST_CELL = 131_072


def read_sheet(path: Path, problems: list[Problem], *, may_be_empty: bool = False) -> pd.DataFrame | None:
    """The sheet as text, indexed by line; None, and problems added, where it cannot be read.

    Parameters
    ----------
    path
        CSV in UTF-8 with or without BOM, with commas or semicolons: whichever divides the header into more
        names.
    problems
        What is wrong is added here.
    may_be_empty
        Is a sheet with a header and no rows in order?

    Notes
    -----
    Names and cells lose blanks at their ends and are composed (NFC); a blank cell or ``NA`` is missing. Rows
    without any text are passed over, and so are columns without a name and without text, as spreadsheets leave
    them.
    """
    text = _read_text(path, problems)
    if text is None:
        return None
    try:
        records = list(_records(text))
    except csv.Error as problem:
        what = f"is not a CSV table: {printable(problem)}"
        problems.append(Problem(what, str(path), remedy="Write it as CSV.", code="SHEET-CSV"))
        return None
    rows = [(line, cells) for line, cells in records if any(cells)]
    if not rows or (len(rows) == 1 and not may_be_empty):
        what, remedy = ("is empty", "Write a header and rows.") if not rows else ("has no rows", "Add them.")
        problems.append(Problem(what, str(path), remedy=remedy, code="SHEET-EMPTY"))
        return None
    return _frame(path, rows[0][1], rows[1:], problems)


def _read_text(path: Path, problems: list[Problem]) -> str | None:
    try:
        if path.exists() and not path.is_file():
            problems.append(_access(path, "is not a file"))
            return None
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        problems.append(_access(path, "does not exist"))
        return None
    except (OSError, ValueError) as problem:
        problems.append(_access(path, f"cannot be read ({getattr(problem, 'strerror', None) or problem})"))
        return None
    if len(content) > MAX_BYTES:
        problems.append(_access(path, f"is larger than {MAX_BYTES} bytes"))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        what, remedy = f"is not UTF-8 (byte {problem.start})", 'Save it as "CSV UTF-8".'
        problems.append(Problem(what, str(path), remedy=remedy, code="SHEET-ENCODING"))
        return None


def _access(path: Path, what: str) -> Problem:
    return Problem(what, str(path), remedy="Check the path and its permissions.", code="SHEET-ACCESS")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it begins."""
    header = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    delimiter = max(",;", key=lambda d: len(next(csv.reader([header], delimiter=d), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, composed = 1, text.isascii()
    for cells in reader:
        # Not left to the csv module alone: its limit is one number for the process, and other libraries raise it.
        if max(map(len, cells), default=0) > _LONGEST_CELL:
            raise csv.Error(f"a cell is longer than {_LONGEST_CELL} characters")
        yield line, [c.strip() if composed else unicodedata.normalize("NFC", c.strip()) for c in cells]
        line = reader.line_num + 1


def _frame(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], problems: list[Problem]
) -> pd.DataFrame | None:
    uneven = [(line, cells) for line, cells in rows if len(cells) != len(header)]
    for line, cells in uneven:
        what = f"has {len(cells)} cells, the header has {len(header)}"
        remedy = "Quote cells that hold the delimiter, and end every row with all its cells."
        problems.append(Problem(what, str(path), f"row {line}", remedy=remedy, code="SHEET-CELLS"))
    if uneven:
        return None
    kept = [i for i, name in enumerate(header) if name or any(cells[i] for _, cells in rows)]
    unnamed = [i + 1 for i in kept if not header[i]]
    for position in unnamed:
        what = f"column {position} has cells and no name"
        problems.append(Problem(what, str(path), "header", remedy="Name it.", code="SHEET-COLUMN"))
    values = [[None if cells[i] in {"", "NA"} else cells[i] for i in kept] for _, cells in rows]
    index = pd.Index([line for line, _ in rows], name=LINE, dtype="int64")
    columns = [header[i] for i in kept]
    return pd.DataFrame(values, columns=columns, index=index, dtype="string")
