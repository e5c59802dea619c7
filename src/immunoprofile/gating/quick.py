"""What lets most events be decided without a transform: a coarse map of a gate, and a quick look-up of scaled values.

A gate's plane is cut into cells; each is inside, outside, or undecided because the outline comes near. The quick
value of a scale errs by less than a bound that is proved here (both the scale and its look-up rise, so inside one
part of the table they cannot lie further apart than its ends); cells are widened by that bound before they are
judged. So an event in a decided cell is decided rightly, and the others take the exact way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating.gates import Ellipsoid, Polygon
from immunoprofile.kernels.geometry import ON_EDGE, polygon_states
from immunoprofile.kernels.scales import QUICK_ABOVE, QUICK_BELOW, QUICK_PARTS
from immunoprofile.scales import Identity, Linear, Scale

Centers = NDArray[np.float64]

CELLS = 128
OUTSIDE, INSIDE, UNDECIDED = range(3)
# Rounding of the affine scales and of the cell's number, relative to the size of the coordinates.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class QuickScale:
    """A look-up table of one scale: values at the ends of its parts, leading bits of the first, proved error."""

    values: NDArray[np.float64]
    first: int
    error: float


def quick_scale(scale: Scale) -> QuickScale | None:
    """The quick look-up of a scale; None for the affine ones, which are quick as they are."""
    if isinstance(scale, Identity | Linear):
        return None
    top = math.frexp(float(getattr(scale, "t", getattr(scale, "max", 1.0))))[1]
    exponents = np.arange(top - QUICK_BELOW, top + QUICK_ABOVE)
    parts = 1 + np.arange(1 << QUICK_PARTS) / (1 << QUICK_PARTS)
    sizes = np.append((parts[np.newaxis, :] * 2.0 ** exponents[:, np.newaxis]).ravel(), 2.0 ** (exponents[-1] + 1))
    positive, negative, zero = scale(sizes), scale(-sizes), scale(0.0)
    first = _leading_bits(sizes[0])
    if not np.isfinite(zero):
        # A logarithm: sizes below the table and everything below zero have no quick value.
        values = np.full((2, sizes.size + 1), np.nan)
        values[0, 1:] = positive
        return QuickScale(values, first - 1, float(np.abs(np.diff(positive)).max()))
    values = np.vstack([positive, negative])
    # What lies below the first size counts as that size.
    error = float(np.abs(np.diff(values, axis=1)).max() + np.abs(values[:, 0] - zero).sum())
    return QuickScale(values, first, error)


def _leading_bits(size: float) -> int:
    return int(np.float64(size).view(np.int64)) >> (52 - QUICK_PARTS)


@dataclass(frozen=True)
class CellMap:
    """States of the cells of a two-dimensional gate: row by x, then y; origin and cells a unit of both axes."""

    states: NDArray[np.uint8]
    origin: tuple[float, float]
    per_unit: tuple[float, float]


def map_cells(geometry: Polygon | Ellipsoid, errors: tuple[float, float]) -> CellMap | None:
    """Judge every cell of a gate's plane.

    Parameters
    ----------
    errors
        How far the quick values of both axes may be off.

    Returns
    -------
    CellMap or None
        None where a map would decide nothing: not two dimensions, no bounded outline, errors as large as cells.
    """
    if len(geometry.dimensions) != 2:
        return None
    box = _box(geometry)
    if box is None:
        return None
    low, high = box
    size = np.maximum(np.abs(low), np.abs(high)) + (high - low)
    margin = np.array(errors) + ON_EDGE + _ROUNDING * size
    low, high = low - 2 * margin, high + 2 * margin
    step = (high - low) / CELLS
    if not (step > 0).all() or (margin > 4 * step).any():
        return None
    x, y = (low[k] + (np.arange(CELLS) + 0.5) * step[k] for k in range(2))
    half = step / 2 + margin
    if isinstance(geometry, Polygon):
        states = _judge_polygon(geometry, x, y, half)
    else:
        states = _judge_ellipse(geometry, x, y, half)
    return CellMap(states, (float(low[0]), float(low[1])), (float(1 / step[0]), float(1 / step[1])))


def _box(geometry: Polygon | Ellipsoid) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    if isinstance(geometry, Polygon):
        points = np.array(geometry.vertices)
        return points.min(axis=0), points.max(axis=0)
    if not geometry.is_ellipsoid:
        return None
    spread = np.sqrt(geometry.distance_square * np.diag(np.array(geometry.covariance)))
    return np.array(geometry.center) - spread, np.array(geometry.center) + spread


def _judge_polygon(polygon: Polygon, x: Centers, y: Centers, half: Centers) -> NDArray[np.uint8]:
    xs, ys = (np.array(axis, dtype=np.float64) for axis in zip(*polygon.vertices, strict=True))
    states = np.empty((x.size, y.size), dtype=np.uint8)
    polygon_states(x, y, half[0], half[1], xs, ys, states)
    return states


def _judge_ellipse(ellipse: Ellipsoid, x: Centers, y: Centers, half: Centers) -> NDArray[np.uint8]:
    """A cell reaches, in the ellipse's own metric, no further from its center than its corners do."""
    precision = np.linalg.inv(np.array(ellipse.covariance))
    corners = np.array([half, half * [1, -1]])
    reach = math.sqrt(max(float(c @ precision @ c) for c in corners)) * (1 + 1e-9)
    grid = np.meshgrid(x - ellipse.center[0], y - ellipse.center[1], indexing="ij")
    offsets = np.stack(grid, axis=-1)
    distance = np.sqrt(np.einsum("...i,ij,...j->...", offsets, precision, offsets))
    radius = math.sqrt(ellipse.distance_square)
    states = np.full(distance.shape, UNDECIDED, dtype=np.uint8)
    states[distance + reach < radius * (1 - 1e-9)] = INSIDE
    states[distance - reach > radius * (1 + 1e-9)] = OUTSIDE
    return states
