"""Gating-ML 2.0 read and evaluated: every truth here is worked out by hand from the standard's rules."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from gatingml_files import (
    axis,
    boolean,
    cytobank,
    divider,
    ellipsoid,
    gate,
    gatingml,
    matrix,
    points,
    quadrant,
    ratio,
    rectangle,
    scale,
)

from immunoprofile.errors import InputError, SpilloverError
from immunoprofile.fcs import Channel
from immunoprofile.gating import ROOT, GatingTemplate, compile_plan, read_gatingml, run_plan
from immunoprofile.spillover import Spillover
from twins import ArrayEvents

NAN, INF = math.nan, math.inf


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(*parts: str, **options) -> GatingTemplate:
        file = tmp_path / "gates.xml"
        file.write_bytes(gatingml(*parts))
        return read_gatingml(file, **options)

    return write_and_read


def held(template: GatingTemplate, events: list[tuple[float, ...]], spillover: Spillover | None = None) -> dict:
    """Numbers of the events that each gate holds; channels are A, B, C, ..."""
    values = np.array(events, dtype=float).reshape(len(events), -1)
    channels = tuple(Channel("ABCDEF"[i], None, i, 1000, 32, "fluorescence") for i in range(values.shape[1]))
    source = ArrayEvents(values, channels, spillover)
    members = run_plan(compile_plan(template, channels, spillover), source)
    return {path: np.flatnonzero(members.mask(path)).tolist() for path in members.paths if path != ROOT}


# A spills half of itself into B: compensated, (a, b) is (a, b - a / 2).
HALF = matrix("M", "A B", "A B", [[1.0, 0.5], [0.0, 1.0]])
# B spills a tenth into A.
TENTH = matrix("N", "A B", "A B", [[1.0, 0.0], [0.1, 1.0]])
SQUARE = ((0, 0), (10, 0), (10, 10), (0, 10))

TRUTHS = {
    "rectangle holds min and not max": (
        [rectangle("g", axis("A", min=1, max=3))],
        [(0.999,), (1,), (2.999,), (3,), (NAN,), (INF,), (-INF,)], {"g": [1, 2]}),
    "a missing bound is infinite, and so is INF": (
        [rectangle("g", axis("A", max=3)), rectangle("h", axis("A", min="-INF", max=3))],
        [(-INF,), (2,), (3,)], {"g": [0, 1], "h": [0, 1]}),
    "rectangle in three dimensions": (
        [rectangle("g", axis("A", min=1), axis("B", max=5), axis("C", min=0, max=1))],
        [(1, 4, 0), (1, 5, 0), (0, 4, 0), (1, 4, 1)], {"g": [0]}),
    "polygon holds its edges and vertices, all four sides": (
        [gate("Polygon", "g", axis("A"), axis("B"), points("vertex", *SQUARE))],
        [(0, 0), (10, 10), (0, 5), (10, 5), (5, 0), (5, 10), (10.001, 5), (5, 5)], {"g": [0, 1, 2, 3, 4, 5, 7]}),
    "self-crossing polygon is even-odd": (
        [gate("Polygon", "g", axis("A"), axis("B"),
              points("vertex", (0, 0), (8, 0), (8, 6), (2, 6), (2, 2), (6, 2), (6, 4), (0, 4)))],
        [(1, 1), (4, 3), (7, 5), (4, 5), (4, 1)], {"g": [0, 2, 3, 4]}),
    "ellipsoid holds its border": (
        [ellipsoid("g", [axis("A"), axis("B")], (10, 20), [(4, 0), (0, 9)], 1)],
        [(10, 20), (12, 20), (10, 23), (12.01, 20), (11.5, 22.5), (NAN, 20)], {"g": [0, 1, 2]}),
    "ellipsoid in three dimensions": (
        [ellipsoid("g", [axis("A"), axis("B"), axis("C")], (0, 0, 0), [(1, 0, 0), (0, 4, 0), (0, 0, 9)], 3)],
        [(1, 2, 3), (1.01, 2, 3), (0, 0, 5.19), (0, 0, 5.2)], {"g": [0, 2]}),
    "dimensions of one gate differ in compensation": (  # B raw is 60, compensated it would be 10
        [HALF, rectangle("g", axis("A", comp="M", min=90), axis("B", min=40)),
         rectangle("h", axis("A", min=90), axis("B", comp="M", min=40))],
        [(100, 60)], {"g": [0], "h": []}),
    "two matrices in one gate": (  # by M (100, 10), by N (94, 60)
        [HALF, TENTH, rectangle("g", axis("A", comp="N", min=94, max=95), axis("B", comp="M", min=10, max=11)),
         rectangle("h", axis("A", comp="M", min=94, max=95), axis("B", comp="N", min=10, max=11))],
        [(100, 60)], {"g": [0], "h": []}),
    "one channel twice in a gate, on two scales": (
        [scale("lin", "flin T=100 A=0"),
         rectangle("g", axis("A", scale="lin", min=0.2, max=0.6), axis("A", min=30, max=100))],
        [(50,), (25,), (70,), (59.9,)], {"g": [0, 3]}),
    "a ratio has its own compensation": (  # 100 / 10 compensated, 100 / 60 raw
        [HALF, ratio("r", "A", "B", 1, 0, 0), rectangle("g", axis("ratio:r", comp="M", min=5)),
         rectangle("h", axis("ratio:r", min=5))],
        [(100, 60)], {"g": [0], "h": []}),
    "a ratio has offsets and a scale": (  # 2 (50 - 10) / (3 + 1) = 20, and log: log10(20 / 1000) / 3 + 1 = 0.434
        [ratio("r", "A", "B", 2, 10, -1), scale("log", "flog T=1000 M=3"),
         rectangle("g", axis("ratio:r", min=20, max=20.1)),
         rectangle("h", axis("ratio:r", scale="log", min=0.43, max=0.44))],
        [(50, 3), (50, 4)], {"g": [0], "h": [0]}),
    "a ratio over zero is infinite or nothing": (
        [ratio("r", "A", "B", 1, 0, 0), rectangle("g", axis("ratio:r", min=5)), boolean("rest", "not", "g")],
        [(1, 0), (0, 0), (-1, 0)], {"g": [0], "rest": [2]}),
    "a ratio is clipped to its bounds": (
        [ratio("r", "A", "B", 1, 0, 0, "boundMin=0.5 boundMax=2"), rectangle("g", axis("ratio:r", min=0.5, max=1)),
         rectangle("h", axis("ratio:r", min=2, max=2.5))],
        [(1, 10), (10, 1), (3, 2)], {"g": [0], "h": [1]}),
    "a clipped ratio on a scale is clipped before it": (  # 0.5 to 2 is 1/10 .. 2/5 of T = 5
        [ratio("r", "A", "B", 1, 0, 0, "boundMin=0.5 boundMax=2"), scale("lin", "flin T=5 A=0"),
         rectangle("g", axis("ratio:r", scale="lin", min=0.1, max=0.2)),
         rectangle("h", axis("ratio:r", scale="lin", min=0.4, max=0.5))],
        [(1, 10), (10, 1), (3, 2)], {"g": [0], "h": [1]}),
    "flin is clipped to its bounds": (
        [scale("s", "flin T=100 A=0", "boundMin=0.2 boundMax=0.5"),
         rectangle("g", axis("A", scale="s", min=0.4, max=0.6)),
         rectangle("h", axis("A", scale="s", min=0.1, max=0.3))],
        [(80,), (5,), (45,), (60,)], {"g": [0, 2, 3], "h": [1]}),
    "flog is clipped, so that no number is too small": (
        [scale("s", "flog T=1000 M=3", "boundMin=0"), rectangle("g", axis("A", scale="s", min=0, max=0.1))],
        [(-5,), (0,), (1,), (1.9,), (2.1,), (NAN,)], {"g": [0, 1, 2, 3]}),
    "fasinh is clipped": (
        [scale("s", "fasinh T=1000 M=4 A=1", "boundMax=0.9"), rectangle("g", axis("A", scale="s", min=0.9))],
        [(1e9,), (1000,), (0,)], {"g": [0, 1]}),
    "logicle is clipped": (
        [scale("s", "logicle T=1000 W=1 M=4 A=0", "boundMin=0.2 boundMax=1"),
         rectangle("g", axis("A", scale="s", min=1, max=1.1)), rectangle("h", axis("A", scale="s", min=0.2, max=0.21))],
        [(1e9,), (1000,), (999,), (-1e9,)], {"g": [0, 1], "h": [3]}),
    "hyperlog is clipped": (
        [scale("s", "hyperlog T=1000 W=1 M=4 A=0", "boundMin=0.2 boundMax=1"),
         rectangle("g", axis("A", scale="s", min=1, max=1.1)), rectangle("h", axis("A", scale="s", min=0.2, max=0.21))],
        [(1e9,), (1000,), (999,), (-1e9,)], {"g": [0, 1], "h": [3]}),
    "the logarithm of nothing and less is below every bound": (
        [scale("s", "flog T=1000 M=3"), rectangle("low", axis("A", scale="s", max=0.5)), boolean("rest", "not", "low")],
        [(-5,), (0,), (1,), (900,)], {"low": [0, 1, 2], "rest": [3]}),
    "logicle of NaN is no number, of infinities it is beyond its ends": (
        [scale("s", "logicle T=1000 W=1 M=4 A=0"), rectangle("low", axis("A", scale="s", max=0.25)),
         rectangle("high", axis("A", scale="s", min=1))],
        [(NAN,), (INF,), (-INF,), (-1,), (1,)], {"low": [2, 3], "high": [1]}),
    "NaN is outside, also of a complement and of what rests on it": (
        [rectangle("g", axis("A", min=1)), boolean("rest", "not", "g"), boolean("both", "or", "!g", "rest"),
         rectangle("child", axis("B", min=0), parent="rest")],
        [(NAN, 1), (0, 1), (2, 1)], {"g": [2], "rest": [1], "both": [1], "rest/child": [1]}),
    "more detectors than fluorochromes: least squares": (  # (10, 14, 5) is 29/3 and 14/3, with a remainder
        [matrix("M", "F G", "A B C", [[1, 1, 0], [0, 1, 1]]),
         rectangle("g", axis("F", comp="M", min=9.66, max=9.67), axis("G", comp="M", min=4.66, max=4.67)),
         rectangle("h", axis("F", comp="M", min=9.99, max=10.01), axis("G", comp="M", min=3.99, max=4.01))],
        [(10, 14, 5), (10, 14, 4)], {"g": [0], "h": [1]}),
    "a matrix that is inverted already": (
        [matrix("M", "A B", "A B", [[1, -0.5], [0, 1]], inverted=True),
         rectangle("g", axis("B", comp="M", min=9.9, max=10.1))],
        [(100, 60), (100, 10)], {"g": [0]}),
    "an inverted matrix with more detectors has a row a detector": (  # F = A - C, G = C
        [matrix("M", "F G", "A B C", [[1, 0], [0, 0], [-1, 1]], inverted=True),
         rectangle("g", axis("F", comp="M", min=3.99, max=4.01), axis("G", comp="M", min=5.99, max=6.01))],
        [(10, 77, 6), (10, 77, 7)], {"g": [0]}),
    "matrices may be called file and none": (
        [HALF.replace('"M"', '"none"'), TENTH.replace('"N"', '"file"'),
         rectangle("g", axis("B", comp="none", min=10, max=11), axis("A", comp="file", min=94, max=95))],
        [(100, 60)], {"g": [0]}),
    "quadrants of dividers with several values": (
        [gate("Quadrant", "q", divider("x", "A", 10, 20), divider("y", "B", 5),
              quadrant("ll", x=0, y=0), quadrant("ml", x=15, y=0), quadrant("mh", x=10, y=5),
              quadrant("h", x=99, y=5))],
        [(9.9, 4), (10, 4), (19.9, 4.9), (10, 5), (20, 5), (INF, INF), (NAN, 9)],
        {"ll": [0], "ml": [1, 2], "mh": [3], "h": [4, 5]}),
    "quadrants over three dividers, some of them": (
        [gate("Quadrant", "q", divider("x", "A", 10), divider("y", "B", 5), divider("z", "C", 7, 1),
              quadrant("a", x=0, y=9), quadrant("b", x=11, z=3))],
        [(0, 5, 9), (10, 0, 1), (10, 0, 7), (0, 4, 3)], {"a": [0], "b": [1]}),
    "everything may be referred to before it is defined": (
        [boolean("first", "and", "child", "!other"),
         rectangle("child", axis("A", scale="s", comp="M", min=0.1), parent="top"),
         rectangle("top", axis("B", min=0)), scale("s", "flin T=100 A=0"), rectangle("other", axis("B", min=50)), HALF],
        [(100, 10), (100, 60), (5, 10)], {"first": [0], "top/child": [0, 1], "top": [0, 1, 2], "other": [1]}),
    "booleans have parents, complements and single terms": (
        [rectangle("a", axis("A", min=1)), rectangle("b", axis("B", min=1)), boolean("n", "not", "!b", parent="a"),
         boolean("o", "or", "a", "b"), boolean("x", "and", "!a", "!b"), boolean("one", "and", "b")],
        [(1, 1), (1, 0), (0, 1), (0, 0)],
        {"a": [0, 1], "b": [0, 2], "a/n": [0], "o": [0, 1, 2], "x": [3], "one": [0, 2]}),
    "a quadrant may be a parent and a term": (
        [gate("Quadrant", "q", divider("x", "A", 10), quadrant("lo", x=0), quadrant("hi", x=10)),
         rectangle("g", axis("B", min=1), parent="hi"), boolean("n", "not", "lo")],
        [(0, 1), (10, 1), (10, 0)], {"lo": [0], "hi": [1, 2], "hi/g": [1], "n": [1, 2]}),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "events", "expected"), TRUTHS.values(), ids=TRUTHS)
def test_gatingml__evaluates_as_worked_by_hand(read, parts, events, expected) -> None:
    found = held(read(*parts), events)
    assert found == expected


FCS_GATE = rectangle("g", axis("B", comp="FCS", min=9, max=11))


def test_gatingml__fcs_means_the_matrix_of_the_file(read) -> None:
    spillover = Spillover(("A", "B"), np.array([[1.0, 0.5], [0.0, 1.0]]))
    assert held(read(FCS_GATE), [(100, 60), (100, 10)], spillover) == {"g": [0]}


def test_gatingml__fcs_without_a_matrix_is_an_error(read) -> None:
    with pytest.raises(SpilloverError, match="it declares none"):
        held(read(FCS_GATE), [(100, 60)])


def test_gatingml__fcs_without_a_matrix_is_allowed_when_the_caller_says_so(read) -> None:
    assert held(read(FCS_GATE, missing="allow"), [(100, 60), (100, 10)]) == {"g": [1]}


def test_gatingml__uncompensated_is_not_replaced(read) -> None:
    template = read(rectangle("g", axis("B", min=60)))
    channels = tuple(Channel(n, None, i, 1000, 32, "fluorescence") for i, n in enumerate("AB"))
    other = Spillover(("A", "B"), np.array([[1.0, 0.5], [0.0, 1.0]]))
    plan = compile_plan(template, channels, None, replacement=other)
    assert run_plan(plan, ArrayEvents(np.array([[100.0, 60.0]]), channels)).count("g") == 1


def test_gatingml__template_of_another_program_is_over_detectors(read) -> None:
    template = read(HALF, rectangle("g", axis("A", comp="M", min=1), axis("B", min=1)))
    assert [(m.name, m.names, m.by_detector) for m in template.markers] == [("A", ("A",), True), ("B", ("B",), True)]
    assert (template.id, template.title, template.status, template.refused) == ("gates", "gates", "draft", ())


def test_gatingml__elements_of_other_programs_are_passed_over(read) -> None:
    copy = "<d:custom_info><other:old>" + rectangle("old", axis("A", min=1)) + "</other:old></d:custom_info>"
    extra = '<g:RectangleGate g:id="g" name="x" g:color="red"><other:note/>' + axis("A", min=2) + "</g:RectangleGate>"
    template = read(copy, "<sample><other:deep>" + extra + "</other:deep></sample>", scale("s", "flin T=1 A=0"))
    assert template.paths == (ROOT, "g")


def test_gatingml__numbers_are_read_to_the_last_bit(read) -> None:
    template = read(rectangle("g", axis("A", min="0.1234567890123456", max=" 1.7976931348623157e308 ")))
    assert template.gates[0].geometry.bounds == ((0.1234567890123456, 1.7976931348623157e308),)


# -- names -------------------------------------------------------------------------------------------------------------


def named(kind: str, id: str, /, *inner: str, parent: str = "", **texts) -> str:
    return gate(kind, id, cytobank(**texts), *inner, parent=parent)


def test_cytobank__names_are_taken_and_tell_siblings_apart(read) -> None:
    template = read(
        named("Rectangle", "Gate_1", axis("A", min=1), name="CD3+"),
        named("Rectangle", "Gate_2", axis("B", min=1), name=" IgD/CD27 ", parent="Gate_1"),
        named("Rectangle", "Gate_3", axis("B", min=1), name="CD3+", parent="Gate_2"),
    )
    assert template.paths == (ROOT, "CD3+", "CD3+/IgD\\/CD27", "CD3+/IgD\\/CD27/CD3+")
    assert [g.id for g in template.gates] == ["cd3_pos", "igd_cd27", "cd3_pos_2"]


def test_cytobank__a_gate_set_keeps_the_name_that_its_gate_has_too(read) -> None:
    refs = '<g:and><g:gateReference g:ref="Gate_1"/><g:gateReference g:ref="Gate_1"/></g:and>'
    template = read(
        named("Rectangle", "Gate_1", axis("A", min=1), name="T cells", gate_id=1),
        named("Boolean", "GateSet_1", refs, name="T cells", gate_set_id=1),
    )
    assert [(g.name, g.label) for g in template.gates] == [("Gate_1", "T cells"), ("T cells", "T cells")]
    assert held(template, [(1,), (0,)]) == {"Gate_1": [0], "T cells": [0]}


def test_cytobank__siblings_of_one_name_go_by_their_ids(read) -> None:
    template = read(*(named("Rectangle", f"Gate_{i}", axis("A", min=i), name="same") for i in (1, 2)))
    assert [(g.name, g.label) for g in template.gates] == [("Gate_1", "same"), ("Gate_2", "same")]


TAILORED = [
    named("Rectangle", "Gate_1", axis("A", min=5), name="CD4", fcs_file_filename="", tailored="true"),
    named("Rectangle", "Gate_1_D2", axis("A", min=9), name="CD4", fcs_file_filename="D2.fcs", tailored="true"),
]


def test_cytobank__a_gate_for_one_file_is_refused_by_name(read) -> None:
    with pytest.raises(InputError, match=r'gate "Gate_1_D2" \(line 4\): Cytobank tailored it to the file "D2.fcs"'):
        read(*TAILORED)


def test_cytobank__the_gate_for_all_files_is_left_when_the_caller_says_so(read) -> None:
    template = read(*TAILORED, broken="skip")
    assert held(template, [(5,), (4,), (9,)]) == {"CD4": [0, 2]}
    assert [p.code for p in template.refused] == ["GATINGML-TAILORED"]
