"""One tube in memory: composition, truth, light, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from immunoprofile.errors import InputError
from immunoprofile.fcs import read_fcs
from immunoprofile.simulation import PANELS, SimulatedTube, simulate_tube, write_tube

N = 40_000


def _compensate(tube: SimulatedTube) -> np.ndarray:
    """(n, n_markers): the equations solved; no inverse and nothing of ours."""
    return np.linalg.solve(tube.panel.spill.T, tube.values[:, 3:-1].astype(float).T).T


@pytest.mark.parametrize("panel", PANELS)
def test_tube__fractions_are_those_of_the_labels(panel: str) -> None:
    tube = simulate_tube(panel, 3_000)
    names = tube.label_names
    for pop_id, denominators in tube.panel.denominators.items():
        for denom_id in denominators:
            inside = sum(names[i] in tube.panel.members[pop_id] for i in range(tube.labels.size))
            whole = sum(names[i] in tube.panel.labels_of(denom_id) for i in range(tube.labels.size))
            assert tube.count(pop_id) == inside
            assert tube.fraction(pop_id, denom_id) == pytest.approx(inside / whole if whole else np.nan, nan_ok=True)


@given(seed=st.integers(0, 2**40), panel=st.sampled_from(PANELS))
@rules(deadline=None, max_examples=8)
def test_tube__same_seed_same_events(seed: int, panel: str) -> None:
    first, second = simulate_tube(panel, 50, seed), simulate_tube(panel, 50, seed)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.values.tobytes() != simulate_tube(panel, 50, seed + 1).values.tobytes()


@pytest.mark.parametrize("panel", PANELS)
def test_tube__spill_then_compensation_gives_the_stain_back(panel: str) -> None:
    """Mean of T cells (B cells where there are none) in each marker: stain and autofluorescence, within five SE."""
    kind = "b_naive" if panel == "bcell" else "cd4_naive"
    tube = simulate_tube(panel, N)
    column = tube.panel.labels.index(kind)
    found = _compensate(tube)[tube.labels == column]
    looks = tube.panel.looks
    stain = np.exp(looks.log_stain[column] + looks.spread[column] ** 2 / 2)
    # The dye of the live is a number of its own, not of the kind: median 45, usual spread.
    stain = np.where(np.array(tube.panel.markers) == "Viability", 45 * np.exp(0.30**2 / 2), stain)
    glow = np.linalg.solve(tube.panel.spill.T, tube.panel.autofluorescence * np.exp(0.30**2 / 2))
    assert np.all(np.abs(found.mean(axis=0) - stain - glow) < 5 * found.std(axis=0) / np.sqrt(len(found)))


def test_tube__compensated_negatives_centre_on_autofluorescence_and_spread_to_both_sides() -> None:
    tube = simulate_tube("th", N)
    negative = _compensate(tube)[np.isin(tube.label_names, ["b_naive"]), tube.panel.markers.index("CD4")]
    own = np.linalg.solve(tube.panel.spill.T, tube.panel.autofluorescence)[tube.panel.markers.index("CD4")]
    unspecific = 15.0
    # Median of a sum of light with an SD of some 45: its standard error over thousands of cells is below 2.
    assert np.median(negative) == pytest.approx(own + unspecific, abs=8)
    assert np.mean(negative < 0) > 0.01
    assert 0.4 < np.mean(negative < own + unspecific) < 0.6


def test_composition__parts_have_the_fractions_asked_for() -> None:
    tube = simulate_tube("bcell", 200_000, composition={"b": 0.30, "plasmablast": 0.05, "transitional": 0.0})
    for pop, denom, asked in [("b", "lymphocytes", 0.30), ("plasmablast", "b", 0.05), ("transitional", "b", 0.0)]:
        n = tube.count(denom)
        assert abs(tube.fraction(pop, denom) - asked) <= 5 * np.sqrt(asked * (1 - asked) / n)
    naive, switched = (tube.count(p) for p in ("b_naive", "b_switched"))
    assert naive / switched == pytest.approx(62 / 16, rel=5 * np.sqrt(1 / naive + 1 / switched))


def test_composition__beads_are_bright_in_every_detector_and_counted() -> None:
    tube = simulate_tube("tbnk", N, composition={"bead": 0.15})
    assert tube.count("beads") == pytest.approx(0.15 * N, abs=5 * np.sqrt(0.15 * 0.85 * N))
    beads = _compensate(tube)[tube.mask("beads")]
    assert np.percentile(beads, 1, axis=0).min() > 40_000
    assert tube.count("beads") + tube.count("cells") == N


def test_composition__tube_without_lymphocytes_is_drawn() -> None:
    tube = simulate_tube("treg", 5_000, composition={"lymphocytes": 0.0})
    assert tube.count("lymphocytes") == 0
    assert tube.count("singlets") > 4_000
    assert np.isnan(tube.fraction("cd4", "t"))


def test_marker_shift__moves_one_marker_by_its_factor() -> None:
    plain, bright = simulate_tube("treg", N), simulate_tube("treg", N, marker_shift={"CD25": np.log(2)})
    column = plain.panel.markers.index("CD25")
    medians = [np.median(_compensate(t)[t.mask("treg"), column]) for t in (plain, bright)]
    assert medians[1] / medians[0] == pytest.approx(2, rel=0.05)
    assert np.array_equal(plain.labels, bright.labels)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"n_events": 0}, "n_events is 0. Give 1 or more.", id="no-events"),
        pytest.param({"panel": "tb"}, 'no panel is called "tb".', id="panel"),
        pytest.param({"composition": {"bees": 0.1}}, 'no part of the blood is called "bees".', id="no-such-part"),
        pytest.param({"composition": {"b": 1.5}}, "b is 1.5. Give a fraction from 0 to 1.", id="above-one"),
        pytest.param({"composition": {"b": 0.7, "nk": 0.4}}, "b, nk together are 1.1.", id="together-above-one"),
        pytest.param(
            {"composition": {"nk_dim": 0.5, "nk_bright": 0.4}}, "nk_dim, nk_bright together are 0.9.", id="not-closed"
        ),
        pytest.param({"faults": ("fire",)}, 'no fault is called "fire".', id="fault"),
        pytest.param({"marker_shift": {"CD24": 1.0}}, 'panel tbnk has no marker "CD24".', id="marker"),
    ],
)
def test_tube__says_what_is_wrong_with_its_options(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate_tube(**{"panel": "tbnk", **options})
    assert sentence in str(caught.value)


def test_write_tube__labels_stand_beside_and_never_in_the_file(tmp_path: Path) -> None:
    tube = simulate_tube("th", 500)
    write_tube(tube, tmp_path / "t.fcs", tmp_path / "t.parquet", name="T1")
    events = read_fcs(tmp_path / "t.fcs")
    assert np.array_equal(events.values, tube.values)
    assert [c.marker for c in events.channels] == list(tube.markers)
    table = pq.read_table(tmp_path / "t.parquet")
    assert table["event"].to_pylist() == list(range(500))
    assert table["label"].to_pylist() == tube.label_names.tolist()
    raw = (tmp_path / "t.fcs").read_bytes()
    assert b"SIMULATED" in raw
    assert not [label for label in tube.panel.labels if label.encode() in raw]


@pytest.mark.parametrize("n", [1, 2, 20_480, 20_481, 41_000])
def test_tube__any_number_of_events_is_drawn(n: int) -> None:
    values = simulate_tube("treg", n).values
    assert values.shape[0] == n
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values[:, -1]) >= 0)
