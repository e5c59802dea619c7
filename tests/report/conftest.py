"""Results of a study small enough to know every number by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from drawn_pictures import write_pictures
from immunoprofile.cohort import Results
from immunoprofile.columns import FAILURES, GATES_RESOLVED, POPULATIONS, RESPONSE, SAMPLES_QC
from immunoprofile.comparison import associate, paired_change
from immunoprofile.tables import build_frame

PRIMARY = {"pop_id": "treg", "denom_id": "cd4", "measure": "logit_frac"}
LABELS = {"treg": "Regulatory T cells", "cd4": "CD4+ T cells", "b": "B cells", "lymphocytes": "Lymphocytes"}

# Treg of 10,000 CD4+ T cells at baseline and in the window: every subject rises, responders more.
COUNTS = {"P1": (300, 600), "P2": (400, 820), "P3": (350, 700), "N1": (300, 330), "N2": (420, 450), "N3": (380, 400)}


def population_row(subject: str, visit: str, pop: str, denom: str, count: int, total: int, **more):
    row = {
        "study_id": "S-1",
        "sample_id": f"{subject}-{visit}",
        "subject_id": subject,
        "visit": visit,
        "day": -1 if visit == "BL" else 28,
        "panel": "main",
        "pop_id": pop,
        "pop_path": LABELS[pop],
        "pop_label": LABELS[pop],
        "denom_id": denom,
        "denom_path": f"Live/{LABELS[denom]}",
        "count": count,
        "denom_count": total,
        "frac": count / total,
        "status": "ok",
        "flags": "",
    }
    return row | more


def population_rows(counts=COUNTS):
    rows = []
    for subject, (before, after) in counts.items():
        for visit, count in (("BL", before), ("W4", after)):
            rows.append(population_row(subject, visit, "treg", "cd4", count, 10_000))
            rows.append(population_row(subject, visit, "b", "lymphocytes", 1_000 + count % 7, 20_000))
    return rows


def response_row(subject: str, best: str, definition: str = "iwg-2009", **more):
    responder = None if best == "NE" else best in {"CR", "R"}
    row = {
        "subject_id": subject,
        "definition_id": definition,
        "best_response": best,
        "responder": responder,
        "flags": "",
    }
    return row | {"flags": ""} | more


def response_rows(counts=COUNTS, definitions=("iwg-2009", "iwg-2009-lenient")):
    return [response_row(s, "R" if s.startswith("P") else "NR", d) for s in counts for d in definitions]


def make_results(populations=None, response=None, *, failures=(), qc=(), folder: Path | None = None, study_id="S-1"):
    """Results as a run gives them, from rows of populations and response."""
    table = build_frame(POPULATIONS, population_rows() if populations is None else populations)
    answers = build_frame(RESPONSE, response_rows() if response is None else response)
    change = paired_change(table, baseline="BL", window=["W4"], first_rescue_day={})
    association = associate(change, answers[answers["definition_id"] == "iwg-2009"], primary=PRIMARY, seed=1)
    return Results(
        study_id=study_id,
        folder=folder,
        populations=table,
        samples_qc=build_frame(SAMPLES_QC, list(qc)),
        gates_resolved=build_frame(GATES_RESOLVED, []),
        failures=build_frame(FAILURES, list(failures)),
        n_samples=table["sample_id"].nunique() + len(failures),
        inputs={},
        plan={},
        response=answers,
        change=change,
        association=association,
    )


@pytest.fixture
def small() -> SimpleNamespace:
    """Makers: `results`, and rows of `populations` and `response` to change before."""
    return SimpleNamespace(
        counts=COUNTS,
        results=make_results,
        population=population_row,
        populations=population_rows,
        response=response_row,
        responses=response_rows,
    )


@pytest.fixture
def results() -> Results:
    """Six subjects, three responders; see `COUNTS`."""
    return make_results()


@pytest.fixture
def pictured(results, tmp_path: Path) -> Path:
    """A folder with pictures of every sample of `results`."""
    return write_pictures(tmp_path, sorted(set(results.populations["sample_id"])))
