"""Polygons and ellipsoids over the events that their parent holds.

Most events are decided without a transform: by a proved map of cells (`gating.quick`) in two dimensions, by the
outline's bounding box in linear units otherwise. The others take the exact way.
"""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, part
from immunoprofile.kernels.arrays import (
    CODE,
    FIRST_DIM,
    FIRST_NUMBER,
    HIGH,
    KIND,
    LOW,
    MAP,
    POLYGON,
    QUICK,
    QUICK_FIRST,
    SCALE,
    SOURCE,
    STEPS,
    GateArrays,
    ScaleArrays,
    Scratch,
)
from immunoprofile.kernels.geometry import binned, ellipsoid_holds, polygon_holds
from immunoprofile.kernels.rows import row_of, value_of
from immunoprofile.kernels.scales import CLIP_HIGH, CLIP_LOW, LINEAR, quick_value, scale_value


@part
def _places(numbers: Array, row: Array, events: Array, first: float, per: float, out: Array) -> None:
    """Where the events lie along an affine axis of a map, in cells."""
    shift, factor, low, high = numbers[1], numbers[2], numbers[CLIP_LOW], numbers[CLIP_HIGH]
    for k in range(events.size):
        out[k] = (min(max((row[events[k]] + shift) * factor, low), high) - first) * per


@part
def _affine_places(
    gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array
) -> None:
    """Places of the events in a map whose axes are affine: cheaper for all than to ask first who is in the box."""
    place = gates.map_places[gates.rows[gate, MAP]]
    for axis in range(2):
        dim = gates.rows[gate, FIRST_DIM] + axis
        row = row_of(raw, scratch.work, gates.dims[dim, SOURCE])
        numbers = scales.numbers[gates.dims[dim, SCALE]]
        _places(numbers, row, events, place[axis], place[2 + axis], scratch.points[axis])


@part
def _quick(
    affine: bool, shift: float, factor: float, low: float, high: float, quick: Array, number: int, first: int, x: float
) -> float:
    if number >= 0:
        return quick_value(quick, number, first, x)
    return min(max((x + shift) * factor, low), high) if affine else math.nan


@part
def _inside_box(gates: GateArrays, gate: int, raw: Array, scratch: Scratch, events: Array) -> int:
    """Events inside an outline's bounding box in linear units, or of NaN, as the first of `doubtful`; how many."""
    kx, ky = gates.rows[gate, FIRST_DIM], gates.rows[gate, FIRST_DIM] + 1
    row_x = row_of(raw, scratch.work, gates.dims[kx, SOURCE])
    row_y = row_of(raw, scratch.work, gates.dims[ky, SOURCE])
    low_x, high_x = gates.limits[kx, LOW], gates.limits[kx, HIGH]
    low_y, high_y = gates.limits[ky, LOW], gates.limits[ky, HIGH]
    found, inside = scratch.doubtful, 0
    # Without a branch: who is inside is as good as random, and a wrong guess of the processor costs ten such events.
    for k in range(events.size):
        x, y = row_x[events[k]], row_y[events[k]]
        boxed = (x >= low_x) & (not x >= high_x) & (y >= low_y) & (not y >= high_y)
        found[inside] = k
        inside += boxed | (x != x) | (y != y)
    return inside


@part
def _by_quick_places(
    gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array
) -> int:
    """`_mapped` for axes of any scale."""
    kx, ky, number = gates.rows[gate, FIRST_DIM], gates.rows[gate, FIRST_DIM] + 1, gates.rows[gate, MAP]
    row_x = row_of(raw, scratch.work, gates.dims[kx, SOURCE])
    row_y = row_of(raw, scratch.work, gates.dims[ky, SOURCE])
    sx, sy, p = gates.dims[kx, SCALE], gates.dims[ky, SCALE], scales.numbers
    affine_x, affine_y = scales.rows[sx, CODE] <= LINEAR, scales.rows[sy, CODE] <= LINEAR
    shift_x, factor_x, clip_x, top_x = p[sx, 1], p[sx, 2], p[sx, CLIP_LOW], p[sx, CLIP_HIGH]
    shift_y, factor_y, clip_y, top_y = p[sy, 1], p[sy, 2], p[sy, CLIP_LOW], p[sy, CLIP_HIGH]
    number_x, number_y = scales.rows[sx, QUICK], scales.rows[sy, QUICK]
    first_x, first_y = scales.rows[sx, QUICK_FIRST], scales.rows[sy, QUICK_FIRST]
    x0, y0, per_x, per_y = gates.map_places[number]
    cells, quick, states, doubtful = gates.maps[number], scales.quick, scratch.states, scratch.doubtful
    inside = _inside_box(gates, gate, raw, scratch, events)
    states[: events.size] = 0
    undecided = 0
    for j in range(inside):
        k = doubtful[j]
        x, y = row_x[events[k]], row_y[events[k]]
        # NaN on an affine axis must not be clipped to a number.
        missing = x != x or y != y
        x = (_quick(affine_x, shift_x, factor_x, clip_x, top_x, quick, number_x, first_x, x) - x0) * per_x
        y = (_quick(affine_y, shift_y, factor_y, clip_y, top_y, quick, number_y, first_y, y) - y0) * per_y
        state = 2 if missing else _state(cells, x, y)
        states[k] = state
        # No further than what was read already.
        doubtful[undecided] = k
        undecided += state == 2
    return undecided


@part
def _state(cells: Array, x: float, y: float) -> int:
    """What a map says of a place in it: 0 outside its cells, 2 where the place is NaN."""
    if x >= 0.0 and y >= 0.0 and x < cells.shape[0] and y < cells.shape[1]:
        return int(cells[np.uint64(x), np.uint64(y)])
    return 2 if x != x or y != y else 0


@part
def _mapped(gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array) -> int:
    """States of the events by the cells of a gate's map; how many are left undecided, the first of `doubtful`."""
    affine = True
    for dim in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
        affine = affine and scales.rows[gates.dims[dim, SCALE], CODE] <= LINEAR
    if not affine:
        return _by_quick_places(gates, scales, gate, raw, scratch, events)
    _affine_places(gates, scales, gate, raw, scratch, events)
    states, doubtful, cells = scratch.states, scratch.doubtful, gates.maps[gates.rows[gate, MAP]]
    xs, ys, undecided = scratch.points[0], scratch.points[1], 0
    for k in range(events.size):
        state = _state(cells, xs[k], ys[k])
        states[k] = state
        doubtful[undecided] = k
        undecided += state == 2
    return undecided


@part
def _boxed(gates: GateArrays, gate: int, raw: Array, scratch: Scratch, events: Array) -> int:
    """States of the events by the outline's bounding box in linear units; how many are left undecided."""
    states, doubtful, undecided = scratch.states, scratch.doubtful, 0
    for k in range(events.size):
        outside = missing = False
        for dim in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
            x = value_of(raw, scratch.work, gates.dims[dim, SOURCE], events[k])
            missing = missing or x != x
            outside = outside or not x >= gates.limits[dim, LOW] or x >= gates.limits[dim, HIGH]
        states[k] = 0 if outside and not missing else 2
        doubtful[undecided] = k
        undecided += missing or not outside
    return undecided


@part
def outlined(
    gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array, mine: Array
) -> tuple[int, int]:
    """Polygons and ellipsoids: what the map of cells, or the bounding box, leaves undecided takes the exact way."""
    states = scratch.states
    if gates.rows[gate, MAP] >= 0:
        undecided = _mapped(gates, scales, gate, raw, scratch, events)
    else:
        undecided = _boxed(gates, gate, raw, scratch, events)
    _decide(gates, scales, gate, raw, scratch, events, scratch.doubtful[:undecided])
    size, lost = 0, 0
    for k in range(events.size):
        mine[size] = events[k]
        size += states[k] == 1
        lost += states[k] == 3
    return size, lost


@part
def _decide(
    gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array, doubtful: Array
) -> None:
    """The exact way: scaled values of the undecided events against the outline; NaN decides too."""
    first, last, states, points = (
        gates.rows[gate, FIRST_DIM],
        gates.rows[gate + 1, FIRST_DIM],
        scratch.states,
        scratch.points,
    )
    for dim in range(first, last):
        row, scale, steps = (
            row_of(raw, scratch.work, gates.dims[dim, SOURCE]),
            gates.dims[dim, SCALE],
            gates.limits[dim, STEPS],
        )
        code, numbers = scales.rows[scale, CODE], scales.numbers[scale]
        for k in doubtful:
            x = row[events[k]]
            if x != x:
                states[k] = 3
            y = scale_value(code, numbers, scales.tables, x)
            points[dim - first, k] = binned(y, steps) if steps > 0.0 else y
    outline = gates.numbers[gates.rows[gate, FIRST_NUMBER] : gates.rows[gate + 1, FIRST_NUMBER]]
    half, polygon = outline.size // 2, gates.rows[gate, KIND] == POLYGON
    for k in doubtful:
        if states[k] == 2:
            if polygon:
                inside = polygon_holds(points[0, k], points[1, k], outline[:half], outline[half:])
            else:
                inside = ellipsoid_holds(points, k, outline, last - first)
            states[k] = 1 if inside else 0
