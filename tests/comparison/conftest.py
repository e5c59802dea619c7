"""Tables made for the comparison room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

VISITS = ("BL", "W4", "W8")


@pytest.fixture
def populations() -> Callable[..., pd.DataFrame]:
    """A maker of populations tables: 18 subjects, three visits, counts of `treg` and others in `cd4`."""

    def make(n: int = 18, names: tuple[str, ...] = ("treg", "th17"), seed: int = 1) -> pd.DataFrame:
        generator = np.random.default_rng(seed)
        rows = [
            {
                "sample_id": f"S{i:02d}_{visit}", "subject_id": f"S{i:02d}", "visit": visit, "day": 28 * j - 1,
                "panel": "treg", "pop_id": name, "denom_id": "cd4", "denom_count": 5000,
                "count": int(generator.binomial(5000, generator.uniform(0.04, 0.08))), "status": "ok",
            }
            for i in range(n)
            for j, visit in enumerate(VISITS)
            for name in names
        ]  # fmt: skip
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def change() -> Callable[..., pd.DataFrame]:
    """A maker of change tables from deltas (subject by population); NaN leaves the subject out."""

    def make(deltas: object, names: tuple[str, ...] = ("treg",), baseline: object = 0.0) -> pd.DataFrame:
        values = np.atleast_2d(np.asarray(deltas, dtype=float).T).T
        before = np.broadcast_to(np.asarray(baseline, dtype=float), values.shape[:1])
        rows = [
            {
                "subject_id": f"S{i:02d}", "pop_id": name, "denom_id": "cd4", "measure": "logit_frac",
                "window": "W4+W8", "baseline_value": before[i], "post_value": before[i] + values[i, j],
                "delta": values[i, j], "include_primary": bool(np.isfinite(values[i, j])), "flags": "",
            }
            for i in range(len(values))
            for j, name in enumerate(names)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def response() -> Callable[..., pd.DataFrame]:
    """A maker of response tables: the first `n_responders` respond, the last `n_unknown` are not evaluable."""

    def make(n: int = 18, n_responders: int = 8, n_unknown: int = 0) -> pd.DataFrame:
        labels = [i < n_responders if i < n - n_unknown else pd.NA for i in range(n)]
        subjects = [f"S{i:02d}" for i in range(n)]
        return pd.DataFrame({"subject_id": subjects, "responder": pd.array(labels, dtype="boolean")})

    return make
