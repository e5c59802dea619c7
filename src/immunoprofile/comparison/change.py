"""Before and after: one number a subject, population and denominator, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.columns import CHANGE
from immunoprofile.comparison.checks import place, refuse
from immunoprofile.comparison.measures import effect_of
from immunoprofile.comparison.readings import read_measure
from immunoprofile.comparison.shares import Shifts
from immunoprofile.errors import InputError, PairingError, Problem, closest, printable
from immunoprofile.tables import build_frame

LOW_EVENTS = 50
"""A count below is flagged (coefficient of variation above 14 %)."""

LOW_PARENT = 200
"""A denominator below is flagged."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One population in one sample; `reason` is empty where it can be used, NaN stands for unknown."""

    visit: str
    panel: str
    sample_id: str | None
    day: float
    value: float
    frac: float
    count: float
    denom_count: float
    variance: float
    log_cells: float
    log_denom_cells: float
    reason: str
    flags: str


@dataclass(frozen=True, slots=True)
class Window:
    """The window's readings that enter the mean, and why the others do not."""

    kept: tuple[Reading, ...]
    left_out: frozenset[str]


def paired_change(
    populations: pd.DataFrame,
    *,
    baseline: str,
    window: str | Sequence[str],
    measure: str = "logit_frac",
    first_rescue_day: Mapping[str, Any] | None = None,
    panels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Change from baseline to the mean of the window: table `change`.

    Parameters
    ----------
    populations
        A populations table, or one with subject_id, visit, pop_id and count + denom_count (or value + scale).
        denom_id, panel, sample_id, day, status and flags are used where present; see `readings.read_measure`.
    baseline
        Visit before treatment.
    window
        Visit or visits; the mean of those available on the scale of the measure, at least one.
    measure
        A name in `MEASURES`: logit_frac, log_cells_per_ul, log_mfi, asinh_mfi, log_ratio, clr or ilr.
    first_rescue_day
        Day of the first rescue treatment a subject, NA for none. Window samples of that day and later are
        left out (while not rescued), and so are samples without a day in a rescued subject. None: rescue is
        not considered (treatment policy) and post_rescue is NA.
    panels
        Order of panels: where several give one pop_id the first one is used, for all subjects. Without it the
        order of first appearance decides, and the rows say PANEL_CHOSEN.

    Returns
    -------
    DataFrame
        One row for every subject seen at baseline or in the window and every population; where it does not
        pair, include_primary is FALSE and exclude_reason says why: no_baseline, no_window, baseline_ or
        window_ with not_evaluable, denominator_zero, no_count and the like, baseline_after_day_0,
        window_not_after_baseline, window_after_rescue, window_day_unknown; joined by ';'.

    Raises
    ------
    PairingError
        A visit that is nowhere in the table, baseline inside the window, several samples of a subject, visit
        and panel, or several denominators that no denom_id tells apart.
    InputError
        Columns or values that cannot be used; rescue days without a day of the samples.
    """
    visits = (window,) if isinstance(window, str) else tuple(dict.fromkeys(window))
    readings = read_measure(populations, measure)
    absent = _check_visits(readings, baseline, visits)
    used = readings[readings["visit"].isin([baseline, *visits])]
    _check_single(used, "panel" in populations.columns)
    rescue = _rescue_days(first_rescue_day, used)
    chosen, contested = _one_panel(used, panels)
    found = _by_subject(chosen)
    rows = []
    for pop, denom in dict.fromkeys((p, d) for _, p, d in found):
        common = _common_flags(pop in contested, absent)
        for subject in sorted(set(used["subject_id"])):
            seen = found.get((subject, pop, denom), {})
            base, post = seen.get(baseline), [seen[v] for v in visits if v in seen]
            split = _split_window(post, base, None if rescue is None else rescue.get(subject))
            names = {"subject_id": subject, "pop_id": pop, "denom_id": denom, "measure": measure}
            own = {"WINDOW_INCOMPLETE"} if 0 < len(split.kept) < len(visits) - len(absent) else set()
            facts = _pair(base, split, common | own, measure)
            rescued = None if rescue is None else "after_rescue" in split.left_out
            rows.append(names | {"window": "+".join(visits), "post_rescue": rescued} | facts)
    return build_frame(CHANGE, rows)


def _check_visits(readings: pd.DataFrame, baseline: str, visits: tuple[str, ...]) -> list[str]:
    """Refuse visits that make no window; return those of the window that the table lacks."""
    if not visits or baseline in visits:
        trouble = f"holds the baseline visit {printable(baseline)}" if visits else "has no visit"
        remedy = "Name one or more visits after baseline."
        raise PairingError(f"the window {trouble}", where="window", remedy=remedy, code="PAIR-WINDOW")
    known = list(dict.fromkeys(readings["visit"]))
    absent = [v for v in visits if v not in known]
    missing = [baseline] if baseline not in known else absent if len(absent) == len(visits) else []
    problems = [
        Problem(f'no sample of visit "{printable(v)}"', where="visit", remedy=closest(v, known), code="PAIR-VISIT")
        for v in missing
    ]
    refuse(problems, PairingError)
    return absent


def _check_single(used: pd.DataFrame, panel_known: bool) -> None:
    """One sample a subject, visit and panel; one row a population and denominator of it."""
    where = ["subject_id", "visit", "panel"]
    problems = []
    if panel_known:
        for _, sample in used.groupby(where, sort=True):
            names = sorted(set(sample["sample_id"].dropna()))
            if len(names) > 1:
                listed = ", ".join(printable(n) for n in names)
                problems.append(_twice(sample.iloc[0], f"{len(names)} samples: {listed}"))
    if not problems:
        again = used[used.duplicated([*where, "pop_id", "denom_id"])]
        for _, row in again.iterrows():
            what = f"several rows of population {printable(row['pop_id'])} of {printable(row['denom_id'])}"
            problems.append(_twice(row, what))
    refuse(problems, PairingError)


def _twice(row: pd.Series, what: str) -> Problem:
    remedy = "Keep one sample a subject, visit and panel; cells or repeats are not subjects."
    return Problem(f"has {what}", where=place(row), remedy=remedy, code="PAIR-DUPLICATE")


def _rescue_days(days: Mapping[str, Any] | None, used: pd.DataFrame) -> dict[str, float] | None:
    if days is None:
        return None
    known = {str(s): float(d) for s, d in days.items() if not pd.isna(d)}
    affected = set(known) & set(used["subject_id"])
    if affected and used["day"].isna().all():
        raise InputError(
            "rescue days are given but no sample has a day", where="column day",
            remedy="Add the column day (days since the first infusion).", code="RESCUE-NO-DAY",
        )  # fmt: skip
    return known


def _one_panel(used: pd.DataFrame, panels: Sequence[str] | None) -> tuple[pd.DataFrame, set[str]]:
    """The rows of each population's first panel, and the populations for which nobody named an order."""
    named = list(panels or ())
    order = {p: i for i, p in enumerate(dict.fromkeys([*named, *used["panel"]]))}
    rank = used["panel"].map(order)
    first = rank.groupby(used["pop_id"]).transform("min")
    contested = used["pop_id"][used.groupby("pop_id")["panel"].transform("nunique") > 1]
    return used[rank == first], set() if named else set(contested)


def _by_subject(readings: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, Reading]]:
    found: dict[tuple[str, str, str], dict[str, Reading]] = {}
    for r in readings.rename(columns={"count": "events"}).itertuples(index=False):
        sample = None if pd.isna(r.sample_id) else str(r.sample_id)
        numbers = (r.day, r.value, r.frac, r.events, r.denom_count, r.variance, r.log_cells, r.log_denom_cells)
        day, value, frac, count, whole, variance, cells, below = (float(x) for x in numbers)
        reading = Reading(
            r.visit, r.panel, sample, day, value, frac, count, whole, variance, cells, below, r.reason, r.flags
        )
        found.setdefault((r.subject_id, r.pop_id, r.denom_id), {})[r.visit] = reading
    return found


def _common_flags(contested: bool, absent: list[str]) -> set[str]:
    return {c for c, on in {"PANEL_CHOSEN": contested, "WINDOW_VISIT_ABSENT": bool(absent)}.items() if on}


def _split_window(post: list[Reading], base: Reading | None, rescue_day: float | None) -> Window:
    """The window's readings that count, and the reasons of those that do not."""
    why = [_barred(r, base, rescue_day) for r in post]
    kept = tuple(r for r, reason in zip(post, why, strict=True) if not reason)
    return Window(kept, frozenset(w for w in why if w))


def _barred(reading: Reading, base: Reading | None, rescue_day: float | None) -> str:
    if reading.reason:
        return reading.reason
    if base is not None and reading.day <= base.day:
        return "not_after_baseline"
    if rescue_day is None:
        return ""
    if math.isnan(reading.day):
        return "day_unknown"
    return "after_rescue" if reading.day >= rescue_day else ""


def _baseline_problem(base: Reading | None) -> str:
    if base is None:
        return "no_baseline"
    if base.reason:
        return f"baseline_{base.reason}"
    return "baseline_after_day_0" if base.day > 0 else ""


def _pair(base: Reading | None, window: Window, common: set[str], measure: str) -> dict[str, Any]:
    """The facts of one row of `change`, beside its names."""
    trouble = _baseline_problem(base)
    before = base if base is not None and not trouble else None
    missing = [] if window.kept else sorted(f"window_{w}" for w in window.left_out) or ["no_window"]
    reasons = ([trouble] if trouble else []) + missing
    used = ([before] if before else []) + list(window.kept)
    post = _mean([r.value for r in window.kept])
    delta = post - before.value if before and window.kept else math.nan
    points = 100.0 * (_mean([r.frac for r in window.kept]) - before.frac) if before else math.nan
    shifts = _shifts(before, window.kept)
    return {
        "panel": next((r.panel for r in [base, *window.kept] if r and r.panel), None),
        "baseline_sample_id": base.sample_id if base else None,
        "baseline_value": before.value if before else None,
        "post_sample_ids": ";".join(r.sample_id for r in window.kept if r.sample_id) or None,
        "post_value": post,
        "n_post": len(window.kept),
        "delta": delta,
        "delta_se": _counting_error(before, window.kept),
        "fold_or_odds_ratio": effect_of(delta, measure),
        "delta_frac_pp": points,
        "delta_log_frac": shifts.fraction,
        "delta_log_cells": shifts.cells,
        "delta_log_denom_cells": shifts.denominator,
        "base_count": _whole(base.count) if base else None,
        "post_count_min": _whole(min((r.count for r in window.kept), default=math.nan)),
        "include_primary": not reasons,
        "exclude_reason": ";".join(reasons) or None,
        "flags": ";".join(sorted(common | shifts.flags | _flags(used, window.left_out))),
    }


def _counting_error(before: Reading | None, kept: Sequence[Reading]) -> float:
    """Root of the baseline's variance plus that of the mean of the window."""
    if before is None or not kept:
        return math.nan
    return math.sqrt(before.variance + math.fsum(r.variance for r in kept) / len(kept) ** 2)


def _shifts(before: Reading | None, kept: Sequence[Reading]) -> Shifts:
    if before is None or not kept:
        return Shifts(math.nan, math.nan, math.nan)

    def moved(of: Callable[[Reading], float]) -> float:
        return _mean([of(r) for r in kept]) - of(before)

    return Shifts(
        moved(lambda r: math.log(r.frac) if r.frac > 0 else math.nan),
        moved(lambda r: r.log_cells),
        moved(lambda r: r.log_denom_cells),
    )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _whole(count: float) -> int | None:
    return None if math.isnan(count) else int(count)


def _flags(used: list[Reading], left_out: frozenset[str]) -> set[str]:
    found = {
        "LOW_EVENTS": any(r.count < LOW_EVENTS for r in used),
        "LOW_PARENT": any(r.denom_count < LOW_PARENT for r in used),
        "ZERO_COUNTS": any(r.count == 0 for r in used),
        "POST_RESCUE": "after_rescue" in left_out,
        "DAY_UNKNOWN": "day_unknown" in left_out,
    }
    carried = {code for r in used for code in r.flags.split(";") if code}
    return carried | {code for code, present in found.items() if present}
