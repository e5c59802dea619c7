"""Worked cases of the criteria of Rodeghiero 2009, decided by hand; baseline 5 on day -1 unless a case says more."""

from __future__ import annotations

import pytest

CASES = [
    # counts, baseline, bleeding, expected best response, expected onset
    pytest.param([(14, "31"), (21, "35")], "5", [], "R", 14, id="R at day 14 confirmed at 7 days"),
    pytest.param([(14, "31"), (20, "35")], "5", [], "UNCONFIRMED_R", None, id="6 days do not confirm"),
    pytest.param([(14, "35"), (21, "38")], "20", [], "NR", None, id="above 30 but not doubled"),
    pytest.param([(14, "12"), (21, "12")], "4", [], "NR", None, id="doubled but below 30"),
    pytest.param([(14, "35"), (21, "35")], "28", [], "NR", None, id="baseline 28 count 35 is no response"),
    pytest.param([(14, "31"), (21, "31")], "16", [], "NR", None, id="baseline 16 asks for 32"),
    pytest.param([(14, "32"), (21, "32")], "16", [], "R", 14, id="baseline 16 reaches 32"),
    pytest.param([(14, "30"), (21, "30")], "15", [], "R", 14, id="baseline 15: 30 is both limits exactly"),
    pytest.param([(14, "30"), (21, "30")], "14", [], "R", 14, id="baseline 14: 30 dominates"),
    pytest.param([(14, "28"), (21, "28")], "14", [], "NR", None, id="baseline 14: doubled is not enough"),
    pytest.param([(14, "105"), (21, "110")], "60", [], "CR", 14, id="CR asks for no doubling"),
    pytest.param([(14, "30"), (21, "30")], "0", [], "R", 14, id="baseline 0: doubling is vacuous"),
    pytest.param([(14, "100"), (21, "100")], "5", [], "CR", 14, id="exactly 100 is CR"),
    pytest.param([(14, "99.9"), (21, "100")], "5", [], "R", 14, id="99.9 is not CR"),
    pytest.param([(14, "29.8"), (21, "29.8")], "14.9", [], "NR", None, id="2 x 14.9 but below 30"),
    pytest.param([(14, "32.2"), (21, "32.2")], "16.1", [], "R", 14, id="2 x 16.1 exactly, by decimals"),
    pytest.param([(14, "120"), (21, "120")], "5", [(14, 1), (21, 1)], "NR", None, id="WHO 1 bleeding is no response"),
    pytest.param([(14, "120"), (21, "120")], "5", [(14, 0), (21, 0)], "CR", 14, id="grade 0 is no bleeding"),
    pytest.param([(14, "31"), (28, "35")], "5", [], "R", 14, id="a missing visit is no failure"),
    pytest.param([(14, "31"), (17, "20"), (21, "35")], "5", [], "UNCONFIRMED_R", None, id="low count between"),
    pytest.param([(14, "31"), (21, "20"), (28, "20")], "5", [], "NR", None, id="isolated spike, then low"),
    pytest.param([(14, "10"), (21, "12")], "5", [], "NR", None, id="plain non-response"),
    pytest.param([(7, "40"), (14, "110"), (21, "120")], "5", [], "CR", 7, id="R first, CR later: onset is R's"),
]


@pytest.mark.parametrize(("counts", "baseline", "bleeding", "best", "onset"), CASES)
def test_truth_table__best_response_and_onset(classify, counts, baseline, bleeding, best, onset):
    row = classify(counts, baseline=baseline, bleeding=bleeding)
    assert (row["best_response"], row["first_response_day"]) == (best, onset)
    assert row["responder"] is (best in {"CR", "R"})


IVIG_16 = {"day": 16, "kind": "ivig", "role": "rescue"}
PATIENTS = [
    # twelve hand-made patients: name, counts, course, and what must be said of them
    pytest.param(
        [(7, "20"), (14, "110"), (21, "115"), (28, "120")],
        {},
        {"best_response": "CR", "cr_day": 14, "first_response_day": 14},
        id="clean CR",
    ),
    pytest.param(
        [(14, "30.0"), (21, "30.0")],
        {"baseline": "15.0"},
        {"best_response": "R", "time_to_response_days": 14, "ttr_event": 1},
        id="exactly 30.0 and exactly 2.0 x",
    ),
    pytest.param(
        [(14, "29.9"), (21, "29.9")],
        {},
        {"best_response": "NR", "ttr_event": 0, "time_to_response_days": 21},
        id="29.9",
    ),
    pytest.param([(14, "39.8"), (21, "39.8")], {"baseline": "20"}, {"best_response": "NR"}, id="ratio 1.99"),
    pytest.param(
        [(14, "40"), (20, "40")], {}, {"best_response": "UNCONFIRMED_R", "responder": False}, id="confirmed at day 6"
    ),
    pytest.param([(14, "40"), (21, "40")], {}, {"best_response": "R", "confirmed_day": 21}, id="confirmed at day 7"),
    pytest.param(
        [(14, "40"), (21, "40")], {"bleeding": [(20, 2)]}, {"best_response": "NR"}, id="bleeding at confirmation"
    ),
    pytest.param(
        [(14, "40"), (21, "45")],
        {"treatments": [IVIG_16]},
        {"best_response": "NR", "reason": "rescue_before_response", "ttr_event": 2, "time_to_response_days": 16},
        id="rescue between, counts within its washout",
    ),
    pytest.param(
        [(3, "150"), (14, "8")],
        {"treatments": [{"day": 1, "kind": "platelet_transfusion", "role": "concomitant"}]},
        {"best_response": "NR", "n_counts_eligible": 1, "n_counts_excluded": 1, "max_plt_1e9_per_l": 8.0},
        id="transfusion spike",
    ),
    pytest.param(
        [(14, "110"), (21, "112"), (28, "80"), (35, "82"), (42, "12"), (49, "9")],
        {},
        {
            "best_response": "CR",
            "cr_loss_day": 28,
            "loss_day": 42,
            "loss_reason": "counts",
            "duration_days": 28,
            "dor_event": 1,
        },
        id="CR to R to loss",
    ),
    pytest.param(
        [(14, "10"), (90, "60"), (97, "60")],
        {},
        {"best_response": "NR", "first_response_day": None},
        id="late responder day 90",
    ),
    pytest.param(
        [(14, "60"), (21, "60")],
        {"baseline": None},
        {"best_response": "NE", "responder": None, "reason": "no_baseline", "ttr_event": None},
        id="missing baseline",
    ),
    pytest.param(
        [(14, "10"), (21, "12"), (84, "60")],
        {},
        {"best_response": "UNCONFIRMED_R", "responder": False},
        id="unconfirmed last visit",
    ),
]


@pytest.mark.parametrize(("counts", "course", "expected"), PATIENTS)
def test_patients__are_judged_as_by_hand(classify, counts, course, expected):
    row = classify(counts, **course)
    assert {k: row[k] for k in expected} == expected


FLAGGED = [
    pytest.param([(14, "105"), (21, "110")], {"baseline": "60"}, "BASELINE_GE_30", id="CR without doubling"),
    pytest.param([(14, "10"), (90, "60"), (97, "60")], {}, "LATE_RESPONSE", id="confirmed after day 84"),
    pytest.param([(14, "40"), (50, "40")], {}, "CONFIRMATION_GAP", id="36 days to the confirming count"),
    pytest.param([(14, "40"), (21, "40")], {"baseline": "<10"}, "BASELINE_CENSORED", id="baseline below 10"),
    pytest.param([(14, "40"), (21, "40")], {"bleeding": None}, "BLEEDING_NOT_GIVEN", id="no bleeding table"),
    pytest.param([(14, "40"), (21, "40")], {"treatments": None}, "TREATMENTS_NOT_GIVEN", id="no treatments table"),
    pytest.param([(14, "40"), (21, "40")], {}, "BLEEDING_NOT_ASSESSED", id="nobody looked for bleeding"),
    pytest.param([(14, "8")], {}, "NR_SINGLE_COUNT", id="one count"),
    pytest.param(
        [(14, "40"), (50, "40")],
        {"treatments": [IVIG_16]},
        "LOSS_BEFORE_CONFIRMATION",
        id="rescue between, confirmed after its washout",
    ),
    pytest.param(
        [(1, "5"), (50, "40"), (57, "40")],
        {"treatments": [IVIG_16]},
        "RESPONSE_AFTER_RESCUE",
        id="response after rescue",
    ),
]
QUIET = [
    pytest.param([(14, "105"), (21, "110")], {"baseline": "40"}, "BASELINE_GE_30", id="CR with doubling"),
    pytest.param([(14, "40"), (49, "40")], {}, "CONFIRMATION_GAP", id="35 days"),
    pytest.param([(14, "40"), (21, "40")], {"bleeding": [(14, 0), (21, 0)]}, "BLEEDING_NOT_ASSESSED", id="assessed"),
    pytest.param([(84, "40"), (91, "40")], {}, "LATE_RESPONSE", id="onset on the last day"),
]


@pytest.mark.parametrize(("counts", "course", "flag"), FLAGGED)
def test_flags__are_raised_where_they_matter(classify, counts, course, flag):
    assert flag in classify(counts, **course)["flags"].split(";")


@pytest.mark.parametrize(("counts", "course", "flag"), QUIET)
def test_flags__stay_away_where_they_do_not(classify, counts, course, flag):
    assert flag not in classify(counts, **course)["flags"].split(";")
