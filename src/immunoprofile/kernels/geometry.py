"""Is one point inside: polygons with their edges, ellipsoids."""

from __future__ import annotations

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part
from immunoprofile.kernels.scales import rounded

# Scaled values count as if rounded to twelve decimals, so a point this near to an edge is on it.
ON_EDGE = 1e-12
# Rounding of the two products of the cross product: a few units in the last place.
_ROUNDING = 8 * 2.220446049250313e-16


@kernel
def polygon_holds(px: float, py: float, xs: Array, ys: Array) -> bool:
    """Even-odd rule; a point on an edge or a vertex is inside.

    Parameters
    ----------
    px, py
        The point, scaled.
    xs, ys : (n_vertices,)
        The outline in order; it closes itself and may cross itself.
    """
    inside = False
    j = xs.size - 1
    for i in range(xs.size):
        dx, dy = xs[i] - xs[j], ys[i] - ys[j]
        ex, ey = px - xs[j], py - ys[j]
        left, right = dx * ey, dy * ex
        cross = left - right
        near = ON_EDGE * (abs(dx) + abs(dy)) + _ROUNDING * (abs(left) + abs(right))
        if abs(cross) <= near and _between(px, xs[j], xs[i]) and _between(py, ys[j], ys[i]):
            return True
        if (ys[j] > py) != (ys[i] > py) and (cross > 0) == (dy > 0):
            inside = not inside
        j = i
    return inside


@part
def binned(value: float, steps: float) -> float:
    """The value as the nearest of `steps` steps a unit, halves upwards."""
    return np.floor(value * steps + 0.5) / steps


@part
def _between(value: float, a: float, b: float) -> bool:
    return min(a, b) - ON_EDGE <= value <= max(a, b) + ON_EDGE


@kernel
def polygon_states(x: Array, y: Array, half_x: float, half_y: float, xs: Array, ys: Array, states: Array) -> None:
    """Judge every cell of a grid: 2 where an edge touches it, else 1 where the polygon holds its center, else 0.

    Parameters
    ----------
    x, y : (n_x,), (n_y,)
        Centers of the cells, rising.
    half_x, half_y
        Half the size of a cell, margin included.
    states : (n_x, n_y) uint8
        Out.
    """
    states[:] = 0
    j = xs.size - 1
    for i in range(xs.size):
        _touch(x, y, half_x, half_y, xs[j], ys[j], xs[i], ys[i], states)
        j = i
    for i in range(x.size):
        known, state = False, 0
        for k in range(y.size):
            if states[i, k] == 2:
                known = False
            else:
                # No edge passes between neighbours that no edge touches, so both are where the first one is.
                if not known:
                    state = 1 if polygon_holds(x[i], y[k], xs, ys) else 0
                    known = True
                states[i, k] = state


@part
def _touch(
    x: Array, y: Array, half_x: float, half_y: float, x1: float, y1: float, x2: float, y2: float, states: Array
) -> None:
    # Box and segment are apart if one of three directions separates them: x, y, the segment's normal.
    middle_x, middle_y, reach_x, reach_y = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    wide, high = half_x + abs(reach_x), half_y + abs(reach_y)
    limit = half_x * abs(reach_y) + half_y * abs(reach_x)
    for i in range(x.size):
        dx = x[i] - middle_x
        if abs(dx) <= wide:
            for k in range(y.size):
                dy = y[k] - middle_y
                if abs(dy) <= high and abs(dx * reach_y - dy * reach_x) <= limit:
                    states[i, k] = 2


@part
def ellipsoid_holds(points: Array, k: int, numbers: Array, n: int) -> bool:
    """Squared Mahalanobis distance from the center at most as large as the last number.

    Parameters
    ----------
    points, k : (>= n, n_points)
        Scaled values, a row a dimension; the point is column k.
    numbers : (n + n * n + 1,)
        Center, inverse covariance row by row, squared distance.
    """
    total = 0.0
    for i in range(n):
        row = 0.0
        for j in range(n):
            row += numbers[n + i * n + j] * (points[j, k] - numbers[j])
        total += (points[i, k] - numbers[i]) * row
    return rounded(total) <= rounded(numbers[n + n * n])
