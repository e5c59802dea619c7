"""How responses end, come back and are measured; each number worked by hand."""

from __future__ import annotations

import pytest

EXACT = 1e-12  # a ratio of two small integers: only the last bit may differ

R = [(7, "40"), (14, "40")]
CASES = [
    pytest.param([*R, (21, "10"), (28, "10")], {}, (21, "counts", 14, 1), id="two low counts"),
    pytest.param([*R, (21, "10"), (22, "10")], {}, (21, "counts", 14, 1), id="one day apart"),
    pytest.param([*R, (21, "10"), (28, "40")], {}, (None, None, 21, 0), id="single low count, then recovery"),
    pytest.param([*R, (21, "10")], {}, (None, "loss_pending", 14, 0), id="single low count at the end"),
    pytest.param([*R, (21, "40")], {}, (None, None, 14, 0), id="no loss"),
    pytest.param([*R, (21, "40")], {"bleeding": [(18, 2)]}, (18, "bleeding", 11, 1), id="bleeding"),
    pytest.param([*R, (21, "40")], {"bleeding": [(18, 0)]}, (None, None, 14, 0), id="assessed, no bleeding"),
    pytest.param(
        [*R, (60, "40")],
        {"treatments": [{"day": 18, "kind": "ivig", "role": "rescue"}]},
        (18, "rescue", 11, 1),
        id="rescue",
    ),
    pytest.param(
        [*R, (60, "40")],
        {"treatments": [{"day": 18, "kind": "ivig", "role": "concomitant"}]},
        (None, None, 53, 0),
        id="the same for another reason",
    ),
    pytest.param([*R, (21, "28"), (28, "28")], {"baseline": "14"}, (21, "counts", 14, 1), id="below 30"),
    pytest.param(
        [(7, "44"), (14, "44"), (21, "38"), (28, "38")],
        {"baseline": "20"},
        (21, "counts", 14, 1),
        id="below twice the baseline",
    ),
]


@pytest.mark.parametrize(("counts", "course", "expected"), CASES)
def test_loss__day_reason_duration_and_event(classify, counts, course, expected):
    row = classify(counts, **course)
    assert (row["loss_day"], row["loss_reason"], row["duration_days"], row["dor_event"]) == expected


def test_loss__is_not_made_by_rescue_under_policy(classify):
    rescue = [{"day": 18, "kind": "ivig", "role": "rescue"}]
    assert classify([*R, (60, "40")], "iwg-2009-policy", treatments=rescue)["loss_day"] is None


def test_loss__of_cr_leaves_r(classify):
    row = classify([(7, "110"), (14, "112"), (21, "80"), (28, "82"), (35, "90")])
    assert (row["best_response"], row["cr_loss_day"], row["loss_day"]) == ("CR", 21, None)


def test_loss__single_count_below_cr_is_no_loss_of_cr(classify):
    row = classify([(7, "110"), (14, "112"), (21, "80"), (28, "120")])
    assert row["cr_loss_day"] is None


def test_loss__is_censored_where_attribution_ends(classify):
    another = [{"day": 20, "kind": "rituximab", "role": "concomitant"}]
    row = classify([*R, (21, "10"), (28, "10")], treatments=another, bleeding=[(27, 3)])
    assert (row["loss_day"], row["duration_days"], row["dor_event"]) == (None, 7, 0)


def test_time_in_response__adds_the_episodes(classify):
    # in response on days 7-21 and 35-49 of 49: 28 / 49
    counts = [*R, (21, "10"), (28, "10"), (35, "40"), (42, "40"), (49, "40")]
    row = classify(counts)
    assert row["loss_day"] == 21
    assert row["prop_time_in_response"] == pytest.approx(28 / 49, abs=EXACT)


def test_time_in_response__never_exceeds_one(classify):
    # lost by bleeding on day 30, after the last count on day 14: 23 days of 30
    row = classify(R, bleeding=[(30, 1)])
    assert row["prop_time_in_response"] == pytest.approx(23 / 30, abs=EXACT)


@pytest.mark.parametrize("counts", [[(14, "8")], [(84, "60")]], ids=["NR", "UNCONFIRMED_R"])
def test_time_in_response__is_zero_without_response(classify, counts):
    assert classify(counts)["prop_time_in_response"] == 0.0


def test_audit__names_the_role_of_each_count(explain):
    counts = [*R, (21, "110"), (28, "120"), (35, "80"), (42, "10"), (49, "10"), (56, "40"), (63, "40"), (70, "9")]
    audit = explain(counts)
    assert audit["role"].to_dict() == {
        -1: "baseline",
        7: "onset",
        14: "confirms",
        21: "cr_onset",
        28: "cr_confirms",
        35: "cr_loss",
        42: "loss",
        49: "",
        56: "regained",
        63: "confirms",
        70: "loss_pending",
    }


def test_audit__says_why_in_words(explain):
    rescue = [{"day": 18, "kind": "ivig", "role": "rescue"}]
    audit = explain([(14, "31"), (20, "45"), (60, "50")], treatments=rescue)
    assert audit.loc[14, "decision"] == (
        "31 x 10^9/L; R asks for 30 (baseline 5): R. Onset of the response, confirmed on day 60."
    )
    assert audit.loc[20, "decision"] == (
        "45 x 10^9/L; R asks for 30 (baseline 5): R. "
        "Does not speak for the treatment: ivig sets counts aside from day 18 until day 46."
    )
    assert audit.loc[60, "decision"].endswith("Confirms the response that began on day 14.")


def test_audit__says_why_a_qualifying_count_came_to_nothing(explain):
    assert "No later count confirms it." in explain([(14, "31"), (21, "9")]).loc[14, "decision"]
    assert "may begin (1 to 84)" in explain([(14, "9"), (90, "31")]).loc[90, "decision"]
    late = explain([(14, "9"), (60, "31")], treatments=[{"day": 18, "kind": "ivig", "role": "rescue"}])
    assert "Rescue on day 18 makes the subject NR" in late.loc[60, "decision"]


def test_audit__shows_bleeding_in_the_decision(explain):
    audit = explain([(14, "120"), (21, "120")], bleeding=[(14, 1)])
    assert "CR by its number, but with bleeding." in audit.loc[14, "decision"]
    assert audit.loc[14, "level"] == "none"
