"""Gates moved or drawn anew in single samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from immunoprofile.gating import load_template
from immunoprofile.gating.gates import Ellipsoid, Polygon, Rectangle
from immunoprofile.gating.overrides import Override, override_gates
from immunoprofile.gating.template import describe_geometry

CLOSE = 1e-12
"""One sum of numbers of order one."""


def override(gate: str, dx: float | None = None, dy: float | None = None, geometry: str | None = None) -> Override:
    return Override("overrides.csv", "row 2", gate, dx, dy, geometry, "A. Author", "2026-01-02", "late stain")


@pytest.fixture
def grid(checkout: Path):
    return load_template(checkout / "fixtures" / "gates" / "grid.toml")


def kinds(template, kind: type) -> list:
    return [g for g in template.gates if isinstance(g.geometry, kind)]


@pytest.mark.parametrize("kind", [Rectangle, Polygon, Ellipsoid], ids=lambda k: k.__name__)
def test_override__a_move_there_and_back_changes_nothing(grid, kind: type) -> None:
    gate = kinds(grid, kind)[0]
    two = len(gate.geometry.dimensions) > 1
    there, problems = override_gates(grid, [override(gate.path, 0.5, 0.25 if two else None)])
    back, _ = override_gates(there, [override(gate.path, -0.5, -0.25 if two else None)])
    assert problems == []
    assert there.gate(gate.path).geometry != gate.geometry
    assert back.gate(gate.path).geometry == gate.geometry


def test_override__says_who_when_and_why(grid) -> None:
    path = kinds(grid, Polygon)[0].path
    moved = override_gates(grid, [override(path, 0.5)])[0].gate(path)
    assert moved.applied_as == ("override", "dx 0.5; A. Author, 2026-01-02: late stain")


def test_override__leaves_the_digest_of_the_template(grid) -> None:
    assert override_gates(grid, [override(kinds(grid, Polygon)[0].path, 0.5)])[0].digest == grid.digest


@pytest.mark.parametrize("kind", [Rectangle, Polygon, Ellipsoid], ids=lambda k: k.__name__)
def test_override__a_geometry_as_the_tables_write_it_is_drawn(grid, kind: type) -> None:
    """Law: what `gates_resolved` says of a gate draws that gate."""
    for gate in kinds(grid, kind):
        text = json.dumps(describe_geometry(gate.geometry))
        drawn, problems = override_gates(grid, [override(gate.path, geometry=text)])
        assert problems == []
        assert drawn.gate(gate.path).geometry == gate.geometry


def test_override__of_a_quadrant_takes_the_divider_along(grid) -> None:
    parts = [g for g in grid.gates if g.geometry.kind == "quadrant"]
    moved, _ = override_gates(grid, [override(parts[0].path, 1.0)])
    before = {p.path: p.geometry.bounds[0] for p in parts}
    for path, bounds in before.items():
        expected = tuple(None if v is None else v + 1.0 for v in bounds)
        assert moved.gate(path).geometry.bounds[0] == expected
    assert len(parts) > 1


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (override("Nobody", 1), 'no population named "Nobody"'),
        (override("All events", 1), "the root is no gate"),
        (override("POLYGON", geometry="{"), "cannot be drawn from this geometry (JSONDecodeError"),
        (override("POLYGON", geometry='{"dimensions": []}'), "cannot be drawn from this geometry"),
        (override("BOOLEAN", 1), "is a boolean and cannot be moved"),
    ],
    ids=["unknown", "root", "json", "shape", "boolean"],
)
def test_override__that_cannot_be_is_named(grid, row: Override, what: str) -> None:
    names = {g.geometry.kind.upper(): g.path for g in grid.gates}
    _, (problem,) = override_gates(grid, [Override(**{**_fields(row), "gate": names.get(row.gate, row.gate)})])
    assert str(problem).startswith("overrides.csv: row 2, gate: ")
    assert what in str(problem)


def test_override__along_an_axis_that_the_gate_has_not_is_refused() -> None:
    _, (problem,) = override_gates(load_template("tbnk"), [override("CD45+", None, 0.1)])
    assert "has one axis, and dy is given" in str(problem)


def _fields(row: Override) -> dict[str, object]:
    return {name: getattr(row, name) for name in Override.__dataclass_fields__}


def test_override__of_an_unknown_marker_is_refused(grid) -> None:
    gate = kinds(grid, Polygon)[0]
    shape = describe_geometry(gate.geometry)
    shape["dimensions"][0]["channel"] = "CD99"
    _, (problem,) = override_gates(grid, [override(gate.path, geometry=json.dumps(shape))])
    assert 'asks for "CD99", no marker of the template' in str(problem)


def test_override__twice_of_one_gate_is_refused(grid) -> None:
    path = kinds(grid, Polygon)[0].path
    _, (problem,) = override_gates(grid, [override(path, 1), override(path, 2)])
    assert "is overridden already in row 2" in str(problem)
