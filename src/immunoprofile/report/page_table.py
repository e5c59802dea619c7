"""A table of the page: text in rows, and what each row is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.errors import printable
from immunoprofile.report.numbers import absent


@dataclass(frozen=True, slots=True)
class About:
    """Subject, visit, populations and flags of a row; the last two joined by blanks. Empty: about none or all."""

    subject: str = ""
    visit: str = ""
    population: str = ""
    flags: str = ""


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
    about: tuple[About, ...] = ()
    """What each row is about, for the filters; empty where the table is about the study."""

    @property
    def marked_rows(self) -> tuple[tuple[About, tuple[str, ...]], ...]:
        """Rows with what they are about."""
        about = self.about or (About(),) * len(self.rows)
        return tuple(zip(about, self.rows, strict=True))


def cell(value: object) -> str:
    """A value as text: NA where missing, numbers short, text safe to show."""
    if absent(value):
        return "NA"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(value, 400)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as mappings."""
    return [{str(k): v for k, v in r.items()} for r in frame.to_dict("records")]


def cells(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Some columns of rows as text."""
    return tuple(tuple(cell(r.get(c)) for c in columns) for r in rows)


def codes(joined: object) -> str:
    """Codes or names that a table joins by ``;``, with room to break the line."""
    return "" if absent(joined) else cell(joined).replace(";", ", ")


def tokens(joined: object) -> str:
    """Codes that a table joins by ``;``, joined by blanks for filters."""
    return "" if absent(joined) else " ".join(printable(t, 80) for t in str(joined).split(";") if t)
