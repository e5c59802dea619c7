"""Real files end to end: raw bytes, spillover, logicle and gates give the stored membership of every event."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reference_template import write_reference_template

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, load_template
from immunoprofile.spillover import read_spillover

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def membership(shared_data: Path) -> Path:
    return shared_data / "membership"


@pytest.fixture(scope="module")
def template(membership: Path, tmp_path_factory: pytest.TempPathFactory):
    return load_template(write_reference_template(membership, tmp_path_factory.mktemp("gates") / "reference.toml"))


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("matrix", ["file", "table"])
def test_reference_files__every_event_is_where_it_was(membership: Path, template, number: int, matrix: str) -> None:
    events = read_fcs(membership / "fcs" / f"Activation_{number}.fcs")
    given = read_spillover(membership / "truth" / "spillover_applied.csv") if matrix == "table" else None
    members = apply_template(template, events, spillover=given)
    truth = pd.read_csv(membership / "truth" / f"Activation_{number}.membership.csv.gz")
    populations = [c for c in truth.columns if c != "event"]
    assert len(populations) == 10
    for population in populations:
        expected = truth[population].to_numpy().astype(bool)
        np.testing.assert_array_equal(members.mask(population.strip("/")), expected, err_msg=population)


def test_reference_files__counts_are_the_stored_ones(membership: Path, template) -> None:
    counts = pd.read_csv(membership / "truth" / "counts.csv")
    checked = 0
    for sample, rows in counts.groupby("sample"):
        members = apply_template(template, read_fcs(membership / "fcs" / sample))
        for row in rows.itertuples():
            path = "All events" if row.population == "root" else row.population.strip("/")
            assert members.count(path) == row.count, f"{sample} {row.population}"
            checked += 1
    assert checked == 88
