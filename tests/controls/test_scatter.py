"""Clusters in the scatter plane."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.controls.scatter import find_regions

CENTRES = np.array([[60_000.0, 15_000.0], [90_000.0, 60_000.0]])
SPREAD = np.array([5_000.0, 3_500.0])


def draw(n_debris: int = 0, n_bridge: int = 0) -> np.ndarray:
    """Two clusters of cells of 4,000 and 2,000 events; debris piled up at the acquisition threshold; a bridge."""
    rng = np.random.default_rng(1)
    debris = 5_000 + rng.exponential((6_000, 4_000), (n_debris, 2))
    bridge = (
        CENTRES[0] + rng.uniform(0, 1, (n_bridge, 1)) * (CENTRES[1] - CENTRES[0]) + rng.normal(0, SPREAD, (n_bridge, 2))
    )
    cells = [rng.normal(c, SPREAD, (n, 2)) for c, n in zip(CENTRES, (4_000, 2_000), strict=True)]
    return np.vstack([*cells, bridge, debris])


def core(scatter: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return (np.abs((scatter - centre) / SPREAD) < 0.7).all(axis=1)


@pytest.mark.parametrize("n_bridge", [0, 1_500])
def test_regions__hold_the_core_of_one_cluster_and_nothing_of_another(n_bridge):
    scatter = draw(n_bridge=n_bridge)
    first, second = (r.holds(scatter) for r in find_regions(scatter)[:2])
    cores = [core(scatter, c) for c in CENTRES]
    assert [first[cores[0]].mean() > 0.95, second[cores[1]].mean() > 0.95] == [True, True]
    assert [first[cores[1]].sum(), second[cores[0]].sum(), (first & second).sum()] == [0, 0, 0]


def test_regions__debris_is_the_one_that_the_acquisition_threshold_cuts_off():
    scatter = draw(n_debris=4_000)
    regions = find_regions(scatter)
    debris = [r for r in regions if r.cut_off]
    assert sum(r.holds(scatter)[-4_000:].sum() for r in debris) > 1_000
    assert not any(r.holds(CENTRES).any() for r in debris)


def test_regions__bells_are_not_cut_off():
    assert [r.cut_off for r in find_regions(draw())[:2]] == [False, False]


def test_regions__events_without_scatter_are_in_none():
    scatter = draw()
    scatter[:100] = np.nan
    assert not any(r.holds(scatter)[:100].any() for r in find_regions(scatter))


@pytest.mark.parametrize(
    "scatter", [np.zeros((0, 2)), np.ones((500, 2)), np.full((9, 2), np.nan)], ids=["no", "flat", "nan"]
)
def test_regions__are_none_where_scatter_does_not_vary(scatter):
    assert find_regions(scatter) == []
