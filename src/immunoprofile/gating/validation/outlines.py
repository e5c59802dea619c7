"""Plane geometry that the checks need: crossing sides and areas of polygons."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]


def crossing_sides(vertices: Sequence[Point]) -> list[tuple[int, int]]:
    """Pairs of sides of an outline that cross or touch though they are no neighbours; sides count from 0."""
    corners = [v for i, v in enumerate(vertices) if v != vertices[i - 1]]
    number = len(corners)
    sides = [(corners[i], corners[(i + 1) % number]) for i in range(number)]
    return [
        (i, j)
        for i in range(number)
        for j in range(i + 2, number)
        if (i, j) != (0, number - 1) and _cross(*sides[i], *sides[j])
    ]


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(t == 0 and _between(*end) for t, end in zip(turns, ends, strict=True))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive where c lies left of the line from a to b, 0 on it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    """True where c, which is on the line through a and b, lies between them."""
    return all(min(a[k], b[k]) <= c[k] <= max(a[k], b[k]) for k in (0, 1))


def outline_area(vertices: Sequence[Point]) -> float:
    """Area inside an outline that does not cross itself (the shoelace formula)."""
    pairs = zip(vertices, (*vertices[1:], vertices[0]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2
