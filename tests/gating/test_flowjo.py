"""FlowJo workspaces: the stored counts of real ones, and worked small ones for each thing that can stand in them."""

from __future__ import annotations

import builtins
import csv
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.errors import InputError, TemplateSyntaxError
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Dimension,
    Ellipsoid,
    Gate,
    GatingTemplate,
    Polygon,
    Rectangle,
    apply_template,
    compile_plan,
    run_plan,
)
from immunoprofile.gating.formats.flowjo import compare_with_flowkit, flowjo_counts, flowjo_groups, read_flowjo
from immunoprofile.gating.formats.flowjo_shared import shared_template
from immunoprofile.kernels.arrays import MAP
from immunoprofile.scales import FlowJoBiex, Linear, Log
from twins import ArrayEvents, Twin

EIGHT = "8_color_data_set/8_color_ICS"
READABLE_BY_FLOWKIT = [
    f"{EIGHT}.wsp",
    f"{EIGHT}_boolean_gate_testing.wsp",
    f"{EIGHT}_sample_without_gates.wsp",
    f"{EIGHT}_simple.wsp",
    f"{EIGHT}_with_ellipse.wsp",
    "8_color_data_set/reused_quad_gate_with_child.wsp",
    "flowsom_68983/gating.wsp",
]
# Coordinates go through a scale and back: a few units in the last place of numbers up to 262144.
NEAR = 1e-9


@pytest.fixture(scope="module")
def flowjo(shared_data: Path) -> Path:
    return shared_data / "flowjo"


def differences(flowjo: Path, workspace: str, fcs: str, **options) -> dict[str, int]:
    """Our count less FlowJo's, by path."""
    ((sample, template),) = read_flowjo(flowjo / workspace, **options).items()
    counts = apply_template(template, read_fcs(flowjo / fcs)).counts()
    stored = flowjo_counts(flowjo / workspace)[sample]
    return {path: counts[path] - n for path, n in stored.items()}


# -- real workspaces

DIAMOND, LINE = "simple_diamond_example/", "simple_line_example/"
DIAMOND_FCS, LINE_FCS = DIAMOND + "test_data_diamond_01.fcs", LINE + "data_set_simple_line_100.fcs"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("workspace", "fcs"),
    [
        (DIAMOND + "simple_diamond_example_quad_gate.wsp", DIAMOND_FCS),
        (DIAMOND + "test_data_diamond_asinh_rect.wsp", DIAMOND_FCS),
        (DIAMOND + "test_data_diamond_asinh_rect2.wsp", DIAMOND_FCS),
        (DIAMOND + "test_data_diamond_biex_rect.wsp", DIAMOND_FCS),
        (LINE + "single_ellipse_51_events.wsp", LINE_FCS),
    ],
    ids=["quadrant", "asinh", "asinh 2", "biex", "ellipse"],
)
def test_read_flowjo__simple_workspaces_give_flowjos_counts(flowjo: Path, workspace: str, fcs: str) -> None:
    found = differences(flowjo, workspace, fcs)
    assert len(found) > 1
    assert set(found.values()) == {0}


@pytest.mark.shared
def test_read_flowjo__stale_count_is_not_followed(flowjo: Path) -> None:
    # 50 of 100 events lie in the polygon; FlowJo stored 0 before it evaluated the gate (README of the data).
    workspace = "simple_line_example/simple_poly_and_rect_v2_poly50.wsp"
    assert differences(flowjo, workspace, "simple_line_example/data_set_simple_line_100.fcs")["poly1"] == 50


BIEXPONENTIAL = "Lymphocytes/Singlets/Singlets2/NK1_1-/T cells/"


@pytest.mark.shared
def test_read_flowjo__68983_is_exact_wherever_no_biexponential_polygon_is_involved(flowjo: Path) -> None:
    found = differences(flowjo, "flowsom_68983/gating.wsp", "flowsom_68983/68983.fcs")
    apart = {p: n for p, n in found.items() if not p.startswith(BIEXPONENTIAL)}
    assert len(apart) == 10
    assert set(apart.values()) == {0}


@pytest.mark.shared
def test_read_flowjo__68983_is_nearer_to_flowjo_than_flowkit(flowjo: Path) -> None:
    found = differences(flowjo, "flowsom_68983/gating.wsp", "flowsom_68983/68983.fcs")
    with (flowjo / "counts.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["wsp"].startswith("flowsom") and r["gate_type"] != "sample"]
    theirs = [int(r["flowkit_1_3_2_count"]) - int(r["flowjo_count"]) for r in rows]
    ours = [n for p, n in found.items() if p != ROOT]
    assert (theirs.count(0), max(map(abs, theirs))) == (6, 13)
    assert (ours.count(0), max(map(abs, ours))) == (11, 3)


@pytest.mark.shared
def test_read_flowjo__without_bins_is_the_exact_outline(flowjo: Path) -> None:
    # What exact geometry gives, by FlowKit and CytoML alike (counts.csv): every event of the file.
    found = differences(flowjo, "flowsom_68983/gating.wsp", "flowsom_68983/68983.fcs", binning="none")
    assert found["Lymphocytes"] == 19225 - 19212


@pytest.mark.shared
@pytest.mark.oracle
@pytest.mark.parametrize("workspace", READABLE_BY_FLOWKIT)
def test_read_flowjo__finds_the_gates_that_flowkit_finds(flowjo: Path, workspace: str) -> None:
    by_sample = read_flowjo(flowjo / workspace)
    assert sum(len(t.gates) for t in by_sample.values()) >= 8
    assert all(not t.refused for t in by_sample.values())
    assert compare_with_flowkit(flowjo / workspace, by_sample) == ()


@pytest.mark.shared
def test_read_flowjo__finds_every_population_with_a_stored_count(flowjo: Path) -> None:
    # counts.csv was made without this program; it keeps FlowJo's names unescaped below "root".
    with (flowjo / "counts.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["gate_type"] != "sample" and r["flowjo_count"]]
    checked = 0
    for workspace in dict.fromkeys(r["wsp"] for r in rows):
        counts = flowjo_counts(flowjo / workspace)
        wanted = [r for r in rows if r["wsp"] == workspace]
        for row in wanted:
            path = row["population"].removeprefix("root/")
            assert counts[row["sample"]][path] == int(row["flowjo_count"])
            checked += 1
    assert checked > 200


@pytest.mark.shared
def test_read_flowjo__carries_a_gate_named_by_a_dot_where_flowkit_stops(flowjo: Path) -> None:
    by_sample = read_flowjo(flowjo / f"{EIGHT}_dot_gate_name.wsp")
    assert any(g.name == "." for t in by_sample.values() for g in t.gates)
    with pytest.raises(InputError, match="FlowKit cannot read it") as caught:
        compare_with_flowkit(flowjo / f"{EIGHT}_dot_gate_name.wsp", by_sample)
    assert caught.value.code == "FLOWKIT-FAILED"


@pytest.mark.shared
@pytest.mark.oracle
def test_ellipse__is_flowkits_polygon_of_it(flowjo: Path) -> None:
    import flowkit

    path = flowjo / f"{EIGHT}_with_ellipse.wsp"
    compared = 0
    for sample, template in read_flowjo(path).items():
        strategy = flowkit.parse_wsp(str(path))["samples"][sample]["gating_strategy"]
        for gate in template.gates:
            if isinstance(gate.geometry, Ellipsoid):
                theirs = np.array(strategy.get_gate(gate.name, ("root", *gate.parent.split("/"))).vertices)
                offsets = theirs - np.array(gate.geometry.center)
                distance = np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(np.array(gate.geometry.covariance)), offsets)
                # Both read the same stored ends, which are whole 256ths: half a step of a half axis of 20 and more.
                np.testing.assert_allclose(distance, 1.0, atol=0.05)
                compared += 1
    assert compared == 3


@pytest.mark.shared
def test_shared_template__time_alone_deviates_in_the_eight_colour_workspace(flowjo: Path) -> None:
    # The three samples share every drawn gate; FlowJo stretches each one's time differently.
    by_sample = read_flowjo(flowjo / f"{EIGHT}_simple.wsp")
    template, deviations = shared_template(by_sample)
    assert template.paths == next(iter(by_sample.values())).paths
    assert {(d.path, d.what) for d in deviations} == {("Time", "has another geometry")}
    assert [d.sample for d in deviations] == list(by_sample)[1:]


@pytest.mark.shared
def test_shared_template__sample_without_gates_is_a_deviation(flowjo: Path) -> None:
    by_sample = read_flowjo(flowjo / f"{EIGHT}_sample_without_gates.wsp")
    bare = next(s for s, t in by_sample.items() if not t.gates)
    _, deviations = shared_template(by_sample)
    assert [(d.path, d.what) for d in deviations if d.sample == bare] == [(ROOT, "has no gates")]


# -- small workspaces

HEAD = (
    '<Workspace version="20.0" xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating" '
    'xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations" '
    'xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">'
)
MATRIX = (
    '<transforms:spilloverMatrix prefix="Comp-" suffix="" name="M"><data-type:parameters>'
    '<data-type:parameter data-type:name="A"/><data-type:parameter data-type:name="B"/></data-type:parameters>'
    '<transforms:spillover data-type:parameter="A"><transforms:coefficient data-type:parameter="A" '
    'transforms:value="1"/><transforms:coefficient data-type:parameter="B" transforms:value="0.5"/>'
    '</transforms:spillover><transforms:spillover data-type:parameter="B"><transforms:coefficient '
    'data-type:parameter="A" transforms:value="0"/><transforms:coefficient data-type:parameter="B" '
    'transforms:value="1"/></transforms:spillover></transforms:spilloverMatrix>'
)
LINEAR = 'linear transforms:minRange="0" transforms:maxRange="1024" gain="1"'


def transform(channel: str, kind: str = LINEAR) -> str:
    return (
        f'<transforms:{kind}><data-type:parameter data-type:name="{channel}"/></transforms:{kind.split(maxsplit=1)[0]}>'
    )


def dimension(channel: str, bounds: str = "") -> str:
    return f'<gating:dimension {bounds}><data-type:fcs-dimension data-type:name="{channel}"/></gating:dimension>'


def points(*values: tuple[float, float]) -> str:
    return "".join(
        "<gating:vertex>" + "".join(f'<gating:coordinate data-type:value="{c}"/>' for c in v) + "</gating:vertex>"
        for v in values
    )


def rectangle(channel: str, low: float, high: float, more: str = "") -> str:
    inner = dimension(channel, f'gating:min="{low}" gating:max="{high}"')
    return f"<gating:RectangleGate {more}>{inner}</gating:RectangleGate>"


def polygon(x: str, y: str, *vertices: tuple[float, float], more: str = "") -> str:
    return f"<gating:PolygonGate {more}>{dimension(x)}{dimension(y)}{points(*vertices)}</gating:PolygonGate>"


def ellipse(x: str, y: str, foci: list[tuple[float, float]], edge: list[tuple[float, float]]) -> str:
    return (
        f"<gating:EllipsoidGate>{dimension(x)}{dimension(y)}<gating:foci>{points(*foci)}</gating:foci>"
        f"<gating:edge>{points(*edge)}</gating:edge></gating:EllipsoidGate>"
    )


def population(name: str, shape: str, *children: str) -> str:
    below = f"<Subpopulations>{''.join(children)}</Subpopulations>" if children else ""
    return f'<Population name={quoteattr(name)} count="1"><Gate>{shape}</Gate>{below}</Population>'


def boolean(tag: str, name: str, *terms: str) -> str:
    listed = "".join(f"<Dependent name={quoteattr(t)}/>" for t in terms)
    return f'<{tag} name="{name}" count="1"><Dependents>{listed}</Dependents></{tag}>'


def sample(*gates: str, scales: str = "", keywords: dict[str, str] | None = None, name: str = "s.fcs") -> str:
    scales = scales or transform("A") + transform("B") + transform("Comp-A") + transform("Comp-B")
    words = {"$P1N": "A", "$P2N": "B", "$P3N": "Time"} | (keywords or {})
    listed = "".join(f"<Keyword name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in words.items())
    return (
        f"<Sample>{MATRIX}<Transformations>{scales}</Transformations><Keywords>{listed}</Keywords>"
        f'<SampleNode name="{name}" sampleID="1" count="1"><Subpopulations>{"".join(gates)}</Subpopulations>'
        "</SampleNode></Sample>"
    )


def write(folder: Path, *samples: str, groups: str = "") -> Path:
    path = folder / "small.wsp"
    path.write_text(f"{HEAD}<Groups>{groups}</Groups><SampleList>{''.join(samples)}</SampleList></Workspace>")
    return path


def read_one(folder: Path, *gates: str, **parts) -> GatingTemplate:
    (template,) = read_flowjo(write(folder, sample(*gates, **parts))).values()
    return template


def gate_events(template: GatingTemplate, values: list[list[float]]) -> dict[str, int]:
    channels = tuple(replace(our.panel()[i], detector=n, marker=None) for i, n in enumerate(("A", "B", "Time")))
    events = ArrayEvents(np.array(values), channels)
    return run_plan(compile_plan(template, channels), events).counts()


def reasons(template: GatingTemplate) -> list[str]:
    return [f"{p.where}: {p.what}" for p in template.refused]


def test_read_flowjo__channel_without_the_prefix_is_uncompensated(tmp_path: Path) -> None:
    template = read_one(
        tmp_path, population("raw", rectangle("B", 60, 200)), population("c", rectangle("Comp-B", 60, 200))
    )
    # A = 100 spills 50 into B: B = 100 is 50 when compensated.
    assert gate_events(template, [[100.0, 100.0, 0.0]]) == {ROOT: 1, "raw": 1, "c": 0}


def test_read_flowjo__circle_is_carried(tmp_path: Path) -> None:
    circle = ellipse("A", "B", [(128, 128), (128, 128)], [(160, 128), (96, 128), (128, 160), (128, 96)])
    geometry = read_one(tmp_path, population("round", circle)).gate("round").geometry
    assert isinstance(geometry, Ellipsoid)
    # 32 of 256 display steps are an eighth of the axis.
    np.testing.assert_allclose(geometry.covariance, np.eye(2) / 64, atol=NEAR)
    assert geometry.center == (0.5, 0.5)


def test_read_flowjo__ellipse_has_the_given_axes(tmp_path: Path) -> None:
    # Half axes 50 along x and 30 along y: foci 40 from the middle.
    shape = ellipse("A", "B", [(88, 128), (168, 128)], [(178, 128), (78, 128), (128, 158), (128, 98)])
    geometry = read_one(tmp_path, population("e", shape)).gate("e").geometry
    np.testing.assert_allclose(geometry.covariance, np.diag([50**2, 30**2]) / 256**2, atol=NEAR)


def test_read_flowjo__ellipse_whose_foci_lie_beyond_its_ends_is_refused(tmp_path: Path) -> None:
    shape = ellipse("A", "B", [(8, 128), (248, 128)], [(178, 128), (78, 128), (128, 158), (128, 98)])
    template = read_one(tmp_path, population("e", shape))
    assert template.gates == ()
    assert reasons(template) == ['sample "s.fcs", gate "e": the foci of its ellipse do not go with its axes']


def test_read_flowjo__outside_of_a_shape_is_its_complement(tmp_path: Path) -> None:
    template = read_one(tmp_path, population("out", rectangle("A", 10, 20, 'eventsInside="0"')))
    counts = gate_events(template, [[5.0, 0, 0], [15.0, 0, 0], [20.0, 0, 0]])
    assert counts == {ROOT: 3, "out (drawn)": 1, "out": 2}


def test_read_flowjo__booleans_find_terms_by_flowjos_names(tmp_path: Path) -> None:
    inner = [population("IgD/CD27", rectangle("A", 0, 20)), population("b", rectangle("B", 0, 20))]
    names = [f"P/{n}" for n in ("IgD/CD27", "b")]
    logic = [boolean(t, t, *(names[:1] if t == "NotNode" else names)) for t in ("AndNode", "OrNode", "NotNode")]
    template = read_one(tmp_path, population("P", rectangle("A", 0, 100), *inner, *logic))
    counts = gate_events(template, [[10.0, 10, 0], [10.0, 50, 0], [50.0, 10, 0], [50.0, 50, 0], [500.0, 10, 0]])
    assert {k: counts[f"P/{k}"] for k in ("IgD\\/CD27", "b", "AndNode", "OrNode", "NotNode")} == {
        "IgD\\/CD27": 2,
        "b": 2,
        "AndNode": 1,
        "OrNode": 3,
        "NotNode": 2,
    }


def test_read_flowjo__what_cannot_be_carried_is_listed_with_all_that_rests_on_it(tmp_path: Path) -> None:
    curly = '<gating:CurlyQuad quadId="1"/>'
    template = read_one(
        tmp_path,
        population("good", rectangle("A", 0, 20)),
        population("curly", curly, population("child", rectangle("A", 0, 20))),
        boolean("OrNode", "or", "and", "good"),
        boolean("AndNode", "and", "good", "curly"),
    )
    assert [g.path for g in template.gates] == ["good"]
    assert reasons(template) == [
        'sample "s.fcs", gate "curly": a CurlyQuad is not known here',
        'sample "s.fcs", gate "curly/child": its parent is refused',
        'sample "s.fcs", gate "and": its term "curly" is refused, unknown or ambiguous',
        'sample "s.fcs", gate "or": it rests on a gate that is refused',
    ]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (rectangle("Derived", 0, 1), '"Derived" is no channel of the file (a derived parameter?)'),
        (rectangle("A", 5, 5), "of A is not below max"),
        (rectangle("A", 0, float("nan")), '"nan" is no number for max'),
        (polygon("A", "B", (0, 0), (1, 1), (0, 0)), "a polygon needs three different vertices"),
    ],
    ids=["derived", "empty", "nan", "two vertices"],
)
def test_read_flowjo__broken_gate_is_refused_with_its_reason(tmp_path: Path, shape: str, reason: str) -> None:
    template = read_one(tmp_path, population("g", shape))
    assert template.gates == ()
    assert reason in reasons(template)[0]


def test_read_flowjo__second_sibling_of_a_name_is_refused(tmp_path: Path) -> None:
    template = read_one(tmp_path, population("g", rectangle("A", 0, 9)), population("g", rectangle("A", 9, 20)))
    assert [g.geometry.bounds for g in template.gates] == [((0.0, 9 / 1024),)]
    assert reasons(template) == ['sample "s.fcs", gate "g": a sibling has the same name']


def test_read_flowjo__unknown_scale_keeps_rectangles_and_refuses_polygons(tmp_path: Path) -> None:
    scales = transform("A", "miltenyi") + transform("B")
    gates = [population("r", rectangle("A", 3, 9)), population("p", polygon("A", "B", (0, 0), (9, 0), (9, 9)))]
    template = read_one(tmp_path, *gates, scales=scales)
    assert [(g.path, g.geometry.bounds) for g in template.gates] == [("r", ((3.0, 9.0),))]
    assert 'the scale of "A" cannot be carried: miltenyi is not known here' in reasons(template)[0]


def test_read_flowjo__bound_off_the_scale_stays_what_it_is(tmp_path: Path) -> None:
    scale = 'biex transforms:neg="0" transforms:width="-10" transforms:pos="4.4" transforms:maxRange="1024"'
    template = read_one(tmp_path, population("r", rectangle("A", -5000, 9)), scales=transform("A", scale))
    # On the scale, -5000 and all below it are one value.
    assert gate_events(template, [[-6000.0, 0, 0], [-4000.0, 0, 0]])["r"] == 1


def test_read_flowjo__logarithm_is_cut_off_at_its_offset(tmp_path: Path) -> None:
    scale = 'log transforms:offset="10" transforms:decades="3"'
    shape = polygon("A", "B", (10, 0), (10000, 0), (10000, 900), (10, 900))
    template = read_one(tmp_path, population("p", shape), scales=transform("A", scale) + transform("B"))
    found = template.gate("p").geometry.dimensions[0].scale
    assert found == Log(10000.0, 3.0, low=0.0)
    # log10(max(x, 10) / 10) / 3
    np.testing.assert_allclose(found([-5.0, 0.0, 1.0, 10.0, 100.0, 10000.0]), [0, 0, 0, 0, 1 / 3, 1], atol=NEAR)


def test_read_flowjo__linear_axis_below_zero_has_its_zero_inside(tmp_path: Path) -> None:
    scale = 'linear transforms:minRange="-256" transforms:maxRange="768" gain="1"'
    shape = polygon("A", "B", (0, 0), (9, 0), (9, 9))
    template = read_one(tmp_path, population("p", shape), scales=transform("A", scale) + transform("B"))
    assert template.gate("p").geometry.dimensions[0].scale == Linear(768.0, 256.0)
    assert template.refused == ()


def test_read_flowjo__axis_that_begins_above_zero_is_told_to_be_exact(tmp_path: Path) -> None:
    scale = 'linear transforms:minRange="100" transforms:maxRange="768" gain="1"'
    shape = polygon("A", "B", (200, 0), (300, 0), (300, 90))
    template = read_one(tmp_path, population("p", shape), scales=transform("A", scale) + transform("B"))
    assert template.gate("p").geometry.bins is None
    assert [p.code for p in template.refused] == ["FLOWJO-BINS"]
    assert "evaluated exactly and not on FlowJo's bins" in template.refused[0].what


def test_read_flowjo__time_is_taken_from_flowjos_clock_to_ours(tmp_path: Path) -> None:
    scale = 'linear transforms:minRange="0" transforms:maxRange="72" gain="0.0125"'
    template = read_one(
        tmp_path,
        population("t", rectangle("Time", 5, 50)),
        scales=transform("Time", scale),
        keywords={"$TIMESTEP": "0.01"},
    )
    # 5 of FlowJo's seconds are 400 raw ticks, which are 4 of ours.
    np.testing.assert_allclose(template.gate("t").geometry.bounds, [[4.0, 40.0]], rtol=NEAR)


def test_read_flowjo__slash_in_a_channel_is_found_again(tmp_path: Path) -> None:
    template = read_one(
        tmp_path, population("g", rectangle("B_C", 0, 9)), scales=transform("B_C"), keywords={"$P2N": "B/C"}
    )
    assert template.markers[0].names == ("B/C", "B_C")


def test_read_flowjo__samples_of_one_name_are_told_apart(tmp_path: Path) -> None:
    second = sample(population("h", rectangle("A", 0, 9))).replace('sampleID="1"', 'sampleID="2"')
    group = '<GroupNode name="G"><Group><SampleRefs><SampleRef sampleID="2"/></SampleRefs></Group></GroupNode>'
    path = write(tmp_path, sample(population("g", rectangle("A", 0, 9))), second, groups=group)
    assert {s: t.paths[1] for s, t in read_flowjo(path).items()} == {"s.fcs #1": "g", "s.fcs #2": "h"}
    assert flowjo_groups(path) == {"G": ("s.fcs #2",)}


def test_read_flowjo__other_xml_is_no_workspace(tmp_path: Path) -> None:
    path = tmp_path / "other.wsp"
    path.write_text("<Workspace/>")
    with pytest.raises(TemplateSyntaxError, match=r"is not a FlowJo 10 workspace.*Save the workspace as \.wsp"):
        read_flowjo(path)


def test_compare_with_flowkit__names_the_command_that_installs_it(tmp_path: Path, monkeypatch) -> None:
    real = builtins.__import__

    def refuse(name, *arguments, **named):
        if name == "flowkit":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"Run: pip install immunoprofile\[flowkit\]"):
        compare_with_flowkit(tmp_path / "x.wsp", {})


# -- the shared template


def three(tmp_path: Path, *third: str, matrix: str = MATRIX) -> dict[str, GatingTemplate]:
    usual = (population("g", rectangle("A", 0, 9), population("k", rectangle("B", 0, 9))),)
    listed = [sample(*(third if i == 3 else usual), name=f"s{i}") for i in (1, 2, 3)]
    listed[2] = listed[2].replace(MATRIX, matrix)
    return read_flowjo(write(tmp_path, *listed))


def test_shared_template__the_majority_decides_and_the_rest_is_listed(tmp_path: Path) -> None:
    third = (population("g", rectangle("A", 0, 5)), population("own", rectangle("A", 0, 1)))
    template, deviations = shared_template(three(tmp_path, *third))
    assert template.paths == (ROOT, "g", "g/k")
    assert template.gate("g").geometry.bounds == ((0.0, 9 / 1024),)
    assert [(d.sample, d.path, d.what) for d in deviations] == [
        ("s3", "g", "has another geometry"),
        ("s3", "g/k", "lacks this gate"),
        ("s3", "own", "has a gate that few have"),
    ]
    assert isinstance(deviations[0].geometry, Rectangle)
    assert deviations[1].geometry is None


def test_shared_template__another_matrix_is_a_deviation_of_the_root(tmp_path: Path) -> None:
    usual = population("g", rectangle("A", 0, 9), population("k", rectangle("B", 0, 9)))
    _, deviations = shared_template(three(tmp_path, usual, matrix=MATRIX.replace("0.5", "0.4")))
    assert [(d.sample, d.path, d.what) for d in deviations] == [("s3", ROOT, 'compensation matrix "M" differs')]


def test_shared_template__nothing_to_share_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no sample has gates to share\. Give a workspace with gated samples\."):
        shared_template(read_flowjo(write(tmp_path, sample())))


# -- bins in the engine

BINNED = (Linear(1024.0), FlowJoBiex(0.0, -100.0, 4.418539922, 1024.0), our.Logicle(1024.0, 0.5, 4.5))


def one_gate(geometry) -> GatingTemplate:
    markers = tuple(our.Marker(f"M{i}", (f"M{i}",)) for i in (1, 2))
    return GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), (Gate("g", "g", ROOT, "g", geometry),))


@given(
    seed=st.integers(0, 2**32 - 1),
    scales=st.tuples(st.sampled_from(BINNED), st.sampled_from(BINNED)),
    bins=st.sampled_from([16, 256, 1024]),
    is_round=st.booleans(),
)
def test_engine__bins_equal_their_twin(seed: int, scales, bins: int, is_round: bool) -> None:
    rng = np.random.default_rng(seed)
    tops = [4096.0 if s.kind == "flowjo_biex" else 1.0 for s in scales]
    dims = (Dimension("M1", scales[0]), Dimension("M2", scales[1]))
    if is_round:
        covariance = ((0.04 * tops[0] ** 2, 0.0), (0.0, 0.02 * tops[1] ** 2))
        geometry = Ellipsoid(dims, (0.5 * tops[0], 0.5 * tops[1]), covariance, 1.0, bins=bins)
    else:
        geometry = Polygon(dims, tuple(tuple(v) for v in rng.uniform(0.1, 0.9, (6, 2)) * tops), bins=bins)
    values = rng.normal(300, 400, (400, 5))
    values[:4, 1] = [np.inf, -np.inf, np.nan, 0.0]
    events = ArrayEvents(values, our.panel())
    template = one_gate(geometry)
    plan = compile_plan(template, events.channels)
    assert plan.arrays.gates.rows[0, MAP] == -1
    np.testing.assert_array_equal(run_plan(plan, events).mask("g"), Twin(template, events).masks["g"])


@pytest.mark.parametrize(("x", "inside"), [(101.9, False), (102.0, True), (103.0, True), (105.9, True), (106.0, False)])
def test_engine__event_counts_as_its_nearest_step(x: float, inside: bool) -> None:
    # Steps of 4 from 0: the outline from 104 takes what is nearest to 104, halves upwards.
    dims = (Dimension("M1", Linear(1024.0)), Dimension("M2", Linear(1024.0)))
    outline = ((104 / 1024, 0.0), (104 / 1024, 1.0), (104.1 / 1024, 0.5))
    values = np.zeros((1, 5))
    values[0, 1:3] = x, 512.0
    events = ArrayEvents(values, our.panel())
    template = one_gate(Polygon(dims, outline, bins=256))
    assert run_plan(compile_plan(template, events.channels), events).count("g") == inside


def test_template__bins_are_part_of_its_digest() -> None:
    dims = (Dimension("M1", Linear(1024.0)), Dimension("M2", Linear(1024.0)))
    outline = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
    exact, binned = one_gate(Polygon(dims, outline)), one_gate(Polygon(dims, outline, bins=256))
    assert exact.digest != binned.digest
