"""Memberships as rows: identities of counts, denominators, intervals and status."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import strategies as our
from immunoprofile.columns import POPULATIONS
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Gate,
    GatingTemplate,
    Limit,
    Marker,
    Rectangle,
    Report,
    compile_plan,
    run_plan,
)
from immunoprofile.populations import resolved_gates, tabulate
from twins import ArrayEvents


def nested(reports: tuple[Report, ...] = (), limits: tuple[tuple[str, Limit], ...] = ()) -> GatingTemplate:
    """Three nested ranges on one channel: 0.., 100.., 900.. of 1000 rising values."""
    marker = Marker("M1", ("M1",))
    dimension = our.Dimension("M1", our.Identity())

    def gate(name: str, parent: str, low: float) -> Gate:
        path = name if parent == ROOT else f"{parent}/{name}"
        return Gate(name, path, parent, name.lower(), Rectangle((dimension,), ((low, None),)), label=name)

    gates = (gate("A", ROOT, 0.0), gate("B", "A", 100.0), gate("C", "A/B", 900.0))
    return GatingTemplate("n", "2", "", "draft", (marker,), Compensation("none"), gates, reports, limits)


def gated(template: GatingTemplate, n: int = 1000):
    values = np.zeros((n, 5))
    values[:, 1] = np.arange(n)
    events = ArrayEvents(values, our.panel())
    return run_plan(compile_plan(template, events.channels), events)


def test_tabulate__parent_is_always_a_denominator() -> None:
    table = tabulate(gated(nested((Report("A/B/C", ("A",)),))), {"sample_id": "s"})
    assert table[["pop_id", "denom_id", "count", "denom_count"]].values.tolist() == [
        ["c", "a", 100, 1000],
        ["c", "b", 100, 900],
    ]
    assert table["frac"].tolist() == [100 / 1000, 100 / 900]


def test_tabulate__without_reports_every_population_over_its_parent() -> None:
    table = tabulate(gated(nested()), {"sample_id": "s"})
    assert table[["pop_id", "denom_id"]].values.tolist() == [["a", "all_events"], ["b", "a"], ["c", "b"]]
    assert list(table.columns) == list(POPULATIONS.names)


def test_tabulate__sample_and_template_stand_on_every_row() -> None:
    template = nested()
    sample = {"sample_id": "s", "subject_id": "P1", "visit": "BL", "day": -1, "panel": "x", "fcs_sha256": "f" * 64}
    table = tabulate(gated(template), sample)
    for column, value in sample.items():
        assert (table[column] == value).all()
    assert set(table["template_sha256"]) == {template.digest}
    assert table["row_id"].is_unique


def test_tabulate__small_denominator_gives_no_fraction_but_keeps_counts() -> None:
    table = tabulate(gated(nested(), n=950), {"sample_id": "s"})
    limits = (("A/B/C", Limit(not_evaluable_denominator_below=900)),)
    row = tabulate(gated(nested(limits=limits), n=950), {"sample_id": "s"}).set_index("pop_id").loc["c"]
    assert table.set_index("pop_id").loc["c", "status"] == "ok"
    assert row["status"] == "not_evaluable"
    assert pd.isna(row["frac"])
    assert pd.isna(row["frac_lo"])
    assert (row["count"], row["denom_count"]) == (50, 850)
    assert row["flags"] == "DENOMINATOR_TOO_SMALL"


def test_tabulate__empty_population_is_zero_not_missing() -> None:
    row = tabulate(gated(nested(), n=500), {"sample_id": "s"}).set_index("pop_id").loc["c"]
    assert (row["count"], row["frac"], row["frac_lo"], row["status"]) == (0, 0.0, 0.0, "below_lod")
    assert row["frac_hi"] > 0


def test_tabulate__left_out_population_is_not_evaluable() -> None:
    marker = Marker("HLA-DR", ("HLA-DR",), optional=True)
    base = nested()
    gate = Gate("D", "D", ROOT, "d", Rectangle((our.Dimension("HLA-DR", our.Identity()),), ((0.0, None),)))
    whole = GatingTemplate("n", "2", "", "draft", (*base.markers, marker), base.compensation, (*base.gates, gate))
    row = tabulate(gated(whole), {"sample_id": "s"}).set_index("pop_id").loc["d"]
    assert (row["status"], row["flags"]) == ("not_evaluable", "MISSING_MARKER")
    assert pd.isna(row["count"])


@given(template=our.templates(), events=our.events())
def test_tabulate__count_is_fraction_times_denominator(template: GatingTemplate, events: ArrayEvents) -> None:
    members = run_plan(compile_plan(template, events.channels, events.spillover), events)
    table = tabulate(members, {"sample_id": "s"})
    known = table[table["frac"].notna()]
    assert (table["count"] <= table["denom_count"]).all()
    assert ((known["frac"] * known["denom_count"]).round() == known["count"]).all()
    assert ((known["frac_lo"] <= known["frac"]) & (known["frac"] <= known["frac_hi"])).all()


@pytest.mark.parametrize(
    ("count", "total", "status"),
    [(0, 100, "below_lod"), (19, 100, "below_lod"), (20, 100, "below_lloq"), (49, 100, "below_lloq"), (50, 100, "ok"),
     (50, 99, "not_evaluable"), (0, 0, "not_evaluable")],
)  # fmt: skip
def test_status__thresholds(count: int, total: int, status: str) -> None:
    """C holds what lies above 900: `count` of the `total` events in A."""
    values = np.zeros((total, 5))
    values[:, 1] = 150.0
    values[:count, 1] = 950.0
    template = nested((Report("A/B/C", ("A",)),))
    events = ArrayEvents(values, our.panel())
    rows = tabulate(run_plan(compile_plan(template, events.channels), events), {"sample_id": "s"})
    assert set(rows["status"]) == {status}


def test_status__low_denominator_is_a_flag_only() -> None:
    limits = (("A/B/C", Limit(warn_denominator_below=5000)),)
    row = tabulate(gated(nested(limits=limits)), {"sample_id": "s"}).set_index("pop_id").loc["c"]
    assert (row["status"], row["flags"]) == ("ok", "LOW_DENOMINATOR")


def test_resolved_gates__every_gate_with_its_geometry() -> None:
    table = resolved_gates(gated(nested()), "s").frame()
    assert table["pop_path"].tolist() == ["A", "A/B", "A/B/C"]
    assert '"bounds":[[100.0,null]]' in table["geometry"][1]
