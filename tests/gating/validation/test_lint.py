"""What the checks say of templates with one thing wrong, each by its code."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from square_template import BOX, HEAD, STRIP

from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs
from immunoprofile.gating import load_template
from immunoprofile.gating.validation import check_template, count_outside
from immunoprofile.gating.validation.outlines import crossing_sides, outline_area

QUIET = {"LINT-REPORT-NONE", "LINT-TITLE", "LINT-CL", "LINT-TESTS"}
"""What every template of these tests lacks."""


def remarks_of(path: Path) -> list[tuple[str, str, str | None]]:
    found = check_template(load_template(path, changed="allow"))
    return [(r.level, r.problem.code, r.problem.where) for r in found if r.problem.code not in QUIET]


def gate(shape: str, name: str = "Gate") -> str:
    return f'[[gate]]\nname = "{name}"\n{shape}\n'


BOW = 'polygon = { x = "X", y = "Y", vertices = [[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]] }'
LINE = 'polygon = { x = "X", y = "Y", vertices = [[0.2, 0.2], [0.4, 0.4], [0.6, 0.6]] }'


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([gate(BOW)], ("warning", "LINT-CROSSING", "Gate")),
        ([gate(LINE)], ("error", "LINT-AREA", "Gate")),
        ([gate('range = { x = "X", max = 40 }')], ("warning", "LINT-FAR", "Gate")),
        ([gate('range = { x = "X", min = 1.2 }')], ("warning", "LINT-OFF", "Gate")),
        ([gate('range = { x = "X", min = 0.3, max = 0.99 }')], ("warning", "LINT-EDGE", "Gate")),
        ([BOX, gate('boolean = { and = ["Box", "!Box"] }')], ("error", "LINT-CONTRADICTION", "Gate")),
        (
            [gate('range = { x = "X", min = 0.5 }', "High"), gate('range = { x = "X", max = 0.5 }', "Low"),
             gate('boolean = { and = ["High", "Low"] }')],
            ("error", "LINT-DISJOINT", "Gate"),
        ),
        (
            [gate('range = { x = "X", min = 0.5 }', "High"), gate('range = { x = "X", max = 0.5 }', "Low"),
             gate('parent = "High"\nboolean = { or = ["Low"] }')],
            ("error", "LINT-DISJOINT", "High/Gate"),
        ),
        ([BOX, STRIP, '[[report]]\npopulation = "Box"\n'], ("warning", "LINT-UNUSED", "Box/Strip")),
        (
            [BOX, STRIP, '[[report]]\npopulation = "Strip"\n[limits]\n"Box" = { warn_denominator_below = 5 }\n'],
            ("warning", "LINT-LIMIT", "limits.Box"),
        ),
        (
            [BOX, '[limits]\n"Box" = { warn_denominator_below = 5, not_evaluable_denominator_below = 9 }\n'],
            ("warning", "LINT-LIMIT", "limits.Box"),
        ),
    ],
    ids=[
        "crossing", "no area", "far", "off", "edge", "contradiction", "disjoint", "disjoint parent", "unused",
        "limit unreported", "limits swapped",
    ],
)  # fmt: skip
def test_lint__names_what_is_wrong(template_file, parts: list[str], expected: tuple[str, str, str]) -> None:
    assert expected in remarks_of(template_file(*parts))


@pytest.mark.parametrize(
    "parts",
    [
        [gate('polygon = { x = "X", y = "Y", vertices = [[0.2, -1], [2, -1], [2, 0.6], [0.2, 0.6]] }')],
        [gate('range = { x = "X", min = -1, max = 0.6 }')],
        [gate('range = { x = "X", min = 0.3 }'), gate('range = { x = "Y", max = 0.5 }', "Other")],
        [BOX, gate('boolean = { or = ["Box"] }')],
    ],
    ids=["half-open polygon", "half-open range", "open range", "boolean"],
)
def test_lint__leaves_sound_gates_alone(template_file, parts: list[str]) -> None:
    assert [r for r in remarks_of(template_file(*parts)) if r[1] != "LINT-MARKER-UNUSED"] == []


def test_lint__two_markers_of_one_name_are_named(template_file) -> None:
    head = HEAD.replace('Y = { scale = "unit" }', 'Y = { names = ["Y", "x"], scale = "unit" }')
    found = check_template(load_template(template_file(BOX, head=head)))
    (text,) = [str(r.problem) for r in found if r.problem.code == "LINT-MARKER-TWICE"]
    assert 'is found by the name "x", and so is "X". Give each marker names of its own.' in text


def test_lint__tells_of_a_changed_lock_first(template_file) -> None:
    path = template_file(BOX)
    path.with_suffix(".lock").write_text("nonsense")
    assert remarks_of(path)[0] == ("error", "TEMPLATE-LOCK", None)


def test_lint__every_remark_has_file_place_and_remedy(template_file) -> None:
    for remark in check_template(load_template(template_file(gate(BOW), gate('range = { x = "X", min = 9 }', "Far")))):
        assert remark.problem.path is not None
        assert remark.problem.where
        assert remark.problem.remedy


@pytest.mark.parametrize(("top", "outside"), [(0.99, 100), (0.985, 100), (0.9, None), (2, None)])
def test_outside__counts_events_beyond_an_edge_at_the_end(template_file, square: Path, top: float, outside) -> None:
    """Of the square one column of 100 events, X = 99, lies at 0.99: outside ``max = 0.99`` and within 2 % of it."""
    path = template_file(gate(f'range = {{ x = "X", min = 0.5, max = {top} }}'))
    found = count_outside(load_template(path), read_fcs(square))
    assert [(o.n_events, o.n_inside) for o in found] == ([] if outside is None else [(outside, 4900)])


def test_outside__of_a_polygon_moves_all_vertices_of_the_edge(template_file, tmp_path: Path) -> None:
    x, y = np.array([50, 98.5, 98.5, 99.9], dtype=np.float32), np.array([50, 50, 95, 50], dtype=np.float32)
    write_fcs(tmp_path / "few.fcs", [x, y], [ChannelSpec(n, n, 100) for n in ("X", "Y")])
    shape = 'polygon = { x = "X", y = "Y", vertices = [[0.2, 0.1], [0.98, 0.1], [0.98, 0.9], [0.2, 0.9]] }'
    (found,) = count_outside(load_template(template_file(gate(shape))), read_fcs(tmp_path / "few.fcs"))
    assert (found.edge, found.n_events, found.n_inside) == ("X max 0.98", 2, 1)


angles = st.lists(st.integers(0, 359), min_size=3, max_size=12, unique=True).map(sorted)


@given(angles)
def test_crossing__never_in_a_star_shaped_outline_in_order(found: list[int]) -> None:
    """Points on a circle in the order of their angles outline a convex polygon."""
    points = [(float(np.cos(np.deg2rad(a))), float(np.sin(np.deg2rad(a)))) for a in found]
    assert crossing_sides(points) == []


@given(angles.filter(lambda a: len(a) >= 4))
def test_crossing__always_where_two_neighbours_swap(found: list[int]) -> None:
    """Swapping two neighbours of a convex quadrilateral or larger makes two sides cross."""
    order = [found[0], found[2], found[1], *found[3:]]
    points = [(float(np.cos(np.deg2rad(a))), float(np.sin(np.deg2rad(a)))) for a in order]
    assert crossing_sides(points) != []


def test_crossing__a_vertex_on_another_side_touches_it() -> None:
    assert crossing_sides([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)]) != []


@given(st.integers(1, 20), st.integers(1, 20), st.integers(-5, 5))
def test_area__of_a_parallelogram_is_base_times_height(base: int, height: int, slant: int) -> None:
    corners = [(0.0, 0.0), (float(base), 0.0), (float(base + slant), float(height)), (float(slant), float(height))]
    for turn in range(4):
        assert outline_area([*itertools.islice(itertools.cycle(corners), turn, turn + 4)]) == base * height
