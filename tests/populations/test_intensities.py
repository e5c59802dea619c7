"""Intensities against plain NumPy on the values that the gates saw."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.columns import INTENSITIES
from immunoprofile.gating import ROOT, Compensation, Gate, GatingTemplate, Marker, Rectangle, compile_plan, run_plan
from immunoprofile.gating.template import Intensities
from immunoprofile.kernels.intensities import N_KEYS, N_MOMENTS, PREFIXES, key_rows, summarise_rows
from immunoprofile.populations.intensities import measure_intensities
from twins import ArrayEvents, Twin

# Percentiles are exact order statistics and one interpolation; sums of n terms differ by order of summation.
INTERPOLATION = 1e-12
SUMMATION = 1e-9
LEVELS = np.array([0.158655253931457, 0.5, 0.841344746068543])


def measured(template: GatingTemplate, events: ArrayEvents, **options) -> pd.DataFrame:
    members = run_plan(compile_plan(template, events.channels, events.spillover, **_replacement(options)), events)
    return measure_intensities(members, events, "s", **options).frame()


def _replacement(options: dict) -> dict:
    return {"replacement": options["spillover"]} if "spillover" in options else {}


def summary(rows: np.ndarray, events: np.ndarray) -> np.ndarray:
    """(n_channels, n_results) of what the kernel says of some events."""
    n_channels = rows.shape[1]
    out, keys = np.empty((n_channels, N_MOMENTS + LEVELS.size)), np.empty(rows.shape, np.uint16)
    key_rows(rows, np.empty((n_channels, PREFIXES), np.int32), keys)
    counts, slots = np.empty((n_channels, N_KEYS + 1), np.int32), np.zeros((n_channels, N_KEYS + 1), np.uint8)
    bucket = np.empty(max(rows.size, 1))
    summarise_rows(rows, keys, events.astype(np.int32), events.size, LEVELS, counts, slots, bucket, out)
    assert not slots.any()
    return out


@given(
    n=st.sampled_from([0, 1, 2, 3, 50, 1023, 1024, 1025, 5000]),
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from(["lognormal", "negative", "tied", "constant", "huge"]),
)
def test_summarise_rows__is_numpy(n: int, seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    values = {
        "lognormal": lambda: rng.lognormal(6, 2, n),
        "negative": lambda: rng.normal(0, 300, n),
        "tied": lambda: rng.integers(-3, 4, n).astype(float),
        "constant": lambda: np.full(n, 17.0),
        "huge": lambda: rng.choice([1e-310, 1e300, -1e300, 5e-324, 1.0, 0.0], n),
    }[shape]()
    values[rng.random(n) < 0.1] = rng.choice([math.nan, math.inf, -math.inf])
    events = np.flatnonzero(rng.random(n) < 0.7)
    taken = values[events]
    taken = taken[np.isfinite(taken)]
    # Another channel beside it, whose values and gaps are others, changes nothing.
    beside = np.where(rng.random(n) < 0.3, math.nan, rng.normal(size=n))
    out = summary(np.stack([beside, values], axis=1), events)[1]
    assert out[:2].tolist() == [taken.size, (taken <= 0).sum()]
    if taken.size:
        np.testing.assert_allclose(out[N_MOMENTS:], np.quantile(taken, LEVELS), rtol=INTERPOLATION, atol=0)
        # Summing in another order rounds relative to the largest term.
        assert out[2] == pytest.approx(taken.sum(), rel=SUMMATION, abs=1e-12 * np.abs(taken).max() * taken.size)
        if (taken > 0).all():
            assert out[3] == pytest.approx(np.log(taken).sum(), rel=SUMMATION, abs=SUMMATION)
    else:
        assert np.isnan(out[N_MOMENTS:]).all()


def one_gate(low: float) -> GatingTemplate:
    """Events above `low` of M1; M1 to M3 are compensated by a matrix of the file, FSC-A is scatter."""
    markers = tuple(Marker(n, (n,)) for n in ("FSC-A", "M1", "M2", "M3", "M4"))
    shape = Rectangle((our.Dimension("M1", our.Asinh(our.TOP, 4.5, 0.0)),), ((low, None),))
    return GatingTemplate("n", "1", "", "draft", markers, Compensation("file"), (Gate("P", "P", ROOT, "p", shape),))


def stained(n: int = 4000, seed: int = 3) -> ArrayEvents:
    rng = np.random.default_rng(seed)
    matrix = np.eye(3) + rng.uniform(0, 0.2, (3, 3)) * (1 - np.eye(3))
    return ArrayEvents(rng.lognormal(7, 1, (n, 5)), our.panel(), our.Spillover(("A1-A", "A2-A", "A3-A"), matrix))


def test_measure_intensities__are_those_of_the_compensated_values() -> None:
    events, template = stained(), one_gate(0.3)
    table = measured(template, events).set_index("marker")
    twin = Twin(template, events)
    held = twin.masks["P"]
    assert 0 < held.sum() < events.n_events
    for marker in ("M1", "M2", "M3", "M4"):
        values = twin._compensated(marker, None)[held]
        row = table.loc[marker]
        assert row["n_events"] == held.sum()
        assert row["n_nonpositive"] == (values <= 0).sum()
        low, median, high = np.quantile(values, LEVELS)
        assert row["median_fi"] == pytest.approx(median, rel=INTERPOLATION)
        assert row["mean_fi"] == pytest.approx(values.mean(), rel=SUMMATION)
        assert row["cv_robust"] == pytest.approx((high - low) / 2 / median, rel=1e-10)
        if (values > 0).all():
            assert row["geomean_fi"] == pytest.approx(np.exp(np.log(values).mean()), rel=SUMMATION)
        else:
            assert pd.isna(row["geomean_fi"])
    assert table["scale"].to_dict() == {"M1": "compensated", "M2": "compensated", "M3": "compensated",
                                        "M4": "uncompensated"}  # fmt: skip
    assert table.loc["M1", "detector"] == "A1-A"


def test_measure_intensities__scatter_is_no_intensity() -> None:
    table = measured(one_gate(0.0), stained())
    assert table["marker"].tolist() == ["M1", "M2", "M3", "M4"]
    assert list(table.columns) == list(INTENSITIES.names)


def test_measure_intensities__of_an_empty_population_everything_is_missing() -> None:
    table = measured(one_gate(5.0), stained())
    assert (table["n_events"] == 0).all()
    assert table[["median_fi", "mean_fi", "geomean_fi", "cv_robust"]].isna().all(axis=None)


def test_measure_intensities__a_value_of_zero_takes_the_geometric_mean_away() -> None:
    events = stained(50)
    events.values[7, 4] = 0.0
    row = measured(one_gate(-5.0), events).set_index("marker").loc["M4"]
    assert row["n_nonpositive"] == 1
    assert pd.isna(row["geomean_fi"])
    assert row["median_fi"] > 0


def test_measure_intensities__robust_cv_needs_a_positive_median() -> None:
    events = stained(50)
    events.values[:, 4] = -1.0
    assert pd.isna(measured(one_gate(-5.0), events).set_index("marker").loc["M4", "cv_robust"])


def test_measure_intensities__replaced_spillover_is_used() -> None:
    events = stained()
    other = our.Spillover(("A1-A", "A2-A", "A3-A"), np.eye(3))
    table = measured(one_gate(-5.0), events, spillover=other).set_index("marker")
    assert table.loc["M2", "median_fi"] == np.median(events.values[:, 2])


def test_measure_intensities__a_marker_at_a_time_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(one_gate(0.3), stained())
    monkeypatch.setattr("immunoprofile.populations.intensities._MOST_BYTES", 1)
    pd.testing.assert_frame_equal(measured(one_gate(0.3), stained()), whole, check_exact=True)


def test_measure_intensities__only_what_the_template_asks_for() -> None:
    template = one_gate(0.3)
    whole = measured(template, stained())
    marker = whole["marker"].iloc[0]
    asked = measured(replace(template, intensities=Intensities((template.paths[1],), (marker,))), stained())
    pd.testing.assert_frame_equal(asked, whole[whole["marker"] == marker].reset_index(drop=True), check_exact=True)
    assert len(asked) < len(whole)
    nothing = measured(replace(template, intensities=Intensities(markers=("absent",))), stained())
    assert nothing.empty


@given(template=our.templates(), events=our.events())
def test_measure_intensities__counts_agree_with_the_gates(template: GatingTemplate, events: ArrayEvents) -> None:
    members = run_plan(compile_plan(template, events.channels, events.spillover), events)
    table = measure_intensities(members, events, "s").frame()
    counts = members.counts()
    allowed = {template.id_of(p): c for p, c in counts.items()}
    assert (table["n_events"] <= table["pop_id"].map(allowed)).all()
    assert (table["n_nonpositive"] <= table["n_events"]).all()
    assert not table.duplicated(["sample_id", "pop_id", "marker"]).any()
