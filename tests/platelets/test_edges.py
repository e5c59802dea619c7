"""The day or the value on which a decision turns: each limit from both sides."""

from __future__ import annotations

from importlib import resources

import pytest

RESPONSE = [(14, "40"), (21, "40")]


def _rx(day, kind, role="concomitant", **more):
    return {"day": day, "kind": kind, "role": role, **more}


def _best(row):
    return row["best_response"]


@pytest.mark.parametrize(("last", "best"), [(112, "NR"), (113, "UNCONFIRMED_R")], ids=["by day 112", "after it"])
def test_unconfirmed__is_refuted_by_a_low_count_until_day_112(classify, last, best):
    assert _best(classify([(84, "40"), (last, "9")])) == best


@pytest.mark.parametrize(("cutoff", "best"), [(21, "R"), (20, "UNCONFIRMED_R")], ids=["on the day", "before it"])
def test_cutoff__day_itself_is_seen(classify, cutoff, best):
    assert _best(classify(RESPONSE, options={"data_cutoff_day": cutoff})) == best


def test_attribution__count_of_the_same_day_does_not_speak(explain):
    audit = explain([(13, "40"), (14, "40")], treatments=[_rx(14, "rituximab")])
    assert audit.loc[[13, 14], "eligible"].tolist() == [True, False]


def test_attribution__ends_with_one_on_day_0(classify):
    row = classify(RESPONSE, treatments=[_rx(0, "rituximab")])
    assert (row["best_response"], row["reason"]) == ("NR", "no_eligible_count_rescue")


def test_rescue__on_day_0_is_rescue(classify):
    row = classify([(40, "40"), (47, "40")], treatments=[_rx(0, "ivig", "rescue")])
    assert (row["best_response"], row["ttr_event"], row["first_rescue_day"]) == ("NR", 2, 0)


def test_rescue__before_day_0_is_history(classify):
    row = classify([(40, "40"), (47, "40")], treatments=[_rx(-40, "ivig", "rescue")])
    assert (row["best_response"], row["rescue_any"]) == ("R", False)


@pytest.mark.parametrize(("day", "best"), [(84, "NR"), (85, "NE")], ids=["in the days of onset", "after them"])
def test_no_counts__are_failure_where_rescue_came_in_the_days_of_onset(classify, day, best):
    row = classify([], "iwg-2009-policy", treatments=[_rx(day, "ivig", "rescue")])
    assert _best(row) == best


STABLE = [
    pytest.param(_rx(-28, "tpo_ra", change="start", end_day=0), 0, id="28 days before, until day 0"),
    pytest.param(_rx(-28, "tpo_ra", change="start", end_day=-1), 2, id="stopped before day 0"),
    pytest.param(_rx(-27, "tpo_ra", change="start", end_day=14), 2, id="27 days before"),
    pytest.param(_rx(-28, "tpo_ra", "rescue", end_day=14), 2, id="rescue is never stable"),
]


@pytest.mark.parametrize(("treatment", "n_excluded"), STABLE)
def test_stable_treatment__is_part_of_the_baseline(classify, treatment, n_excluded):
    assert classify(RESPONSE, treatments=[treatment])["n_counts_excluded"] == n_excluded


def test_loss__names_bleeding_where_both_come_on_one_day(classify):
    row = classify([(7, "40"), (14, "40"), (21, "9"), (28, "9")], bleeding=[(21, 2)])
    assert (row["loss_day"], row["loss_reason"]) == (21, "bleeding")


def test_loss__asks_for_as_many_days_apart_as_the_rule(tmp_path, classify):
    packaged = resources.files("immunoprofile.platelets") / "rules" / "iwg-2009.toml"
    path = tmp_path / "lab.toml"
    path.write_text(
        packaged.read_text(encoding="utf-8").replace("days_apart = 1\n", "days_apart = 7\n"), encoding="utf-8"
    )
    counts = [(7, "40"), (14, "40"), (21, "9"), (24, "9"), (28, "40")]
    assert classify(counts)["loss_day"] == 21
    assert classify(counts, options={"rule": path})["loss_day"] is None


def test_concomitant_change__before_day_0_is_not_flagged(classify):
    row = classify(RESPONSE, treatments=[_rx(-10, "steroid", change="start", end_day=60)])
    assert "CONCOMITANT_CHANGED" not in row["flags"]


def test_magnitude__of_exactly_a_thousand_is_read(classify):
    assert classify([(14, "1000"), (21, "1000")])["max_plt_1e9_per_l"] == 1000.0


def test_several_counts_a_day__a_bound_is_lower_than_its_number(explain):
    audit = explain([(14, "10"), (14, "<10")])
    assert audit.loc[14, "qualifier"].tolist() == ["<", ""]
    assert audit.loc[14, "eligible"].tolist() == [True, False]


def test_rescue_between__keeps_the_onset_and_ends_the_response(classify):
    # as the rule reads: rescue came after onset, and the confirming count after its washout is eligible
    row = classify([(14, "40"), (50, "40")], treatments=[_rx(16, "ivig", "rescue")])
    assert (row["best_response"], row["first_response_day"], row["loss_day"]) == ("R", 14, 16)
    assert {"LOSS_BEFORE_CONFIRMATION", "CONFIRMATION_GAP"} <= set(row["flags"].split(";"))
