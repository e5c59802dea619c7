"""Cohorts: order, failures, folders, and the same bytes whatever the jobs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cohort import profile_cohort, profile_samples, run_study
from immunoprofile.errors import OutputError, StudyError
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples, load_study
from immunoprofile.tables import read_table

TIMED = {"manifest.json", "journal.jsonl", ".lock"}
"""Files of a results folder that say when and by whom, and so differ between runs."""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=5, n_subjects=6, events_per_sample=3000)


@pytest.fixture(scope="module")
def results(study_file: Path, tmp_path_factory: pytest.TempPathFactory):
    return run_study(load_study(study_file), tmp_path_factory.mktemp("results"), jobs=2)


def tables(folder: Path) -> dict[str, str]:
    return {p.name: digest_of_file(p) for p in sorted(folder.iterdir()) if p.is_file() and p.name not in TIMED}


def test_run_study__every_sample_reaches_the_tables(results, study_file: Path) -> None:
    assert set(results.populations["sample_id"]) == {s.sample_id for s in load_study(study_file).samples}
    assert results.failures.empty


def test_run_study__same_bytes_whatever_the_jobs(results, study_file: Path, tmp_path: Path) -> None:
    again = run_study(load_study(study_file), tmp_path / "one", jobs=1)
    assert tables(again.folder) == tables(results.folder)


def test_run_study__manifest_digests_every_output(results) -> None:
    manifest = json.loads((results.folder / "manifest.json").read_text())
    pictures = {p.relative_to(results.folder).as_posix() for p in (results.folder / "pictures").iterdir()}
    assert len(pictures) == results.n_samples
    assert set(manifest["outputs"]) == set(tables(results.folder)) | pictures
    for name, digest in manifest["outputs"].items():
        assert digest_of_file(results.folder / name) == digest
    assert {"analysis", "response rule", "template immune14"} <= set(manifest["plan"])


def test_run_study__csv_and_parquet_hold_the_same_values(results) -> None:
    for name, frame in results.tables().items():
        csv, parquet = (read_table(name, results.folder / f"{name}.{kind}") for kind in ("csv", "parquet"))
        pd.testing.assert_frame_equal(csv, parquet, check_exact=True)
        pd.testing.assert_frame_equal(csv, frame, check_exact=True)


def test_run_study__one_bad_file_does_not_sink_the_others(study_file: Path, results, tmp_path: Path) -> None:
    shutil.copytree(study_file.parent, tmp_path / "c")
    study = load_study(tmp_path / "c" / study_file.name)
    victim = study.samples[3]
    victim.file.write_bytes(victim.file.read_bytes()[:-20_000])
    damaged = profile_cohort(study, tmp_path / "damaged")
    assert damaged.failures[["item_id", "item_kind", "stage"]].values.tolist() == [[victim.sample_id, "sample", "read"]]
    assert victim.file.name in damaged.failures["message"][0]
    others = results.populations[results.populations["sample_id"] != victim.sample_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(damaged.populations, others)


def test_run_study__folder_of_others_is_not_written_to(study_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(OutputError, match="holds files that are not results"):
        run_study(load_study(study_file), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


def test_run_study__own_results_may_be_written_again(results, study_file: Path) -> None:
    before = tables(results.folder)
    assert run_study(load_study(study_file), results.folder).again
    assert tables(results.folder) == before


def test_profile_cohort__gives_the_same_populations_without_an_answer(
    results, study_file: Path, tmp_path: Path
) -> None:
    profiled = profile_cohort(load_study(study_file), tmp_path / "p")
    assert profiled.association is None
    pd.testing.assert_frame_equal(profiled.populations, results.populations)
    assert not (tmp_path / "p" / "association.csv").exists()


def test_profile_samples__needs_only_ids_and_files(study_file: Path, results, tmp_path: Path) -> None:
    sheet = study_file.parent / "two.csv"
    sheet.write_text("sample_id,file\n" + "".join(
        f"{s.sample_id},{s.file.relative_to(study_file.parent)}\n" for s in load_study(study_file).samples[:2]
    ))  # fmt: skip
    profiled = profile_samples(load_samples(sheet), "immune14", tmp_path / "p")
    ids = [s.sample_id for s in load_samples(sheet)]
    expected = results.populations[results.populations["sample_id"].isin(ids)].reset_index(drop=True)
    assert profiled.populations["count"].tolist() == expected["count"].tolist()


def test_progress__counts_every_sample(study_file: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    profile_cohort(load_study(study_file), tmp_path / "p", progress=lambda done, total, _: seen.append((done, total)))
    assert [d for d, _ in seen] == list(range(1, len(seen) + 1))
    assert {t for _, t in seen} == {len(seen)}


def test_run_study__all_files_bad_keeps_every_failure(study_file: Path, tmp_path: Path) -> None:
    study = load_study(study_file)
    copies = tuple(replace(s, file=tmp_path / "gone.fcs") for s in study.samples)
    lost = run_study(replace(study, samples=copies), tmp_path / "lost")
    assert len(lost.failures) == len(copies) + 1
    assert lost.failures.query("item_kind == 'study'")["stage"].tolist() == ["compare"]
    assert lost.populations.empty
    assert lost.response is not None
    assert lost.change is None


def test_run_study__tables_of_an_earlier_run_do_not_stay(study_file: Path, results, tmp_path: Path) -> None:
    study = load_study(study_file)
    shutil.copytree(results.folder, tmp_path / "r")
    assert (tmp_path / "r" / "association.csv").exists()
    gone = tuple(replace(s, file=tmp_path / "gone.fcs") for s in study.samples)
    run_study(replace(study, samples=gone), tmp_path / "r")
    assert not [p.name for p in (tmp_path / "r").glob("association.*")]
    assert (tmp_path / "r" / "failures.csv").exists()


def test_run_study__window_sample_that_failed_is_named_so(study_file: Path, tmp_path: Path) -> None:
    study = load_study(study_file)
    subject = study.samples[0].subject_id
    broken = tuple(
        replace(s, file=tmp_path / "gone.fcs") if s.subject_id == subject and s.visit != study.baseline else s
        for s in study.samples
    )
    lost = run_study(replace(study, samples=broken), tmp_path / "r")
    rows = lost.change.query("subject_id == @subject and pop_id == 'treg' and denom_id == 'cd4'")
    assert rows["exclude_reason"].tolist() == ["no_window_failed"]


@pytest.mark.parametrize(
    ("primary", "words"),
    [
        ({"pop_id": "tregs"}, 'no template of this study reports "tregs of cd4"\\. Did you mean "treg of cd4"'),
        ({"measure": "log_mfi"}, 'measure "log_mfi" is not computed from FCS files'),
    ],
    ids=["misspelt", "intensities"],
)
def test_run_study__primary_that_cannot_be_answered_is_refused_before_gating(
    study_file: Path, tmp_path: Path, primary: dict[str, str], words: str
) -> None:
    study = load_study(study_file)
    asked = study.analysis.primary[0].model_copy(update=primary)
    analysis = study.analysis.model_copy(update={"primary": (asked,)})
    with pytest.raises(StudyError, match=words):
        run_study(replace(study, analysis=analysis), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_run_study__failed_check_stands_on_the_rows_of_its_sample(tmp_path: Path) -> None:
    # 500 events a sample hold fewer than 500 lymphocytes: a check that fails.
    study = simulate_cohort(tmp_path / "c", seed=5, n_subjects=6, events_per_sample=500)
    results = profile_cohort(load_study(study), tmp_path / "r")
    failed = set(results.samples_qc.query("level == 'fail' and flag == 'FEW_LYMPHOCYTES'")["sample_id"])
    assert failed
    flagged = results.populations["flags"].str.split(";").map(lambda flags: "FEW_LYMPHOCYTES" in flags)
    assert set(results.populations.loc[flagged, "sample_id"]) == failed
