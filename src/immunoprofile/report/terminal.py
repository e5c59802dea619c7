"""The end of a run in one table of 80 columns: every quantity of the plan, before and after, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from textwrap import wrap
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.report.names import Names, read_names
from immunoprofile.report.numbers import TIE, absent, p_value, ratio
from immunoprofile.report.page_table import records
from immunoprofile.report.picture import shown_value

WIDTH = 80
_HEAD = ("Quantity", "n", "before", "after", "change", "interval", "adj. p")
_ROOM = (4, 7, 7, 7, 14, 8)
"""Widths of the columns of numbers; the quantity has what is left."""

_TAIL = 14
"""Characters that a long denominator keeps: a fraction is never shown without it."""

_MOST = 40
"""Rows: more are in the report."""

Row = Mapping[str, Any]
Quantity = tuple[str, str, str]
"""Population, denominator and measure."""


def render_table(results: Results, *, width: int = WIDTH) -> list[str]:
    """Lines of a table of all changes that were asked about, the primary first; none where nothing was compared.

    Notes
    -----
    Before and after are medians over the pairs, percent of the denominator for fractions; change is the odds ratio or
    fold change of the analysis, p adjusted within its family.
    """
    if results.association is None or results.change is None:
        return []
    asked = [r for r in records(results.association) if r["question"] == "overall_change" and _planned(r)]
    asked.sort(key=lambda r: (str(r["role"]) != "primary", str(r["role"]) != "secondary"))
    if not asked:
        return []
    names, pairs = read_names(results.populations), _pairs(results.change)
    first = width - sum(_ROOM) - 2
    lines = [_line(_HEAD, first), "-" * width]
    lines += [_line(_cells(r, pairs.get(_quantity(r, "scale"), ()), names), first) for r in asked[:_MOST]]
    if len(asked) > _MOST:
        lines.append(f"... and {len(asked) - _MOST} more in association.csv and in the report.")
    note = (
        "Before, after: medians of the pairs (fractions in percent). Change: odds ratio or fold change, its interval "
        "at 95 % or the nearest level that these numbers allow."
    )
    return [line.replace(TIE, " ") for line in (*lines, *wrap(note, width))]


def _planned(row: Row) -> bool:
    return absent(row.get("sensitivity")) and row["role"] in {"primary", "secondary", "exploratory"}


def _line(cells: Sequence[str], first: int) -> str:
    numbers = "".join(c.rjust(n) for c, n in zip(cells[1:], _ROOM, strict=True))
    return f"{_fitted(cells[0], first).ljust(first)}  {numbers}".rstrip()


def _fitted(name: str, most: int) -> str:
    """A name in so many characters; of a fraction both parts stay."""
    if len(name) <= most:
        return name
    population, of, denominator = name.rpartition(" of ")
    if not of:
        return _cut(name, most)
    tail = denominator if len(denominator) <= _TAIL else _cut(denominator, _TAIL)
    return f"{_cut(population, most - len(tail) - len(of))}{of}{tail}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 2, 0)] + ".."


def _cells(row: Row, pairs: Sequence[Row], names: Names) -> tuple[str, ...]:
    return (
        names.measured(row), str(int(row["n_total"])), *(_typical(pairs, c) for c in ("baseline_value", "post_value")),
        "NA" if absent(row["effect"]) else ratio(float(row["effect"])), _interval(row),
        "-" if absent(row["p_adj"]) else p_value(row["p_adj"]).removeprefix(f"p{TIE}").removeprefix(f"={TIE}"),
    )  # fmt: skip


def _interval(row: Row) -> str:
    if absent(row["effect_lo"]) or absent(row["effect_hi"]) or absent(row["ci_level"]):
        return "none"
    return f"{ratio(float(row['effect_lo']))}-{ratio(float(row['effect_hi']))}"


def _pairs(change: pd.DataFrame) -> dict[Quantity, list[Row]]:
    """The pairs of the primary analysis by what was measured."""
    found: dict[Quantity, list[Row]] = {}
    for row in records(change[change["include_primary"].fillna(False).astype(bool)]):
        found.setdefault(_quantity(row, "measure"), []).append(row)
    return found


def _quantity(row: Row, scale: str) -> Quantity:
    return str(row["pop_id"]), str(row["denom_id"]), str(row[scale])


def _typical(pairs: Sequence[Row], column: str) -> str:
    values = [shown_value(str(r["measure"]), float(r[column])) for r in pairs if not absent(r[column])]
    typical = median(values) if values else math.nan
    return "NA" if not math.isfinite(typical) else f"{typical:.3g}"
