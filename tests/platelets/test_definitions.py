"""The other definitions as rule files: set times, weekly counts, 50 twice; and files that extend one another."""

from __future__ import annotations

import hashlib
from importlib import resources

import pytest

from immunoprofile.errors import StudyError
from immunoprofile.platelets import judge_platelets, load_rule, rule_ids

RULES = resources.files("immunoprofile.platelets") / "rules"


def _weeks(responding, first=1, last=25, low="20"):
    """A count in the middle of every week from `first` to `last`: 60 in the responding ones."""
    return [(7 * w - 3, "60" if w in responding else low) for w in range(first, last + 1)]


@pytest.fixture
def verdict(classify):
    """(best response, reason) of one subject under one definition."""

    def judge(rule, counts, definition=None, **course):
        row = classify(counts, definition or rule, options={"rule": rule}, **course)
        return row["best_response"], row["reason"]

    return judge


@pytest.mark.parametrize(
    ("counts", "best"),
    [
        ([(10, "50"), (11, "50")], "R"),
        ([(10, "49.9"), (11, "50")], "NR"),
        ([(10, "60"), (12, "40"), (13, "60")], "NR"),
        ([(55, "60"), (56, "60")], "R"),
        ([(56, "60"), (57, "60")], "UNCONFIRMED_R"),
        ([(10, "200"), (11, "200")], "R"),
    ],
    ids=["exactly 50 a day apart", "one below", "not consecutive", "on the last day", "a day late", "knows no CR"],
)
def test_at_least_50_twice__counts_two_neighbours(verdict, counts, best):
    counts = [*counts, (14, "20")] if best == "NR" else counts
    assert verdict("at-least-50-twice", counts)[0] == best


def test_at_least_50_twice__looks_at_neither_doubling_nor_bleeding(verdict):
    assert verdict("at-least-50-twice", [(10, "52"), (11, "52")], baseline="28", bleeding=[(10, 2)])[0] == "R"


POINTS = {"ash-2019-early": 7, "ash-2019": 30, "ash-2019-durable": 183, "ash-2019-remission": 365}


@pytest.mark.parametrize(
    ("definition", "days"),
    [("ash-2019-early", (5, 9)), ("ash-2019", (24, 35)), ("ash-2019-durable", (166, 210))],
)
def test_ash_2019__days_are_inclusive(verdict, definition, days):
    at_edges = [verdict("ash-2019", [(d, "40"), (400, "9")], definition)[0] for d in days]
    beyond = [verdict("ash-2019", [(d, "40"), (400, "9")], definition) for d in (days[0] - 1, days[1] + 1)]
    assert at_edges == ["R", "R"]
    assert beyond == [("NE", "no_eligible_count")] * 2


def test_ash_2019__remission_lies_above_100(verdict):
    found = [verdict("ash-2019", [(365, v)], "ash-2019-remission")[0] for v in ("100", "100.1")]
    assert found == ["NR", "R"]


@pytest.mark.parametrize(
    ("counts", "best"),
    [([(25, "9"), (31, "40")], "R"), ([(29, "40"), (31, "9")], "NR"), ([(30, "29.9")], "NR"), ([(30, "30")], "R")],
    ids=["the nearest", "the later of two", "below 30", "exactly 30"],
)
def test_ash_2019__nearest_count_decides(verdict, counts, best):
    assert verdict("ash-2019", counts)[0] == best


def test_ash_2019__asks_for_the_double_of_the_baseline(verdict):
    assert [verdict("ash-2019", [(30, v)], baseline="20")[0] for v in ("39.9", "40")] == ["NR", "R"]


def test_ash_2019__observation_that_ended_before_is_not_evaluable(verdict):
    ended = {"last_observation_day": "20"}
    assert verdict("ash-2019", [(10, "40")], subject=ended) == ("NE", "observation_ended")
    assert verdict("ash-2019", [(10, "40")], subject=ended | {"end_reason": "lack of efficacy"}) == (
        "NR",
        "lack_of_efficacy",
    )


def test_ash_2019__rescue_before_the_count_is_failure(verdict):
    rescue = [{"day": 10, "end_day": 10, "kind": "platelet_transfusion", "role": "rescue"}]
    assert verdict("ash-2019", [(30, "60")], treatments=rescue) == ("NR", "rescue_before_response")


def test_ash_2019__has_no_onset_and_no_duration(classify):
    row = classify([(30, "60"), (40, "9"), (41, "9")], "ash-2019", options={"rule": "ash-2019"})
    lost = ("first_response_day", "time_to_response_days", "ttr_event", "duration_days", "prop_time_in_response")
    assert [row[c] for c in lost] == [None] * 5


def test_ash_2019__audit_names_the_count_that_decides(explain):
    audit = explain([(25, "9"), (31, "40")], "ash-2019", options={"rule": "ash-2019"})
    assert audit.loc[31, "role"] == "time_point"
    assert "nearest to day 30" in audit.loc[31, "decision"]
    assert audit.loc[25, "role"] == ""


@pytest.mark.parametrize(
    ("responding", "best"),
    [(range(18, 24), "R"), (range(18, 23), "NR"), ({18, 19, 20, 23, 24, 25}, "R"), (range(2, 18), "NR")],
    ids=["six in a row", "five", "six with a gap", "too early"],
)
def test_durable_weekly__is_six_of_the_last_eight_weeks(verdict, responding, best):
    assert verdict("durable-weekly", _weeks(set(responding)))[0] == best


def test_durable_weekly__four_early_weeks_are_transient(verdict):
    counts = _weeks({2, 5, 9, 13})
    assert verdict("durable-weekly", counts)[0] == "NR"
    assert verdict("durable-weekly", counts, "durable-weekly-overall")[0] == "R"


def test_durable_weekly__lowest_count_of_a_week_speaks(verdict):
    counts = [*_weeks(set(range(18, 24))), (7 * 20 - 1, "40")]
    assert verdict("durable-weekly", counts)[0] == "NR"


def test_durable_weekly__any_rescue_ends_durability(verdict):
    rescue = [{"day": 2, "end_day": 2, "kind": "platelet_transfusion", "role": "rescue"}]
    counts = _weeks(set(range(10, 26)))
    assert verdict("durable-weekly", counts, treatments=rescue) == ("NR", "rescue_before_response")
    assert verdict("durable-weekly", counts, "durable-weekly-overall", treatments=rescue)[0] == "R"


@pytest.mark.parametrize(("day", "best"), [(0, "R"), (1, "NR")], ids=["56 days and one", "56 days"])
def test_durable_weekly__no_week_within_eight_of_rescue_responds(verdict, day, best):
    # weeks 9, 11, 13, 15 respond by their counts; the first of them lies on day 57
    rescue = [{"day": day, "end_day": day, "kind": "platelet_transfusion", "role": "rescue"}]
    counts = [(57, "60"), (74, "60"), (88, "60"), (102, "60"), (172, "9")]
    assert verdict("durable-weekly", counts, "durable-weekly-overall", treatments=rescue)[0] == best


@pytest.mark.parametrize(
    ("last_week", "expected"),
    [(22, ("NE", "observation_ended")), (19, ("NE", "observation_ended"))],
    ids=["could still respond", "hardly begun"],
)
def test_durable_weekly__early_end_is_not_evaluable_while_it_could_respond(verdict, last_week, expected):
    assert verdict("durable-weekly", _weeks({18, 19, 20}, last=last_week)) == expected


def test_durable_weekly__early_end_that_cannot_respond_any_more_is_no_response(verdict):
    # weeks 18 to 20 low, observation ends with week 21: four weeks are left, six are asked for
    assert verdict("durable-weekly", _weeks(set(), last=21)) == ("NR", None)


@pytest.mark.parametrize("rule", sorted(set(rule_ids()) - {"iwg-2009"}))
def test_rule__that_extends_takes_over_what_counts_may_speak(rule):
    loaded, iwg = load_rule(rule), load_rule("iwg-2009")
    assert (loaded.exclusion, loaded.baseline, loaded.attribution) == (iwg.exclusion, iwg.baseline, iwg.attribution)
    both = (RULES / f"{rule}.toml").read_bytes() + b"\0" + (RULES / "iwg-2009.toml").read_bytes()
    assert loaded.sha256 == hashlib.sha256(both).hexdigest()


def test_rule__extends_a_file_beside_it(tmp_path):
    (tmp_path / "base.toml").write_bytes((RULES / "iwg-2009.toml").read_bytes())
    own = (RULES / "at-least-50-twice.toml").read_text().replace('extends = "iwg-2009"', 'extends = "base.toml"')
    (tmp_path / "lab.toml").write_text(own)
    assert load_rule(tmp_path / "lab.toml").level.r.min_1e9_per_l == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "monthly"', 'kind: "monthly" is no kind of response rule'),
        ('extends = "ash-2019"', 'extends: extends "ash-2019", which extends a third file'),
        ('extends = "iwg-2008"', 'no response rule "iwg-2008"'),
    ],
)
def test_rule__that_cannot_be_read_says_why(tmp_path, text, message):
    path = tmp_path / "lab.toml"
    path.write_text(f'id = "lab"\nversion = "1"\ntitle = "x"\n{text}\n')
    with pytest.raises(StudyError) as caught:
        load_rule(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "old", "new", "message"),
    [
        ("ash-2019", 'main = "initial"', 'main = "first"', "main names no point"),
        ("ash-2019", 'name = "early"', 'name = "initial"', "two points have one name"),
        ("ash-2019", "target_day = 7", "target_day = 12", "target_day must lie within days"),
        ("durable-weekly", "min_weeks = 6", "min_weeks = 9", "hold at least min_weeks"),
        ("durable-weekly", "after_rescue_days = 56", "rescue_free = 56", 'key "rescue_free" is not known'),
    ],
)
def test_rule__wrong_setting_is_named(tmp_path, rule, old, new, message):
    text = (RULES / f"{rule}.toml").read_text()
    assert old in text
    (tmp_path / "lab.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(StudyError) as caught:
        load_rule(tmp_path / "lab.toml")
    assert message in str(caught.value)


def test_response__holds_further_definitions_below_its_own(sheets):
    response, counts = judge_platelets(**sheets([(14, "60"), (30, "60")]), also=["ash-2019", "at-least-50-twice"])
    expected = ["iwg-2009", "iwg-2009-lenient", "iwg-2009-policy", *[f"ash-2019{n}" for n in ("", "-early")]]
    assert response["definition_id"].tolist()[:4] and set(expected) < set(response["definition_id"])
    assert set(counts["definition_id"]) == set(response["definition_id"])


def test_response__one_definition_twice_is_refused(sheets):
    with pytest.raises(StudyError, match="two response definitions are called iwg-2009"):
        judge_platelets(**sheets([(14, "60")]), also=["iwg-2009"])
