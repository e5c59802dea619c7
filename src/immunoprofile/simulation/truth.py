"""The truth beside the data: who responded, how many cells of each population, what each event is.

It lies in a folder of its own and never in an FCS file, so that no program can read it by accident.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from immunoprofile.simulation.composition import fraction_of, treg_log_ratio
from immunoprofile.simulation.panel import ALL_EVENTS, Panel
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.trial import Trial
from immunoprofile.simulation.visits import PlannedSample

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "subjects": (
        "subject_id", "true_response", "responder", "baseline_plt_1e9_per_l", "onset_day", "cr_day",
        "loss_day", "rescue_day", "spike_day", "b_depleted", "treg_log_odds_ratio_at_peak",
    ),
    "populations": (
        "sample_id", "panel", "pop_id", "denom_id", "true_count", "true_denom_count", "true_frac", "expected_frac",
        "expected_cells_per_ul",
    ),
    "scenario": ("scenario", "item", "what"),
}  # fmt: skip

_FAULT_NOTES = {
    "wrong_spillover": "carries the spillover matrix transposed",
    "aged_blood": "stained after three days; more dead cells",
    "clog": "the flow was clogged: few and dim events for a while",
    "drift": "the light grew brighter from the first event to the last",
}


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
            "treg_log_odds_ratio_at_peak": repr(treg_log_ratio(trial.parameters, s) if trial.scenario.effects else 0.0),
        }
        for s, c in zip(trial.subjects, trial.courses, strict=True)
    ]


def _day(day: int | None) -> str:
    return "NA" if day is None else str(day)


def list_scenario(trial: Trial, notes: Sequence[Row]) -> list[Row]:
    """What was done on purpose: a row for the scenario itself, then one for each thing it touched."""
    rows = [{"item": "cohort", "what": trial.scenario.meaning}, *notes]
    rows += [{"item": s.sample_id, "what": _FAULT_NOTES[f]} for s in trial.samples for f in sorted(s.faults)]
    return [{"scenario": trial.scenario.name, **row} for row in rows]


def list_population_truth(sample: PlannedSample, labels: NDArray[np.uint8], shares: Mapping[str, float]) -> list[Row]:
    """True count and fraction of each population by label, and what the draw expected of them.

    Concentration follows from the share of lymphocytes that the draw expected and the lymphocytes of the blood count.
    """
    panel = sample.panel
    counts = count_labels(panel, labels)
    per_share = sample.lymph_abs_1e9_per_l * 1000 / sum(shares[name] for name in panel.lymphocytes)
    rows = []
    for pop_id, denominators in panel.denominators.items():
        members = panel.members[pop_id]
        count = sum(counts[m] for m in members)
        cells_per_ul = per_share * math.fsum(shares[m] for m in members)
        for denom_id in denominators:
            whole = panel.labels_of(denom_id)
            n_whole = sum(counts[m] for m in whole)
            rows.append(
                {
                    "sample_id": sample.sample_id,
                    "panel": panel.id,
                    "pop_id": pop_id,
                    "denom_id": denom_id,
                    "true_count": str(count),
                    "true_denom_count": str(n_whole),
                    "true_frac": repr(count / n_whole) if n_whole else "NA",
                    "expected_frac": _number(fraction_of(shares, members, whole)),
                    "expected_cells_per_ul": repr(cells_per_ul) if denom_id != ALL_EVENTS else "NA",
                }
            )
    return rows


def _number(value: float) -> str:
    return "NA" if math.isnan(value) else repr(value)


def count_labels(panel: Panel, labels: NDArray[np.uint8]) -> dict[str, int]:
    """Events of each label of the panel."""
    return dict(zip(panel.labels, np.bincount(labels, minlength=len(panel.labels)).tolist(), strict=True))


def pack_labels(panel: Panel, labels: NDArray[np.uint8]) -> bytes:
    """The label of every event as Parquet (event, counting from 0; label), without a time stamp."""
    table = pa.table(
        {
            "event": pa.array(np.arange(labels.size, dtype=np.int32)),
            "label": pa.DictionaryArray.from_arrays(pa.array(labels.astype(np.int8)), list(panel.labels)),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(
        table, buffer, compression="zstd", use_dictionary=["label"], column_encoding={"event": "DELTA_BINARY_PACKED"},
        write_statistics=False, store_schema=False,
    )  # fmt: skip
    return buffer.getvalue()
