"""A subject's shift beside that of the bridging control between the same two runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from immunoprofile.columns import CONTROL_SHIFTS
from immunoprofile.quality.draws import Cohort, Draw, SampleFacts, gather_draws
from immunoprofile.quality.profiles import in_order
from immunoprofile.tables import build_frame

_HALF = 0.5


def control_shifts(
    populations: pd.DataFrame,
    samples: Iterable[SampleFacts],
    bridges: pd.DataFrame,
    controls: Iterable[SampleFacts],
) -> pd.DataFrame:
    """Log ratio of each fraction from a subject's first visit to every later one, beside the control's of those runs.

    Parameters
    ----------
    populations, bridges
        Rows of `columns.POPULATIONS` of the subjects and of the bridging controls.
    samples, controls
        Their rows of the sample sheet; `batch` names the run, and samples of one batch and panel share a control.

    Returns
    -------
    DataFrame
        Columns of `columns.CONTROL_SHIFTS`. Only pairs of different runs that both measured a control: within one run
        nothing is to be bridged. Of several controls in a run the mean of the logarithms is taken.

    Notes
    -----
    Half an event is added to every count. `expected_sd` is the counting error of the control's shift alone: a control
    whose shift is far beyond it says that the runs differ, and by how much the subject's shift may be theirs.
    """
    subjects, runs = gather_draws(populations, samples, ()), _runs(gather_draws(bridges, controls, ()))
    rows: list[dict[str, Any]] = []
    for (_, panel), draws in subjects.by("subject_id", "panel").items():
        ordered = in_order(draws)
        for later in ordered[1:]:
            rows += _rows(ordered[0], later, panel, runs)
    return build_frame(CONTROL_SHIFTS, rows)


def _runs(cohort: Cohort) -> dict[tuple[str, ...], list[Draw]]:
    return cohort.by("batch", "panel")


def _rows(first: Draw, later: Draw, panel: str, runs: dict[tuple[str, ...], list[Draw]]) -> list[dict[str, Any]]:
    batches = first.sample.batch, later.sample.batch
    one, two = (runs.get((b or "", panel), []) for b in batches)
    if batches[0] == batches[1] or not one or not two:
        return []
    rows = []
    for pop, denom in sorted(first.evaluable & later.evaluable):
        controls = [_mean(c, pop, denom) for c in (one, two)]
        if controls[0] is None or controls[1] is None:
            continue
        rows.append(
            {
                "sample_id": later.sample_id,
                "from_sample_id": first.sample_id,
                "subject_id": later.sample.subject_id,
                "pop_id": pop,
                "denom_id": denom,
                "batch_from": batches[0],
                "batch_to": batches[1],
                "log_ratio": _log(later, pop, denom) - _log(first, pop, denom),
                "control_log_ratio": controls[1][0] - controls[0][0],
                "expected_sd": math.sqrt(controls[0][1] + controls[1][1]),
            }
        )
    return rows


def _log(draw: Draw, pop: str, denom: str) -> float:
    return math.log((draw.counts[pop] + _HALF) / (draw.counts[denom] + 2 * _HALF))


def _mean(controls: Sequence[Draw], pop: str, denom: str) -> tuple[float, float] | None:
    """Mean logarithm over the controls of a run, and the variance that counting gives it."""
    known = [c for c in controls if (pop, denom) in c.evaluable]
    if not known:
        return None
    values = [_log(c, pop, denom) for c in known]
    variance = sum(1 / (c.counts[pop] + _HALF) for c in known) / len(known) ** 2
    return sum(values) / len(values), variance
