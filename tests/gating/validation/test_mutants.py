"""Moved boundaries: which there are, how far they go, and whether tests notice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from square_template import BOX, STRIP

from immunoprofile.gating import load_template
from immunoprofile.gating.gates import Ellipsoid, Polygon, Rectangle
from immunoprofile.gating.validation import list_mutants, read_fixtures, run_mutants

EXACT = '[[test]]\nsample = "square"\nexpect = { "Box" = { count = 2000 } }\n'
CLOSE = 1e-9
"""Coordinates of order one, moved by sums and products: a few ulps."""


def gate(shape: str) -> str:
    return f'[[gate]]\nname = "Gate"\n{shape}\n'


def mutants_of(path: Path, shift: float = 0.02):
    return list(list_mutants(load_template(path), shift=shift))


@pytest.mark.parametrize(
    ("shape", "number"),
    [
        ('range = { x = "X", min = 0.3 }', 2),
        ("rectangle = { X = { min = 0.3, max = 0.6 }, Y = { max = 0.5 } }", 6),
        ("rectangle = { X = { min = -1, max = 0.6 }, Y = { max = 2 } }", 2),
        ('polygon = { x = "X", y = "Y", vertices = [[0.1, 0.1], [0.5, 0.1], [0.3, 0.6]] }', 6),
        ('polygon = { x = "X", y = "Y", vertices = [[0.1, -1], [2, -1], [2, 2], [0.1, 2]] }', 2),
        (
            'ellipse = { x = "X", y = "Y", center = [0.5, 0.5], covariance = [[0.01, 0], [0, 0.04]], '
            "distance_square = 1 }",
            8,
        ),
        ('quadrant = { x = "X", y = "Y", x_at = 0.4, y_at = 0.6, names = { "++" = "A", "-+" = "B" } }', 4),
    ],
    ids=["range", "rectangle", "off the scale", "triangle", "half-open polygon", "ellipse", "quadrant"],
)
def test_mutants__move_every_boundary_on_the_scale_both_ways(template_file, shape: str, number: int) -> None:
    assert len(mutants_of(template_file(gate(shape)))) == number


def test_mutants__of_a_bound_lie_a_share_of_the_axis_away(template_file) -> None:
    found = mutants_of(template_file(gate('range = { x = "X", min = 0.3 }')), shift=0.05)
    bounds = [m.template.gates[0].geometry.bounds[0][0] for m in found]
    assert bounds == pytest.approx([0.25, 0.35], abs=CLOSE)
    assert [m.moved for m in found] == ["0.3 to 0.25", "0.3 to 0.35"]


def test_mutants__of_an_edge_move_along_its_normal(template_file) -> None:
    """The edge from (0.1, 0.1) to (0.5, 0.4) is 0.5 long; its normal is (-0.6, 0.8)."""
    shape = 'polygon = { x = "X", y = "Y", vertices = [[0.1, 0.1], [0.5, 0.4], [0.1, 0.9]] }'
    inward = mutants_of(template_file(gate(shape)))[1].template.gates[0].geometry
    assert isinstance(inward, Polygon)
    expected = [(0.1 - 0.012, 0.1 + 0.016), (0.5 - 0.012, 0.4 + 0.016), (0.1, 0.9)]
    assert np.array(inward.vertices) == pytest.approx(np.array(expected), abs=CLOSE)


def test_mutants__of_an_ellipse_lengthen_one_half_axis(template_file) -> None:
    shape = (
        'ellipse = { x = "X", y = "Y", center = [0.5, 0.5], covariance = [[0.01, 0], [0, 0.04]], distance_square = 4 }'
    )
    longer = mutants_of(template_file(gate(shape)))[5].template.gates[0].geometry
    assert isinstance(longer, Ellipsoid)
    halves = [math.sqrt(4 * longer.covariance[k][k]) for k in range(2)]
    assert halves == pytest.approx([0.2 + 0.02, 0.4], abs=CLOSE)


def test_mutants__of_a_divider_move_all_parts_together(template_file) -> None:
    shape = 'quadrant = { x = "X", y = "Y", x_at = 0.4, y_at = 0.6, names = { "++" = "A", "-+" = "B" } }'
    first = mutants_of(template_file(gate(shape)))[0]
    bounds = []
    for g in first.template.gates:
        assert isinstance(g.geometry, Rectangle)
        bounds.append(g.geometry.bounds[0])
    assert first.paths == ("A", "B")
    assert bounds == [(pytest.approx(0.38, abs=CLOSE), None), (None, pytest.approx(0.38, abs=CLOSE))]


def test_mutants__of_an_automatic_gate_move_fallback_and_window(template_file) -> None:
    auto = (
        'auto = { method = "valley", x = "X", keep = "above", between = [0.3, 0.7] }\n'
        'fallback = { range = { x = "X", min = 0.5 } }'
    )
    assert [m.part for m in mutants_of(template_file(gate(auto)))] == ["fallback X min"] * 2 + ["auto between"] * 4


def notices_of(path: Path):
    template = load_template(path)
    return run_mutants(template, read_fixtures(template))


def test_exact_counts__notice_every_move(template_file) -> None:
    notices = notices_of(template_file(BOX, EXACT))
    assert len(notices) == 6
    assert {n.by for n in notices} == {"test[0]: count of Box"}


def test_gate__that_no_test_asks_about_goes_unnoticed(template_file) -> None:
    lost = [n for n in notices_of(template_file(BOX, STRIP, EXACT)) if not n.noticed]
    assert [(n.paths, n.part) for n in lost] == [(("Box/Strip",), "X min")] * 2


def test_wide_tolerance__notices_only_large_moves(template_file) -> None:
    """A bound of X moved by 0.02 takes or gives 2 columns of 50 events, the bound of Y 2 rows of 40."""
    wide = EXACT.replace("count = 2000", "count = 2000, tolerance = 90")
    assert [n.noticed for n in notices_of(template_file(BOX, wide))] == [True] * 4 + [False] * 2


def test_move__is_noticed_by_the_populations_that_rest_on_it(template_file) -> None:
    """The strip is asked alone: its parent's right and upper bounds are noticed there, its left one is not."""
    only = '[[test]]\nsample = "square"\nexpect = { "Strip" = { count = 1000 } }\n'
    notices = notices_of(template_file(BOX, STRIP, only))
    assert [n.part for n in notices if not n.noticed] == ["X min", "X min"]
    assert [n.paths for n in notices if not n.noticed] == [("Box",), ("Box",)]


def test_boolean__notices_moves_of_its_terms(template_file) -> None:
    rest = '[[gate]]\nname = "Rest"\nboolean = { not = ["Box"] }\n'
    only = '[[test]]\nsample = "square"\nexpect = { "Rest" = { count = 8000 } }\n'
    assert all(n.noticed for n in notices_of(template_file(BOX, rest, only)))


QUARTER = (
    '[[gate]]\nname = "Right"\n'
    'auto = { method = "quantile", x = "X", keep = "above", quantile = 0.75, pool = "sample" }\n'
    'fallback = { range = { x = "X", min = 0.5 } }\n'
)


def test_found_cut__is_a_boundary_that_moves_as_any_other(template_file) -> None:
    """Three quarters are reached at column 74; a move by 0.02 takes or gives two of the 26 from there on."""
    only = '[[test]]\nsample = "square"\nexpect = { "Right" = { count = 2600, tolerance = 199 } }\n'
    notices = notices_of(template_file(QUARTER, only))
    assert [(n.part, n.noticed) for n in notices] == [("fallback X min", False)] * 2 + [("found X min", True)] * 2
    wider = notices_of(template_file(QUARTER, only.replace("199", "200")))
    assert [n.noticed for n in wider] == [False] * 4


def test_found_cut__carries_what_rests_on_it(template_file) -> None:
    child = '[[gate]]\nname = "Low"\nparent = "Right"\nrange = { x = "Y", max = 0.5 }\n'
    only = '[[test]]\nsample = "square"\nexpect = { "Low" = { count = 1300 } }\n'
    notices = notices_of(template_file(QUARTER, child, only))
    assert [n.by for n in notices if n.part == "found X min"] == ["test[0]: count of Right/Low"] * 2


def test_found_cut__of_a_fixture_that_shows_none_is_the_fallback_alone(template_file) -> None:
    hidden = QUARTER.replace('pool = "sample"', "min_events = 20000")
    only = '[[test]]\nsample = "square"\nexpect = { "Right" = { count = 5000 } }\n'
    notices = notices_of(template_file(hidden, only))
    assert [(n.part, n.noticed) for n in notices] == [("fallback X min", True)] * 2


def test_found_ellipse__moves_by_its_center_and_half_axes(template_file) -> None:
    shape = (
        'auto = { method = "mixture", x = "X", y = "Y", target = [0.5, 0.5], pool = "sample" }\n'
        'fallback = { ellipse = { x = "X", y = "Y", center = [0.5, 0.5], covariance = [[0.01, 0], [0, 0.01]], '
        "distance_square = 1 } }"
    )
    only = '[[test]]\nsample = "square"\nexpect = { "Gate" = { count = 1 , tolerance = 1e6 } }\n'
    parts = [n.part for n in notices_of(template_file(gate(shape), only)) if n.part.startswith("found")]
    assert parts == [
        p for p in ("found center X", "found center Y", "found half-axis 1", "found half-axis 2") for _ in "ab"
    ]
