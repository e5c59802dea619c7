"""Is one point inside: polygons with their edges, ellipsoids."""

from __future__ import annotations

from immunoprofile.kernels.accelerate import Array, kernel
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


@kernel
def _between(value: float, a: float, b: float) -> bool:
    return min(a, b) - ON_EDGE <= value <= max(a, b) + ON_EDGE


@kernel
def polygon_states(x: Array, y: Array, touched: Array, xs: Array, ys: Array, states: Array) -> None:
    """For each untouched cell of a grid of centers x by y: 1 where the polygon holds its center, 0 where not."""
    for i in range(x.size):
        for j in range(y.size):
            if not touched[i, j]:
                states[i, j] = 1 if polygon_holds(x[i], y[j], xs, ys) else 0


@kernel
def ellipsoid_holds(point: Array, center: Array, precision: Array, distance_square: float) -> bool:
    """Squared Mahalanobis distance from the center, by the inverse covariance, at most distance_square."""
    total = 0.0
    for i in range(center.size):
        row = 0.0
        for j in range(center.size):
            row += precision[i * center.size + j] * (point[j] - center[j])
        total += (point[i] - center[i]) * row
    return rounded(total) <= rounded(distance_square)
