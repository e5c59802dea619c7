"""The histograms of a run: one file a sample, kept with its result, digested in the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from immunoprofile.cohort import profile_cohort
from immunoprofile.populations import picture_name
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cohort(tmp_path_factory.mktemp("cohort"), 1, 2, events_per_sample=600)


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    return profile_cohort(load_study(study), tmp_path_factory.mktemp("results") / "out")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "pictures").glob("*"))}


def test_pictures__a_file_for_every_sample(results):
    samples = set(results.populations["sample_id"])
    found = contents(results.folder)
    assert set(found) == {picture_name(s) for s in samples}
    assert {json.loads(text)["sample_id"] for text in found.values()} == samples


def test_pictures__manifest_digests_them(results):
    outputs = json.loads((results.folder / "manifest.json").read_text())["outputs"]
    assert {f"pictures/{name}" for name in contents(results.folder)} <= set(outputs)


def test_pictures__their_counts_are_those_of_the_table(results):
    rows = results.populations.set_index(["sample_id", "pop_id"])
    compared = 0
    for text in map(json.loads, contents(results.folder).values()):
        for plot in text["plots"]:
            for gate in plot["gates"]:
                if (text["sample_id"], gate["pop_id"]) in rows.index:
                    counts = rows.loc[[(text["sample_id"], gate["pop_id"])], "count"]
                    assert set(counts) == {gate["n"]}
                    compared += 1
    assert compared > 50


def test_pictures__do_not_depend_on_the_jobs(results, study, tmp_path):
    again = profile_cohort(load_study(study), tmp_path / "out", jobs=2)
    assert contents(again.folder) == contents(results.folder)


def test_pictures__come_back_when_they_were_lost_and_leave_when_their_sample_does(results, study, tmp_path):
    folder = tmp_path / "out"
    first = profile_cohort(load_study(study), folder)
    before = contents(folder)
    next(iter(sorted((folder / "pictures").glob("*")))).unlink()
    (folder / "pictures" / "other.json").write_text("{}")
    (folder / "manifest.json").unlink()
    profile_cohort(load_study(study), folder)
    assert contents(folder) == before
    assert len(first.populations["sample_id"].unique()) == len(before)
