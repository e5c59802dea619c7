"""The rows of an openCyto template sheet as text: cells, numbers of `gating_args`, signs of `pop`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immunoprofile.errors import TemplateSyntaxError, printable

COLUMNS = ("alias", "pop", "parent", "dims", "gating_method", "gating_args")
"""Columns that a sheet must have; of its others only groupBy, collapseDataForGating and preprocessing_method matter."""

Side = Literal["above", "below"]
SIGNS: dict[Side, str] = {"above": "+", "below": "-"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TERM = re.compile(r"[^+\-]*?(\+/-|-/\+|\+|-)")


class NotCarriedError(Exception):
    """Why a row, or one population of it, becomes no gate."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the sheet; `line` is its line in the file."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def method(self) -> str:
        """Name of the gating method in small letters."""
        return self["gating_method"].lower()

    @property
    def dims(self) -> list[str]:
        """Names of the axes."""
        return [d.strip() for d in self["dims"].split(",") if d.strip()]

    def number(self, key: str) -> float | None:
        """A number of gating_args: ``K = 3``."""
        found = re.search(rf"\b{key}\s*=\s*({_NUMBER})\s*(?:,|$)", self["gating_args"])
        return None if found is None else float(found.group(1))

    def pair(self, key: str) -> tuple[float, float] | None:
        """Two numbers of gating_args: ``min = c(0, 5e4)``."""
        found = re.search(rf"\b{key}\s*=\s*c\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)", self["gating_args"])
        return None if found is None else (float(found.group(1)), float(found.group(2)))

    def settings(self) -> list[str]:
        """Names of the settings in gating_args."""
        return list(dict.fromkeys(re.findall(r"\b([\w.]+)\s*=", self["gating_args"])))

    def sides(self) -> list[tuple[Side, ...]]:
        """The sides that `pop` names, an axis each: ``CD4+`` one, ``CD4+/-CD8-`` two and one.

        Raises
        ------
        NotCarriedError
            More terms than two; names before the signs do not matter.
        """
        text = re.sub(r"\s", "", self["pop"])
        if not text.endswith(("+", "-")):
            return [("above",)]
        found: list[tuple[Side, ...]] = []
        for match in _TERM.finditer(text):
            sign = match.group(1)
            found.append(("above", "below") if len(sign) > 1 else ("above",) if sign == "+" else ("below",))
        # A hyphen in the name of one marker is no sign.
        if len(self.dims) == 1:
            return found[-1:]
        if len(found) > 2:
            raise NotCarriedError(f'pop "{printable(self["pop"])}" has more than two signs')
        return found


def read_rows(path: Path) -> list[Row]:
    """Read a sheet, its columns apart by commas or tabs.

    Raises
    ------
    TemplateSyntaxError
        It cannot be read, or lacks columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter))
    except OSError as problem:
        raise TemplateSyntaxError(
            f"template cannot be read ({problem.strerror})", path=path, code="TEMPLATE-ACCESS", remedy="Check the path."
        ) from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        what = f"cannot be read as a CSV sheet ({printable(str(problem), 80)})"
        raise TemplateSyntaxError(what, path=path, code="OPENCYTO-CSV", remedy="Save it as CSV UTF-8.") from problem
    header = [c.strip() for c in records[0]] if records else []
    missing = [c for c in COLUMNS if c not in header]
    if missing:
        raise TemplateSyntaxError(
            f"is no openCyto template: columns {', '.join(missing)} are missing", path=path, where="header",
            code="OPENCYTO-COLUMNS", remedy=f"Its header has {', '.join(COLUMNS)}.",
        )  # fmt: skip
    rows = (dict(zip(header, (c.strip() for c in record), strict=False)) for record in records[1:])
    return [Row(line, cells) for line, cells in enumerate(rows, start=2) if any(cells.values())]
