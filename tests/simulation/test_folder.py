"""What stands on disk: files, sheets, truth, the same bytes for the same seed, and what is refused."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from immunoprofile.errors import InputError, OutputError
from immunoprofile.fcs import read_fcs
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import SCENARIOS, Trial, load_panel, simulate_cohort
from immunoprofile.simulation.streams import Purpose, open_stream
from immunoprofile.simulation.tube import draw_tube
from immunoprofile.study import load_study

IMMUNE14 = load_panel("immune14")
CONTRACT = {
    "samples": "sample_id file subject_id visit day panel batch dataset spillover control collection_date "
    "wbc_1e9_per_l lymph_abs_1e9_per_l beads_added sample_volume_ul hours_to_stain viability_frac note",
    "subjects": "subject_id first_infusion_date infusion_days arm dose last_observation_day end_reason",
    "platelets": "subject_id day date platelets_1e9_per_l platelets unit predose clumped method",
    "treatments": "subject_id day date end_day end_date kind role change dose dose_unit",
    "bleeding": "subject_id day date scale grade",
}
STRATA = ["prior_rituximab", "splenectomy"]
KINDS_OF_TREATMENT = {
    "platelet_transfusion", "ivig", "anti_d", "steroid", "tpo_ra", "rituximab", "splenectomy", "anti_cd38",
    "other",
}  # fmt: skip


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _digests(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): digest_of_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def _small(out: Path, **options: object) -> Path:
    chosen = {"n_subjects": 2, "events_per_sample": 300, "visits": ("BL", "W4"), **options}
    return simulate_cohort(out, **chosen).parent


# -- the same bytes --


def test_cohort__same_seed_gives_the_same_bytes_whatever_the_jobs(tmp_path: Path) -> None:
    first = _digests(_small(tmp_path / "a", n_subjects=4, jobs=1))
    second = _digests(_small(tmp_path / "b", n_subjects=4, jobs=3))
    assert first == second
    n_samples = 4 * 2 - 1  # one is missed
    assert len(first) == 1 + 5 + 3 + 2 * n_samples  # study, sheets, truth, then a file and its labels a sample


@pytest.mark.parametrize("scenario", ["trial", "adversarial"])
def test_cohort__many_panels_and_controls_are_the_same_bytes_with_one_two_and_three_jobs(
    tmp_path: Path, scenario: str
) -> None:
    found = [
        _digests(
            _small(
                tmp_path / str(jobs), n_subjects=8, jobs=jobs, panels=("tbnk", "th"), batch_days=60, controls=True,
                scenario=scenario,
            )
        )
        for jobs in (1, 2, 3)
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]
    assert sum(name.endswith(".fcs") for name in found[0]) > 60


def test_cohort__a_panel_alone_holds_the_events_it_has_beside_others(tmp_path: Path) -> None:
    alone, beside = _small(tmp_path / "a", panels=("th",)), _small(tmp_path / "b", panels=("tbnk", "th"))
    first = read_fcs(alone / "fcs" / "SIM-001_BL.fcs").values
    assert np.array_equal(first, read_fcs(beside / "fcs" / "SIM-001_BL_th.fcs").values)


def test_cohort__panels_of_one_visit_have_the_same_blood(tmp_path: Path) -> None:
    folder = _small(tmp_path, panels=("treg", "immune14", "th"))
    rows = [r for r in _rows(folder / "truth" / "populations.csv") if (r["pop_id"], r["denom_id"]) == ("treg", "cd4")]
    by_visit: dict[str, list[float]] = {}
    for row in rows:
        by_visit.setdefault(row["sample_id"].rsplit("_", 1)[0], []).append(float(row["expected_frac"]))
    assert len(by_visit) == 4
    for fractions in by_visit.values():
        assert fractions == pytest.approx([fractions[0]] * 3, rel=1e-12)  # sums in another order


@pytest.mark.parametrize("panels", [(), ("th", "th")])
def test_cohort__panels_are_named_once(tmp_path: Path, panels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"panels: .* is no choice of panels\. Name at least one, each once\."):
        _small(tmp_path / "out", panels=panels)


def test_cohort__another_seed_gives_other_events(tmp_path: Path) -> None:
    first, second = _digests(_small(tmp_path / "a", seed=1)), _digests(_small(tmp_path / "b", seed=2))
    assert first.keys() == second.keys()
    files = [n for n in first if n.endswith(".fcs")]
    assert files
    assert not any(first[n] == second[n] for n in files)


def test_cohort__another_visit_leaves_the_other_files_as_they_were(tmp_path: Path) -> None:
    first = _digests(_small(tmp_path / "a"))
    second = _digests(_small(tmp_path / "b", visits=("BL", "W2", "W4")))
    shared = [n for n in first if n.endswith((".fcs", ".parquet"))]
    assert len(shared) == 8
    assert all(first[n] == second[n] for n in shared)


# -- FCS files --


def test_fcs__holds_the_drawn_events_under_their_channels_with_the_true_matrix(cohort: Path, trial: Trial) -> None:
    sample = trial.samples[0]
    events = read_fcs(cohort / "fcs" / f"{sample.sample_id}.fcs")
    rng = open_stream(trial.seed, Purpose.EVENTS, sample.subject.number, sample.day)
    drawn = draw_tube(rng, IMMUNE14, trial.shares[sample.sample_id], 20_000, sample.marker_shift)

    assert events.version == "FCS3.1"
    assert np.array_equal(events.values, drawn.values)
    assert events.values.dtype == np.float32
    assert [c.detector for c in events.channels] == list(IMMUNE14.channel_names())
    assert {c.detector: c.marker for c in events.channels if c.marker} == dict(
        zip(IMMUNE14.detectors, IMMUNE14.markers, strict=True)
    )
    # The matrix is written in decimal text and read back: digits beyond the sixth are the writer's choice.
    assert events.spillover is not None
    assert events.spillover.detectors == IMMUNE14.true_spillover().detectors
    assert events.spillover.matrix == pytest.approx(IMMUNE14.true_spillover().matrix, abs=1e-6)


def test_fcs__says_that_it_is_simulated_and_not_what_is_true(cohort: Path) -> None:
    for file in sorted((cohort / "fcs").glob("*.fcs")):
        keywords = read_fcs(file).keywords
        assert keywords["$COM"].startswith("SIMULATED")
        text = " ".join(keywords.values()).casefold()
        assert not [label for label in (*IMMUNE14.labels, "respon") if label.casefold() in text]


def test_fcs__gives_no_finding(cohort: Path) -> None:
    assert read_fcs(next((cohort / "fcs").glob("*.fcs"))).findings == ()


# -- sheets --


@pytest.mark.parametrize("sheet", CONTRACT)
def test_sheet__columns_are_the_contract_s_in_its_order(cohort: Path, sheet: str) -> None:
    header = (cohort / f"{sheet}.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    known = CONTRACT[sheet].split()
    listed = [c for c in header if c not in STRATA]
    assert listed == [c for c in known if c in listed]


def test_samples__every_row_has_its_file_and_one_visit_is_missed(cohort: Path) -> None:
    rows = _rows(cohort / "samples.csv")
    assert sorted(r["file"] for r in rows) == [f"fcs/{p.name}" for p in sorted((cohort / "fcs").iterdir())]
    assert len(rows) == 8 * 3 - 1
    assert Counter(r["visit"] for r in rows) == {"BL": 8, "W4": 8, "W8": 7}


def test_platelets__exactly_one_count_is_a_bound(cohort: Path) -> None:
    rows = _rows(cohort / "platelets.csv")
    assert [r["platelets_1e9_per_l"] for r in rows if not r["platelets_1e9_per_l"].isdecimal()] == ["<10"]


def test_treatments__use_the_contract_s_words(cohort: Path) -> None:
    rows = _rows(cohort / "treatments.csv")
    assert {r["kind"] for r in rows} <= KINDS_OF_TREATMENT
    assert {r["role"] for r in rows} <= {"rescue", "concomitant", "prior"}
    assert any(r["role"] == "rescue" for r in rows)


def test_study__names_its_sheets_and_says_simulated(cohort: Path) -> None:
    study = tomllib.loads((cohort / "study.toml").read_text(encoding="utf-8"))
    assert study["study"]["id"].startswith("SIMULATED")
    assert all((cohort / study["study"][name]).is_file() for name in CONTRACT)
    assert study["visits"] == {"baseline": "BL", "window": ["W4", "W8"]}
    assert study["panels"] == {"immune14": {"template": "immune14"}}


def test_study__is_accepted_by_the_study_room(cohort: Path, trial: Trial) -> None:
    study = load_study(cohort / "study.toml")
    assert [s.sample_id for s in study.samples] == [s.sample_id for s in trial.samples]
    assert all(s.file.is_file() for s in study.samples)


# -- truth --


def test_truth__counts_are_the_counts_of_labels(cohort: Path) -> None:
    truth = _rows(cohort / "truth" / "populations.csv")
    for file in sorted((cohort / "truth" / "labels").glob("*.parquet"))[:3]:
        labels = Counter(pq.read_table(file)["label"].to_pylist())
        mine = [r for r in truth if r["sample_id"] == file.name.removesuffix(".parquet")]
        assert len(mine) == 34
        for row in mine:
            whole = IMMUNE14.labels_of(row["denom_id"])
            assert int(row["true_count"]) == sum(labels[m] for m in IMMUNE14.members[row["pop_id"]])
            assert int(row["true_denom_count"]) == sum(labels[m] for m in whole)


def test_truth__labels_stand_beside_their_events(cohort: Path) -> None:
    """Second source: dead cells by label are the events that are bright in the viability dye."""
    dead = pq.read_table(cohort / "truth" / "labels" / "SIM-001_BL.parquet")["label"].to_numpy() == "dead"
    events = read_fcs(cohort / "fcs" / "SIM-001_BL.fcs")
    dye = events.values[:, [c.marker for c in events.channels].index("Viability")]
    assert np.corrcoef(dead, np.log(np.maximum(dye, 1)))[0, 1] > 0.6


def test_truth__expected_fractions_are_met_within_counting_error(cohort: Path) -> None:
    misses = []
    for row in _rows(cohort / "truth" / "populations.csv"):
        n, p = int(row["true_denom_count"]), float(row["expected_frac"])
        if n * p * (1 - p) > 10:  # large enough for the normal approximation
            misses.append((int(row["true_count"]) - n * p) / np.sqrt(n * p * (1 - p)))
    # Some 700 correlated z values: none beyond 5, their mean square near 1 (four standard errors of it).
    assert len(misses) > 500
    assert np.abs(misses).max() < 5
    assert np.mean(np.square(misses)) == pytest.approx(1, abs=4 * np.sqrt(2 / 200))


def test_truth__subjects_say_class_and_effect(cohort: Path, trial: Trial) -> None:
    rows = _rows(cohort / "truth" / "subjects.csv")
    assert [r["true_response"] for r in rows] == [s.response for s in trial.subjects]
    assert sum(r["responder"] == "TRUE" for r in rows) == 4
    assert any(r["b_depleted"] == "TRUE" for r in rows)


# -- edges and refusals --


def test_cohort__one_subject_one_visit_one_event_is_a_cohort(tmp_path: Path) -> None:
    folder = _small(tmp_path, n_subjects=1, visits=("W12",), events_per_sample=1)
    assert read_fcs(folder / "fcs" / "SIM-001_W12.fcs").n_events == 1
    study = tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))
    assert study["visits"] == {"baseline": "W12", "window": ["W12"]}


def test_cohort__refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"the folder is not empty\. Name an empty folder, or use --force") as caught:
        _small(tmp_path)
    assert caught.value.code == "OUTPUT-EXISTS"
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_cohort__refuses_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is not a folder"):
        _small(tmp_path / "out")


def test_cohort__force_takes_old_files_away_and_leaves_others(tmp_path: Path) -> None:
    _small(tmp_path, n_subjects=2, controls=True)
    (tmp_path / "notes.txt").write_text("mine")
    _small(tmp_path, n_subjects=1, force=True)
    assert [p.name for p in sorted((tmp_path / "fcs").iterdir())] == ["SIM-001_BL.fcs", "SIM-001_W4.fcs"]
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert _digests(tmp_path).keys() - {"notes.txt"} == _digests(_small(tmp_path / "again", n_subjects=1)).keys()


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        pytest.param(
            {"n_subjects": 0, "seed": -1},
            ["seed: seed is -1. Give 0 or more.", "n_subjects: n_subjects is 0. Give 1 to 999."],
            id="numbers",
        ),
        pytest.param(
            {"events_per_sample": 0, "jobs": 0},
            ["events_per_sample is 0. Give 1 or more.", "jobs is 0. Give 1 or more."],
            id="events-and-jobs",
        ),
        pytest.param(
            {"visits": ("BL", "week 4", "BL")},
            [
                'visit "week 4" is neither BL nor W and a number',
                'visit "BL" is named more than once. Name it once.',
            ],
            id="visits",
        ),
        pytest.param({"visits": ()}, ["no visit is named. Name at least one, such as BL."], id="no-visit"),
        pytest.param({"scenario": "nul"}, ['no scenario is called "nul". Did you mean "null"?'], id="unknown-scenario"),
        pytest.param(
            {"scenario": "swapped_samples", "n_subjects": 1},
            ["swapped_samples needs two subjects with a sample at the last visit. Simulate four"],
            id="nothing-to-swap",
        ),
    ],
)
def test_cohort__says_all_that_is_wrong_with_its_options(
    tmp_path: Path, options: dict[str, object], sentences: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        _small(tmp_path / "out", **options)
    assert all(sentence in str(caught.value) for sentence in sentences)
    assert not (tmp_path / "out").exists()


def test_scenarios__each_has_a_meaning_that_is_written_into_the_truth(tmp_path: Path) -> None:
    for name, scenario in SCENARIOS.items():
        folder = _small(tmp_path / name, n_subjects=4, events_per_sample=50, scenario=name)
        rows = _rows(folder / "truth" / "scenario.csv")
        assert rows[0] == {"scenario": name, "item": "cohort", "what": scenario.meaning}
        assert (len(rows) > 1) == bool(scenario.faults)
