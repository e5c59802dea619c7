"""One block of events through a whole plan: sources, then gates in order, to bits and counts.

A **source** is a row of linear values: a detector as read, a compensated channel, a ratio. A **gate** tests sources
of the events that its parent holds, which are kept as a list, so that a rare population costs next to nothing. The
plan comes as one `PlanArrays` (`kernels.arrays`).
"""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part
from immunoprofile.kernels.arrays import (
    ALL_OF,
    CODE,
    COMPLEMENT,
    ELLIPSOID,
    FIRST_DETECTOR,
    FIRST_DIM,
    FIRST_NUMBER,
    FIRST_TARGET,
    FIRST_TERM,
    FIRST_WEIGHT,
    HIGH,
    KIND,
    LAST_DETECTOR,
    LOW,
    MAP,
    MATRIX,
    OTHER,
    PARENT,
    POLYGON,
    QUICK,
    QUICK_FIRST,
    RECTANGLE,
    ROW,
    SCALE,
    SOURCE,
    STEPS,
    GateArrays,
    PlanArrays,
    ScaleArrays,
    Scratch,
    SourceArrays,
)
from immunoprofile.kernels.compensation import add_weighted, gather, has_gap, spoil
from immunoprofile.kernels.geometry import binned, ellipsoid_holds, polygon_holds
from immunoprofile.kernels.scales import CLIP_HIGH, CLIP_LOW, LINEAR, quick_value, scale_value

# Gathering and scattering an event of 14 detectors costs about as much as compensating six channels of it in passing.
_GATHER = 6


@kernel
def run_block(plan: PlanArrays, raw: Array, scratch: Scratch, words: Array, counts: Array) -> None:
    """Evaluate every gate of a plan for the events of one block.

    Parameters
    ----------
    raw : (n_raw, n) float64
        Linear values of the detectors that the plan reads.
    words : (n_words, >= n) uint64
        Out: bit g % 64 of word g // 64 says whether gate g holds the event.
    counts : (n_gates, 2) int64
        Added to: events held; events of the parent left out because a value was NaN.
    """
    n, rows = raw.shape[1], plan.gates.rows
    root = rows.shape[0] - 2
    held, sizes = scratch.held, scratch.sizes
    for word in range(words.shape[0]):
        for i in range(n):
            words[word, i] = 0
    for i in range(n):
        held[root, i] = i
    sizes[root] = n
    _sources(plan.sources, rows[root, FIRST_TARGET], raw, scratch, held[root, :n])
    for gate in range(root):
        parent, mine = rows[gate, PARENT], held[gate]
        events = held[parent, : sizes[parent]]
        if rows[gate, KIND] == RECTANGLE:
            size, lost = _rectangle(plan.gates, gate, raw, scratch, events, mine)
        elif rows[gate, KIND] <= ELLIPSOID:
            size, lost = _outlined(plan.gates, plan.scales, gate, raw, scratch, events, mine)
        else:
            size, lost = _boolean(plan.gates, gate, raw, scratch, events, mine, words)
        word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
        for k in range(size):
            words[word, mine[k]] |= bit
        sizes[gate] = size
        counts[gate, 0] += size
        counts[gate, 1] += lost
        _compensate(plan.sources, rows[gate, FIRST_TARGET], rows[gate + 1, FIRST_TARGET], raw, scratch, mine[:size])


@part
def _sources(sources: SourceArrays, first: int, raw: Array, scratch: Scratch, events: Array) -> None:
    """What all events are asked for: gaps of the detectors, the root's compensated channels, ratios."""
    n, gaps, n_compensated = raw.shape[1], scratch.gaps, sources.targets.shape[0]
    gaps[:] = False
    for source in range(raw.shape[0]):
        gaps[source] = has_gap(raw[source], n)
    _compensate(sources, first, n_compensated, raw, scratch, events)
    for r in range(sources.ratios.shape[0]):
        top = _row(raw, scratch.work, sources.ratios[r, 0])
        bottom = _row(raw, scratch.work, sources.ratios[r, 1])
        a, b, c = sources.ratio_numbers[r, 0], sources.ratio_numbers[r, 1], sources.ratio_numbers[r, 2]
        out = scratch.work[n_compensated + r]
        for i in range(n):
            out[i] = a * (top[i] - b) / (bottom[i] - c)
        gaps[raw.shape[0] + n_compensated + r] = has_gap(out, n)


@part
def _row(raw: Array, work: Array, source: int) -> Array:
    if source < raw.shape[0]:
        return raw[source]
    return work[source - raw.shape[0]]


@part
def _compensate(sources: SourceArrays, first: int, last: int, raw: Array, scratch: Scratch, events: Array) -> None:
    """The compensated channels that only these events are asked for.

    A few events are gathered first and their values scattered afterwards; for many the whole block is quicker.
    """
    if first == last or events.size == 0:
        return
    n, gathered, dense = raw.shape[1], -1, scratch.dense
    whole = events.size == n or events.size * (_GATHER + last - first) > n * (last - first)
    for k in range(first, last):
        target = sources.targets[k]
        places = sources.detectors[target[FIRST_DETECTOR] : target[LAST_DETECTOR]]
        weights = sources.weights[target[FIRST_WEIGHT] : target[FIRST_WEIGHT] + places.size]
        out, rows, size, suspect = scratch.work[target[ROW]], raw, n, False
        for place in places:
            suspect = suspect or scratch.gaps[place]
        if not whole:
            if gathered != target[MATRIX]:
                gather(raw, places, events, dense)
                gathered = target[MATRIX]
            places = sources.side_by_side[: places.size]
            out, rows, size = dense[dense.shape[0] - 1], dense, events.size
        add_weighted(weights, rows, places, out, size)
        if suspect:
            spoil(rows, places, out, size)
        scratch.gaps[raw.shape[0] + target[ROW]] = suspect and has_gap(out, size)
        if not whole:
            to = scratch.work[target[ROW]]
            for j in range(size):
                to[events[j]] = out[j]


@part
def _value(raw: Array, work: Array, source: int, i: int) -> float:
    return raw[source, i] if source < raw.shape[0] else work[source - raw.shape[0], i]


@part
def _may_miss(gates: GateArrays, gate: int, gaps: Array) -> bool:
    """May an event have NaN in a dimension of a gate?"""
    suspect = False
    for k in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
        suspect = suspect or gaps[gates.dims[k, SOURCE]]
    return suspect


@part
def _is_missing(gates: GateArrays, gate: int, raw: Array, work: Array, i: int) -> bool:
    missing = False
    for k in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
        x = _value(raw, work, gates.dims[k, SOURCE], i)
        missing = missing or x != x
    return missing


@part
def _rectangle(
    gates: GateArrays, gate: int, raw: Array, scratch: Scratch, events: Array, mine: Array
) -> tuple[int, int]:
    # One dimension after the other, each over what the last one left. NaN fails every comparison.
    left = events
    size, lost = 0, 0
    for k in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
        row, low, high = _row(raw, scratch.work, gates.dims[k, SOURCE]), gates.limits[k, LOW], gates.limits[k, HIGH]
        size = 0
        for i in left:
            x = row[i]
            mine[size] = i
            size += x >= low and not x >= high
        left = mine[:size]
    if _may_miss(gates, gate, scratch.gaps):
        for i in events:
            lost += _is_missing(gates, gate, raw, scratch.work, i)
    return size, lost


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
        row = _row(raw, scratch.work, gates.dims[dim, SOURCE])
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
def _quick_places(
    gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array
) -> None:
    """Places of the events in a map: -1 outside the outline's bounding box in linear units, NaN where unknown."""
    kx, ky, number = gates.rows[gate, FIRST_DIM], gates.rows[gate, FIRST_DIM] + 1, gates.rows[gate, MAP]
    row_x = _row(raw, scratch.work, gates.dims[kx, SOURCE])
    row_y = _row(raw, scratch.work, gates.dims[ky, SOURCE])
    low_x, high_x = gates.limits[kx, LOW], gates.limits[kx, HIGH]
    low_y, high_y = gates.limits[ky, LOW], gates.limits[ky, HIGH]
    sx, sy, p = gates.dims[kx, SCALE], gates.dims[ky, SCALE], scales.numbers
    affine_x, affine_y = scales.rows[sx, CODE] <= LINEAR, scales.rows[sy, CODE] <= LINEAR
    shift_x, factor_x, clip_x, top_x = p[sx, 1], p[sx, 2], p[sx, CLIP_LOW], p[sx, CLIP_HIGH]
    shift_y, factor_y, clip_y, top_y = p[sy, 1], p[sy, 2], p[sy, CLIP_LOW], p[sy, CLIP_HIGH]
    number_x, number_y = scales.rows[sx, QUICK], scales.rows[sy, QUICK]
    first_x, first_y = scales.rows[sx, QUICK_FIRST], scales.rows[sy, QUICK_FIRST]
    x0, y0, per_x, per_y = gates.map_places[number]
    xs, ys, quick = scratch.points[0], scratch.points[1], scales.quick
    for k in range(events.size):
        x, y = row_x[events[k]], row_y[events[k]]
        if x >= low_x and not x >= high_x and y >= low_y and not y >= high_y:
            xs[k] = (_quick(affine_x, shift_x, factor_x, clip_x, top_x, quick, number_x, first_x, x) - x0) * per_x
            ys[k] = (_quick(affine_y, shift_y, factor_y, clip_y, top_y, quick, number_y, first_y, y) - y0) * per_y
        else:
            xs[k] = math.nan if x != x or y != y else -1.0
            ys[k] = 0.0


@part
def _mapped(gates: GateArrays, scales: ScaleArrays, gate: int, raw: Array, scratch: Scratch, events: Array) -> int:
    """States of the events by the cells of a gate's map; how many are left undecided."""
    affine = True
    for dim in range(gates.rows[gate, FIRST_DIM], gates.rows[gate + 1, FIRST_DIM]):
        affine = affine and scales.rows[gates.dims[dim, SCALE], CODE] <= LINEAR
    if affine:
        _affine_places(gates, scales, gate, raw, scratch, events)
    else:
        _quick_places(gates, scales, gate, raw, scratch, events)
    states, doubtful, cells = scratch.states, scratch.doubtful, gates.maps[gates.rows[gate, MAP]]
    xs, ys, undecided = scratch.points[0], scratch.points[1], 0
    for k in range(events.size):
        x, y = xs[k], ys[k]
        state = 0
        if x >= 0.0 and y >= 0.0 and x < cells.shape[0] and y < cells.shape[1]:
            state = cells[np.uint64(x), np.uint64(y)]
        elif x != x or y != y:
            state = 2
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
            x = _value(raw, scratch.work, gates.dims[dim, SOURCE], events[k])
            missing = missing or x != x
            outside = outside or not x >= gates.limits[dim, LOW] or x >= gates.limits[dim, HIGH]
        states[k] = 0 if outside and not missing else 2
        doubtful[undecided] = k
        undecided += missing or not outside
    return undecided


@part
def _outlined(
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
            _row(raw, scratch.work, gates.dims[dim, SOURCE]),
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


@part
def _boolean(
    gates: GateArrays, gate: int, raw: Array, scratch: Scratch, events: Array, mine: Array, words: Array
) -> tuple[int, int]:
    all_of = gates.rows[gate, KIND] == ALL_OF
    first, last = gates.rows[gate, FIRST_TERM], gates.rows[gate + 1, FIRST_TERM]
    suspect = _may_miss(gates, gate, scratch.gaps)
    size, lost = 0, 0
    for i in events:
        if suspect and _is_missing(gates, gate, raw, scratch.work, i):
            lost += 1
            continue
        inside = all_of
        for k in range(first, last):
            other = gates.terms[k, OTHER]
            true = ((words[other >> 6, i] >> np.uint64(other & 63)) & np.uint64(1)) != 0
            true = true != (gates.terms[k, COMPLEMENT] != 0)
            inside = (inside and true) if all_of else (inside or true)
        mine[size] = i
        size += inside
    return size, lost
