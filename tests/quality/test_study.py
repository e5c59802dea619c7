"""Quality rules in a whole study: controls, a laboratory's own rules, removal, faults that leave their mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.cohort import profile_cohort
from immunoprofile.errors import StudyError
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study


def simulate(folder: Path, **options) -> Path:
    chosen = {"seed": 5, "n_subjects": 4, "visits": ("BL", "W4"), "events_per_sample": 8_000} | options
    return simulate_cohort(folder / "c", **chosen)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("controlled")
    study = simulate(folder, n_subjects=1, controls=True, batch_days=14)
    sheet = study.parent / "samples.csv"
    lines = sheet.read_text(encoding="utf-8").splitlines()
    # Tubes with a marker left out are gated for their intensities alone: not asked for here, and they take time.
    sheet.write_text("\n".join(x for x in lines if "fmo:" not in x) + "\n", encoding="utf-8")
    return profile_cohort(load_study(study), folder / "r")


def test_study__single_stains_are_judged_against_the_matrix_in_use(controlled) -> None:
    rows = controlled.samples_qc.query("rule_id == 'residual_spill'")
    assert len(rows) == 28  # 14 detectors in two runs
    assert not (rows["level"] == "fail").any()  # a slope from 2,000 positives is within a percent or two
    assert rows["item"].nunique() == 14


def test_study__bridging_controls_are_listed_and_stand_in_no_population(controlled) -> None:
    bridges = controlled.checks_unanswered.query("rule_id == 'bridge_control'")["sample_id"]
    assert len(bridges) >= 2
    assert not set(bridges) & set(controlled.populations["sample_id"])


def test_study__control_shift_stands_beside_the_subjects(controlled) -> None:
    shifts = controlled.control_shifts
    assert set(shifts["subject_id"]) <= set(controlled.populations["subject_id"])
    assert (shifts["batch_from"] != shifts["batch_to"]).all()
    assert (Path(controlled.folder) / "control_shifts.csv").is_file()


MARKS = {"clog": "flow_stopped", "drift": "time_affected", "wrong_spillover": "spillover_differs"}
"""Scenario, with one subject's later file spoiled, to the rule that sees it."""


def test_study__faults_leave_their_mark_and_the_clean_samples_none(tmp_path: Path) -> None:
    for scenario, rule in MARKS.items():
        study = simulate(tmp_path / scenario, scenario=scenario)
        rows = profile_cohort(load_study(study), tmp_path / scenario / "r").samples_qc
        asked = rows[rows["rule_id"] == rule]
        noticed = asked[asked["level"].isin(["warn", "fail"])]
        assert len(noticed) == 1, (scenario, noticed)
        assert len(asked) >= 7


def test_study__own_rules_judge_and_their_digest_is_in_the_plan(tmp_path: Path) -> None:
    study = simulate(tmp_path, n_subjects=1, visits=("BL", "W4"))
    plain = profile_cohort(load_study(study), tmp_path / "plain")
    rules = '[[rule]]\nid = "lymphocyte_events"\nwarn = [1000000, inf]\nfail = [1000000, inf]\nsource = "a test"\n'
    (study.parent / "lab.toml").write_text(rules, encoding="utf-8")
    study.write_text(study.read_text(encoding="utf-8") + '\n[quality]\nrules = "lab.toml"\n', encoding="utf-8")
    own = profile_cohort(load_study(study), tmp_path / "own")
    assert set(own.samples_qc.query("rule_id == 'lymphocyte_events'")["level"]) == {"fail"}
    assert own.populations["flags"].str.contains("FEW_LYMPHOCYTES").any()
    assert not plain.populations["flags"].str.contains("FEW_LYMPHOCYTES").any()
    assert own.plan["quality rules"] != plain.plan["quality rules"]
    assert "quality rules" in own.inputs


def test_study__wrong_rules_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    study = simulate(tmp_path, n_subjects=1, visits=("BL", "W4"), events_per_sample=10)
    study.write_text(study.read_text(encoding="utf-8") + '\n[quality]\nrules = "none.toml"\n', encoding="utf-8")
    with pytest.raises(StudyError, match=r"none\.toml: quality rules cannot be read"):
        load_study(study)


def test_study__one_bad_single_stain_leaves_the_others_judged(tmp_path: Path) -> None:
    study = simulate(tmp_path, n_subjects=1, visits=("BL", "W4"), controls=True, panels=("treg",))
    sheet = study.parent / "samples.csv"
    lines = [x for x in sheet.read_text(encoding="utf-8").splitlines() if "fmo:" not in x and ",bridge," not in x]
    stains = [x for x in lines if ",single:" in x]
    bad, named = (x.split(",")[0] for x in stains[:2])
    (study.parent / stains[0].split(",")[1]).write_bytes(b"FCS3.1 of nothing")
    wrong = stains[1].replace("single:", "single:no")
    sheet.write_text("\n".join(wrong if x == stains[1] else x for x in lines) + "\n", encoding="utf-8")
    results = profile_cohort(load_study(study), tmp_path / "r")
    judged = results.samples_qc.query("rule_id == 'residual_spill'")
    reasons = results.checks_unanswered.query("rule_id == 'residual_spill'").set_index("sample_id")["reason"]
    assert len(judged) == len(stains) - 2
    assert not (judged["level"] == "fail").any()
    assert set(reasons.index) == {bad, named}
    assert "0 channels are called as the control says" in reasons[named]
    assert str(tmp_path) not in " ".join(reasons)
