"""What a table gives away: whose ids stand in it, when and where, and what people wrote; and which ids are codes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pandas as pd

from immunoprofile.columns import TABLES
from immunoprofile.errors import printable
from immunoprofile.populations import picture_name
from immunoprofile.study.deidentify import QUOTING
from immunoprofile.verification.keywords import kind_of_keyword

_SHEET_COLUMNS = {
    "sample_id": "person", "subject_id": "person", "file": "place", "spillover": "place", "note": "text",
    "batch": "text", "collection_date": "time", "first_infusion_date": "time", "date": "time", "end_date": "time",
    "who": "person", "reason": "text", "message": "text", "USUBJID": "person", "CPREFID": "person",
    "CPGRPID": "person", "Expsample ID": "person",
}  # fmt: skip
"""Columns of this program's sheets and exports that name someone, a time or a place, or may say anything."""

_OWN_COLUMNS = {
    "sample_id": "person", "subject_id": "person", "item_id": "person", "fmo_sample_id": "person",
    "from_sample_id": "person", "baseline_sample_id": "person", "post_sample_ids": "person", "batch_from": "text",
    "batch_to": "text",
}  # fmt: skip
"""Columns of its tables that hold ids; those of ids in a row are joined by ';'."""

_OWN_TEXT = {("failures", "message"), ("gates_resolved", "reason"), ("checks_unanswered", "reason")}
"""Columns of its tables that may quote a file or a person; every other text in them is the program's own words."""

CODE = re.compile(r"[A-Z]-[A-Z2-7]{12}")
"""A code as `study.deidentify` writes it."""
_CODED = {"USUBJID": re.compile(r"(?:.*-)?[A-Z]-[A-Z2-7]{12}")}
"""A subject of CDISC has the id of the study before its own."""

_NAMES = {c.alias: c.name for t in TABLES.values() for c in t.columns if c.alias}
"""What columns of SAS transport files are called in the tables."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """One thing that a file gives away.

    Parameters
    ----------
    path
        As it was asked for, or below the folder that was.
    where
        Keyword, column or line.
    kind
        ``person``, ``time``, ``place``, ``machine``, ``text`` (which may say anything), ``unread``, or ``code``: an id
        that names nobody without the key of the run that wrote it.
    value
        What stands there; the first, where it stands `n` times.
    n_values
        How many different ones stand there.
    """

    path: str
    where: str
    kind: str
    value: str
    n: int = 1
    n_values: int = 1


def kind_of_column(table: str | None, column: str) -> str | None:
    """What a column may give away; None where it does not.

    Parameters
    ----------
    table
        Which of this program's tables; None for a sheet, or the table of somebody else.
    """
    if table is not None:
        return "text" if (table, column) in _OWN_TEXT else _OWN_COLUMNS.get(column)
    known = _SHEET_COLUMNS.get(column) or _OWN_COLUMNS.get(column)
    if known is not None:
        return known
    kind = kind_of_keyword(column.replace("_", " "))
    return kind if kind in {"person", "time", "machine", "place"} else None


def own_table(name: str, columns: Iterable[object]) -> str | None:
    """Which of this program's tables this is, by its name or else its columns; None where it is none."""
    there = set(columns)
    asked = [TABLES[name]] if name in TABLES else TABLES.values()
    found = [t.name for t in asked if there <= set(t.names) and (name in TABLES or set(t.key) <= there)]
    return found[0] if len(found) == 1 else None


def look_at_frame(frame: pd.DataFrame, name: str, shown: str, *, coded: bool, names: set[str]) -> list[Exposed]:
    """What the columns of a sheet or table give away by their nature, whatever stands in them.

    Parameters
    ----------
    name
        Of the file, without its ending.
    coded
        It belongs to results under codes: an id that has the form of a code is one.
    names
        The ids that are no codes are added here.
    """
    frame = frame.rename(columns=_NAMES)
    table = own_table(name, frame.columns)
    found = []
    for column in frame.columns:
        kind = kind_of_column(table, str(column))
        if kind is None:
            continue
        cells = _cells(frame, str(column), table)
        ids = kind == "person" or str(column).startswith("batch")
        parts = [p for c in cells for p in str(c).split(";")] if column in _OWN_COLUMNS else [str(c) for c in cells]
        form = _CODED.get(str(column), CODE)
        codes = [p for p in parts if coded and ids and form.fullmatch(p)]
        plain = [p for p in parts if not (coded and ids and form.fullmatch(p))]
        place = f"column {table}.{column}" if (table, column) in _OWN_TEXT else f"column {printable(column)}"
        found += _found(shown, place, "code", codes) + _found(shown, place, kind, plain)
        if kind == "person":
            names |= set(plain)
    return found


def _cells(frame: pd.DataFrame, column: str, table: str | None) -> pd.Series:
    cells = frame[column].dropna()
    if table == "failures" and column == "item_id" and "item_kind" in frame:
        # The study itself is nobody.
        cells = cells[frame.loc[cells.index, "item_kind"] != "study"]
    if table == "checks_unanswered" and column == "reason" and "rule_id" in frame:
        cells = cells[frame.loc[cells.index, "rule_id"].isin(QUOTING)]
    return cells[cells.astype(str).str.strip() != ""]


def _found(shown: str, place: str, kind: str, values: Collection[str]) -> list[Exposed]:
    return [Exposed(shown, place, kind, next(iter(values)), len(values), len(set(values)))] if values else []


_PIECES = re.compile(r"[<>\"\n\r\t,;|{}\[\]()=]+")
_WORDS = re.compile(r"[\w.+-]+")
_NAMED = ("fcs ", "spillover ")
"""How a manifest calls the files of a sample."""
_SHORTEST = 3
"""A shorter id would be found in any text; so would a number of less than five digits."""


class Names:
    """Ids of persons and samples, to be found again in texts and in the names of files.

    Parameters
    ----------
    names
        Those that stand in tables; too short ones are left out.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {n for n in names if len(n) >= _SHORTEST and not (n.isdigit() and len(n) < _SHORTEST + 2)}
        self._called = {picture_name(n): n for n in self._names} | {n: n for n in self._names}

    def in_text(self, text: str) -> list[str]:
        """Names that stand there as a word, or alone between quotes, brackets, commas or tags; in their order."""
        if not self._names:
            return []
        pieces = {p.strip() for p in _PIECES.split(text)} | set(_WORDS.findall(text))
        pieces |= {p.removeprefix(start) for p in pieces for start in _NAMED if p.startswith(start)}
        return sorted(pieces & self._names)

    def of_file(self, name: str) -> str | None:
        """The name that a file is called by: alone, before its ending, or as pictures are called by their samples."""
        return next((self._called[n] for n in (name, name.rpartition(".")[0]) if n in self._called), None)
