"""Every sample of one population as it may be used, for what looks at more than the window's mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from immunoprofile.comparison.readings import read_measure
from immunoprofile.comparison.selection import Key

VISIT_COLUMNS = ("subject_id", "visit", "sample_id", "day", "value", "baseline", "delta", "count", "denom_count")
"""Columns of `visit_values`."""


def of_population(populations: pd.DataFrame, key: Key) -> pd.DataFrame:
    """The rows of a populations table that one key is about."""
    rows = populations[populations["pop_id"].astype("string") == key.pop_id]
    if key.measure == "logit_frac" and "denom_id" in rows.columns and rows["denom_id"].notna().any():
        rows = rows[rows["denom_id"].astype("string") == key.denom_id]
    return rows


def visit_values(
    populations: pd.DataFrame, key: Key, baseline: str, first_rescue_day: Mapping[str, float] | None
) -> pd.DataFrame:
    """Samples after baseline of subjects with a baseline, one a subject and visit: `VISIT_COLUMNS`.

    Samples from the day of rescue on are left out, and so are those that cannot be used or do not follow the
    baseline sample.
    """
    readings = read_measure(of_population(populations, key), key.measure)
    if key.measure == "logit_frac":
        readings = readings[readings["denom_id"] == key.denom_id]
    usable = readings[readings["reason"] == ""].drop_duplicates(["subject_id", "visit"])
    before = usable[usable["visit"] == baseline].set_index("subject_id")
    after = usable[(usable["visit"] != baseline) & usable["subject_id"].isin(before.index)]
    start = after["subject_id"].map(before["value"]).to_numpy(dtype=np.float64)
    first = after["subject_id"].map(before["day"]).to_numpy(dtype=np.float64)
    found = after.assign(baseline=start, delta=after["value"].to_numpy(dtype=np.float64) - start)
    rescued = found["subject_id"].map(dict(first_rescue_day or {})).to_numpy(dtype=np.float64)
    day = found["day"].to_numpy(dtype=np.float64)
    kept = ~(day <= first) & ~(day >= rescued) & ~(np.isnan(day) & np.isfinite(rescued))
    return found.loc[kept, list(VISIT_COLUMNS)].sort_values(["subject_id", "day", "visit"], kind="stable")


def baseline_counts(populations: pd.DataFrame, key: Key, baseline: str) -> pd.DataFrame:
    """Usable baseline samples of one population: subject_id, count, denom_count."""
    readings = read_measure(of_population(populations, key), key.measure)
    if key.measure == "logit_frac":
        readings = readings[readings["denom_id"] == key.denom_id]
    rows = readings[(readings["reason"] == "") & (readings["visit"] == baseline)]
    return rows.drop_duplicates("subject_id")[["subject_id", "count", "denom_count"]]
