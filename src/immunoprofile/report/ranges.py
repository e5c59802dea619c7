"""What samples had beside reference ranges of the literature: where other people's values lay, and no verdict."""

from __future__ import annotations

import pandas as pd

from immunoprofile.populations import ReferenceRange, find_ranges
from immunoprofile.populations.references import RANGES_VERSION
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import absent
from immunoprofile.report.page_table import About, PageTable, cell, tokens

_NEEDED = frozenset({"sample_id", "pop_id", "denom_id", "cl_id", "frac", "cells_per_ul", "visit"})
_Row = tuple[str, ...]


def tabulate_ranges(populations: pd.DataFrame, names: Names) -> PageTable | None:
    """A row a quantity, visit and range: median, lowest and highest of the samples, then the range and whose it is.

    Notes
    -----
    A fraction stands beside ranges over the same denominator only, by Cell Ontology ids, as in `list_ranges`. All
    ranges that may stand beside a value are given, since none is the right one.
    """
    if not set(populations.columns) >= _NEEDED:
        return None
    types = {
        str(p): None if absent(c) else str(c) for p, c in populations[["pop_id", "cl_id"]].drop_duplicates().values
    }
    shares = populations[populations["frac"].notna()]
    cells = populations[populations["cells_per_ul"].notna()].drop_duplicates(["sample_id", "pop_id"])
    found: list[tuple[About, _Row]] = []
    for (pop, denom), group in shares.groupby(["pop_id", "denom_id"], sort=False):
        of = types.get(str(denom))
        ranges = find_ranges(types[str(pop)], of) if of is not None else ()
        found += _beside(f"{names.population(pop)} of {names.population(denom)}, %", pop, group, "frac", ranges)
    for pop, group in cells.groupby("pop_id", sort=False):
        ranges = find_ranges(types[str(pop)])
        found += _beside(f"{names.population(pop)}, cells/µL", pop, group, "cells_per_ul", ranges)
    headers = ("Quantity", "Visit", "Samples", "Median", "Lowest", "Highest", "Elsewhere", "Whose, by which method")
    note = (
        f"Where other people's values lay (list {RANGES_VERSION}), never a verdict: ranges differ between methods, "
        "ages and ancestries by more than most treatments move a value, and the subject's own baseline says more."
    )
    rows, about = tuple(r for _, r in found), tuple(a for a, _ in found)
    return PageTable("ranges", "Values beside reference ranges", note, headers, rows, frozenset({2, 3, 4, 5}),
                     about=about)  # fmt: skip


def _beside(
    quantity: str, pop: object, group: pd.DataFrame, column: str, ranges: tuple[ReferenceRange, ...]
) -> list[tuple[About, _Row]]:
    unit = 100.0 if column == "frac" else 1.0
    found = []
    for visit, rows in group.groupby(group["visit"].fillna(""), sort=False) if ranges else ():
        values = unit * rows[column].astype(float)
        own = (cell(visit), str(len(values)), *(f"{v:.3g}" for v in (values.median(), values.min(), values.max())))
        about = About("", str(own[0]), tokens(pop))
        for reference in ranges:
            span, _, whose = reference.describe().partition(" (")
            found.append((about, (quantity, *own, span, whose.removesuffix(")"))))
    return found
