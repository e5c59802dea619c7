"""Do batches stand for visits or for response? Then no statistic can tell them apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

CONFOUNDED = 0.6
"""Cramer's V above which a batch is taken as confounded (analysis plan, 1.12)."""


def cramers_v(first: pd.Series, second: pd.Series) -> float:
    """Association of two groupings, 0 to 1; 0 where one of them has a single level.

    References
    ----------
    Cramér H. Mathematical Methods of Statistics. Princeton University Press; 1946. Section 21.9.
    """
    counts = pd.crosstab(first, second).to_numpy(dtype=np.float64)
    smaller = min(counts.shape) - 1
    if smaller < 1:
        return 0.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
    return float(np.sqrt(np.sum((counts - expected) ** 2 / expected) / counts.sum() / smaller))


def batch_flags(
    populations: pd.DataFrame, batches: Mapping[str, str] | None, responder: Mapping[str, bool | None] | None
) -> dict[str, frozenset[str]]:
    """Flags of each question: ``BATCH_IS_VISIT`` of changes and contrasts, ``BATCH_IS_RESPONSE`` of contrasts.

    Notes
    -----
    A batch of one sample each says nothing of confounding; it is left out of the association with response.
    """
    if batches is None or "sample_id" not in populations.columns:
        return {}
    samples = populations[["sample_id", "subject_id", "visit"]].drop_duplicates().astype("string")
    known = samples.assign(batch=samples["sample_id"].map(dict(batches))).dropna(subset=["batch"])
    shared = known[known.groupby("batch")["sample_id"].transform("size") > 1]
    visit = {"BATCH_IS_VISIT"} if cramers_v(shared["batch"], shared["visit"]) > CONFOUNDED else set()
    response: set[str] = set()
    if responder is not None and len(shared):
        label = shared["subject_id"].map({s: r for s, r in responder.items() if r is not None})
        both = shared[label.notna()]
        several = both.groupby("batch")["subject_id"].transform("nunique") > 1
        if several.any() and cramers_v(both["batch"][several], label.loc[both.index][several]) > CONFOUNDED:
            response = {"BATCH_IS_RESPONSE"}
    return {"overall_change": frozenset(visit), "group_diff": frozenset(visit | response)}
