"""Which FMO control stands beside a sample, and what is said of the two."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from drawn_blood import blood
from immunoprofile.columns import INTENSITIES
from immunoprofile.populations import compare_fmo, fmo_marker
from immunoprofile.tables import build_frame


@dataclass(frozen=True)
class Drawn:
    sample_id: str
    subject_id: str | None = None
    visit: str | None = None
    panel: str | None = "x"
    batch: str | None = None
    control: str | None = None


SAMPLE = Drawn("s", "P1", "BL", batch="A")
OWN = Drawn("own", "P1", "BL")
OTHER_VISIT = Drawn("later", "P1", "W4")
SAME_BATCH = Drawn("batch", batch="A")
OTHER_BATCH = Drawn("batch_b", batch="B")
PANEL = Drawn("panel")
OTHER_PANEL = Drawn("elsewhere", "P1", "BL", panel="y")


def shining(sample_id: str, **medians: float | None) -> pd.DataFrame:
    rows = [
        {"sample_id": sample_id, "pop_id": pop, "marker": marker, "median_fi": value, "flags": ""}
        for pop, value in medians.items()
        for marker in ("M1", "M2")
    ]
    return build_frame(INTENSITIES, rows)


def compared(*controls: Drawn, of: float | None = 50.0) -> pd.DataFrame:
    listed = [(c, "M1", shining(c.sample_id, t=of, b=of)) for c in controls]
    return compare_fmo(shining("s", t=200.0, b=300.0), SAMPLE, listed).set_index(["pop_id", "marker"])


@pytest.mark.parametrize(
    ("controls", "chosen"),
    [
        ((PANEL, SAME_BATCH, OWN), "own"),
        ((PANEL, SAME_BATCH, OTHER_VISIT), "batch"),
        ((PANEL, OTHER_BATCH, OTHER_VISIT), "panel"),
        ((OTHER_PANEL, PANEL), "panel"),
        ((OTHER_VISIT, OTHER_BATCH, OTHER_PANEL), None),
    ],
    ids=["own draw", "batch", "panel", "other panel", "none"],
)
def test_compare_fmo__takes_the_nearest(controls: tuple[Drawn, ...], chosen: str | None) -> None:
    found = compared(*controls).loc[("t", "M1"), "fmo_sample_id"]
    assert (None if pd.isna(found) else found) == chosen


def test_compare_fmo__of_a_sample_without_a_batch_any_batch_may_be() -> None:
    sample = Drawn("s", "P1", "BL")
    listed = [(OTHER_BATCH, "M1", shining("batch_b", t=50.0))]
    assert compare_fmo(shining("s", t=200.0), sample, listed)["fmo_sample_id"].dropna().tolist() == ["batch_b"]


def test_compare_fmo__difference_and_ratio_of_medians_in_that_marker_only() -> None:
    table = compared(OWN)
    assert table.loc[("t", "M1"), ["delta_median_fi", "ratio_median_fi"]].tolist() == [150.0, 4.0]
    assert table.loc[("b", "M1"), ["delta_median_fi", "ratio_median_fi"]].tolist() == [250.0, 6.0]
    assert table.xs("M2", level="marker")[["delta_median_fi", "ratio_median_fi"]].isna().all(axis=None)


@pytest.mark.parametrize("of", [0.0, -3.0])
def test_compare_fmo__no_ratio_to_what_is_not_positive(of: float) -> None:
    row = compared(OWN, of=of).loc[("t", "M1")]
    assert row["delta_median_fi"] == 200.0 - of
    assert pd.isna(row["ratio_median_fi"])


def test_compare_fmo__equally_near_controls_are_not_chosen_between() -> None:
    row = compared(SAME_BATCH, Drawn("again", batch="A")).loc[("t", "M1")]
    assert row["flags"] == "FMO_AMBIGUOUS"
    assert pd.isna(row["fmo_sample_id"])


def test_compare_fmo__empty_population_in_the_control_is_said() -> None:
    row = compared(OWN, of=None).loc[("t", "M1")]
    assert (row["flags"], row["fmo_sample_id"]) == ("FMO_EMPTY", "own")
    assert pd.isna(row["delta_median_fi"])


@pytest.mark.parametrize(
    ("control", "marker"),
    [("fmo:m1", "M1"), ("fmo:CD38", "M4"), ("fmo:CD999", "CD999"), ("single:M1", None), ("bridge", None), (None, None)],
)
def test_fmo_marker__is_that_of_the_template(control: str | None, marker: str | None) -> None:
    assert fmo_marker(control, blood({"M4": ("M4", "CD38")})) == marker
