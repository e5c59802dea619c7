"""The compiled engine against its plain NumPy twin, and the laws of gating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.gating import (
    ROOT,
    Boolean,
    Compensation,
    Gate,
    GatingTemplate,
    Polygon,
    compile_plan,
    run_plan,
)
from immunoprofile.gating.membership import _ranges
from immunoprofile.gating.quick import quick_scale
from immunoprofile.kernels.arrays import MAP
from immunoprofile.kernels.geometry import polygon_holds
from immunoprofile.kernels.scales import quick_value
from twins import ArrayEvents, Twin, polygon_mask


def gated(template: GatingTemplate, events: ArrayEvents, **options):
    plan = compile_plan(template, events.channels, events.spillover)
    return run_plan(plan, events, **options)


@given(
    template=our.templates(),
    events=our.events(bounds=(64.0, 1000.0, 4096.0)),
    block=st.sampled_from([1, 7, 64, 2048]),
)
def test_engine__equals_its_twin(template: GatingTemplate, events: ArrayEvents, block: int) -> None:
    members = gated(template, events, block=block)
    twin = Twin(template, events)
    for path in template.paths:
        np.testing.assert_array_equal(members.mask(path), twin.masks[path], err_msg=path)
        assert members.count(path) == int(twin.masks[path].sum())


@given(template=our.templates(max_gates=5), events=our.events(), replacement=our.spillovers())
def test_engine__replacement_matrix_equals_its_twin(template, events, replacement) -> None:
    plan = compile_plan(template, events.channels, events.spillover, replacement=replacement)
    members, twin = run_plan(plan, events), Twin(template, events, replacement)
    for path in template.paths:
        np.testing.assert_array_equal(members.mask(path), twin.masks[path], err_msg=path)


@given(template=our.templates(), events=our.events())
def test_engine__children_never_exceed_their_parent(template: GatingTemplate, events: ArrayEvents) -> None:
    members = gated(template, events)
    for gate in template.gates:
        assert not (members.mask(gate.path) & ~members.mask(gate.parent)).any()


@given(template=our.templates(), events=our.events(), seed=st.integers(0, 1000))
def test_engine__counts_do_not_depend_on_event_order(template, events, seed: int) -> None:
    shuffled = ArrayEvents(np.random.default_rng(seed).permutation(events.values), events.channels, events.spillover)
    assert gated(template, shuffled).counts() == gated(template, events).counts()


@given(template=our.templates(max_gates=4), events=our.events())
def test_engine__a_gate_and_its_complement_fill_the_parent_where_numbers_are(template, events) -> None:
    last = template.gates[-1]
    opposite = Gate("not", "not", ROOT, "not", Boolean("and", (our.Term(last.path, complement=True),)))
    whole = GatingTemplate("t", "1", "", "draft", template.markers, template.compensation, (*template.gates, opposite))
    members = gated(whole, events)
    both = members.mask(last.path).astype(int) + members.mask("not").astype(int)
    missing = Twin(whole, events).missing["not"]
    assert (both[~missing] == 1).all()
    assert not members.mask("not")[missing].any()


def test_engine__threads_do_not_change_the_result() -> None:
    rng = np.random.default_rng(1)
    events = ArrayEvents(np.exp(rng.normal(7, 2, (450_000, 5))), our.panel())
    template = _two_gates()
    one, two = gated(template, events, threads=1), gated(template, events, threads=2)
    assert one.counts() == two.counts()
    np.testing.assert_array_equal(one.words, two.words)
    assert len(_ranges(450_000, 2, 2048)) == 2


def _two_gates() -> GatingTemplate:
    scale = our.Logicle(our.TOP, 0.5, 4.5)
    dims = (our.Dimension("M1", scale), our.Dimension("M2", scale))
    square = Polygon(dims, ((0.3, 0.3), (0.7, 0.35), (0.6, 0.8), (0.2, 0.7)))
    inner = our.Rectangle(dims, ((0.4, 0.5), (None, 0.6)))
    gates = (Gate("p", "p", ROOT, "p", square), Gate("r", "p/r", "p", "r", inner))
    markers = tuple(our.Marker(f"M{i}", (f"M{i}",)) for i in (1, 2))
    return GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), gates)


@pytest.mark.parametrize("n", [0, 1], ids=["no event", "one event"])
def test_engine__tiny_files(n: int) -> None:
    members = gated(_two_gates(), ArrayEvents(np.full((n, 5), 2000.0), our.panel()))
    assert members.count(ROOT) == n
    assert members.mask(ROOT).shape == (n,)
    assert members.count("p") in {0, n}


def test_engine__more_than_64_gates_use_more_words() -> None:
    scale = our.Identity()
    gates = tuple(
        Gate(f"g{i}", f"g{i}", ROOT, f"g{i}", our.Rectangle((our.Dimension("M1", scale),), ((float(i), None),)))
        for i in range(150)
    )
    template = GatingTemplate("t", "1", "", "draft", (our.Marker("M1", ("M1",)),), Compensation("none"), gates)
    values = np.zeros((200, 5))
    values[:, 1] = np.arange(200)
    members = gated(template, ArrayEvents(values, our.panel()))
    assert members.words.shape[0] == 3
    assert [members.count(f"g{i}") for i in (0, 63, 64, 127, 128, 149)] == [200, 137, 136, 73, 72, 51]


SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
SLANTED = ((0.0, 0.0), (4.0, 2.0), (2.0, 6.0), (-2.0, 4.0))
STAR = tuple((float(np.cos(a)), float(np.sin(a))) for a in np.pi / 2 + 4 * np.pi / 5 * np.arange(5))


def holds(vertices, x: float, y: float) -> bool:
    xs, ys = (np.array(axis, dtype=float) for axis in zip(*vertices, strict=True))
    return bool(polygon_holds(x, y, xs, ys))


@pytest.mark.parametrize("corner", SQUARE, ids=str)
def test_polygon__every_vertex_is_inside(corner: tuple[float, float]) -> None:
    assert holds(SQUARE, *corner)


@pytest.mark.parametrize(
    "point", [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)], ids=["bottom", "right", "top", "left"]
)
def test_polygon__every_edge_is_inside(point: tuple[float, float]) -> None:
    assert holds(SQUARE, *point)


@pytest.mark.parametrize("point", [(2.0, 1.0), (3.0, 4.0), (0.0, 5.0), (-1.0, 2.0)], ids=str)
def test_polygon__point_on_a_slanted_edge_is_inside(point: tuple[float, float]) -> None:
    assert holds(SLANTED, *point)


@pytest.mark.parametrize("point", [(1.0 + 1e-9, 0.5), (-1e-9, 0.5), (0.5, 1 + 1e-9), (2.0, 2.0)], ids=str)
def test_polygon__a_little_outside_is_outside(point: tuple[float, float]) -> None:
    assert not holds(SQUARE, *point)


def test_polygon__self_crossing_is_even_odd() -> None:
    assert not holds(STAR, 0.0, 0.0)
    assert holds(STAR, 0.0, 0.7)


@given(seed=st.integers(0, 2**32 - 1), turn=st.integers(1, 6), flip=st.booleans())
def test_polygon__does_not_depend_on_where_its_outline_starts(seed: int, turn: int, flip: bool) -> None:
    rng = np.random.default_rng(seed)
    vertices = [tuple(v) for v in rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (7, 2))]
    rotated = vertices[turn:] + vertices[:turn]
    rotated = rotated[::-1] if flip else rotated
    points = rng.choice(np.linspace(-0.1, 1.1, 49), (50, 2))
    assert [holds(vertices, *p) for p in points] == [holds(rotated, *p) for p in points]


@given(seed=st.integers(0, 2**32 - 1))
def test_polygon__kernel_equals_twin_on_a_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = [tuple(v) for v in rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (6, 2))]
    points = rng.choice(np.linspace(0, 1, 17), (80, 2))
    expected = polygon_mask(points[:, 0], points[:, 1], vertices)
    assert [holds(vertices, *p) for p in points] == expected.tolist()


CURVES = {
    "logicle": our.Logicle(our.TOP, 0.5, 4.5),
    "log": our.Log(our.TOP, 4.5),
    "asinh": our.Asinh(our.TOP, 4.5),
    "linear": our.Linear(our.TOP),
}


@pytest.mark.parametrize("scale", CURVES.values(), ids=CURVES)
@pytest.mark.parametrize("kind", ["polygon", "ellipse"])
def test_cell_map__decides_as_the_exact_way_does(scale, kind: str) -> None:
    dims = (our.Dimension("M1", scale), our.Dimension("M2", our.Logicle(our.TOP, 1.0, 4.5, 0.5)))
    if kind == "polygon":
        geometry = Polygon(dims, ((0.3, 0.3), (0.7, 0.35), (0.5, 0.5), (0.6, 0.8), (0.2, 0.7)))
    else:
        geometry = our.Ellipsoid(dims, (0.5, 0.55), ((0.02, 0.012), (0.012, 0.03)), 1.0)
    markers = tuple(our.Marker(f"M{i}", (f"M{i}",)) for i in (1, 2))
    template = GatingTemplate(
        "t", "1", "", "draft", markers, Compensation("none"), (Gate("g", "g", ROOT, "g", geometry),)
    )
    rng = np.random.default_rng(7)
    values = np.zeros((200_000, 5))
    values[:, 1] = scale.inverse(rng.uniform(0.1, 0.9, 200_000))
    values[:, 2] = dims[1].scale.inverse(rng.uniform(0.1, 0.9, 200_000))
    events = ArrayEvents(values, our.panel())
    plan = compile_plan(template, events.channels)
    assert plan.arrays.gates.rows[0, MAP] == 0
    decided = (plan.arrays.gates.maps[0] < 2).mean()
    assert decided > 0.8
    np.testing.assert_array_equal(run_plan(plan, events).mask("g"), Twin(template, events).masks["g"])


@given(scale=our.scales())
def test_quick_scale__errs_no_more_than_it_says(scale) -> None:
    quick = quick_scale(scale)
    if quick is None:
        return
    rng = np.random.default_rng(3)
    sizes = np.exp(rng.uniform(np.log(1e-9), np.log(1e12), 400)) * rng.choice([-1.0, 1.0], 400)
    exact = scale(sizes)
    found = np.array([quick_value(quick.values[np.newaxis], 0, quick.first, x) for x in sizes])
    known = np.isfinite(found)
    assert known.any()
    assert (np.abs(found - exact)[known] <= quick.error).all()


def test_engine__wide_panels_and_many_gates_equal_the_twin() -> None:
    rng = np.random.default_rng(11)
    n_channels, n_gates = 200, 500
    panel = tuple(our.Channel(f"D{i}", f"M{i}", i, 262144, 32, "fluorescence") for i in range(n_channels))
    markers = tuple(our.Marker(f"M{i}", (f"M{i}",)) for i in range(n_channels))
    logicle = our.Logicle(our.TOP, 0.5, 4.5)
    matrix = np.eye(n_channels) + rng.uniform(0, 0.001, (n_channels, n_channels))
    spillover = our.Spillover(tuple(c.detector for c in panel), matrix)
    gates: list[Gate] = []
    for i in range(n_gates):
        parent = ROOT if i < 20 else gates[int(rng.integers(0, i))].path
        a, b = rng.choice(n_channels, 2, replace=False)
        dims = (our.Dimension(f"M{a}", logicle), our.Dimension(f"M{b}", logicle))
        shape = (
            our.Rectangle(dims, ((0.2, None), (None, 0.9)))
            if i % 2
            else Polygon(dims, ((0.1, 0.1), (0.95, 0.1), (0.9, 0.95), (0.1, 0.9)))
        )
        path = f"g{i}" if parent == ROOT else f"{parent}/g{i}"
        gates.append(Gate(f"g{i}", path, parent, f"g{i}", shape))
    template = GatingTemplate("wide", "1", "", "draft", markers, Compensation("file"), tuple(gates))
    events = ArrayEvents(np.exp(rng.normal(6, 2, (400, n_channels))), panel, spillover)
    members, twin = gated(template, events), Twin(template, events)
    for path in template.paths:
        assert members.count(path) == int(twin.masks[path].sum()), path
