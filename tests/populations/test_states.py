"""What treatments and depletion leave of a sample's rows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from drawn_blood import blood, drawn
from immunoprofile.populations import default_settings, describe_states, states_at, tabulate


@dataclass(frozen=True)
class Given:
    kind: str
    day: int
    end_day: int | None = None
    change: str | None = None


STATES = default_settings().states
MANY = {"t": 3000, "naive": 600, "rest": 400}


def rows(*treatments: Given, sample: dict | None = None, names=None, **counts: int) -> pd.DataFrame:
    table = tabulate(
        drawn(blood(names), **(MANY | counts)), {"sample_id": "s", "day": 0} | (sample or {}), treatments=treatments
    )
    return table.set_index(["pop_id", "denom_id"])


def held(*treatments: Given, day: int = 0) -> dict[str, int]:
    return {h.state.id: h.days_since for h in states_at(day, treatments, STATES)}


@pytest.mark.parametrize(
    ("days", "holds"), [(0, True), (365, True), (366, False)], ids=["same day", "a year", "a day more"]
)
def test_rituximab__counts_from_its_last_day_for_a_year(days: int, holds: bool) -> None:
    assert ("rituximab_recent" in held(Given("rituximab", -days - 21, -days))) == holds


@pytest.mark.parametrize(
    ("treatments", "since"),
    [
        ([Given("steroid", -50)], 0),
        ([Given("steroid", -50), Given("steroid", -3, change="stop")], 3),
        ([Given("steroid", -50, -7)], 7),
        ([Given("steroid", -50, -8)], None),
        ([Given("steroid", 1)], None),
        ([Given("steroid", -2, change="stop")], 2),
        ([Given("steroid", -50, -30), Given("steroid", -4, -4)], 4),
    ],
    ids=["goes on", "stopped", "last day", "ended", "later", "only a stop", "latest of two"],
)
def test_states__days_since_the_last_day_of_a_treatment(treatments: list[Given], since: int | None) -> None:
    assert held(*treatments).get("steroid") == since


def test_states__a_single_infusion_is_a_day_long() -> None:
    assert held(Given("ivig", -10))["ivig"] == 10


def test_states__nothing_is_known_without_a_day_or_a_sheet() -> None:
    assert states_at(None, [Given("splenectomy", -9)], STATES) == ()
    assert states_at(3, None, STATES) == ()


def test_states__every_one_names_its_source_and_is_told() -> None:
    told = describe_states("s", states_at(0, [Given("splenectomy", -700)], STATES))
    assert [r["state_id"] for r in told] == ["splenectomy"]
    assert told[0]["days_since"] == 700
    assert all(s.source for s in STATES)


def test_anti_cd38__takes_gates_on_cd38_away_with_their_concentrations() -> None:
    names = {"M4": ("M4", "CD38")}
    table = rows(Given("anti_cd38", -30), sample={"lymph_abs_1e9_per_l": 1.0}, names=names)
    masked, other = table.loc[("naive", "b")], table.loc[("b", "lymph")]
    assert (masked["status"], "CD38_MASKED" in masked["flags"]) == ("not_evaluable", True)
    assert pd.isna(masked["frac"])
    assert pd.isna(masked["cells_per_ul"])
    assert masked["count"] == 600
    assert (other["status"], other["flags"]) == ("ok", "")


def test_anti_cd38__populations_without_cd38_bright_cells_are_flagged_only() -> None:
    row = rows(Given("anti_cd38", -30), names={"M4": ("M4", "CD38")}).loc[("rest", "b")]
    assert (row["status"], row["flags"]) == ("ok", "CD38_MASKED")


def test_rituximab__returning_b_cells_are_flagged_not_taken_away() -> None:
    table = rows(Given("rituximab", -300))
    assert table.loc[("naive", "b"), "flags"] == "B_RECONSTITUTION;RITUXIMAB_12M"
    assert table.loc[("naive", "b"), "status"] == "ok"
    assert table.loc[("t", "lymph"), "flags"] == ""


def test_rituximab__depleted_b_cells_are_no_reconstitution() -> None:
    flags = rows(Given("rituximab", -60), naive=20, rest=5).loc[("naive", "b"), "flags"]
    assert "B_DEPLETED" in flags
    assert "B_RECONSTITUTION" not in flags


def test_splenectomy__flags_concentrations_and_igm_memory() -> None:
    table = rows(Given("splenectomy", -700), sample={"lymph_abs_1e9_per_l": 1.0})
    assert table.loc[("t", "lymph"), "flags"] == "SPLENECTOMY"
    assert rows(Given("splenectomy", -700)).loc[("t", "lymph"), "flags"] == ""
    assert rows(Given("splenectomy", -700)).loc[("naive", "b"), "flags"] == "SPLENECTOMY"


@pytest.mark.parametrize(
    ("counts", "sample", "flag"),
    [
        ({"t": 9900, "naive": 60, "rest": 40}, {}, ""),
        ({"t": 9901, "naive": 60, "rest": 39}, {}, "B_DEPLETED"),
        ({"t": 900, "naive": 60, "rest": 40}, {}, ""),
        ({"t": 900, "naive": 60, "rest": 39}, {}, "FEW_B_EVENTS"),
        ({"t": 900, "naive": 60, "rest": 40}, {"lymph_abs_1e9_per_l": 0.1}, ""),
        ({"t": 900, "naive": 60, "rest": 40}, {"lymph_abs_1e9_per_l": 0.0999}, "B_DEPLETED"),
    ],
    ids=["1 %", "below 1 %", "100 events", "99 events", "10/uL", "below 10/uL"],
)
def test_b_cells__too_few_carry_no_fractions(counts: dict[str, int], sample: dict, flag: str) -> None:
    table = rows(sample=sample, **counts)
    row = table.loc[("naive", "b")]
    assert (row["status"] == "not_evaluable") == bool(flag)
    assert flag in row["flags"]
    assert pd.isna(row["frac"]) == bool(flag)
    assert table.loc[("b", "lymph"), "status"] == "ok"
    assert table.loc[("naive", "lymph"), "status"] == "ok"
