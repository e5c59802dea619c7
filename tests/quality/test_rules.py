"""Laboratory rules: where each level begins, and that an unanswerable rule stays silent."""

from __future__ import annotations

import math

import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, load_template
from immunoprofile.quality import RULES, Rule, check_sample
from immunoprofile.quality.rules import _judge
from immunoprofile.simulation import simulate_cohort


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory):
    study = simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=3, n_subjects=6, events_per_sample=20_000)
    file = sorted((study.parent / "fcs").glob("*.fcs"))[0]
    events = read_fcs(file)
    members = apply_template(load_template("immune14"), events)
    return members, events, check_sample(members, events, "s").set_index("rule_id")


def test_check_sample__every_rule_answers_on_the_demo_panel(checked) -> None:
    assert set(checked[2].index) == {r.id for r in RULES}


def test_check_sample__values_are_the_counts_ratios(checked) -> None:
    members, _, table = checked
    total = members.count("t") + members.count("b") + members.count("nk")
    assert table.loc["lymphosum", "value"] == total / members.count("lymphocytes")
    assert table.loc["lymphocyte_events", "value"] == members.count("lymphocytes")
    assert table.loc["viability", "value"] == members.count("live") / members.count("singlets")


def test_check_sample__clean_simulation_fails_nothing(checked) -> None:
    assert not (checked[2]["level"] == "fail").any()


def test_check_sample__rule_that_the_sample_cannot_answer_gives_no_row(checked) -> None:
    members, events, _ = checked
    silent = Rule("none", "NONE", "", "", lambda m, e: None, (0, 1), (0, 1))
    assert check_sample(members, events, "s", (silent,)).empty


@pytest.mark.parametrize(
    ("value", "level", "threshold"),
    [(1.00, "pass", 0.95), (0.95, "pass", 0.95), (0.949, "warn", 0.95), (1.051, "warn", 1.05), (0.899, "fail", 0.90),
     (1.101, "fail", 1.10)],
)  # fmt: skip
def test_lymphosum__levels(value: float, level: str, threshold: float) -> None:
    rule = next(r for r in RULES if r.id == "lymphosum")
    found = _judge(rule, value)
    assert found[0] == level
    if level != "pass":
        assert found[1] == threshold


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_rule__has_a_source_and_nested_ranges(rule: Rule) -> None:
    assert rule.source
    assert rule.meaning
    assert rule.fail[0] <= rule.warn[0] <= rule.warn[1] <= rule.fail[1] or rule.fail == (-math.inf, math.inf)
