"""Events built on the boundaries of gates, on every scale: on an edge is inside, a little beyond it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Ellipsoid,
    Gate,
    GatingTemplate,
    Polygon,
    Rectangle,
    compile_plan,
    membership,
    run_plan,
)
from twins import ArrayEvents, Twin

SCALES = {
    "logicle": our.Logicle(our.TOP, 0.5, 4.5),
    "logicle with negative decades": our.Logicle(our.TOP, 1.0, 4.5, 0.5),
    "hyperlog": our.Hyperlog(our.TOP, 0.5, 4.5),
    "asinh": our.Asinh(our.TOP, 4.5, 0.5),
    "log": our.Log(our.TOP, 4.5),
    "linear": our.Linear(our.TOP, 1000.0),
}
# Far enough from an edge that no rounding of a scaled value (twelve decimals) reaches it, near enough to be a boundary.
BEYOND = 1e-9
# A convex outline in the order of its corners: two straight sides, three slanted ones.
CORNERS = ((0.3, 0.2), (0.7, 0.2), (0.9, 0.55), (0.6, 0.85), (0.3, 0.7))
CENTER = np.mean(CORNERS, axis=0)

every_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def dims(scale, other=SCALES["logicle"]):
    return (our.Dimension("M1", scale), our.Dimension("M2", other))


def inside(geometry, points: np.ndarray) -> np.ndarray:
    """Which points, given in scaled units, a gate holds once they are events in linear units."""
    events = np.zeros((len(points), 5))
    for k, dimension in enumerate(geometry.dimensions):
        events[:, k + 1] = dimension.scale.inverse(points[:, k])
    markers = tuple(our.Marker(f"M{i}", (f"M{i}",)) for i in (1, 2))
    gates = (Gate("g", "g", ROOT, "g", geometry),)
    template = GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), gates)
    source = ArrayEvents(events, our.panel())
    return run_plan(compile_plan(template, source.channels), source).mask("g")


def along_edges(shares: np.ndarray) -> np.ndarray:
    """Points on every edge of the outline, its corners among them where a share is 0 or 1."""
    corners = np.array(CORNERS)
    ends = np.roll(corners, -1, axis=0)
    return np.concatenate([a + shares[:, np.newaxis] * (b - a) for a, b in zip(corners, ends, strict=True)])


@every_scale
def test_polygon__events_on_its_corners_and_edges_are_inside(scale) -> None:
    points = along_edges(np.linspace(0, 1, 41))
    assert inside(Polygon(dims(scale), CORNERS), points).all()


@every_scale
@pytest.mark.parametrize(("way", "expected"), [(1, False), (-1, True)], ids=["beyond", "within"])
def test_polygon__events_beside_its_edges_are_where_they_are(scale, way: int, expected: bool) -> None:
    points = along_edges(np.linspace(0.05, 0.95, 37))
    outwards = (points - CENTER) / np.linalg.norm(points - CENTER, axis=1, keepdims=True)
    # A ray from the center of a convex outline meets an edge at 30 degrees or more here, hence the factor.
    found = inside(Polygon(dims(scale), CORNERS), points + way * 4 * BEYOND * outwards)
    assert (found == expected).all()


@every_scale
def test_rectangle__lower_bound_is_inside_and_upper_bound_is_not(scale) -> None:
    box = Rectangle(dims(scale, scale), ((0.3, 0.7), (0.4, 0.8)))
    points = [(0.3, 0.4), (0.3, 0.6), (0.5, 0.4), (0.7, 0.6), (0.5, 0.8), (0.3, 0.8), (0.7, 0.4)]
    assert inside(box, np.array(points)).tolist() == [True, True, True, False, False, False, False]


@every_scale
def test_rectangle__events_beside_its_bounds_are_where_they_are(scale) -> None:
    box = Rectangle(dims(scale, scale), ((0.3, 0.7), (None, 0.8)))
    points = [(0.3 - BEYOND, 0.5), (0.3 + BEYOND, 0.5), (0.7 - BEYOND, 0.5), (0.7 + BEYOND, 0.5), (0.5, 0.8 - BEYOND)]
    assert inside(box, np.array(points)).tolist() == [False, True, True, False, True]


@every_scale
@pytest.mark.parametrize(("way", "expected"), [(1, False), (0, True), (-1, True)], ids=["beyond", "on", "within"])
def test_ellipse__events_about_its_border_are_where_they_are(scale, way: int, expected: bool) -> None:
    half_x, half_y, turn = 0.25, 0.1, math.radians(30)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    covariance = rotation @ np.diag([half_x**2, half_y**2]) @ rotation.T
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    # On the border itself the distance of a rounded point may be off by more than its twelfth decimal: stay within it.
    size = {1: 1 + 100 * BEYOND, 0: 1 - 1e-11, -1: 1 - 100 * BEYOND}[way]
    border = size * (rotation @ np.array([half_x * np.cos(angles), half_y * np.sin(angles)])).T
    ellipse = Ellipsoid(dims(scale), (0.55, 0.5), tuple(map(tuple, covariance.tolist())), 1.0)
    assert (inside(ellipse, border + np.array([[0.55, 0.5]])) == expected).all()


@every_scale
def test_quadrants__share_every_event_out_once(scale) -> None:
    halves = ((None, 0.5), (0.5, None))
    grid = np.array([(x, y) for x in (0.2, 0.5 - BEYOND, 0.5, 0.9) for y in (0.2, 0.5 - BEYOND, 0.5, 0.9)])
    held = [inside(Rectangle(dims(scale, scale), (x, y)), grid) for x in halves for y in halves]
    assert (np.sum(held, axis=0) == 1).all()
    assert held[3].tolist() == [bool(x >= 0.5 and y >= 0.5) for x, y in grid]


@given(
    scale=our.scales(),
    seed=st.integers(0, 2**32 - 1),
    edges=st.lists(st.sampled_from(np.linspace(-0.2, 1.2, 29).tolist()), min_size=4, max_size=4, unique=True),
)
def test_rectangle__grows_with_its_bounds(scale, seed: int, edges: list[float]) -> None:
    wide_low, low, high, wide_high = sorted(edges)
    points = np.random.default_rng(seed).uniform(-0.3, 1.3, (200, 1))
    points[:4, 0] = sorted(edges)
    small, large = (Rectangle((our.Dimension("M1", scale),), (b,)) for b in ((low, high), (wide_low, wide_high)))
    assert not (inside(small, points) & ~inside(large, points)).any()


@given(template=our.templates(), events=our.events(), threads=st.integers(1, 4), block=st.sampled_from([1, 5, 64]))
def test_engine__equals_its_twin_with_any_threads(template, events: ArrayEvents, threads: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "_EVENTS_A_THREAD", 30)  # so that 300 events are enough for four
        plan = compile_plan(template, events.channels, events.spillover)
        members = run_plan(plan, events, threads=threads, block=block)
    twin = Twin(template, events)
    for path in template.paths:
        np.testing.assert_array_equal(members.mask(path), twin.masks[path], err_msg=path)
