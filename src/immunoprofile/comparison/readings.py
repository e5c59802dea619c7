"""A populations table, checked and put on the scale of the measure: one reading a sample and population."""

from __future__ import annotations

import numpy as np
import pandas as pd

from immunoprofile.comparison.checks import check_range, need_columns, numbers, place, refuse
from immunoprofile.comparison.concentrations import add_log_cells, scale_concentrations
from immunoprofile.comparison.measures import (
    MEASURES,
    NO_DENOMINATOR,
    UNNAMED_DENOMINATOR,
    Floats,
    Measure,
    empirical_logit,
    empirical_logit_variance,
)
from immunoprofile.errors import InputError, PairingError, Problem, closest, printable

READING_COLUMNS = (
    "subject_id", "visit", "panel", "pop_id", "denom_id", "sample_id", "day", "value", "frac", "count",
    "denom_count", "variance", "log_cells", "log_denom_cells", "reason", "flags",
)  # fmt: skip
"""Columns of readings; `reason` is empty where the reading can be used.

`variance` is that of counting alone; `log_cells` and `log_denom_cells` are logarithms of cells/uL of the population
and of its denominator, NaN where the table has none.
"""

_IDS = ("subject_id", "visit", "pop_id")


def read_measure(populations: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Readings of a measure from a populations table: `READING_COLUMNS`, one row a sample and population.

    Parameters
    ----------
    populations
        subject_id, visit, pop_id, and: count and denom_count (logit_frac), cells_per_ul (log_cells_per_ul),
        or value and scale (any measure). Counts win over value where a table has both.
        Optional: denom_id, panel, sample_id, day, status, flags.
    measure
        A name in `MEASURES`.

    Raises
    ------
    InputError
        A column is missing, a value is not a number or cannot be, or no row is on a scale of the measure.
    PairingError
        Several denominators without a denom_id.

    Notes
    -----
    Without a denom_id fractions have the denominator ``unnamed``; what has no denominator has ``none``.
    Status not_evaluable, a denominator of 0 or a value without a logarithm leave a reading without value,
    with its reason. A concentration of 0 is taken as that of half an event where the tube's other populations
    tell the volume, as the empirical logit does.
    """
    kind = _measure(measure)
    frame = _identified(populations)
    if measure == "logit_frac" and {"count", "denom_count"} <= set(frame.columns):
        return _readings(_scale_counts(frame))
    if measure == "log_cells_per_ul" and "cells_per_ul" in frame.columns:
        return _readings(scale_concentrations(frame))
    if measure == "logit_frac" and "value" not in frame.columns:
        need_columns(frame, ("count", "denom_count"), "populations")
    return _readings(_scale_values(_on_scale(frame, kind), kind))


def _measure(name: str) -> Measure:
    if name not in MEASURES:
        raise InputError(
            f'no measure named "{printable(name)}"', where="measure", expected=", ".join(MEASURES),
            found=printable(name), remedy=closest(name, MEASURES), code="MEASURE-UNKNOWN",
        )  # fmt: skip
    return MEASURES[name]


def _identified(populations: pd.DataFrame) -> pd.DataFrame:
    """The table with its identifiers as text and the optional columns present."""
    need_columns(populations, _IDS, "populations")
    frame = populations.reset_index(drop=True)
    texts = (*_IDS, "panel", "sample_id", "status", "flags", "denom_id")
    given = {c: frame[c].astype("string") for c in texts if c in frame.columns}
    named = frame.assign(**given)
    blank = [c for c in _IDS if named[c].isna().any() or (named[c].str.strip() == "").any()]
    if blank:
        raise InputError(
            f"column {blank[0]} of the populations table is empty in some rows", where=f"column {blank[0]}",
            remedy="Give every row its subject, visit and population.", code="TABLE-BLANK-ID",
        )  # fmt: skip
    absent = {c: pd.array([pd.NA] * len(frame), dtype="string") for c in texts if c not in frame.columns}
    days = numbers(frame, "day") if "day" in frame.columns else np.full(len(frame), np.nan)
    named = named.assign(**absent, day=days)
    named["panel"] = named["panel"].fillna("")
    named["flags"] = named["flags"].fillna("")
    return named


def _scale_counts(frame: pd.DataFrame) -> pd.DataFrame:
    count, denominator = numbers(frame, "count"), numbers(frame, "denom_count")
    _check_counts(frame, count, denominator)
    named = frame.assign(count=count, denom_count=denominator)
    if frame["denom_id"].isna().all():
        _check_one_denominator(named)
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = count / denominator
    known = np.isfinite(count) & np.isfinite(denominator)
    value = np.full(len(frame), np.nan)
    value[known] = empirical_logit(count[known], denominator[known])
    reason = np.where(~known, "no_count", np.where(denominator == 0, "denominator_zero", ""))
    named["denom_id"] = named["denom_id"].fillna(UNNAMED_DENOMINATOR)
    variance = np.full(len(frame), np.nan)
    variance[known] = empirical_logit_variance(count[known], denominator[known])
    scaled = named.assign(value=value, frac=fraction, variance=variance, reason=reason)
    return add_log_cells(scaled) if "cells_per_ul" in frame.columns else scaled


def _check_counts(frame: pd.DataFrame, count: Floats, denominator: Floats) -> None:
    wrong = (count < 0) | (denominator < 0) | (count > denominator)
    wrong |= (np.mod(count, 1.0) > 0) | (np.mod(denominator, 1.0) > 0)
    problems = [
        Problem(
            f"count {count[i]:g} of {denominator[i]:g} is not a count of events in a denominator",
            where=f"{place(frame.iloc[i])}, population {printable(frame['pop_id'].iloc[i])}",
            remedy="Give whole numbers with 0 <= count <= denom_count.",
            code="TABLE-COUNT",
        )
        for i in np.flatnonzero(wrong)
    ]
    refuse(problems, InputError)


def _check_one_denominator(frame: pd.DataFrame) -> None:
    keys = ["subject_id", "visit", "panel", "pop_id"]
    if frame["sample_id"].notna().all():
        keys = ["sample_id", *keys]
    several = frame.groupby(keys, dropna=False)["denom_count"].transform("nunique") > 1
    first = frame[several].drop_duplicates(keys)
    problems = [
        Problem(
            f"population {printable(row['pop_id'])} has several denominators and no denom_id tells which",
            where=place(row),
            remedy="Add the column denom_id.",
            code="PAIR-DENOMINATORS",
        )
        for _, row in first.iterrows()
    ]
    refuse(problems, PairingError)


def _on_scale(frame: pd.DataFrame, kind: Measure) -> pd.DataFrame:
    """The rows whose value is on a scale of the measure; those of other measures are left aside."""
    need_columns(frame, ("value", "scale"), "populations")
    scale = frame["scale"].astype("string").fillna("")
    known = {s for m in MEASURES.values() for s in m.scales}
    strange = sorted(set(scale) - known)
    if strange:
        name, names = printable(strange[0]), sorted(known)
        raise InputError(
            f'no scale named "{name}"', where="column scale", expected=", ".join(names), found=name,
            remedy=closest(strange[0], names), code="SCALE-UNKNOWN",
        )  # fmt: skip
    mine = frame[scale.isin(list(kind.scales))].reset_index(drop=True)
    if mine.empty:
        raise InputError(
            f"no value is on a scale of {kind.name}", where="column scale", expected=", ".join(kind.scales),
            found=", ".join(sorted(set(scale))), remedy="Name the measure that the values are of.",
            code="SCALE-MEASURE",
        )  # fmt: skip
    return mine


def _scale_values(frame: pd.DataFrame, kind: Measure) -> pd.DataFrame:
    given, value = numbers(frame, "value"), np.full(len(frame), np.nan)
    for name, scale in kind.scales.items():
        here = (frame["scale"] == name).to_numpy(dtype=bool)
        check_range(frame[here], given[here], name, scale.least, scale.most)
        value[here] = scale.to_measure(given[here])
    percent = (frame["scale"] == "percent").to_numpy(dtype=bool)
    fractional = percent | (frame["scale"] == "frac").to_numpy(dtype=bool)
    fraction = np.where(fractional, given / np.where(percent, 100.0, 1.0), np.nan)
    reason = np.where(np.isnan(given), "no_value", np.where(np.isnan(value), "value_without_logarithm", ""))
    denominator = frame["denom_id"].fillna(UNNAMED_DENOMINATOR) if kind.divided else NO_DENOMINATOR
    variance = numbers(frame, "value_variance") if "value_variance" in frame.columns else np.nan
    return frame.assign(
        count=np.nan, denom_count=np.nan, denom_id=denominator, value=value, frac=fraction, variance=variance,
        reason=reason,
    )  # fmt: skip


def _readings(frame: pd.DataFrame) -> pd.DataFrame:
    """`READING_COLUMNS` of a scaled table, without value where the sample is not evaluable."""
    barred = frame["status"].fillna("") == "not_evaluable"
    why = frame["reason"].mask(barred, "not_evaluable")
    usable = why == ""
    absent = {c: np.nan for c in ("variance", "log_cells", "log_denom_cells") if c not in frame.columns}
    named = frame.assign(**absent).assign(
        value=frame["value"].where(usable), frac=frame["frac"].where(usable), reason=why
    )
    return named.loc[:, list(READING_COLUMNS)]
