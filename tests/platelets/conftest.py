"""One subject in few words: a day and a count are enough, the rest has defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import pytest

from immunoprofile.platelets import classify_response, explain_response

Series = Iterable[tuple[int, object]]


def _sheets(
    counts: Series,
    baseline: object = "5",
    treatments: Iterable[Mapping[str, Any]] | None = (),
    bleeding: Iterable[tuple[int, object]] | None = (),
    subject: Mapping[str, Any] | None = None,
    marks: Mapping[int, Mapping[str, object]] | None = None,
) -> dict[str, pd.DataFrame | None]:
    """Sheets of subject S1; `marks` adds cells (clumped, predose) to the counts of a day."""
    listed = [(-1, baseline), *counts] if baseline is not None else list(counts)
    rows = [{"day": d, "platelets_1e9_per_l": v, **(marks or {}).get(d, {})} for d, v in listed]
    return {
        "platelets": _frame(rows, ["day", "platelets_1e9_per_l"]),
        "subjects": pd.DataFrame([{"subject_id": "S1", **(subject or {})}]),
        "treatments": None if treatments is None else _frame(treatments, ["day", "kind", "role"]),
        "bleeding": None
        if bleeding is None
        else _frame([{"day": d, "scale": "WHO", "grade": g} for d, g in bleeding], ["day", "scale", "grade"]),
    }


def _frame(rows: Iterable[Mapping[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows)) if rows else pd.DataFrame(columns=columns)
    frame.insert(0, "subject_id", "S1")
    return frame


def _classify(
    counts: Series, definition: str = "iwg-2009", options: dict[str, Any] | None = None, **course: Any
) -> Any:
    table = classify_response(**_sheets(counts, **course), **(options or {}))
    row = table[table["definition_id"] == definition].iloc[0]
    plain = {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
    return {k: None if pd.isna(v) else v for k, v in plain.items()}


def _explain(counts: Series, definition: str = "iwg-2009", options: dict[str, Any] | None = None, **course: Any) -> Any:
    table = explain_response(**_sheets(counts, **course), **(options or {}))
    return table[table["definition_id"] == definition].set_index("day")


@pytest.fixture(scope="session")
def sheets() -> Callable[..., dict[str, pd.DataFrame | None]]:
    return _sheets


@pytest.fixture(scope="session")
def classify() -> Callable[..., Any]:
    """The row of one definition for one subject, as a dict with None for missing."""
    return _classify


@pytest.fixture(scope="session")
def explain() -> Callable[..., Any]:
    """The audit of one definition for one subject, indexed by day."""
    return _explain
