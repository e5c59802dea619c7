"""ImmPort's derived flow cytometry results (``FCM_Derived_data.txt``, schema 3.33): one row a statistic.

Names and numbers stand in separate columns. The rows go below the header of ImmPort's own template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunoprofile.gating.paths import ROOT, split_path

COLUMNS = (
    "Expsample ID",
    "Population Name Reported",
    "Gating Definition Reported",
    "Parent Population Reported",
    "Population Statistic (count, percentile, etc)",
    "Population Stat Unit Reported",
    "Workspace File",
    "Comments",
)
MAX_DEFINITION = 150
Row = tuple[str, ...]


def to_immport(populations: pd.DataFrame, intensities: pd.DataFrame | None) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The file, and what was left out of it."""
    rows = [*_of_populations(populations), *_of_intensities(populations, intensities)]
    text = "\n".join("\t".join(map(_cell, row)) for row in [COLUMNS, *rows]) + "\n"
    void = int((populations["status"] == "not_evaluable").sum())
    notes = ["Expsample ID holds sample_id: map it to the accessions of your upload"]
    notes += [f"{void} fractions that are not evaluable have no percentage here"] if void else []
    return {"FCM_Derived_data.txt": text.encode("utf-8")}, tuple(notes)


def _of_populations(populations: pd.DataFrame) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for row in populations.to_dict("records"):
        key = (row["sample_id"], row["pop_id"])
        comment = ";".join(filter(None, [str(row["status"]), _text(row["flags"])]))
        if key not in seen and not pd.isna(row["count"]):
            seen.add(key)
            yield _row(row, str(int(row["count"])), "count", comment)
            if not pd.isna(row["cells_per_ul"]):
                yield _row(row, repr(float(row["cells_per_ul"])), "cells/uL", f"{row['abs_method']} platform")
        if not pd.isna(row["frac"]):
            yield _row(row, repr(100 * float(row["frac"])), "percentage", comment, str(row["denom_path"]))


def _of_intensities(populations: pd.DataFrame, intensities: pd.DataFrame | None) -> Iterator[Row]:
    if intensities is None:
        return
    of = {(r["sample_id"], r["pop_id"]): r for r in populations.to_dict("records")}
    for row in intensities[intensities["median_fi"].notna()].to_dict("records"):
        found = of.get((row["sample_id"], row["pop_id"]))
        if found is not None:
            comment = f"median of {row['marker']}, {row['scale']}, linear"
            yield _row(found, repr(float(row["median_fi"])), "MFI", comment)


def _row(row: Mapping[str, Any], value: str, unit: str, comment: str, parent: str | None = None) -> Row:
    name = "; ".join(filter(None, [_text(row["name_hipc"]), _text(row["pop_label"]) or str(row["pop_id"])]))
    template = f"{_text(row['template_id'])}@{_text(row['template_version'])}"
    above = split_path(parent)[-1] if parent is not None else (ROOT, *split_path(str(row["pop_path"])))[-2]
    return (str(row["sample_id"]), name, _definition(str(row["pop_path"])), above, value, unit, template, comment)


def _definition(path: str) -> str:
    """The gates from the root, or the last of them that fit."""
    gates = split_path(path)
    for first in range(len(gates)):
        shown = " / ".join(gates if first == 0 else ("...", *gates[first:]))
        if len(shown) <= MAX_DEFINITION:
            return shown
    return gates[-1][:MAX_DEFINITION]


def _cell(value: str) -> str:
    return value.replace("\t", " ").replace("\n", " ")


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
