"""Each fault is really in the data, and nothing else is."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.simulation import PANELS, draw_trial, load_panel, load_parameters, simulate_cohort
from immunoprofile.simulation.composition import build_tree, expected_shares

SHEETS = ("samples", "subjects", "platelets", "treatments", "bleeding")
N_PARTS = len(load_parameters().part_names)
DECIMALS = 1e-6  # a matrix is written as decimal text


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _cohort(tmp_path_factory.mktemp("plain"), "trial")


def _cohort(out: Path, scenario: str) -> Path:
    return simulate_cohort(out, n_subjects=8, visits=("BL", "W4"), events_per_sample=200, scenario=scenario).parent


def _rows(folder: Path, sheet: str) -> list[dict[str, str]]:
    with (folder / f"{sheet}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _differing(folder: Path, plain: Path) -> set[str]:
    return {s for s in SHEETS if _rows(folder, s) != _rows(plain, s)}


def test_swapped_samples__two_rows_point_to_each_other_s_file(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "swapped_samples")
    wrong = [r for r in _rows(folder, "samples") if r["file"] != f"fcs/{r['sample_id']}.fcs"]
    assert len(wrong) == 2
    assert {f"fcs/{r['sample_id']}.fcs" for r in wrong} == {r["file"] for r in wrong}
    assert _differing(folder, plain) == {"samples"}


def test_unit_mix__one_subject_is_a_thousand_times_too_high(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "unit_mix")
    pairs = list(zip(_rows(folder, "platelets"), _rows(plain, "platelets"), strict=True))
    changed = [(a, b) for a, b in pairs if a != b]
    assert {b["subject_id"] for _, b in changed} == {"SIM-001"}
    assert all(a["platelets_1e9_per_l"] == b["platelets_1e9_per_l"] + "000" for a, b in changed)
    assert _differing(folder, plain) == {"platelets"}


def test_no_baseline__one_subject_has_counts_after_day_0_only(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "no_baseline")
    first = {
        s: min(int(r["day"]) for r in _rows(folder, "platelets") if r["subject_id"] == s)
        for s in ("SIM-001", "SIM-002")
    }
    assert first == {"SIM-001": 7, "SIM-002": -7}
    assert _differing(folder, plain) == {"platelets"}


def test_early_confirmation__level_is_reached_twice_six_days_apart(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "early_confirmation")
    item = _rows(folder / "truth", "scenario")[1]["item"]
    counts = {int(r["day"]): r["platelets_1e9_per_l"] for r in _rows(folder, "platelets") if r["subject_id"] == item}
    threshold = max(30, 2 * int(counts[0]))
    high = [d for d, n in counts.items() if d > 0 and not n.startswith("<") and int(n) >= threshold]
    assert high == [28, 34]
    bleeding = {int(r["day"]): r["grade"] for r in _rows(folder, "bleeding") if r["subject_id"] == item}
    assert {g for d, g in bleeding.items() if 25 <= d <= 34} == {"0"}
    assert {r["true_response"] for r in _rows(folder / "truth", "subjects") if r["subject_id"] == item} == {"NR"}


def test_wrong_spillover__later_files_of_one_subject_carry_the_transpose(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "wrong_spillover")
    wrong = {
        file.stem
        for file in (folder / "fcs").iterdir()
        if (s := read_fcs(file).spillover) is not None
        and np.allclose(s.matrix, load_panel("immune14").spill.T, rtol=0, atol=DECIMALS)
    }
    assert wrong == {"SIM-001_W4"}
    assert wrong == {r["item"] for r in _rows(folder / "truth", "scenario")[1:]}
    assert _differing(folder, plain) == set()


def test_aged_blood__is_old_and_has_many_dead_cells(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "aged_blood")
    assert {r["hours_to_stain"] for r in _rows(folder, "samples")} == {"72"}
    viability = [[float(r["viability_frac"]) for r in _rows(f, "samples")] for f in (folder, plain)]
    assert np.median(viability[0]) < 0.8
    assert np.median(viability[1]) > 0.9


def test_missing_visits__only_later_visits_are_missed(tmp_path: Path) -> None:
    folder = simulate_cohort(
        tmp_path,
        n_subjects=8,
        visits=("BL", "W2", "W4", "W8"),
        events_per_sample=10,
        scenario="missing_visits",
    ).parent
    visits = [r["visit"] for r in _rows(folder, "samples")]
    assert visits.count("BL") == 8
    assert 8 <= len(visits) - 8 < 23


@pytest.mark.parametrize("fault", ["clog", "drift"])
def test_acquisition_fault__is_in_one_subject_s_later_files_only(tmp_path: Path, plain: Path, fault: str) -> None:
    folder = _cohort(tmp_path, fault)
    changed = {
        file.stem
        for file in (folder / "fcs").iterdir()
        if not np.array_equal(read_fcs(file).values, read_fcs(plain / "fcs" / file.name).values)
    }
    assert changed == {"SIM-001_W4"}
    assert changed == {r["item"] for r in _rows(folder / "truth", "scenario")[1:]}
    assert _differing(folder, plain) == set()


def test_depleted_b__more_subjects_are_without_b_cells(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "depleted_b")
    depleted = [
        {r["subject_id"] for r in _rows(f / "truth", "subjects") if r["b_depleted"] == "TRUE"} for f in (folder, plain)
    ]
    assert depleted[0] > depleted[1]
    low = {
        r["sample_id"].split("_")[0]
        for r in _rows(folder / "truth", "populations")
        if (r["pop_id"], r["denom_id"]) == ("b", "lymphocytes") and float(r["expected_frac"]) < 0.01
    }
    assert low == depleted[0]


def test_transfusion_spikes__more_non_responders_are_rescued(tmp_path: Path, plain: Path) -> None:
    folder = _cohort(tmp_path, "transfusion_spikes")
    rescued = [{r["subject_id"] for r in _rows(f, "treatments") if r["role"] == "rescue"} for f in (folder, plain)]
    assert len(rescued[0]) > len(rescued[1])
    responders = {r["subject_id"] for r in _rows(folder / "truth", "subjects") if r["responder"] == "TRUE"}
    assert not rescued[0] & responders


def test_adversarial__has_every_fault_and_says_whom_it_befell(tmp_path: Path) -> None:
    folder = _cohort(tmp_path, "adversarial")
    said = {(r["item"], r["what"].split(":")[0]) for r in _rows(folder / "truth", "scenario")[1:]}
    subjects = {item.split("_")[0] for item, _ in said}
    assert len(said) == 8  # seven faults, and the exchange names two samples
    assert len(subjects) >= 6
    samples = _rows(folder, "samples")
    assert {r["sample_id"] for r in samples if r["hours_to_stain"] == "72"} == {"SIM-003_W4"}
    assert sum(r["file"] != f"fcs/{r['sample_id']}.fcs" for r in samples) == 2
    high = {r["subject_id"] for r in _rows(folder, "platelets") if r["platelets_1e9_per_l"].endswith("000")}
    assert high == {"SIM-001"}


def test_null__nothing_in_any_panel_changes_under_treatment() -> None:
    """Expected shares without noise: the same on every day in the null cohort, not so in the trial."""
    quiet = {"deviations": (0.0,) * N_PARTS, "treg_z": 0.0}
    for name in PANELS:
        tree = build_tree(load_parameters(), load_panel(name))
        subject = dataclasses.replace(draw_trial(1, 8, ("BL",)).subjects[-1], response="R", **quiet)
        shares = [
            expected_shares(tree, subject, day, with_effects=effects, visit_noise=(0.0,) * N_PARTS)
            for day, effects in [(-1, False), (56, False), (56, True)]
        ]
        assert shares[0] == shares[1]
        assert shares[0] != shares[2]
