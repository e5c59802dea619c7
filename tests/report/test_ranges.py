"""Reference ranges beside values: the right denominator, every source, no verdict."""

from __future__ import annotations

import io

import pandas as pd

from immunoprofile.columns import POPULATIONS
from immunoprofile.report.exports.ranges import COLUMNS, list_ranges, to_ranges_csv
from immunoprofile.report.names import read_names
from immunoprofile.report.ranges import tabulate_ranges
from immunoprofile.tables import build_frame

LYMPHOCYTES, T, CD4 = "CL:0000542", "CL:0000084", "CL:0000624"


def table() -> pd.DataFrame:
    shared = {"sample_id": "=s", "subject_id": "A", "visit": "BL", "day": 0, "flags": ""}
    rows = [
        {"pop_id": "lymphocytes", "cl_id": LYMPHOCYTES, "denom_id": "live", "frac": 0.3, "cells_per_ul": 2000.0},
        {"pop_id": "t", "cl_id": T, "denom_id": "lymphocytes", "frac": 0.7, "cells_per_ul": 1400.0},
        {"pop_id": "cd4", "cl_id": CD4, "denom_id": "lymphocytes", "frac": 0.4, "cells_per_ul": 800.0},
        {"pop_id": "cd4", "cl_id": CD4, "denom_id": "t", "frac": 0.6, "cells_per_ul": 800.0},
        {"pop_id": "other", "cl_id": None, "denom_id": "t", "frac": 0.1, "cells_per_ul": None},
    ]
    return build_frame(POPULATIONS, [shared | row for row in rows])


def test_list_ranges__concentrations_stand_once_beside_each_range() -> None:
    found = list_ranges(table())
    cd4 = found[(found["pop_id"] == "cd4") & (found["unit"] == "cells_per_ul")]
    # Counted in the file: four laboratories' ranges of CD4+ T cells per microlitre, the first 313-1361 in men.
    assert len(cd4) == 4
    assert set(cd4["value"]) == {800.0}
    men = cd4[cd4["sex"] == "M"].iloc[0]
    assert (men["low"], men["high"], men["source"]) == (313, 1361, "PMC321350")


def test_list_ranges__a_fraction_meets_ranges_of_its_own_denominator_alone() -> None:
    fractions = list_ranges(table()).query("unit == 'frac' and pop_id == 'cd4'")
    assert fractions["denom_id"].tolist() == ["lymphocytes"]
    assert fractions[["value", "low", "high"]].to_numpy().tolist() == [[0.4, 0.2378, 0.5107]]


def test_list_ranges__missing_values_and_unnamed_cells_are_left_out() -> None:
    empty = table().assign(frac=pd.array([None] * 5, dtype="Float64"), cells_per_ul=pd.array([None] * 5, "Float64"))
    assert list_ranges(empty).empty
    assert "other" not in set(list_ranges(table())["pop_id"])


def test_ranges_csv__holds_source_and_no_verdict_and_no_formula() -> None:
    read = pd.read_csv(io.BytesIO(to_ranges_csv(table())))
    assert list(read.columns) == COLUMNS
    assert read["source"].notna().all()
    assert set(read["sample_id"]) == {"'=s"}


def test_tabulate_ranges__one_row_a_value_and_range_as_in_the_export() -> None:
    shown = tabulate_ranges(table(), read_names(table()))
    assert shown is not None
    assert len(shown.rows) == len(list_ranges(table()))
    assert "never a verdict" in shown.note


def test_tabulate_ranges__values_stand_in_the_unit_of_their_range() -> None:
    twice = pd.concat([table(), table().assign(sample_id="t", frac=0.5, cells_per_ul=900.0)])
    shown = tabulate_ranges(twice, read_names(twice))
    assert shown is not None
    cd4 = next(r for r in shown.rows if r[0].startswith("cd4") and r[0].endswith("cells/µL"))
    # Two samples of 800 and 900 per microlitre.
    assert cd4[1:6] == ("BL", "2", "850", "800", "900")
    assert "cells/uL" in cd4[6]


def test_tabulate_ranges__a_table_without_cell_types_has_none() -> None:
    assert tabulate_ranges(table().drop(columns="cl_id"), read_names(table())) is None
