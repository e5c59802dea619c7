"""One block of events through a whole plan: sources, then gates in order, to bits and counts.

A **source** is a row of linear values: a detector as read, a compensated channel, a ratio. A **gate** tests sources
of the events that its parent holds, which are kept as a list, so that a rare population costs next to nothing. The
plan's numbers come as one `PlanArrays`; `gating.plan` builds it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel
from immunoprofile.kernels.compensation import add_weighted, gather, has_gap, spoil
from immunoprofile.kernels.geometry import binned, ellipsoid_holds, polygon_holds
from immunoprofile.kernels.scales import CLIP_HIGH, CLIP_LOW, LINEAR, quick_value, scale_value

RECTANGLE, POLYGON, ELLIPSOID, ALL_OF, ANY_OF = range(5)

# Gathering and scattering an event of 14 detectors costs about as much as compensating six channels of it in passing.
_GATHER = 6


class PlanArrays(NamedTuple):
    """A plan as flat arrays. Pointers ``x_start`` have one more entry than there are owners of x.

    Attributes
    ----------
    matrix_start, matrix_sources : int64
        Raw sources that each compensation matrix reads.
    weight_matrix, weight_start, weights : int64, int64, float64
        For each compensated source: its matrix, and its column of the inverse.
    region_start, region_targets : (n_gates + 2,), (n_derived,) int64
        For each gate, then the root: the compensated sources that only events of that gate are asked for.
    ratio_sources, ratio_numbers : (n_ratios, 2) int64, (n_ratios, 3) float64
        ``a * (x - b) / (y - c)`` of two earlier sources.
    gate_kind, gate_parent : (n_gates,) int64
        Codes above; parent -1 is the root.
    dim_start, dim_source, dim_low, dim_high, dim_scale
        For each dimension of each gate: source, linear bounds (low <= x, not x >= high; NaN as high is no bound,
        NaN as low lets nothing in), scale. For a boolean: only sources whose NaN excludes an event.
    shape_start, shape : int64, float64
        Numbers of a gate: polygon x and y in turn; ellipsoid center, inverse covariance, squared distance.
    dim_steps
        For each dimension, the steps a scaled unit that its values are rounded to (`geometry.binned`); 0 for none.
    term_start, term_gate, term_complement
        Terms of a boolean.
    scale_kind, scale_numbers, tables
        Scales as `kernels.scales` reads them.
    quick_number, quick_first, quick
        For each scale: its row of `quick` (-1 for none) and the first part of that table (`quick_value`).
    map_number, map_place, maps
        For each gate: its cells in `maps` (-1 for none), and x and y of their origin and cells a unit.
    """

    matrix_start: Array
    matrix_sources: Array
    weight_matrix: Array
    weight_start: Array
    weights: Array
    region_start: Array
    region_targets: Array
    ratio_sources: Array
    ratio_numbers: Array
    gate_kind: Array
    gate_parent: Array
    dim_start: Array
    dim_source: Array
    dim_low: Array
    dim_high: Array
    dim_scale: Array
    dim_steps: Array
    shape_start: Array
    shape: Array
    term_start: Array
    term_gate: Array
    term_complement: Array
    scale_kind: Array
    scale_numbers: Array
    tables: Array
    quick_number: Array
    quick_first: Array
    quick: Array
    map_number: Array
    map_place: Array
    maps: Array


@kernel
def run_block(
    plan: PlanArrays,
    raw: Array,
    work: Array,
    dense: Array,
    held: Array,
    words: Array,
    counts: Array,
    nan_counts: Array,
) -> None:
    """Evaluate every gate of a plan for the events of one block.

    Parameters
    ----------
    raw : (n_raw, n) float64
        Linear values of the detectors that the plan reads.
    work : (n_derived, >= n) float64
        Scratch for compensated channels and ratios.
    dense : (n_raw + 1, >= n) float64
        Scratch for the events of one gate, side by side.
    held : (n_gates + 1, >= n) int32
        Scratch: the events that each gate holds; the last row is the root's.
    words : (n_words, >= n) uint64
        Out: bit g % 64 of word g // 64 says whether gate g holds the event.
    counts, nan_counts : (n_gates,) int64
        Added to: events held; events of the parent left out because a value was NaN.
    """
    n, n_gates = raw.shape[1], plan.gate_kind.size
    words[:, :n] = 0
    sizes = np.zeros(n_gates + 1, dtype=np.int64)
    sizes[n_gates] = n
    for i in range(n):
        held[n_gates, i] = i
    states = np.empty(n, dtype=np.uint8)
    gaps = np.zeros(raw.shape[0] + work.shape[0], dtype=np.bool_)
    for source in range(raw.shape[0]):
        gaps[source] = has_gap(raw[source], n)
    _compensate(plan, n_gates, raw, work, held[n_gates, :n], dense, gaps)
    _divide(plan, raw, work, n)
    for source in range(raw.shape[0] + plan.weight_matrix.size, gaps.size):
        gaps[source] = has_gap(_row(raw, work, source), n)
    for gate in range(n_gates):
        parent = plan.gate_parent[gate] if plan.gate_parent[gate] >= 0 else n_gates
        events, mine = held[parent, : sizes[parent]], held[gate]
        if plan.gate_kind[gate] == POLYGON:
            size, lost = _polygon(plan, gate, raw, work, events, mine, states)
        elif plan.gate_kind[gate] == RECTANGLE:
            size, lost = _rectangle(plan, gate, raw, work, events, mine, gaps)
        elif plan.gate_kind[gate] == ELLIPSOID:
            size, lost = _ellipsoid(plan, gate, raw, work, events, mine, states)
        else:
            size, lost = _boolean(plan, gate, raw, work, events, mine, gaps, words)
        word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
        for k in range(size):
            words[word, mine[k]] |= bit
        sizes[gate] = size
        counts[gate] += size
        nan_counts[gate] += lost
        _compensate(plan, gate, raw, work, mine[:size], dense, gaps)


@kernel
def _row(raw: Array, work: Array, source: int) -> Array:
    if source < raw.shape[0]:
        return raw[source]
    return work[source - raw.shape[0]]


@kernel
def _compensate(
    plan: PlanArrays, region: int, raw: Array, work: Array, events: Array, dense: Array, gaps: Array
) -> None:
    """The compensated channels that only this region's events are asked for; the last region is the root.

    A few events are gathered first and their values scattered afterwards; for many the whole block is quicker.
    """
    first, last = plan.region_start[region], plan.region_start[region + 1]
    if first == last or events.size == 0:
        return
    n, gathered = raw.shape[1], -1
    whole = events.size == n or events.size * (_GATHER + last - first) > n * (last - first)
    identity = np.arange(dense.shape[0] - 1)
    for k in range(first, last):
        target = plan.region_targets[k]
        matrix = plan.weight_matrix[target]
        places = plan.matrix_sources[plan.matrix_start[matrix] : plan.matrix_start[matrix + 1]]
        weights = plan.weights[plan.weight_start[target] : plan.weight_start[target] + places.size]
        if whole:
            add_weighted(weights, raw, places, work[target], n)
            spoil(raw, places, work[target], n)
            gaps[raw.shape[0] + target] = has_gap(work[target], n)
            continue
        if gathered != matrix:
            gather(raw, places, events, dense)
            gathered = matrix
        found, out = dense[dense.shape[0] - 1], work[target]
        add_weighted(weights, dense, identity[: places.size], found, events.size)
        spoil(dense, identity[: places.size], found, events.size)
        gaps[raw.shape[0] + target] = has_gap(found, events.size)
        for j in range(events.size):
            out[events[j]] = found[j]


@kernel
def _divide(plan: PlanArrays, raw: Array, work: Array, n: int) -> None:
    first = plan.weight_matrix.size
    for r in range(plan.ratio_sources.shape[0]):
        top = _row(raw, work, plan.ratio_sources[r, 0])
        bottom = _row(raw, work, plan.ratio_sources[r, 1])
        a, b, c = plan.ratio_numbers[r, 0], plan.ratio_numbers[r, 1], plan.ratio_numbers[r, 2]
        out = work[first + r]
        for i in range(n):
            out[i] = a * (top[i] - b) / (bottom[i] - c)


@kernel
def _count_nan(plan: PlanArrays, gate: int, raw: Array, work: Array, events: Array, gaps: Array) -> int:
    """Events with NaN in any dimension of a gate."""
    first, last = plan.dim_start[gate], plan.dim_start[gate + 1]
    suspect = False
    for k in range(first, last):
        suspect = suspect or gaps[plan.dim_source[k]]
    lost = 0
    if suspect:
        for i in events:
            lost += _is_missing(plan, first, last, raw, work, i)
    return lost


@kernel
def _is_missing(plan: PlanArrays, first: int, last: int, raw: Array, work: Array, i: int) -> bool:
    missing = False
    for k in range(first, last):
        source = plan.dim_source[k]
        x = raw[source, i] if source < raw.shape[0] else work[source - raw.shape[0], i]
        missing = missing or x != x
    return missing


@kernel
def _rectangle(
    plan: PlanArrays, gate: int, raw: Array, work: Array, events: Array, mine: Array, gaps: Array
) -> tuple[int, int]:
    # One dimension after the other, each over what the last one left. NaN fails every comparison.
    left = events
    size = 0
    for k in range(plan.dim_start[gate], plan.dim_start[gate + 1]):
        row, low, high = _row(raw, work, plan.dim_source[k]), plan.dim_low[k], plan.dim_high[k]
        size = 0
        for i in left:
            x = row[i]
            mine[size] = i
            size += x >= low and not x >= high
        left = mine[:size]
    return size, _count_nan(plan, gate, raw, work, events, gaps)


@kernel
def _quick_value(
    kind: int, shift: float, factor: float, low: float, high: float, quick: Array, number: int, first: int, x: float
) -> float:
    if number >= 0:
        return quick_value(quick, number, first, x)
    return min(max((x + shift) * factor, low), high) if kind <= LINEAR else math.nan


@kernel
def _cell(maps: Array, number: int, column: float, row: float) -> int:
    # State of the cell that an event lies in: 0 outside, 1 inside, 2 undecided.
    if column != column or row != row:
        return 2
    if column < 0.0 or row < 0.0 or column >= maps.shape[1] or row >= maps.shape[2]:
        return 0
    return maps[number, int(column), int(row)]


@kernel
def _states(plan: PlanArrays, gate: int, row_x: Array, row_y: Array, events: Array, states: Array) -> None:
    """For each event of a two-dimensional gate: 0 outside, 1 inside, 2 undecided, 3 NaN.

    The outline's bounding box in linear units, then its map of cells: few events need their transform.
    """
    kx, ky = plan.dim_start[gate], plan.dim_start[gate] + 1
    low_x, high_x, low_y, high_y = plan.dim_low[kx], plan.dim_high[kx], plan.dim_low[ky], plan.dim_high[ky]
    sx, sy = plan.dim_scale[kx], plan.dim_scale[ky]
    kind_x, kind_y = plan.scale_kind[sx], plan.scale_kind[sy]
    shift_x, factor_x = plan.scale_numbers[sx, 1], plan.scale_numbers[sx, 2]
    clip_x, top_x = plan.scale_numbers[sx, CLIP_LOW], plan.scale_numbers[sx, CLIP_HIGH]
    shift_y, factor_y = plan.scale_numbers[sy, 1], plan.scale_numbers[sy, 2]
    clip_y, top_y = plan.scale_numbers[sy, CLIP_LOW], plan.scale_numbers[sy, CLIP_HIGH]
    number_x, number_y = plan.quick_number[sx], plan.quick_number[sy]
    first_x, first_y = plan.quick_first[sx], plan.quick_first[sy]
    quick, maps, number = plan.quick, plan.maps, plan.map_number[gate]
    if number >= 0:
        x0, y0, per_x, per_y = plan.map_place[number]
    else:
        x0 = y0 = per_x = per_y = math.nan
    for k in range(events.size):
        x, y = row_x[events[k]], row_y[events[k]]
        if x >= low_x and not x >= high_x and y >= low_y and not y >= high_y:
            px = _quick_value(kind_x, shift_x, factor_x, clip_x, top_x, quick, number_x, first_x, x)
            py = _quick_value(kind_y, shift_y, factor_y, clip_y, top_y, quick, number_y, first_y, y)
            column, row = (px - x0) * per_x, (py - y0) * per_y
            states[k] = _cell(maps, number, column, row)
        else:
            states[k] = 3 if x != x or y != y else 0


@kernel
def _polygon(
    plan: PlanArrays, gate: int, raw: Array, work: Array, events: Array, mine: Array, states: Array
) -> tuple[int, int]:
    kx = plan.dim_start[gate]
    row_x, row_y = _row(raw, work, plan.dim_source[kx]), _row(raw, work, plan.dim_source[kx + 1])
    _states(plan, gate, row_x, row_y, events, states)
    outline = plan.shape[plan.shape_start[gate] : plan.shape_start[gate + 1]]
    half = outline.size // 2
    xs, ys = outline[:half], outline[half:]
    sx, sy = plan.dim_scale[kx], plan.dim_scale[kx + 1]
    kind_x, kind_y = plan.scale_kind[sx], plan.scale_kind[sy]
    numbers_x, numbers_y, tables = plan.scale_numbers[sx], plan.scale_numbers[sy], plan.tables
    steps_x, steps_y = plan.dim_steps[kx], plan.dim_steps[kx + 1]
    size, lost = 0, 0
    for k in range(events.size):
        i, state = events[k], states[k]
        if state == 2:
            px = scale_value(kind_x, numbers_x, tables, row_x[i])
            py = scale_value(kind_y, numbers_y, tables, row_y[i])
            if steps_x > 0.0:
                px, py = binned(px, steps_x), binned(py, steps_y)
            state = 1 if polygon_holds(px, py, xs, ys) else 0
        mine[size] = i
        size += state == 1
        lost += state == 3
    return size, lost


@kernel
def _ellipsoid(
    plan: PlanArrays, gate: int, raw: Array, work: Array, events: Array, mine: Array, states: Array
) -> tuple[int, int]:
    first = plan.dim_start[gate]
    count = plan.dim_start[gate + 1] - first
    numbers = plan.shape[plan.shape_start[gate] : plan.shape_start[gate + 1]]
    center, precision = numbers[:count], numbers[count : count + count * count]
    distance_square = numbers[count + count * count]
    if count == 2:
        row_x, row_y = _row(raw, work, plan.dim_source[first]), _row(raw, work, plan.dim_source[first + 1])
        _states(plan, gate, row_x, row_y, events, states)
    else:
        states[: events.size] = 2
    scales, scale_kind, scale_numbers = plan.dim_scale, plan.scale_kind, plan.scale_numbers
    sources, tables = plan.dim_source, plan.tables
    point = np.empty(count)
    size, lost = 0, 0
    for k in range(events.size):
        i, state = events[k], states[k]
        if state == 2:
            missing = False
            for d in range(count):
                source, scale = sources[first + d], scales[first + d]
                x = raw[source, i] if source < raw.shape[0] else work[source - raw.shape[0], i]
                missing = missing or x != x
                point[d] = scale_value(scale_kind[scale], scale_numbers[scale], tables, x)
                if plan.dim_steps[first + d] > 0.0:
                    point[d] = binned(point[d], plan.dim_steps[first + d])
            state = 3 if missing else (1 if ellipsoid_holds(point, center, precision, distance_square) else 0)
        mine[size] = i
        size += state == 1
        lost += state == 3
    return size, lost


@kernel
def _boolean(
    plan: PlanArrays, gate: int, raw: Array, work: Array, events: Array, mine: Array, gaps: Array, words: Array
) -> tuple[int, int]:
    all_of = plan.gate_kind[gate] == ALL_OF
    first, last = plan.dim_start[gate], plan.dim_start[gate + 1]
    suspect = False
    for k in range(first, last):
        suspect = suspect or gaps[plan.dim_source[k]]
    first_term, last_term = plan.term_start[gate], plan.term_start[gate + 1]
    terms, complements = plan.term_gate, plan.term_complement
    size, lost = 0, 0
    for i in events:
        if suspect and _is_missing(plan, first, last, raw, work, i):
            lost += 1
            continue
        inside = all_of
        for k in range(first_term, last_term):
            other = terms[k]
            true = ((words[other >> 6, i] >> np.uint64(other & 63)) & np.uint64(1)) != 0
            true = true != complements[k]
            inside = (inside and true) if all_of else (inside or true)
        mine[size] = i
        size += inside
    return size, lost
