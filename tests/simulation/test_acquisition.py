"""Clog, gap and drift: what they do to time and light, and that they leave the cells alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from immunoprofile.simulation import Acquisition, SimulatedTube, simulate_tube
from immunoprofile.simulation.acquisition import EVENTS_PER_SECOND
from immunoprofile.simulation.light import TIMESTEP

N = 40_000
SECONDS = N / EVENTS_PER_SECOND


@pytest.fixture(scope="module")
def steady() -> SimulatedTube:
    return simulate_tube("treg", N)


def _seconds(tube: SimulatedTube) -> np.ndarray:
    return tube.values[:, -1].astype(float) * TIMESTEP


def _cd3(tube: SimulatedTube, when: np.ndarray) -> float:
    """Median light of the detector of CD3 on T cells."""
    return float(np.median(tube.values[when & tube.mask("t"), 3 + tube.panel.markers.index("CD3")]))


@pytest.mark.parametrize("fault", ["clog", "gap", "drift"])
def test_fault__leaves_the_cells_as_they_were(steady: SimulatedTube, fault: str) -> None:
    faulty = simulate_tube("treg", N, faults=(fault,))
    assert np.array_equal(faulty.labels, steady.labels)
    assert np.array_equal(faulty.values[:, :3], steady.values[:, :3])
    assert not np.array_equal(faulty.values[:, -1], steady.values[:, -1])


def test_steady__rate_is_even(steady: SimulatedTube) -> None:
    counts = np.histogram(_seconds(steady), bins=10, range=(0, SECONDS))[0]
    assert np.all(np.abs(counts - N / 10) < 5 * np.sqrt(N / 10))


def test_clog__rate_falls_to_a_tenth_and_light_dims_in_its_window() -> None:
    tube = simulate_tube("treg", N, faults=("clog",))
    share = _seconds(tube) / SECONDS
    inside = (share >= 0.40) & (share < 0.70)
    rate_inside, rate_outside = inside.sum() / 0.30, (~inside).sum() / 0.70
    assert rate_inside / rate_outside == pytest.approx(0.1, rel=5 / np.sqrt(inside.sum()))
    # Autofluorescence and spilled light dim alike, so the ratio is that of the light, within its counting noise.
    assert _cd3(tube, inside) / _cd3(tube, ~inside) == pytest.approx(0.6, rel=0.05)


def test_gap__nothing_comes_for_eight_seconds() -> None:
    steps = np.diff(_seconds(simulate_tube("treg", N, faults=("gap",))))
    assert np.sort(steps)[-2:] == pytest.approx([0, 8.0], abs=0.05)


def test_drift__light_grows_by_its_ratio() -> None:
    tube = simulate_tube("treg", N, faults=("drift",))
    tenth = np.arange(N) // (N // 10)
    # Mean place of the first and of the last tenth: 0.05 and 0.95 of the run.
    assert np.log(_cd3(tube, tenth == 9) / _cd3(tube, tenth == 0)) == pytest.approx(0.9 * 0.5, abs=0.03)


def test_faults__may_come_together_and_be_of_the_caller_s_size() -> None:
    run = Acquisition(clog=(0.2, 0.3), clog_rate=0.5, clog_light=1.0, gap_seconds=3.0, drift_log=-0.2)
    tube = simulate_tube("treg", N, faults=run)
    assert _seconds(tube).max() == pytest.approx(SECONDS + 3.0, abs=0.1)


@given(
    start=st.floats(0, 0.9), length=st.floats(0.01, 0.5), rate=st.floats(0.01, 1), gap=st.floats(0, 20),
    drift=st.floats(-1, 1),
)  # fmt: skip
@rules(deadline=None, max_examples=25)
def test_run__time_never_goes_back(start: float, length: float, rate: float, gap: float, drift: float) -> None:
    run = Acquisition((start, min(start + length, 1.0)), rate, 0.5, 0.5, gap, drift)
    values = simulate_tube("treg", 300, faults=run).values
    assert np.all(np.diff(values[:, -1]) >= 0)
    assert values[:, -1].min() >= 0
    assert np.all(np.isfinite(values))
