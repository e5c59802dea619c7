"""Concentrations, treatment states and FMO controls on their way through a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cohort import profile_cohort, run_study
from immunoprofile.errors import StudyError
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import Study, load_samples, load_study

NO_COUNTS = {"lymph_abs_1e9_per_l": None, "wbc_1e9_per_l": None, "beads_added": None, "sample_volume_ul": None}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(
        simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=5, n_subjects=6, events_per_sample=3000)
    )


def concentrations_asked(study: Study) -> Study:
    primary = study.analysis.primary[0].model_copy(update={"measure": "log_cells_per_ul"})
    return replace(study, analysis=study.analysis.model_copy(update={"primary": (primary,)}))


def few(study: Study, n: int = 3) -> Study:
    return replace(study, samples=study.samples[:n])


def test_run_study__concentration_can_be_the_primary_endpoint(study: Study, tmp_path: Path) -> None:
    results = run_study(concentrations_asked(study), tmp_path / "r")
    primary = results.association.query("role == 'primary'")
    assert set(primary["scale"]) == {"log_cells_per_ul"}
    assert primary["estimate"].notna().all()
    assert set(results.populations["abs_method"].dropna()) <= {"dual", "none"}


def test_run_study__concentration_without_any_blood_count_is_refused_before_gating(
    study: Study, tmp_path: Path
) -> None:
    bare = replace(study, samples=tuple(replace(s, **NO_COUNTS) for s in study.samples))
    words = r'"log_cells_per_ul" is not known at baseline and in the window of any subject\. Give beads_added'
    with pytest.raises(StudyError, match=words):
        run_study(concentrations_asked(bare), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_profile__methods_mixed_within_a_subject_are_refused_before_gating(study: Study, tmp_path: Path) -> None:
    first = study.samples[0]
    later = next(s for s in study.samples[1:] if s.subject_id == first.subject_id)
    own = {
        first.sample_id: {"wbc_1e9_per_l": None},
        later.sample_id: {"lymph_abs_1e9_per_l": None},
    }
    mixed = tuple(replace(s, **own.get(s.sample_id, {})) for s in study.samples)
    words = rf"would mix methods \(.*{first.visit} lymph_abs.*{later.visit} wbc"
    with pytest.raises(StudyError, match=words):
        profile_cohort(replace(study, samples=mixed), tmp_path / "r")
    assert not (tmp_path / "r" / "populations.csv").exists()


def test_profile__states_stand_in_their_table_and_on_the_rows(study: Study, tmp_path: Path) -> None:
    results = profile_cohort(study, tmp_path / "r")
    told = results.sample_states
    assert (tmp_path / "r" / "sample_states.csv").is_file()
    assert not told.empty
    for state in told.to_dict("records"):
        rows = results.populations[results.populations["sample_id"] == state["sample_id"]]
        flagged = rows["flags"].str.split(";").map(lambda flags, code=state["flag"]: code in flags)
        # A state may concern no population of this template, and reconstitution needs B cells that are back.
        if state["state_id"] in {"splenectomy", "steroid", "rituximab_recent"}:
            assert flagged.any(), state


def test_profile__fmo_controls_give_differences_and_ratios(study: Study, tmp_path: Path) -> None:
    """A sample that serves as its own control: no difference, ratio 1, in that marker alone."""
    short = few(study)
    sample = short.samples[0]
    control = replace(sample, sample_id="FMO", control="fmo:CD25", visit=sample.visit)
    results = profile_cohort(replace(short, samples=(*short.samples, control)), tmp_path / "r")
    assert "FMO" not in set(results.populations["sample_id"])
    own = results.intensities[results.intensities["sample_id"] == sample.sample_id]
    compared = own[own["fmo_sample_id"].notna()]
    assert set(compared["marker"]) == {"CD25"}
    known = compared[compared["median_fi"].notna()]
    assert (known["delta_median_fi"] == 0).all()
    assert (known.loc[known["median_fi"] > 0, "ratio_median_fi"] == 1).all()
    others = results.intensities[results.intensities["sample_id"] != sample.sample_id]
    assert others["fmo_sample_id"].isna().all()


def test_profile__two_fmo_controls_equally_near_are_not_chosen_between(study: Study, tmp_path: Path) -> None:
    short = few(study)
    free = {"control": "fmo:CD25", "subject_id": None, "visit": None, "day": None, "batch": None}
    controls = tuple(replace(short.samples[0], sample_id=name, **free) for name in ("F1", "F2"))
    results = profile_cohort(replace(short, samples=(*short.samples, *controls)), tmp_path / "r")
    rows = results.intensities[results.intensities["marker"] == "CD25"]
    assert set(rows["flags"]) == {"FMO_AMBIGUOUS"}
    assert rows["delta_median_fi"].isna().all()


def test_profile__failed_fmo_control_is_listed_and_nothing_is_lost(study: Study, tmp_path: Path) -> None:
    short = few(study)
    control = replace(short.samples[0], sample_id="FMO", control="fmo:CD25", file=tmp_path / "gone.fcs")
    results = profile_cohort(replace(short, samples=(*short.samples, control)), tmp_path / "r")
    assert results.failures["item_id"].tolist() == ["FMO"]
    assert results.intensities["sample_id"].nunique() == len(short.samples)


@pytest.mark.parametrize(
    ("columns", "values", "words"),
    [
        ("wbc_1e9_per_l", "6500", "wbc_1e9_per_l: 6500 looks like another unit"),
        ("lymph_abs_1e9_per_l", "1700", "1700 looks like another unit"),
        ("beads_added,sample_volume_ul", "50,50", "beads_added: 50 looks like another unit"),
        ("beads_added,sample_volume_ul", "50000,0.05", "sample_volume_ul: 0.05 looks like another unit"),
        ("beads_added", "50000", "beads_added needs sample_volume_ul"),
        ("wbc_1e9_per_l,lymph_abs_1e9_per_l", "6.2,28", "28 lymphocytes are more than 6.2 leukocytes"),
    ],
    ids=["per uL", "lymphocytes per uL", "thousands of beads", "millilitres", "no volume", "percent"],
)
def test_sheet__amounts_in_another_unit_are_refused(tmp_path: Path, columns: str, values: str, words: str) -> None:
    (tmp_path / "s.csv").write_text(f"sample_id,file,{columns}\na,a.fcs,{values}\n")
    with pytest.raises(StudyError, match=f"row 2.*{words}"):
        load_samples(tmp_path / "s.csv")


def test_study__own_thresholds_are_used_and_stand_in_the_manifest(study: Study, tmp_path: Path) -> None:
    folder = study.folder
    (tmp_path / "t.toml").write_text('lloq_events = { value = 1e9, source = "a test" }\n')
    text = study.path.read_text() + f'\n[tables]\ninterval = "clopper_pearson"\nthresholds = "{tmp_path / "t.toml"}"\n'
    own = folder / "own.toml"
    own.write_text(text)
    try:
        results = profile_cohort(few(load_study(own), 1), tmp_path / "r")
    finally:
        own.unlink()
    assert "ok" not in set(results.populations["status"])
    assert set(results.populations["ci_method"].dropna()) == {"clopper_pearson"}
    assert results.plan["thresholds"] != profile_cohort(few(study, 1), tmp_path / "d").plan["thresholds"]


def test_study__wrong_thresholds_are_named_with_the_other_problems(study: Study) -> None:
    own = study.folder / "own.toml"
    own.write_text(study.path.read_text() + '\n[tables]\nthresholds = "gone.toml"\n')
    try:
        with pytest.raises(StudyError, match=r"gone\.toml: cannot be read"):
            load_study(own)
    finally:
        own.unlink()


def test_tables__missing_concentration_is_missing_not_zero(study: Study, tmp_path: Path) -> None:
    bare = few(replace(study, samples=tuple(replace(s, **NO_COUNTS) for s in study.samples)), 1)
    populations = profile_cohort(bare, tmp_path / "r").populations
    assert populations["cells_per_ul"].isna().all()
    assert pd.isna(populations["cells_per_ul_lo"]).all()
    assert set(populations["abs_method"]) == {"none"}
