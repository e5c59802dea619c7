"""Tables that others made: thirty patients, four visits, percentages without counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.comparison import Facts, Plan, answer_plan

pytestmark = pytest.mark.shared
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "clinical" / "radium223"


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    if not DATA.is_dir():
        pytest.skip("reference data not found: ../shared/data")
    wide = pd.read_csv(DATA / "panel_d_subset.csv").rename(columns={"patient": "subject_id"})
    long = wide.melt(["subject_id", "visit"], var_name="pop_id").dropna(subset=["value"])
    table = long.assign(visit="V" + long["visit"].astype(str), scale="percent")
    labels = pd.read_csv(DATA / "alp_response.csv")
    response = pd.DataFrame({"subject_id": labels["patient"], "responder": labels["alp_response"] == "yes"})
    plan = Plan("V1", ("V3", "V5"), ({"pop_id": "Tregs", "measure": "logit_frac"},))
    return answer_plan(table, plan, Facts(response))[1]


def test_published_cohort__regulatory_t_cells_rise_as_the_paper_says(answers):
    # Creemers JHA et al. Front Oncol 2021: Treg rise; mean percentages 6.21, 6.84, 7.42, 8.09 over the visits.
    row = answers[answers["role"] == "primary"].iloc[0]
    assert (row["n_total"], row["denom_id"]) == (26, "unnamed")
    assert row["effect_lo"] > 1.0


def test_published_cohort__response_is_counted_of_all_thirty(answers):
    row = answers[(answers["question"] == "response_rate") & (answers["denom_id"] == "all_treated")].iloc[0]
    assert (row["n_resp"], row["n_total"]) == (20, 30)


def test_published_cohort__says_what_it_cannot_answer(answers):
    refused = answers[answers["flags"].str.contains("NOT_AVAILABLE")].set_index("sensitivity")["note"]
    assert set(refused.index) == {
        "all_infusions", "cells_per_ul", "direction", "gate_placement", "highest_dose", "landmark",
        "stable_concomitant_treatment", "without_low_event_samples", "without_recent_rituximab",
        "without_samples_after_rescue",
    }  # fmt: skip
    assert refused["gate_placement"] == "could not be asked: the events are not at hand, so no gate can be moved"
