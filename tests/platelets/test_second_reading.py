"""The package and a slow second reading agree on random histories: 10,000, all judged in one call."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunoprofile.platelets import judge_platelets
from platelets.slow_reading import read_slowly

N_HISTORIES = 10_000
VALUES = ["2", "8", "14", "14.9", "15", "28", "29.8", "29.9", "30", "31", "40", "59.9", "60", "99.9", "100", "120"]
WEIGHTS = np.array([3, 4, 2, 1, 2, 2, 1, 2, 3, 4, 5, 1, 4, 1, 4, 5], dtype=float)
KINDS = ["platelet_transfusion", "ivig", "anti_d", "steroid", "tpo_ra", "other", "rituximab", "splenectomy"]
WAYS = {"iwg-2009": (True, True), "iwg-2009-lenient": (False, True), "iwg-2009-policy": (True, False)}


def _draw(rng):
    """One history: a baseline low or missing, visits about weekly, now and then rescue, bleeding, a new treatment."""
    visits = np.unique(np.cumsum(rng.integers(1, 15, rng.integers(0, 25))))
    level = rng.choice(len(VALUES), p=WEIGHTS / WEIGHTS.sum())
    wander = np.clip(level + np.cumsum(rng.integers(-2, 3, len(visits))), 0, len(VALUES) - 1)
    counts = {int(d): VALUES[v] for d, v in zip(visits, wander, strict=True)}
    for day in rng.choice(np.arange(-16, 1), rng.integers(0, 3), replace=False):
        counts[int(day)] = VALUES[rng.integers(0, 7)]
    treatments = [
        {
            "day": int(rng.integers(-40, 150)),
            "kind": str(rng.choice(KINDS)),
            "role": str(rng.choice(["rescue", "concomitant"])),
            "change": "start",
        }
        for _ in range(rng.choice([0, 0, 1, 1, 2]))
    ]
    bleeding = {int(d): int(rng.integers(0, 3)) for d in rng.integers(-5, 150, rng.choice([0, 0, 1, 3]))}
    ends = ["lack of efficacy", "completed"]
    return {"counts": counts, "treatments": treatments, "bleeding": bleeding, "end_reason": str(rng.choice(ends))}


@pytest.fixture(scope="module")
def histories():
    rng = np.random.default_rng(20240501)
    return [_draw(rng) for _ in range(N_HISTORIES)]


@pytest.fixture(scope="module")
def judged(histories):
    def rows(of):
        return [{"subject_id": f"P{i}", **row} for i, history in enumerate(histories) for row in of(history)]

    platelets = pd.DataFrame(
        rows(lambda h: [{"day": d, "platelets_1e9_per_l": v} for d, v in sorted(h["counts"].items())])
    )
    treatments = pd.DataFrame(rows(lambda h: [{**t, "end_day": t["day"]} for t in h["treatments"]]))
    bleeding = pd.DataFrame(rows(lambda h: [{"day": d, "grade": g} for d, g in h["bleeding"].items()]))
    subjects = pd.DataFrame(rows(lambda h: [{"end_reason": h["end_reason"]}]))
    response, _ = judge_platelets(platelets, subjects, "iwg-2009", treatments, bleeding)
    return response.set_index(["definition_id", "subject_id"])


def _plain(row):
    names = {
        "best": "best_response", "reason": "reason", "onset": "first_response_day", "confirmed": "confirmed_day",
        "cr": "cr_day", "loss": "loss_day", "duration": "duration_days",
    }  # fmt: skip
    return {k: None if pd.isna(row[column]) else row[column] for k, column in names.items()}


@pytest.mark.parametrize("definition", WAYS)
def test_response__is_that_of_the_slow_reading(histories, judged, definition):
    strict, composite = WAYS[definition]
    own = judged.loc[definition].to_dict("index")
    empty = dict.fromkeys(("best", "reason", "onset", "confirmed", "cr", "loss", "duration"))
    for i, history in enumerate(histories):
        slow = empty | read_slowly(history, strict=strict, composite=composite)
        assert _plain(own[f"P{i}"]) == slow, (definition, i, history)


def test_histories__reach_every_verdict(judged):
    # agreement says little about verdicts that no history reaches
    seen = judged.loc["iwg-2009"]
    assert seen["best_response"].value_counts().reindex(["CR", "R", "UNCONFIRMED_R", "NR", "NE"]).min() > 100
    assert seen["reason"].value_counts().min() > 20
    assert (seen["loss_day"].notna().sum() > 100) and (seen["dor_event"] == 0).sum() > 100
