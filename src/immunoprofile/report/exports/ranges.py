"""Values with the reference ranges that may stand beside them: where other people's values lay, and no verdict."""

from __future__ import annotations

import pandas as pd

from immunoprofile.populations import ReferenceRange, find_ranges
from immunoprofile.populations.references import RANGES_VERSION
from immunoprofile.report.exports.spreadsheet import defuse

_SAMPLE = ["sample_id", "subject_id", "visit", "day", "pop_id", "pop_label"]
_RANGE = ["low", "high", "interval", "method", "ancestry", "age_from", "age_to", "sex", "n", "source"]
COLUMNS = [*_SAMPLE, "denom_id", "unit", "value", *_RANGE, "ranges_version"]


def list_ranges(populations: pd.DataFrame) -> pd.DataFrame:
    """One row a value and range: columns `COLUMNS`; values without a range, and missing ones, are left out.

    Notes
    -----
    A fraction stands beside ranges of the same population over the same denominator by their Cell Ontology ids alone, a
    concentration beside those in cells per microlitre. Ranges of both sexes and all ages are given: no sheet says which
    the subject is of.
    """
    cell_types = dict(zip(populations["pop_id"], populations["cl_id"], strict=True))
    known = {name: None if pd.isna(cl) else str(cl) for name, cl in cell_types.items()}
    fractions = populations[populations["frac"].notna()]
    cells = populations[populations["cells_per_ul"].notna()].drop_duplicates(["sample_id", "pop_id"])
    rows: list[dict[str, object]] = []
    for row in fractions.to_dict("records"):
        whole = known.get(row["denom_id"])
        found = () if whole is None else find_ranges(known[row["pop_id"]], whole)
        rows += [_beside(row, r, row["denom_id"], row["frac"]) for r in found]
    for row in cells.to_dict("records"):
        rows += [_beside(row, r, None, row["cells_per_ul"]) for r in find_ranges(known[row["pop_id"]])]
    return pd.DataFrame(rows, columns=COLUMNS)


def _beside(row: dict[str, object], found: ReferenceRange, denom_id: object, value: object) -> dict[str, object]:
    of_range = {name: getattr(found, name) for name in _RANGE}
    named = {"denom_id": denom_id, "unit": found.unit, "value": value, "ranges_version": RANGES_VERSION}
    return {name: row[name] for name in _SAMPLE} | named | of_range


def to_ranges_csv(populations: pd.DataFrame) -> bytes:
    """The list as CSV for spreadsheets: UTF-8 with BOM, blank for missing, formulas defused."""
    listed = list_ranges(populations)
    for name in listed.columns:
        listed[name] = listed[name].map(lambda v: defuse(v) if isinstance(v, str) else v)
    text: str = listed.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8-sig")
