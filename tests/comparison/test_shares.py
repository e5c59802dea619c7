"""Numerator or denominator: the identity and its flags."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison import associate, paired_change
from immunoprofile.comparison.shares import Shifts

# Sums of the same logarithms in another order.
ROUNDING = 1e-12


@pytest.mark.parametrize(
    ("shifts", "flags"),
    [
        # fraction = cells - denominator throughout
        (Shifts(0.4, 0.4, 0.0), set()),
        (Shifts(0.4, 0.1, -0.3), {"DENOMINATOR_DRIVEN"}),
        (Shifts(0.4, 0.2, -0.2), set()),
        (Shifts(0.4, 0.8, 0.4), set()),
        (Shifts(-0.4, -0.1, 0.3), {"DENOMINATOR_DRIVEN"}),
        (Shifts(0.4, 0.1, 0.0), {"IDENTITY_OFF"}),
        (Shifts(0.4, math.nan, -0.3), set()),
    ],
    ids=["numerator", "denominator fell", "exactly half", "both rose", "denominator rose", "no identity", "unknown"],
)
def test_shifts__are_flagged_where_the_denominator_did_it(shifts, flags):
    assert shifts.flags == flags


def table(pairs: list[tuple[int, int, int, int]], volume: float = 0.01) -> pd.DataFrame:
    """Counts of treg and cd4 before and after, a subject each; cells per microlitre at one volume per event."""
    rows = []
    for i, (treg, cd4, treg_after, cd4_after) in enumerate(pairs):
        for visit, day, k, n in (("BL", -1, treg, cd4), ("W4", 28, treg_after, cd4_after)):
            names = {"subject_id": f"S{i}", "visit": visit, "day": day, "sample_id": f"S{i}_{visit}"}
            rows += [
                names | {"pop_id": "treg", "denom_id": "cd4", "count": k, "denom_count": n, "cells_per_ul": k * volume},
                names | {"pop_id": "cd4", "denom_id": "all", "count": n, "denom_count": 9999, "cells_per_ul": n * volume},
            ]  # fmt: skip
    return pd.DataFrame(rows)


def test_paired_change__fraction_is_population_minus_denominator_in_logarithms():
    found = paired_change(table([(100, 2000, 90, 1000)]), baseline="BL", window="W4")
    row = found[found["pop_id"] == "treg"].iloc[0]
    assert row["delta_log_cells"] == pytest.approx(math.log(0.9), abs=ROUNDING)
    assert row["delta_log_denom_cells"] == pytest.approx(math.log(0.5), abs=ROUNDING)
    assert row["delta_log_frac"] == pytest.approx(math.log(0.9) - math.log(0.5), abs=ROUNDING)
    assert "DENOMINATOR_DRIVEN" in row["flags"].split(";")


def test_paired_change__concentrations_that_contradict_the_fraction_are_flagged():
    changed = table([(100, 2000, 90, 1000)])
    changed.loc[(changed["visit"] == "W4") & (changed["pop_id"] == "cd4"), "cells_per_ul"] = 20.0
    row = paired_change(changed, baseline="BL", window="W4").query("pop_id == 'treg'").iloc[0]
    assert "IDENTITY_OFF" in row["flags"].split(";")


def test_paired_change__counting_error_is_that_of_baseline_and_the_mean_of_the_window():
    rows = [
        {"subject_id": "S1", "visit": v, "pop_id": "treg", "denom_id": "cd4", "count": k, "denom_count": 1000}
        for v, k in (("BL", 50), ("W4", 80), ("W8", 20))
    ]
    found = paired_change(pd.DataFrame(rows), baseline="BL", window=["W4", "W8"]).iloc[0]
    parts = [1 / (k + 0.5) + 1 / (1000 - k + 0.5) for k in (50, 80, 20)]
    assert found["delta_se"] == pytest.approx(math.sqrt(parts[0] + (parts[1] + parts[2]) / 4), abs=ROUNDING)


def test_associate__says_that_the_denominator_moved():
    generator = np.random.default_rng(3)
    pairs = [(100 + int(k), 2000, 100 + int(k), 1000) for k in generator.integers(0, 20, 6)]
    change = paired_change(table(pairs), baseline="BL", window="W4")
    row = associate(change, primary={"pop_id": "treg"}).query("role == 'primary'").iloc[0]
    assert "DENOMINATOR_DRIVEN" in row["flags"]
    assert "fraction +0.693 = cells/uL +0.000 - denominator -0.693" in row["note"]
