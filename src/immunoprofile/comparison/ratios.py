"""Ratios of two populations of one tube, such as Th1/Th2, on the scale of logarithms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from immunoprofile.comparison.checks import need_columns, numbers
from immunoprofile.comparison.measures import CORRECTION
from immunoprofile.errors import InputError, closest, printable

SAMPLE = ("subject_id", "visit", "panel", "sample_id")
"""What identifies a tube in a populations table."""


def log_ratios(populations: pd.DataFrame, ratios: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """Values of ln(numerator / denominator) a sample, as a table for ``paired_change(measure="log_ratio")``.

    Parameters
    ----------
    populations
        subject_id, visit, pop_id and count; panel, sample_id, day, status and flags where present.
    ratios
        Mappings of ``numerator`` and ``denominator``, each a pop_id.

    Returns
    -------
    DataFrame
        pop_id is the numerator, denom_id the denominator, scale ``log_ratio``; value_variance is the counting
        variance 1 / (a + 1/2) + 1 / (b + 1/2), from which `paired_change` makes delta_se. Where one of the two
        was not evaluable, or was counted in another tube only, there is no value.

    Raises
    ------
    InputError
        A population that the table lacks, or a ratio of a population to itself.

    Notes
    -----
    Half an event is added to both counts, so that zero counts stay. The counts of two populations of a tube
    are taken as independent; where one contains the other that overstates the variance.
    """
    tubes = tube_counts(populations)
    parts = [_one_ratio(tubes, r["numerator"], r["denominator"]) for r in ratios]
    return pd.concat(parts, ignore_index=True) if parts else tubes.iloc[:0].assign(value=np.nan, scale="log_ratio")


def tube_counts(populations: pd.DataFrame) -> pd.DataFrame:
    """One row a tube and population: its count, and whether it was evaluable; optional columns filled."""
    need_columns(populations, ("subject_id", "visit", "pop_id", "count"), "populations")
    absent = {c: pd.NA for c in ("panel", "sample_id", "day", "status", "flags") if c not in populations.columns}
    frame = populations.assign(**absent, count=numbers(populations, "count"))
    texts = {c: frame[c].astype("string").fillna("") for c in (*SAMPLE, "pop_id", "status", "flags")}
    named = frame.assign(**texts)
    named["evaluable"] = (named["status"] != "not_evaluable") & named["count"].notna()
    ranked = named.sort_values("evaluable", ascending=False, kind="stable")
    return ranked.drop_duplicates([*SAMPLE, "pop_id"])[[*SAMPLE, "day", "pop_id", "count", "evaluable", "flags"]]


def find_population(tubes: pd.DataFrame, pop_id: str, where: str) -> pd.DataFrame:
    """The rows of one population.

    Raises
    ------
    InputError
        The table lacks it.
    """
    rows = tubes[tubes["pop_id"] == pop_id]
    if rows.empty:
        known = sorted(set(tubes["pop_id"]))
        raise InputError(
            f'no population "{printable(pop_id)}" in the populations table', where=where,
            expected=printable(pop_id), remedy=closest(pop_id, known), code="PLAN-POPULATION",
        )  # fmt: skip
    return rows


def _one_ratio(tubes: pd.DataFrame, numerator: str, denominator: str) -> pd.DataFrame:
    if numerator == denominator:
        raise InputError(
            f'"{printable(numerator)}" is divided by itself', where="ratios", remedy="Name two populations.",
            code="PLAN-RATIO",
        )  # fmt: skip
    above = find_population(tubes, numerator, "ratios")
    below = find_population(tubes, denominator, "ratios")[[*SAMPLE, "count", "evaluable"]]
    both = above.merge(below, on=list(SAMPLE), how="left", suffixes=("", "_below"))
    known = both["evaluable"] & both["evaluable_below"].fillna(False).astype(bool)
    a, b = (both[c].to_numpy(dtype=np.float64) + CORRECTION for c in ("count", "count_below"))
    value = np.where(known, np.log(a / b), np.nan)
    variance = np.where(known, 1.0 / a + 1.0 / b, np.nan)
    return both[[*SAMPLE, "day", "flags"]].assign(
        pop_id=numerator, denom_id=denominator, value=value, value_variance=variance, scale="log_ratio"
    )
