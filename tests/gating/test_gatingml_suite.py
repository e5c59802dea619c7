"""The Gating-ML 2.0 reference gates: expected membership of every event in every gate of every file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, read_gatingml

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def suite(shared_data: Path) -> Path:
    return shared_data / "gating_ml"


def test_suite__every_expected_membership_is_equal(suite: Path) -> None:
    index = pd.read_csv(suite / "index.csv", keep_default_na=False)
    events = read_fcs(suite / "data1.fcs")
    checked = set()
    for xml, rows in index[index["truth"] != ""].groupby("xml"):
        # The events declare no matrix; the standard lets `FCS` mean uncompensated then.
        members = apply_template(read_gatingml(suite / xml, missing="allow"), events)
        for row in rows.itertuples():
            expected = np.loadtxt(suite / row.truth, dtype=int).astype(bool)
            differ = int((members.mask(row.gate_id) != expected).sum())
            assert differ == 0, f"{xml} {row.gate_id}: {differ} events differ"
            assert members.count(row.gate_id) == int(row.expected_count)
            checked.add((xml, row.gate_id))
    assert len(checked) == 132


def test_suite__gates_without_truth_are_read(suite: Path) -> None:
    index = pd.read_csv(suite / "index.csv", keep_default_na=False)
    events = read_fcs(suite / "data1.fcs")
    for row in index[(index["truth"] == "") & (index["gate_id"] != "")].itertuples():
        members = apply_template(read_gatingml(suite / row.xml, missing="allow"), events)
        assert 0 <= members.count(row.gate_id) <= events.n_events


def test_suite__gates_inside_a_foreign_element_are_read(suite: Path) -> None:
    template = read_gatingml(suite / "gml" / "gml_range_gate_attr_testing.xml")
    assert [g.name for g in template.gates] == ["Range1"]
