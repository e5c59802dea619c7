"""Templates to Gating-ML 2.0 and back: equal, by the standard's schema, and never at a silent loss."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gatingml_files import DIMS, LOGICLE, RANGE, a_gate, back, made
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.errors import PanelMismatchError
from immunoprofile.fcs import Channel
from immunoprofile.gating import (
    ROOT,
    Boolean,
    Compensation,
    Dimension,
    Ellipsoid,
    Gate,
    GatingTemplate,
    Limit,
    Marker,
    Polygon,
    Ratio,
    Rectangle,
    Report,
    Term,
    compile_plan,
    join_path,
    load_template,
    read_gatingml,
    run_plan,
    template_ids,
)
from immunoprofile.gating.formats.assembly import shape_complaints
from immunoprofile.gating.formats.gatingml_words import WORDS, local
from immunoprofile.gating.formats.gatingml_write import render_gatingml, write_gatingml
from immunoprofile.gating.formats.xmlfile import parse_xml_bytes
from immunoprofile.scales import Identity, Linear, Logicle
from immunoprofile.spillover import Spillover
from twins import ArrayEvents

GATING = "{http://www.isac-net.org/std/Gating-ML/v2.0/gating}"


@cache
def standard() -> Any:
    """The standard's schema, as FlowKit carries it."""
    from lxml import etree

    return etree.XMLSchema(etree.parse(_schemas() / "Gating-ML.v2.0.xsd"))


def _schemas() -> Path:
    spec = util.find_spec("flowkit")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "_resources"


@pytest.fixture(scope="session")
def schema() -> Any:
    return standard()


# -- equal -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", template_ids())
def test_shipped_template__comes_back_equal(tmp_path: Path, schema: Any, name: str) -> None:
    template = load_template(name)
    write_gatingml(template, tmp_path / "t.xml")
    found = read_gatingml(tmp_path / "t.xml")
    # Its tests stay in the TOML file, beside the fixtures that they rest on.
    assert template.tests
    assert found == dataclasses.replace(template, tests=())
    assert found.digest == template.digest
    assert found.source == tmp_path / "t.xml"
    schema.assertValid(parse_xml_bytes((tmp_path / "t.xml").read_bytes(), None))


def test_reference_gates__come_back_equal(shared_data: Path, schema: Any) -> None:
    for file in sorted((shared_data / "gating_ml" / "gml").glob("*.xml")):
        template = read_gatingml(file)
        data = render_gatingml(template)
        assert back(data) == template, file.name
        schema.assertValid(parse_xml_bytes(data, None))


NAMES = ["CD3+", "IgD/CD27", "back\\slash", "γδ T", "T-Zellen für Öl", "细胞", "a<b>&'\"]]>", " blank ",
         "new\nline", "bell\x07", "\ufffe", "x" * 200, "All events2", "1", "-", "CD4+CD25++"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_name__survives_whatever_it_holds(schema: Any, name: str) -> None:
    inner = dataclasses.replace(a_gate(RANGE, name, join_path([name])), label=name * 2, name_hipc=name)
    template = made(a_gate(RANGE, name), inner, title=name, version=name)
    data = render_gatingml(template)
    assert back(data) == template
    schema.assertValid(parse_xml_bytes(data, None))


def test_names__the_same_in_two_branches_get_different_ids() -> None:
    gates = [
        a_gate(RANGE, "T"),
        a_gate(RANGE, "B"),
        a_gate(RANGE, "hi", "T"),
        a_gate(RANGE, "hi", "B"),
        a_gate(RANGE, "T.hi"),
    ]
    data = render_gatingml(made(*gates))
    ids = [e.get(f"{GATING}id") for e in parse_xml_bytes(data, None).iter(f"{GATING}RectangleGate")]
    assert ids == ["t", "b", "t.hi", "b.hi", "t_hi"]
    assert back(data) == made(*gates)


def test_template__everything_beside_the_gates_survives() -> None:
    matrix = Spillover(("A", "B", "C"), np.array([[1, 0.1, 0.2], [0.3, 1, 0.123456789012345]]), ("F", "G"))
    square = Spillover(("A", "B"), np.array([[1, 1 / 3], [0, 1]]))
    gate = dataclasses.replace(a_gate(RANGE), cell_ontology="CL:0000084", name_hipc="T", role="t", label="")
    child = a_gate(Rectangle((Dimension("F", LOGICLE, "one.csv"),), ((None, 0.5),)), "c", "g")
    template = made(
        gate,
        child,
        markers=(
            Marker("A", ("A", "alpha"), True),
            Marker("F", ("F",), by_detector=True),
            Marker("unused", ("x", "y")),
        ),
        compensation=Compensation("matrix", "FCS", "allow", (("one.csv", matrix), ("FCS", square))),
        reports=(Report("g"), Report("g/c", ("g", ROOT))),
        limits=(("g/c", Limit(500, None)), ("g", Limit(None, 100)), (ROOT, Limit(1, 0))),
    )
    assert back(render_gatingml(template)) == template


GEOMETRIES = {
    "and of one": Boolean("and", (Term("g"),)),
    "and of one complement": Boolean("and", (Term("g", True),)),
    "or of one": Boolean("or", (Term("g"),)),
    "or of one complement": Boolean("or", (Term("g", True),)),
    "or of three": Boolean("or", (Term("g"), Term("g", True), Term("g"))),
    "clipped identity": Rectangle((Dimension("A", Identity(low=0.0, high=1.0)),), ((0.5, None),)),
    "linear that changes nothing": Rectangle((Dimension("A", Linear(1.0)),), ((0.5, None),)),
    "clip on one side": Rectangle((Dimension("A", Logicle(1000.0, 1.0, 4.0, high=0.9)),), ((0.5, None),)),
    "the same axis twice": Rectangle((DIMS[0], DIMS[0]), ((0.5, None), (None, 0.7))),
    "the same channel in two compensations": Rectangle(
        (DIMS[0], Dimension("A", LOGICLE, "uncompensated"), Dimension("A", LOGICLE, "file")), ((0.5, None),) * 3),
    "an open side": Rectangle(DIMS, ((0.5, None), (None, None))),
    "ratio": Rectangle((Dimension(Ratio("A", "B", 0.1, -2e-7, 3.0), LOGICLE),), ((0.5, None),)),
    "ratio of a channel with itself": Rectangle((Dimension(Ratio("A", "A"), Identity(), "file"),), ((0.5, None),)),
    "polygon of integers": Polygon(DIMS, ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))),
    "ellipsoid in three": Ellipsoid(
        (*DIMS, DIMS[0]), (0.1, 0.2, 0.3), ((1.0, 0, 0), (0, 2.0, 1e-3), (0, 1e-3, 3.0)), 0.1 + 0.2),
    "a part of a quadrant gate, alone": Rectangle(DIMS, ((0.5, None), (None, 0.5)), "x by y"),
    "a part without a name": Rectangle(DIMS, ((0.5, None), (None, 0.5)), ""),
    "a part with an open axis": Rectangle(DIMS, ((0.5, None), (None, None)), "q"),
    "smallest and largest numbers": Rectangle(
        DIMS, ((5e-324, 1.7976931348623157e308), (-1.7976931348623157e308, -0.0))),
}  # fmt: skip


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_geometry__comes_back_equal(schema: Any, geometry: Any) -> None:
    template = made(a_gate(RANGE), a_gate(geometry, "other", "g"))
    data = render_gatingml(template)
    assert back(data) == template
    schema.assertValid(parse_xml_bytes(data, None))


def quadrants(*bounds: tuple[Any, ...], divider: str = "q", parent: str = ROOT) -> list[Gate]:
    return [a_gate(Rectangle(DIMS[: len(b)], b, divider), f"{divider}{i}", parent) for i, b in enumerate(bounds)]


LOW, HIGH = (None, 0.4), (0.4, None)
RUNS = {
    "four corners": (quadrants((LOW, LOW), (HIGH, LOW), (LOW, HIGH), (HIGH, HIGH)), 1, 0),
    "three columns": (quadrants(((None, 0.2),), ((0.2, 0.4),), ((0.4, None),)), 1, 0),
    "not between neighbours": (quadrants(((None, 0.2),), ((0.1, 0.4),)), 0, 2),
    "below all numbers": (quadrants(((None, -1.7976931348623157e308),), ((-1.7976931348623157e308, None),)), 0, 2),
    "two gates in a row": (
        [*quadrants((LOW,), (HIGH,)), *quadrants((LOW,), (HIGH,), divider="r")], 2, 0),
    "one gate in two branches": (
        [*quadrants((LOW,), (HIGH,)), *quadrants((LOW,), (HIGH,), parent="q0")], 2, 0),
    "another gate between": ([*quadrants((LOW,)), a_gate(RANGE, "mid"), *quadrants((HIGH, HIGH), divider="q")[:0],
                              a_gate(Rectangle(DIMS[:1], (HIGH,), "q"), "late")], 2, 1),
}  # fmt: skip


@pytest.mark.parametrize(("gates", "n_quadrants", "n_rectangles"), RUNS.values(), ids=RUNS)
def test_quadrants__are_quadrant_gates_where_they_can_be(
    schema: Any, gates, n_quadrants: int, n_rectangles: int
) -> None:
    data = render_gatingml(made(*gates))
    root = parse_xml_bytes(data, None)
    schema.assertValid(root)
    assert len(root.findall(f"{GATING}QuadrantGate")) == n_quadrants
    assert len(root.findall(f"{GATING}RectangleGate")) == n_rectangles
    assert back(data) == made(*gates)


_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def _sound(template: GatingTemplate) -> bool:
    """False where a random polygon has fewer than three different corners, which no file may hold."""
    return not any(shape_complaints(g.geometry) for g in template.gates)


SOUND_TEMPLATES = our.templates().filter(_sound)


@st.composite
def dressed(draw: Any) -> GatingTemplate:
    """A random template with random names, labels, reports and limits, and perhaps quadrants at its end."""
    plain = draw(SOUND_TEMPLATES)
    paths: dict[str, str] = {ROOT: ROOT}
    gates: list[Gate] = []
    for number, gate in enumerate(plain.gates):
        name = draw(_NAME) + draw(st.sampled_from(["", str(number)]))
        above = paths[gate.parent]
        path = join_path([name]) if above == ROOT else f"{above}/{join_path([name])}"
        if path in paths.values():
            path, name = f"{path}{number}", f"{name}{number}"
        paths[gate.path] = path
        geometry = gate.geometry
        if isinstance(geometry, Boolean):
            geometry = Boolean(geometry.operation, tuple(Term(paths[t.path], t.complement) for t in geometry.terms))
        gates.append(
            Gate(name, path, above, f"g_{number}", geometry, draw(st.just("") | _NAME), None, draw(st.none() | _NAME))
        )
    parent = draw(st.sampled_from([ROOT, *(g.path for g in gates)]))
    at = draw(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3, unique=True).map(sorted)
    )
    for number, bounds in enumerate(zip([None, *at], [*at, None], strict=True)):
        name = f"quadrant {number}"
        path = name if parent == ROOT else f"{parent}/{name}"
        gates.append(
            Gate(name, path, parent, f"q_{number}", Rectangle((our.Dimension("M1", our.Identity()),), (bounds,), "q"))
        )
    reported = draw(st.lists(st.sampled_from(gates), unique_by=lambda g: g.path, max_size=3))
    return dataclasses.replace(
        plain,
        version=draw(_NAME),
        title=draw(st.just("") | _NAME),
        status=draw(st.sampled_from(["draft", "locked", "retired"])),
        gates=tuple(gates),
        reports=tuple(Report(g.path, (g.parent,)) for g in reported),
        limits=tuple((g.path, Limit(draw(st.none() | st.integers(0, 9999)), None)) for g in reported),
    )


@given(template=dressed(), events=our.events(bounds=(64.0, 1000.0)), resolved=st.booleans())
def test_template__comes_back_equal_valid_and_with_the_same_members(
    template, events: ArrayEvents, resolved: bool
) -> None:
    data = render_gatingml(template, channels=events.channels if resolved else None)
    standard().assertValid(parse_xml_bytes(data, None))
    found = back(data)
    assert found == template
    here, there = (run_plan(compile_plan(t, events.channels, events.spillover), events) for t in (template, found))
    assert here.counts() == there.counts()
    np.testing.assert_array_equal(here.words, there.words)


@given(template=SOUND_TEMPLATES)
def test_written_bytes__depend_on_the_template_alone(template: GatingTemplate) -> None:
    assert render_gatingml(back(render_gatingml(template))) == render_gatingml(template)


# -- what other programs see -------------------------------------------------------------------------------------------


def test_channels__write_the_detectors_that_markers_are_found_in() -> None:
    channels = (
        Channel("FL1-A", "alpha", 0, 262144, 32, "fluorescence"),
        Channel("FL2-A", "B", 1, 262144, 32, "fluorescence"),
    )
    gates = a_gate(RANGE), a_gate(Rectangle((Dimension(Ratio("B", "A"), LOGICLE),), ((0.5, None),)), "r")
    data = render_gatingml(made(*gates), channels=channels)
    names = [
        e.get("{http://www.isac-net.org/std/Gating-ML/v2.0/datatypes}name")
        for e in parse_xml_bytes(data, None).iter("{*}fcs-dimension")
    ]
    assert names == ["FL2-A", "FL1-A", "FL1-A"]
    assert back(data) == made(*gates)


def test_channels__an_optional_marker_that_is_absent_keeps_its_first_name() -> None:
    data = render_gatingml(made(a_gate(RANGE)), channels=(Channel("X", "B", 0, 262144, 32, "fluorescence"),))
    assert b'data-type:name="A"' in data


def test_channels__a_marker_that_the_panel_lacks_is_refused() -> None:
    gate = a_gate(Rectangle(DIMS, ((0.5, None), (0.5, None))))
    with pytest.raises(PanelMismatchError, match='needs "B"'):
        render_gatingml(made(gate), channels=(Channel("A", None, 0, 262144, 32, "fluorescence"),))


def test_channels__fluorochromes_of_a_matrix_keep_their_names() -> None:
    matrix = Spillover(("D1", "D2", "D3"), np.array([[1, 0.1, 0.2], [0.3, 1, 0.1]]), ("A", "B"))
    template = made(a_gate(RANGE), compensation=Compensation("matrix", "m", matrices=(("m", matrix),)))
    channels = tuple(Channel(f"D{i}", None, i - 1, 262144, 32, "fluorescence") for i in (1, 2, 3))
    data = render_gatingml(template, channels=channels)
    assert back(data) == template
    assert b'compensation-ref="matrix.m"' in data


@pytest.mark.oracle
def test_flowkit__reads_what_is_written_and_counts_the_same() -> None:
    """FlowKit leaves right and top edges of polygons out: no event lies on one here."""
    flowkit = pytest.importorskip("flowkit")
    import io
    import warnings

    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(7, 1.5, (4_000, 2))).astype(np.float32).astype(float)
    raw = tuple(Dimension(n, LOGICLE, "uncompensated") for n in "AB")
    gates = [
        a_gate(Rectangle(raw, ((0.4, 0.8), (None, 0.7))), "r"),
        a_gate(Polygon((raw[0], raw[1]), ((0.4, 0.3), (0.8, 0.41), (0.63, 0.7))), "p", "r"),
        a_gate(Ellipsoid(raw, (0.6, 0.6), ((0.01, 0.002), (0.002, 0.02)), 1.5), "e"),
        a_gate(Boolean("and", (Term("r"), Term("e", True))), "b"),
        a_gate(Boolean("or", (Term("e"),)), "single"),
        *[
            a_gate(Rectangle(raw, b, "q"), f"q{i}")
            for i, b in enumerate([(LOW, LOW), (HIGH, LOW), (LOW, HIGH), (HIGH, HIGH)])
        ],
    ]
    template = made(*gates, compensation=Compensation("none"))
    channels = tuple(Channel(n, None, i, 262144, 32, "fluorescence") for i, n in enumerate("AB"))
    ours = run_plan(compile_plan(template, channels), ArrayEvents(values, channels)).counts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategy = flowkit.parse_gating_xml(io.BytesIO(render_gatingml(template)))
        sample = flowkit.Sample(values, channel_labels=["A", "B"], sample_id="s")
        report = strategy.gate_sample(sample).report
    theirs = {row.gate_name: row.count for row in report.itertuples()}
    assert theirs == {path.replace("/", "."): n for path, n in ours.items() if path != ROOT}


def test_words__are_those_of_the_schemas() -> None:
    from lxml import etree

    said: set[str] = set()
    for file in _schemas().glob("*.v2.0.xsd"):
        tree = etree.parse(file)
        said |= {e.get("name") for tag in ("element", "attribute") for e in tree.iter("{*}" + tag) if e.get("name")}
    known = {local(t) for t in WORDS} | {local(n) for pair in WORDS.values() for names in pair for n in names}
    assert known | {"Gating-ML", "custom_info"} == said
