"""Bounds of bins in linear units: an event lies in the bin that its scaled value lies in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.kernels.histogram import NO_BIN, place_events
from immunoprofile.populations.binned import BINS, Axis, find_bounds
from immunoprofile.scales import Asinh, FlowJoBiex, Hyperlog, Identity, Linear, Log, Logicle

AXES = {
    "logicle": Axis(our.Dimension("M", Logicle(262144.0, 0.5, 4.5, 0.0)), 0.0, 1.0),
    "hyperlog": Axis(our.Dimension("M", Hyperlog(262144.0, 0.5, 4.5, 0.0)), 0.0, 1.0),
    "asinh": Axis(our.Dimension("M", Asinh(262144.0, 4.5, 0.5)), 0.0, 1.0),
    "log": Axis(our.Dimension("M", Log(262144.0, 4.5)), 0.0, 1.0),
    "linear": Axis(our.Dimension("M", Linear(262144.0, 0.0)), 0.0, 1.0),
    "identity": Axis(our.Dimension("M", Identity()), -3.0, 262144.0),
    "flowjo": Axis(our.Dimension("M", FlowJoBiex(0.0, -10.0, 4.42, 262144.0)), 0.0, 4096.0),
}


def placed(axis: Axis, values: np.ndarray) -> np.ndarray:
    bounds, out = find_bounds(axis), np.empty(values.size, dtype=np.uint8)
    place_events(values, np.arange(values.size), bounds.edges, bounds.starts, out)
    return out


def twin(axis: Axis, values: np.ndarray) -> np.ndarray:
    """The bin by the scale itself."""
    place = (axis.dimension.scale(values) - axis.low) / ((axis.high - axis.low) / BINS)
    return np.where(np.isnan(place), NO_BIN, np.clip(np.nan_to_num(place, nan=0.0), 0, BINS - 1).astype(int))


@pytest.mark.parametrize("name", AXES)
@given(values=st.lists(st.one_of(st.floats(), st.floats(-1e4, 3e5)), min_size=1, max_size=40))
def test_bins__are_those_of_the_scaled_values(name: str, values: list[float]) -> None:
    found = np.array(values)
    np.testing.assert_array_equal(placed(AXES[name], found), twin(AXES[name], found))


@pytest.mark.parametrize("name", AXES)
def test_bins__begin_at_their_bounds_to_the_last_bit(name: str) -> None:
    edges = find_bounds(AXES[name]).edges[1:-1]
    edges = edges[np.isfinite(edges)]
    around = np.concatenate([edges, np.nextafter(edges, -np.inf)])
    np.testing.assert_array_equal(placed(AXES[name], around), twin(AXES[name], around))
