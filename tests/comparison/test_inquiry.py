"""The whole plan on one table: what it asks beside the plan itself, and what it says it cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison.forecast import ask_prediction
from immunoprofile.comparison.hierarchy import parents_of
from immunoprofile.comparison.inquiry import answer_plan, pair_plan
from immunoprofile.comparison.plan import Facts, Medicine, Plan, read_facts
from immunoprofile.comparison.selection import check_evidence
from immunoprofile.errors import InputError

VISITS = {"BL": -1, "W2": 14, "W4": 28, "W8": 56}
N, RESPONDERS = 18, 8
PRIMARY = {"pop_id": "treg", "denom_id": "cd4", "measure": "logit_frac"}
SUBJECTS = [f"S{i:02d}" for i in range(N)]


def populations(effect: float = 0.0, n: int = N) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    rows = []
    for i in range(n):
        level = generator.normal(-2.75, 0.35)
        for visit, day in VISITS.items():
            shift = effect * (i < RESPONDERS) * (visit != "BL") + generator.normal(0, 0.15)
            count = int(generator.binomial(5000, 1 / (1 + np.exp(-level - shift))))
            for name, k in (("treg", count), ("th1", 900 + i), ("th2", 100 + i)):
                rows.append(
                    {"sample_id": f"S{i:02d}_{visit}", "subject_id": f"S{i:02d}", "visit": visit, "day": day,
                     "panel": "treg", "pop_id": name, "denom_id": "cd4", "count": k, "denom_count": 5000,
                     "cells_per_ul": k / 10, "status": "ok", "flags": ""}
                )  # fmt: skip
    return pd.DataFrame(rows)


def response(onset: int = 20) -> pd.DataFrame:
    yes = [i < RESPONDERS for i in range(N)]
    rows = pd.DataFrame({"subject_id": SUBJECTS, "definition_id": "iwg-2009", "responder": yes})
    rows["first_response_day"] = pd.array([onset + i if y else None for i, y in enumerate(yes)], dtype="Int64")
    rows["confirmed_day"] = rows["first_response_day"] + 7
    rows["time_to_response_days"] = rows["first_response_day"].fillna(90)
    rows["ttr_event"] = [1 if y else 0 for y in yes]
    rows["duration_days"] = pd.array([60 if y else None for y in yes], dtype="Int64")
    rows["dor_event"] = pd.array([1 if y else None for y in yes], dtype="Int64")
    rows["first_rescue_day"] = pd.array([40 if s == "S17" else None for s in SUBJECTS], dtype="Int64")
    rows["baseline_plt_1e9_per_l"] = 10.0
    return rows


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan("BL", ("W4", "W8"), (PRIMARY,))


@pytest.fixture(scope="module")
def facts() -> Facts:
    lenient = response().assign(definition_id="iwg-2009-lenient", responder=[i < 9 for i in range(N)])
    counts = pd.DataFrame(
        [
            {"subject_id": s, "definition_id": "iwg-2009", "day": d, "eligible": True,
             "platelets_1e9_per_l": 10.0 + i + d}
            for i, s in enumerate(SUBJECTS)
            for d in (14, 28, 56)
        ]
    )  # fmt: skip
    medicines: dict[str, tuple[Medicine, ...]] = dict.fromkeys(SUBJECTS, ())
    medicines["S00"] = (Medicine(-90, None, "rituximab", "prior", None),)
    medicines["S01"] = (Medicine(-400, None, "rituximab", "prior", None),)
    medicines["S02"] = (Medicine(10, None, "tpo_ra", "concomitant", "increase"),)
    dose = {s: 0.5 if i < 3 else 1.0 if i < 6 else 2.0 for i, s in enumerate(SUBJECTS)}
    return Facts(pd.concat([response(), lenient]), counts, medicines, dict.fromkeys(SUBJECTS, 4), dose)


@pytest.fixture(scope="module")
def answers(plan, facts) -> pd.DataFrame:
    return answer_plan(populations(), plan, facts)[1]


def one(answers: pd.DataFrame, **wanted: object) -> pd.Series:
    rows = answers
    for column, value in wanted.items():
        rows = rows[rows[column].isna() if value is None else (rows[column] == value).fillna(False)]
    assert len(rows) == 1, rows[["analysis_id", "pop_id", "contrast"]]
    return rows.iloc[0]


@pytest.mark.parametrize(
    "name",
    [
        "cells_per_ul", "without_low_event_samples", "without_recent_rituximab", "stable_concomitant_treatment",
        "all_infusions", "highest_dose", "with_samples_after_rescue", "gee_mancl_derouen", "beta_binomial_mixed",
    ],
)  # fmt: skip
def test_answer_plan__asks_every_sensitivity_analysis_of_the_plan(answers, name):
    row = one(answers, sensitivity=name, question="overall_change", pop_id="treg")
    assert row["role"] == "sensitivity"
    assert "NOT_AVAILABLE" not in row["flags"]
    assert np.isfinite(row["estimate"])


def test_answer_plan__leaves_out_those_with_recent_rituximab_only(answers):
    row = one(answers, sensitivity="without_recent_rituximab", question="group_diff")
    assert (row["n_total"], row["n_resp"]) == (17, 7)
    assert "1 subjects left out" in row["note"]


def test_answer_plan__leaves_out_those_whose_concomitant_treatment_changed(answers):
    assert one(answers, sensitivity="stable_concomitant_treatment", question="overall_change")["n_total"] == 17


def test_answer_plan__highest_dose_is_compared_alone(answers):
    row = one(answers, sensitivity="highest_dose", question="group_diff")
    assert (row["n_total"], row["n_resp"], row["flags"]) == (12, 2, "BASELINE_IMBALANCE;TOO_FEW_PER_GROUP")


def test_answer_plan__other_definitions_are_asked(answers):
    row = one(answers, sensitivity="definition_iwg-2009-lenient", question="group_diff")
    assert row["n_resp"] == 9
    assert row["contrast"] == "responder - non-responder (iwg-2009-lenient)"


def test_answer_plan__samples_after_rescue_are_out_of_the_plan_and_in_the_variation(answers):
    # S17 is rescued on day 40: its W8 sample leaves the mean, W4 stays.
    plain = one(answers, role="primary")
    varied = one(answers, sensitivity="with_samples_after_rescue", question="overall_change")
    assert plain["n_total"] == varied["n_total"] == N
    assert plain["estimate"] != varied["estimate"]


def test_answer_plan__what_cannot_be_asked_is_a_row_with_the_reason(plan):
    found = answer_plan(populations().drop(columns="cells_per_ul"), plan, Facts(response()))[1]
    refused = found[found["flags"].str.contains("NOT_AVAILABLE")].set_index("sensitivity")["note"]
    assert refused["cells_per_ul"] == "could not be asked: the populations table has no cells_per_ul"
    assert refused["without_recent_rituximab"] == "could not be asked: no treatments are known"
    assert refused["highest_dose"] == "could not be asked: no numeric doses known"


def test_answer_plan__a_response_table_without_days_says_that_timing_cannot_be_asked(plan):
    bare = pd.DataFrame({"subject_id": SUBJECTS, "responder": [i < 8 for i in range(N)]})
    found = answer_plan(populations(), plan, Facts(bare))[1]
    row = one(found, question="landmark")
    assert row["note"] == "could not be asked: the response table has no first_response_day, confirmed_day"


def test_answer_plan__time_to_response_has_rescue_beside(answers):
    row = one(answers, question="time_to_response")
    # Nobody was rescued before response: 8 of 18 by day 84.
    assert row["estimate"] == pytest.approx(8 / 18)
    assert row["note"].startswith("8 responses, 0 rescued first")


def test_answer_plan__duration_is_of_responders_only(answers):
    row = one(answers, question="duration")
    assert (row["n_total"], row["estimate"]) == (8, 60.0)


def test_answer_plan__landmark_leaves_out_earlier_responses_and_counts_them(answers):
    # Onset on days 20 to 27, confirmed on 27 to 34: by day 28 two are confirmed, all eight have begun.
    row = one(answers, sensitivity="landmark")
    assert (row["n_total"], row["n_resp"]) == (16, 6)
    assert row["note"].startswith("day 28: 2 subjects responding by then")
    assert one(answers, sensitivity="landmark_by_onset")["n_resp"] == 0


def test_answer_plan__direction_looks_before_onset(answers):
    row = one(answers, sensitivity="not_yet_responding")
    assert (row["contrast"], row["n_total"]) == ("W2 - baseline", N)


def test_answer_plan__direction_names_the_subjects_who_shifted_first(answers):
    row = one(answers, sensitivity="shift_before_onset")
    assert row["n_total"] == 8
    assert "of 8 responders 8 have a sample before onset" in row["note"]


def test_answer_plan__correlates_with_platelets_of_the_same_days(answers):
    methods = set(answers[answers["question"] == "correlation"]["method"])
    assert methods == {"spearman", "kendall", "repeated_measures_correlation"}


def test_answer_plan__never_offers_change_against_baseline(answers):
    assert not answers["contrast"].str.contains("change with baseline").any()


def test_answer_plan__small_dose_groups_are_shown_with_their_sizes(answers):
    row = one(answers, method="cochran_armitage_exact")
    assert row["note"] == "subjects a dose: 0.5: 3, 1: 3, 2: 12"


def test_answer_plan__forty_subjects_get_a_model_of_all_visits():
    plan = Plan("BL", ("W4", "W8"), (PRIMARY,))
    row = one(answer_plan(populations(n=40), plan, Facts())[1], sensitivity="mmrm")
    plain = one(answer_plan(populations(n=40), plan, Facts())[1], role="primary")
    # Nobody misses a visit and nothing differs by group: both estimate the same mean.
    assert row["estimate"] == pytest.approx(plain["estimate"], abs=0.5 * (plain["ci_hi"] - plain["ci_lo"]))
    assert row["df"] == pytest.approx(38, abs=1.5)


def test_answer_plan__a_batch_that_is_the_visit_is_flagged(plan, facts):
    table = populations()
    batches = dict(zip(table["sample_id"], table["visit"], strict=True))
    found = answer_plan(table, plan, Facts(facts.response, batches=batches))[1]
    assert "BATCH_IS_VISIT" in one(found, role="primary")["flags"]


def test_answer_plan__responses_confirmed_after_the_window_are_flagged(plan):
    found = answer_plan(populations(), plan, Facts(response(onset=60)))[1]
    assert "RESPONSE_AFTER_WINDOW" in one(found, role="secondary", question="group_diff")["flags"]
    assert "RESPONSE_AFTER_WINDOW" not in one(found, role="primary")["flags"]


def test_answer_plan__labels_of_subjects_still_observed_are_flagged(plan):
    early = response()
    early.loc[early["subject_id"] == "S17", "time_to_response_days"] = 30
    found = answer_plan(populations(), plan, Facts(early))[1]
    assert "RESPONSE_IMMATURE" in one(found, role="secondary", question="group_diff")["flags"]


def test_answer_plan__declared_ratios_and_partitions_are_asked(facts):
    plan = Plan(
        "BL", ("W4",), (PRIMARY,), ratios=({"numerator": "th1", "denominator": "th2"},),
        partitions={"helpers": ("treg", "th1", "th2")}, sensitivity=False,
    )  # fmt: skip
    change, found = answer_plan(populations(), plan, facts)
    assert set(change["measure"]) == {"logit_frac", "log_ratio", "clr", "ilr"}
    assert one(found, scale="log_ratio", question="overall_change")["denom_id"] == "th2"
    assert len(found[found["question"] == "composition"]) == 2


def test_answer_plan__key_secondaries_are_one_family_of_holm(facts):
    named = tuple({"pop_id": p, "denom_id": "cd4", "measure": "logit_frac"} for p in ("th1", "th2"))
    cells = {"pop_id": "treg", "denom_id": "none", "measure": "log_cells_per_ul"}
    plan = Plan("BL", ("W4",), (PRIMARY,), secondary=(*named, cells), sensitivity=False)
    found = answer_plan(populations(), plan, facts)[1]
    rows = found[(found["role"] == "secondary") & (found["question"] == "overall_change")]
    assert set(rows["n_tests"]) == {3}
    assert set(rows["adj_method"]) == {"holm"}


def test_answer_plan__the_hierarchy_is_asked_on_request_only(plan, facts, answers):
    assert not (answers["question"] == "hierarchy").any()
    asked = Plan("BL", ("W4",), (PRIMARY,), sensitivity=False, hierarchy={"th1": "cd4", "th2": "cd4"})
    rows = answer_plan(populations(), asked, facts)[1].query("question == 'hierarchy'")
    assert set(rows["pop_id"]) == {"cd4", "th1", "th2"}


def test_answer_plan__prediction_is_made_on_request_only(plan, facts, answers):
    assert not (answers["question"] == "prediction").any()
    evidence = check_evidence(pair_plan(populations(), plan, facts), facts.responders(None)[0], None)
    key = next(k for k in evidence.keys if k.pop_id == "treg")
    row = ask_prediction(evidence, [key], plan, None, permutations=3)[0]
    # p of 3 permutations can be 1/4, 2/4, 3/4 or 1; the reference of noise stands in the note.
    assert row["p_raw"] * 4 == int(row["p_raw"] * 4)
    assert 0.0 <= row["estimate"] <= 1.0
    assert "features of pure noise, picked by looking" in row["note"]


def test_answer_plan__a_response_table_without_rescue_days_is_said(plan):
    known = response()
    without = known.drop(columns=[c for c in known.columns if c == "first_rescue_day"])
    found = answer_plan(populations(), plan, Facts(without))[1]
    row = one(found, sensitivity="without_samples_after_rescue")
    assert row["flags"] == "NOT_AVAILABLE"
    assert "samples after rescue treatment stay in all answers" in row["note"]


@pytest.mark.parametrize(
    ("pops", "parents"),
    [
        ([("treg", "cd4", 500), ("treg", "lymph", 2_000), ("cd4", "lymph", 2_000)], {"treg": "cd4", "cd4": "lymph"}),
        ([("cd4", "cd4", 10)], {}),
    ],
    ids=["nearest denominator", "itself"],
)
def test_parents_of__the_smallest_denominator_lies_nearest(pops, parents):
    rows = [{"pop_id": p, "denom_id": d, "denom_count": n} for p, d, n in pops]
    assert parents_of(pd.DataFrame(rows)) == parents


def test_answer_plan__is_the_same_twice_and_in_any_order(plan, facts):
    table = populations()
    one_way = answer_plan(table, plan, facts)
    other = answer_plan(table.sample(frac=1, random_state=1), plan, facts)
    for ours, theirs in zip(one_way, other, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def test_answer_plan__leaving_one_out_that_turns_the_conclusion_is_flagged():
    rows = []
    # Six against nothing: p = 2/2^6 = .031; with any one left out p = 2/2^5 = .0625.
    for i in range(6):
        rows += [
            {"subject_id": f"S{i}", "visit": v, "pop_id": "treg", "denom_id": "cd4", "count": 9 + k, "denom_count": 999}
            for v, k in (("BL", i), ("W4", 30 + 3 * i))
        ]  # fmt: skip
    found = answer_plan(pd.DataFrame(rows), Plan("BL", ("W4",), (PRIMARY,)), Facts())[1]
    assert "CONCLUSION_TURNS" in one(found, role="primary")["flags"]


def test_read_facts__takes_infusions_doses_and_treatments_from_the_sheets():
    subjects = pd.DataFrame({"subject_id": ["S1", "S2"], "infusion_days": ["0;7;14;21", "0;7"], "dose": ["0.5", "2"]})
    treatments = pd.DataFrame(
        {"subject_id": ["S1"], "day": ["-30"], "end_day": ["-9"], "kind": ["rituximab"], "role": ["prior"],
         "change": [None]}
    )  # fmt: skip
    found = read_facts(subjects, treatments)
    assert found.n_infusions == {"S1": 4, "S2": 2}
    assert found.dose == {"S1": 0.5, "S2": 2.0}
    assert found.medicines == {"S1": (Medicine(-30, -9, "rituximab", "prior", None),), "S2": ()}


def test_read_facts__treatments_without_subjects_are_refused():
    with pytest.raises(InputError, match="treatments are given without the subjects"):
        read_facts(None, pd.DataFrame({"subject_id": ["S1"]}))
