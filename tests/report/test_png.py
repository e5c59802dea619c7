"""Pictures of few colours: read back by another library, dark where few events are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunoprofile.report.png import DENSITY, LEVELS, density_levels, write_png

Image = pytest.importorskip("PIL.Image", reason="Pillow, which Bokeh brings along, reads the pictures back")


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, LEVELS)))
def test_write_png__pillow_reads_the_same_colours(levels):
    picture = Image.open(io.BytesIO(write_png(levels, DENSITY))).convert("RGBA")
    colours = np.array([(0, 0, 0, 0), *((*c, 255) for c in DENSITY)], dtype=np.uint8)
    read = np.asarray(picture)
    expected = colours[levels]
    np.testing.assert_array_equal(read[..., 3], expected[..., 3])
    np.testing.assert_array_equal(read[expected[..., 3] > 0], expected[expected[..., 3] > 0])


def test_density_levels__rise_with_the_logarithm():
    counts = np.array([[0, 1, 10, 100, 1000, 10_000]])
    levels = density_levels(counts)[0]
    assert levels[0] == 0
    assert levels[1] == 1
    assert levels[-1] == LEVELS
    # Even steps of the logarithm: 14 levels over four decades.
    assert list(np.diff(levels[1:].astype(int))) == [4, 3, 4, 3] or max(np.diff(levels[1:].astype(int))) <= 4


@pytest.mark.parametrize("counts", [np.zeros((3, 3), int), np.eye(3, dtype=int)], ids=["empty", "single-events"])
def test_density_levels__few_events_are_seen_and_none_is_not(counts):
    assert ((density_levels(counts) > 0) == (counts > 0)).all()


def test_density_colours__grow_lighter():
    # Relative luminance, ITU-R BT.709.
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in DENSITY]
    assert light == sorted(light)
