"""The truth beside the data: who responded, how many cells of each population, what each event is.

It lies in a folder of its own and never in an FCS file, so that no program can read it by accident.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from immunoprofile.simulation.cells import DENOMINATORS, LABELS, MEMBERS
from immunoprofile.simulation.composition import fraction_of, treg_log_ratio
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.trial import Trial
from immunoprofile.simulation.visits import PlannedSample

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "subjects": (
        "subject_id", "true_response", "responder", "baseline_plt_1e9_per_l", "onset_day", "cr_day",
        "loss_day", "rescue_day", "spike_day", "b_depleted", "treg_log_odds_ratio_at_peak",
    ),
    "populations": ("sample_id", "pop_id", "denom_id", "true_count", "true_denom_count", "expected_frac"),
    "scenario": ("scenario", "item", "what"),
}  # fmt: skip


def list_subject_truth(trial: Trial) -> list[Row]:
    """True class, its days, and the true log odds ratio of regulatory T cells to baseline at week 8."""
    return [
        {
            "subject_id": s.subject_id,
            "true_response": s.response,
            "responder": "TRUE" if s.responder else "FALSE",
            "baseline_plt_1e9_per_l": str(c.baseline),
            "onset_day": _day(c.onset_day),
            "cr_day": _day(c.cr_day),
            "loss_day": _day(c.loss_day),
            "rescue_day": _day(c.rescue_day),
            "spike_day": _day(c.spike_day),
            "b_depleted": "TRUE" if s.b_depleted else "FALSE",
            "treg_log_odds_ratio_at_peak": repr(treg_log_ratio(s) if trial.scenario.effects else 0.0),
        }
        for s, c in zip(trial.subjects, trial.courses, strict=True)
    ]


def list_scenario(trial: Trial, notes: Sequence[Row]) -> list[Row]:
    """What was done on purpose: a row for the scenario itself, then one for each thing it touched."""
    rows = [{"item": "cohort", "what": trial.scenario.meaning}, *notes]
    rows += [
        {"item": s.sample_id, "what": "carries the spillover matrix transposed"}
        for s in trial.samples
        if carries_wrong_matrix(trial, s)
    ]
    return [{"scenario": trial.scenario.name, **row} for row in rows]


def carries_wrong_matrix(trial: Trial, sample: PlannedSample) -> bool:
    """True for the first subject's samples after baseline, in the scenario of the wrong matrix."""
    return trial.scenario.fault == "wrong_spillover" and sample.subject.number == 1 and sample.day > 0


def _day(day: int | None) -> str:
    return "NA" if day is None else str(day)


def list_population_truth(sample_id: str, labels: NDArray[np.uint8], shares: Mapping[str, float]) -> list[Row]:
    """True count and denominator of each population by label, and the fraction that the draw expected."""
    counts = dict(zip(LABELS, np.bincount(labels, minlength=len(LABELS)).tolist(), strict=True))
    everything = frozenset(LABELS)
    rows = []
    for pop_id, denominators in DENOMINATORS.items():
        for denom_id in denominators:
            members, whole = MEMBERS[pop_id], MEMBERS.get(denom_id, everything)
            rows.append(
                {
                    "sample_id": sample_id,
                    "pop_id": pop_id,
                    "denom_id": denom_id,
                    "true_count": str(sum(counts[m] for m in members)),
                    "true_denom_count": str(sum(counts[m] for m in whole)),
                    "expected_frac": repr(fraction_of(shares, members, whole)),
                }
            )
    return rows


def pack_labels(labels: NDArray[np.uint8]) -> bytes:
    """The label of every event as gzipped CSV (event,label; events count from 0), without a time stamp."""
    names = np.array(LABELS)[labels].tolist()
    text = "event,label\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names))
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as stream:
        stream.write(text.encode())
    return buffer.getvalue()
