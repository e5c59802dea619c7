"""Light, spill, photons and range: what a simulated cytometer does to known cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from immunoprofile.simulation import load_panel
from immunoprofile.simulation.cells import Kind, spread_of
from immunoprofile.simulation.light import RANGE
from immunoprofile.simulation.tube import ELECTRONIC_SD, UNITS_PER_PHOTOELECTRON, Tube, _detect, _plan, draw_tube

IMMUNE14 = load_panel("immune14")
MARKERS, DETECTORS = IMMUNE14.markers, IMMUNE14.detectors
AUTOFLUORESCENCE = IMMUNE14.autofluorescence
N = 20_000
STAINS = slice(3, 17)
# A median of n log-normal values (SD 0.52) has a standard error of 1.2533 * 0.52 / sqrt(n) = 0.46 %: five.
MEDIAN_TOLERANCE = 0.023
# From here up the stain is all but alone: noise and autofluorescence are too small to move its median.
BRIGHT = 1000.0


def _generator(seed: int = 3) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def _draw(label: str, n: int = N, shift: float = 0.0) -> Tube:
    shares = {name: float(name == label) for name in IMMUNE14.labels}
    shares["cd4_naive"] = max(shares["cd4_naive"], 1e-12)  # doublets and dead cells draw from living kinds
    total = sum(shares.values())
    shares = {name: share / total for name, share in shares.items()}
    return draw_tube(_generator(), IMMUNE14, shares, n, np.full(len(MARKERS), shift))


def _kind(label: str) -> Kind:
    return next(k for k in IMMUNE14.kinds if k.label == label)


def _medians(label: str) -> NDArray[np.float64]:
    stains = _kind(label).stains
    return np.array([45.0 if m == "Viability" else stains.get(m, 15.0) for m in MARKERS])


def _compensate_by_solving(tube: Tube) -> NDArray[np.float64]:
    """(14, n): the second source, equations solved event by event; no inverse and nothing of ours."""
    return np.linalg.solve(IMMUNE14.spill.T, tube.values[:, STAINS].astype(float).T)


@pytest.mark.parametrize("label", ["cd4_naive", "treg_em", "cd8_memory", "b_naive", "plasmablast", "nk"])
def test_tube__compensating_with_the_true_matrix_recovers_the_medians_of_a_kind(label: str) -> None:
    medians = _medians(label)
    bright = medians >= BRIGHT
    glow = np.linalg.solve(IMMUNE14.spill.T, AUTOFLUORESCENCE)

    found = np.median(_compensate_by_solving(_draw(label)), axis=1)

    assert bright.sum() >= 4
    assert found[bright] == pytest.approx((medians + glow)[bright], rel=MEDIAN_TOLERANCE)


@pytest.mark.parametrize("label", ["cd4_naive", "treg_em", "cd8_memory", "b_naive", "nk", "monocyte"])
def test_tube__means_add_up_in_every_channel_within_five_standard_errors(label: str) -> None:
    """Means of log-normal stains and glow add exactly, dim channels included (no kind here saturates)."""
    kind = _kind(label)
    spreads = np.array([spread_of(kind, m) for m in MARKERS])
    glow = kind.autofluorescence * AUTOFLUORESCENCE * np.exp(0.30**2 / 2)
    expected = _medians(label) * np.exp(spreads**2 / 2) + np.linalg.solve(IMMUNE14.spill.T, glow)

    found = _compensate_by_solving(_draw(label))

    assert np.all(np.abs(found.mean(axis=1) - expected) < 5 * found.std(axis=1) / np.sqrt(N))


def test_tube__the_transposed_matrix_does_not_recover_the_medians() -> None:
    observed = _draw("b_naive").values[:, STAINS].astype(float)
    right = np.median(np.linalg.solve(IMMUNE14.spill.T, observed.T), axis=1)
    wrong = np.median(np.linalg.solve(IMMUNE14.spill, observed.T), axis=1)
    assert np.abs(wrong - right).max() > 1000


def test_true_spillover__agrees_with_solving_the_equations() -> None:
    light = _generator().uniform(0, 1e4, (50, len(DETECTORS)))
    # Both invert a matrix of condition < 10 in float64: agreement to 1e-9 of the largest value is generous.
    assert light @ IMMUNE14.spill @ IMMUNE14.true_spillover().inverse == pytest.approx(light, rel=0, abs=1e-5)
    assert IMMUNE14.true_spillover().condition < 10


def test_detect__mean_is_light_through_the_matrix_and_variance_is_photons_and_electronics() -> None:
    stains = np.zeros((len(DETECTORS), 100_000), dtype=np.float32)
    stains[DETECTORS.index("BV510-A")] = 30_000
    plan = _plan(IMMUNE14, dict.fromkeys(IMMUNE14.labels, 1 / 23), np.zeros(len(MARKERS)), None)
    seen = np.empty((100_000, len(DETECTORS)), dtype=np.float32)
    _detect(_generator(), plan, stains, np.zeros(100_000, dtype=np.float32), seen)
    seen = seen.T.astype(float)

    light = 30_000 * IMMUNE14.spill[DETECTORS.index("BV510-A")]
    variance = UNITS_PER_PHOTOELECTRON * light + ELECTRONIC_SD**2
    five_standard_errors = 5 * np.sqrt(variance / 100_000)
    assert np.all(np.abs(seen.mean(axis=1) - light) < five_standard_errors + 1e-3)
    assert np.all(np.abs(seen.var(axis=1) / variance - 1) < 5 * np.sqrt(2 / 100_000))


def test_tube__compensated_negatives_spread_below_zero() -> None:
    cd19 = _compensate_by_solving(_draw("cd4_em"))[MARKERS.index("CD19")]
    # Median 45 units and an SD of about 45: a sixth below zero, were it normal.
    assert 0.05 < np.mean(cd19 < 0) < 0.30


def test_tube__a_bright_neighbour_widens_a_negative() -> None:
    spread = {}
    for label in ("t_dn", "cd8_memory"):  # alike but for CD8, whose light reaches the detector of CD19
        cd19 = _compensate_by_solving(_draw(label))[MARKERS.index("CD19")]
        spread[label] = np.subtract(*np.percentile(cd19, [75, 25]))
    assert spread["cd8_memory"] > 1.1 * spread["t_dn"]


def test_tube__values_saturate_at_the_top_of_the_range() -> None:
    values = _draw("plasmablast", shift=float(np.log(1000))).values[:, STAINS]
    assert values.max() == RANGE - 1


def test_tube__doublets_are_large_in_area_and_not_in_height() -> None:
    single, double = _draw("cd4_naive").values, _draw("doublet").values
    assert np.median(double[:, 0]) == pytest.approx(2 * np.median(single[:, 0]), rel=0.05)
    assert np.percentile(double[:, 1] / double[:, 0], 99) < np.percentile(single[:, 1] / single[:, 0], 1)


def test_tube__dead_cells_bind_the_viability_dye() -> None:
    column = 3 + MARKERS.index("Viability")
    assert np.percentile(_draw("dead").values[:, column], 1) > np.percentile(_draw("cd4_em").values[:, column], 99)


def test_tube__time_never_goes_back() -> None:
    assert np.all(np.diff(_draw("nk").values[:, -1]) >= 0)


def test_tube__labels_follow_the_shares() -> None:
    shares = {name: (i + 1) / sum(range(1, len(IMMUNE14.labels) + 1)) for i, name in enumerate(IMMUNE14.labels)}
    tube = draw_tube(_generator(), IMMUNE14, shares, 200_000, np.zeros(len(MARKERS)))
    p = np.array(list(shares.values()))
    found = np.bincount(tube.labels, minlength=len(IMMUNE14.labels)) / 200_000
    assert np.all(np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / 200_000))


def test_tube__one_event_is_enough() -> None:
    assert _draw("doublet", n=1).values.shape == (1, 18)
