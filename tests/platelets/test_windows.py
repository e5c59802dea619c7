"""Baseline, exclusion windows, rescue and missing data."""

from __future__ import annotations

import pytest

RESPONSE = [(14, "40"), (21, "40")]


def _rx(day, kind, role="concomitant", **more):
    return {"day": day, "kind": kind, "role": role, **more}


WASHOUTS = [
    # the first day whose count speaks again is start or end + washout + 1
    pytest.param(_rx(20, "platelet_transfusion"), 27, id="transfusion 7 days"),
    pytest.param(_rx(20, "ivig", end_day=21), 49, id="ivig 28 days after its end"),
    pytest.param(_rx(20, "anti_d"), 48, id="anti-D 28 days"),
    pytest.param(_rx(20, "steroid", "rescue", end_day=23), 51, id="steroid rescue 28 days"),
    pytest.param(_rx(20, "tpo_ra", change="start", end_day=30), 58, id="TPO-RA start 28 days"),
    pytest.param(_rx(20, "tpo_ra", change="increase", end_day=20), 48, id="TPO-RA increase 28 days"),
    pytest.param(_rx(20, "tpo_ra", end_day=20), 48, id="TPO-RA from day 20 without a mark is a start"),
    pytest.param(_rx(20, "other", change="start", end_day=20), 76, id="other 56 days"),
]


@pytest.mark.parametrize(("treatment", "last_excluded"), WASHOUTS)
def test_window__holds_both_its_ends(explain, treatment, last_excluded):
    days = [19, 20, last_excluded, last_excluded + 1]
    audit = explain([(d, "40") for d in days], treatments=[treatment])
    assert audit.loc[days, "eligible"].tolist() == [True, False, False, True]


NO_WINDOW = [
    pytest.param(_rx(-200, "tpo_ra", change="start"), id="TPO-RA stable since long"),
    pytest.param(_rx(-200, "tpo_ra"), id="TPO-RA concomitant without a change"),
    pytest.param(_rx(10, "steroid", end_day=60), id="concomitant steroid"),
    pytest.param(_rx(10, "tpo_ra", change="decrease"), id="TPO-RA decrease"),
    pytest.param(_rx(10, "tpo_ra", change="stop"), id="TPO-RA stop"),
    pytest.param(_rx(-60, "rituximab", "prior"), id="rituximab before day 0"),
]


@pytest.mark.parametrize("treatment", NO_WINDOW)
def test_window__is_not_opened_by_stable_or_falling_treatment(classify, treatment):
    row = classify(RESPONSE, treatments=[treatment])
    assert (row["best_response"], row["n_counts_excluded"]) == ("R", 0)


def test_window__without_an_end_is_ended_by_the_row_that_stops_the_treatment(explain):
    course = [_rx(20, "tpo_ra", change="start"), _rx(30, "tpo_ra", change="stop")]
    audit = explain([(58, "40"), (59, "40")], treatments=course)
    assert audit.loc[[58, 59], "eligible"].tolist() == [False, True]


def test_window__without_an_end_goes_on_and_is_flagged(classify):
    row = classify([(14, "40"), (300, "40")], treatments=[_rx(20, "tpo_ra", change="start")])
    assert row["n_counts_eligible"] == 1
    assert "TREATMENT_END_UNKNOWN" in row["flags"]


def test_concomitant_steroid__started_on_study_is_flagged(classify):
    row = classify(RESPONSE, treatments=[_rx(10, "steroid", change="start", end_day=60)])
    assert "CONCOMITANT_CHANGED" in row["flags"]


@pytest.mark.parametrize("kind", ["rituximab", "splenectomy", "anti_cd38"])
def test_attribution__ends_with_a_new_treatment(classify, kind):
    row = classify([(14, "10"), (30, "60"), (37, "60")], treatments=[_rx(20, kind)])
    assert (row["best_response"], row["n_counts_eligible"]) == ("NR", 1)
    assert "ATTRIBUTION_ENDED" in row["flags"]


def test_attribution__recent_treatment_before_day_0_is_flagged(classify):
    assert "RECENT_TREATMENT" in classify(RESPONSE, treatments=[_rx(-30, "rituximab", "prior")])["flags"]
    assert "RECENT_TREATMENT" not in classify(RESPONSE, treatments=[_rx(-91, "rituximab", "prior")])["flags"]


BASELINES = [
    # counts, marks by day, treatments, expected value and day
    pytest.param([(-7, "6"), (-2, "9"), (0, "11")], {}, [], 11.0, 0, id="day 0 counts as before dosing"),
    pytest.param([(-2, "9"), (0, "11")], {0: {"predose": "FALSE"}}, [], 9.0, -2, id="day 0 after dosing does not"),
    pytest.param([(-8, "6"), (-7, "9")], {}, [], 9.0, -7, id="day -7 is within"),
    pytest.param([(-14, "6"), (-15, "9")], {}, [], 6.0, -14, id="older days stand in"),
    pytest.param([(-3, "6"), (-1, "60")], {-1: {"clumped": "TRUE"}}, [], 6.0, -3, id="clumped is passed over"),
    pytest.param([(-1, "9"), (-1, "6")], {}, [], 6.0, -1, id="the lowest of the day"),
    pytest.param(
        [(-7, "6"), (-1, "50")], {}, [_rx(-3, "platelet_transfusion", "prior")], 6.0, -7, id="not after transfusion"
    ),
    pytest.param([(-1, "<10")], {}, [], 10.0, -1, id="a bound is kept"),
]


@pytest.mark.parametrize(("counts", "marks", "treatments", "value", "day"), BASELINES)
def test_baseline__is_the_last_usable_count_before_dosing(classify, counts, marks, treatments, value, day):
    row = classify([*counts, *RESPONSE], baseline=None, marks=marks, treatments=treatments)
    assert (row["baseline_plt_1e9_per_l"], row["baseline_day"]) == (value, day)


def test_baseline__older_than_a_week_is_flagged(classify):
    row = classify([(-8, "6"), *RESPONSE], baseline=None)
    assert "BASELINE_OLD" in row["flags"]
    assert row["best_response"] == "R"


def test_baseline__older_than_two_weeks_is_none(classify):
    assert classify([(-15, "6"), *RESPONSE], baseline=None)["reason"] == "no_baseline"


def test_baseline__missing_in_one_subject_leaves_the_others(sheets, classify):
    import pandas as pd

    from immunoprofile.platelets import classify_response

    course = sheets(RESPONSE)
    course["subjects"] = pd.DataFrame({"subject_id": ["S1", "S2"]})
    table = classify_response(**course)
    main = table[table["definition_id"] == "iwg-2009"].set_index("subject_id")["best_response"]
    assert main.to_dict() == {"S1": "R", "S2": "NE"}


RESCUE = [
    # the same course under the composite rule and under treatment policy
    pytest.param(
        [(1, "5"), (50, "40"), (57, "40")], [_rx(16, "ivig", "rescue")], "NR", "R", id="response after rescue"
    ),
    pytest.param([(7, "40"), (14, "40")], [_rx(16, "ivig", "rescue")], "R", "R", id="response before rescue"),
    pytest.param(
        [(7, "40"), (14, "40"), (60, "120"), (67, "120")], [_rx(16, "ivig", "rescue")], "R", "CR", id="CR after rescue"
    ),
    pytest.param([(7, "8"), (20, "9")], [_rx(16, "ivig", "rescue")], "NR", "NR", id="no response at all"),
    pytest.param([(20, "40"), (27, "40")], [_rx(1, "ivig", "rescue")], "NR", "NR", id="no count outside the window"),
]


@pytest.mark.parametrize(("counts", "treatments", "composite", "policy"), RESCUE)
def test_rescue__composite_and_policy(classify, counts, treatments, composite, policy):
    best = [classify(counts, d, treatments=treatments)["best_response"] for d in ("iwg-2009", "iwg-2009-policy")]
    assert best == [composite, policy]


def test_rescue__without_counts_is_failure_under_policy_too(classify):
    row = classify([(20, "40")], "iwg-2009-policy", treatments=[_rx(1, "ivig", "rescue")])
    assert (row["best_response"], row["reason"]) == ("NR", "no_eligible_count_rescue")
    assert row["ttr_event"] == 0


def test_rescue__after_the_days_of_onset_is_no_event(classify):
    row = classify([(7, "8"), (77, "9")], treatments=[_rx(90, "ivig", "rescue")])
    assert (row["best_response"], row["ttr_event"], row["time_to_response_days"]) == ("NR", 0, 77)
    assert (row["rescue_any"], row["first_rescue_day"]) == (True, 90)


MISSING = [
    pytest.param("lost to follow-up", "NE", "no_eligible_count", None, id="lost"),
    pytest.param("Lack of efficacy", "NR", "lack_of_efficacy", False, id="lack of efficacy"),
    pytest.param("lack_of_efficacy", "NR", "lack_of_efficacy", False, id="spelled with underscores"),
    pytest.param(None, "NE", "no_eligible_count", None, id="unknown"),
]


@pytest.mark.parametrize(("end_reason", "best", "reason", "responder"), MISSING)
def test_no_counts__are_failure_only_where_the_reason_says_so(classify, end_reason, best, reason, responder):
    row = classify([], subject={"end_reason": end_reason})
    assert (row["best_response"], row["reason"], row["responder"]) == (best, reason, responder)


def test_lenient__looks_over_a_low_count_between(classify):
    counts = [(14, "40"), (17, "20"), (21, "40"), (24, "10"), (27, "40")]
    assert classify(counts)["best_response"] == "UNCONFIRMED_R"
    lenient = classify(counts, "iwg-2009-lenient")
    assert (lenient["best_response"], lenient["first_response_day"]) == ("R", 14)


def test_lenient__stands_beside_the_rule_and_policy(sheets):
    from immunoprofile.platelets import classify_response

    table = classify_response(**sheets(RESPONSE))
    assert table["definition_id"].tolist() == ["iwg-2009", "iwg-2009-lenient", "iwg-2009-policy"]


@pytest.mark.parametrize(("last", "best"), [(112, "R"), (113, "UNCONFIRMED_R")], ids=["by day 112", "after it"])
def test_confirmation__must_come_by_day_112(classify, last, best):
    assert classify([(84, "40"), (last, "40")])["best_response"] == best


def test_bleeding__three_days_before_a_count_belong_to_it(explain):
    audit = explain([(14, "40"), (15, "40")], bleeding=[(11, 1)])
    assert audit.loc[[14, 15], "bleeding"].tolist()[0] is True
    assert audit.loc[15, "flags"] == "BLEEDING_NOT_ASSESSED"


def test_several_counts_a_day__the_lowest_speaks(explain):
    audit = explain([(14, "40"), (14, "20")])
    speaks = audit[audit["eligible"]]
    assert speaks["platelets_1e9_per_l"].tolist() == [20.0]
    assert "not_lowest_of_day" in audit["why_not"].tolist()


def test_censored_count__above_the_threshold_neither_shows_nor_denies(explain):
    audit = explain([(14, "<40"), (21, "<10")])
    assert audit.loc[14, "why_not"] == "bound_above_threshold"
    assert (audit.loc[21, "level"], audit.loc[21, "qualifier"]) == ("none", "<")


def test_cutoff__later_counts_treatments_and_bleeding_are_ignored(classify):
    options = {"data_cutoff_day": 20}
    row = classify(
        [(14, "40"), (21, "40")], options=options, treatments=[_rx(21, "ivig", "rescue")], bleeding=[(21, 3)]
    )
    assert (row["best_response"], row["rescue_any"]) == ("UNCONFIRMED_R", False)
    assert (row["n_counts_eligible"], row["n_counts_excluded"]) == (1, 0)
