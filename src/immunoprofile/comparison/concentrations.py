"""Concentrations of a populations table: one a population and sample, on the scale of logarithms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from immunoprofile.comparison.checks import check_range, numbers, place, refuse
from immunoprofile.comparison.measures import CORRECTION, NO_DENOMINATOR, Floats
from immunoprofile.errors import PairingError, Problem, printable

_SAME_TUBE = 1.01
"""Largest over smallest volume per event in one tube: concentrations rounded to three digits still agree."""


def scale_concentrations(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with value and reason, one row a population and sample.

    A concentration stands on every row of a population, whatever the denominator; the rows must agree, and
    one that is evaluable is kept before one that is not. A concentration of 0 is taken as that of half an
    event where the tube's other populations tell how much blood an event stands for, as the empirical logit
    does.
    """
    cells = numbers(frame, "cells_per_ul")
    count = numbers(frame, "count") if "count" in frame.columns else np.full(len(frame), np.nan)
    check_range(frame, cells, "cells_per_ul", 0.0, np.inf)
    named = frame.assign(cells=cells, count=count, denom_count=np.nan, denom_id=NO_DENOMINATOR, frac=np.nan)
    volume = _volume_per_event(named)
    half_event = np.where((cells == 0) & (count == 0), CORRECTION * volume, np.nan)
    taken = np.where(cells > 0, cells, half_event)
    named["value"] = np.log(taken)
    named["reason"] = np.where(np.isnan(cells), "no_concentration", np.where(np.isnan(taken), "zero_concentration", ""))
    return _one_row(named)


def add_log_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with log cells/uL of each population and of its denominator in the same sample, NaN where unknown."""
    cells = numbers(frame, "cells_per_ul")
    own = frame.assign(log_cells=np.log(np.where(cells > 0, cells, np.nan)))
    sample = ["subject_id", "visit", "panel", "sample_id"]
    known = own[own["log_cells"].notna()].drop_duplicates([*sample, "pop_id"])
    below = known[[*sample, "pop_id", "log_cells"]].rename(
        columns={"pop_id": "denom_id", "log_cells": "log_denom_cells"}
    )
    joined = own.drop(columns="log_denom_cells", errors="ignore").merge(below, on=[*sample, "denom_id"], how="left")
    return joined.set_axis(frame.index)


def _one_row(frame: pd.DataFrame) -> pd.DataFrame:
    key = ["subject_id", "visit", "panel", "sample_id", "pop_id"]
    usable = frame["cells"].notna() & (frame["status"].fillna("") != "not_evaluable")
    _check_one_concentration(frame[usable], key)
    ranked = frame.assign(unusable=~usable).sort_values("unusable", kind="stable")
    return ranked.drop_duplicates(key).sort_index().reset_index(drop=True)


def _check_one_concentration(frame: pd.DataFrame, key: list[str]) -> None:
    several = frame.groupby(key, dropna=False)["cells"].transform("nunique") > 1
    problems = [
        Problem(
            f"population {printable(row['pop_id'])} has several values of cells_per_ul in one sample",
            where=place(row),
            remedy="Give one concentration a population and sample.",
            code="PAIR-CONCENTRATIONS",
        )
        for _, row in frame[several].drop_duplicates(key).iterrows()
    ]
    refuse(problems, PairingError)


def _volume_per_event(frame: pd.DataFrame) -> Floats:
    """Cells per microlitre that one event of the tube stands for; NaN where its populations do not agree."""
    tube = [frame[c].fillna("") for c in ("subject_id", "visit", "panel", "sample_id")]
    per_event = (frame["cells"] / frame["count"]).where((frame["count"] > 0) & (frame["cells"] > 0))
    least = per_event.groupby(tube).transform("min").to_numpy(dtype=np.float64)
    most = per_event.groupby(tube).transform("max").to_numpy(dtype=np.float64)
    return np.asarray(np.where(most <= least * _SAME_TUBE, (least + most) / 2.0, np.nan), dtype=np.float64)
