"""A study's declared plan reaches the tables; gates are moved where they stand in the template."""

from __future__ import annotations

import pytest

from immunoprofile.cohort import run_study
from immunoprofile.errors import StudyError
from immunoprofile.gating.library import templates_folder
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study

DECLARED = """
secondary = [{ pop_id = "b_switched", denom_id = "b", measure = "logit_frac" }]
ratios = [{ numerator = "cd4", denominator = "cd8" }]
landmark_day = 21
"""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("declared")
    simulate_cohort(folder, seed=3, n_subjects=8, visits=("BL", "W4"), events_per_sample=2_000)
    return folder / "study.toml"


def declare(study_file, tmp_path, text: str):
    """The study with more lines in its last table, [analysis]."""
    plan = study_file.read_text(encoding="utf-8")
    assert plan.index("[analysis]") > plan.index("[visits]")
    before, after = plan.split("[analysis]\n")
    other = study_file.with_name(f"{tmp_path.name}.toml")
    other.write_text(f"{before}[analysis]\n{text.strip()}\n{after}", encoding="utf-8")
    return load_study(other)


@pytest.fixture(scope="module")
def answers(study_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return run_study(declare(study_file, out, DECLARED), out / "results", jobs=2).association


def test_run_study__asks_key_secondaries_and_ratios(answers):
    secondary = answers[(answers["role"] == "secondary") & (answers["question"] == "overall_change")]
    assert set(secondary["pop_id"]) == {"b_switched"}
    assert set(answers.loc[answers["scale"] == "log_ratio", "denom_id"]) == {"cd8"}


def test_run_study__moves_the_gates_of_the_primary_population(answers):
    row = answers[(answers["sensitivity"] == "gate_placement") & (answers["question"] == "overall_change")].iloc[0]
    primary = answers[answers["role"] == "primary"].iloc[0]
    assert row["method"] == "gate_placement_range"
    assert row["ci_lo"] <= row["estimate"] <= row["ci_hi"]
    # Two hundredths of a scale move the estimate by less than its own interval is wide.
    assert abs(row["estimate"] - primary["estimate"]) < primary["ci_hi"] - primary["ci_lo"]


def test_run_study__uses_the_landmark_of_the_plan(answers):
    assert answers.loc[answers["question"] == "landmark", "note"].str.startswith("day 21: ").all()


def test_run_study__declared_populations_that_no_template_reports_are_refused(study_file, tmp_path):
    study = declare(study_file, tmp_path, 'ratios = [{ numerator = "cd4", denominator = "cd88" }]')
    with pytest.raises(StudyError, match=r'analysis\.ratios\[0\]: no template of this study reports "cd88"'):
        run_study(study, tmp_path / "results")


AUTOMATIC = (
    'range = { x = "Viability", max = 0.56 }',
    'auto = { method = "valley", x = "Viability", keep = "below", between = [0.4, 0.75], min_events = 100 }\n'
    'fallback = { range = { x = "Viability", max = 0.56 } }',
)


@pytest.fixture(scope="module")
def by_rule(study_file, tmp_path_factory):
    """Answers of the same files with live cells found in the data."""
    text = (templates_folder() / "immune14.toml").read_text(encoding="utf-8")
    assert AUTOMATIC[0] in text
    study_file.with_name("auto14.toml").write_text(text.replace(*AUTOMATIC), encoding="utf-8")
    plan = study_file.read_text(encoding="utf-8").replace('template = "immune14"', 'template = "auto14.toml"')
    other = study_file.with_name("automatic.toml")
    other.write_text(plan, encoding="utf-8")
    found = run_study(load_study(other), tmp_path_factory.mktemp("auto") / "results", jobs=2).association
    return found[found["question"] == "overall_change"]


def test_run_study__automatic_gates_are_moved_and_their_rules_stand_beside_each_other(by_rule):
    names = set(by_rule["sensitivity"].dropna())
    assert {"gate_placement", "gates_fixed", "gates_pooled_by_subject", "gates_pooled_by_batch"} <= names
    placed = by_rule.set_index("sensitivity").loc["gate_placement"]
    assert int(placed["note"].split()[0]) > 10
    assert "nothing to compare" not in placed["note"]


def test_run_study__fixed_gates_give_the_answer_of_the_template_without_rules(by_rule, answers):
    # The fallback of the rule is the gate of the shipped template, whose run is the second source.
    fixed = by_rule.set_index("sensitivity").loc["gates_fixed"]
    plain = answers[answers["role"] == "primary"].iloc[0]
    assert fixed["estimate"] == plain["estimate"]
    assert fixed["p_raw"] == plain["p_raw"]


def test_run_study__the_rule_of_the_template_gives_the_answer_of_the_run(by_rule):
    # Pooling by subject is what the template's own rule does.
    pooled = by_rule.set_index("sensitivity").loc["gates_pooled_by_subject"]
    own = by_rule[by_rule["role"] == "primary"].iloc[0]
    assert pooled["estimate"] == own["estimate"]
