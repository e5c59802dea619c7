"""One block of events through a whole plan: sources, then gates in order, to bits and counts.

A **source** is a row of linear values: a detector as read, a compensated channel, a ratio. A **gate** tests sources
of the events that its parent holds. The plan's numbers come as one `PlanArrays`; `gating.plan` builds it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel
from immunoprofile.kernels.geometry import ellipsoid_holds, polygon_holds
from immunoprofile.kernels.scales import scale_value

RECTANGLE, POLYGON, ELLIPSOID, ALL_OF, ANY_OF = range(5)


class PlanArrays(NamedTuple):
    """A plan as flat arrays. Pointers ``x_start`` have one more entry than there are owners of x.

    Attributes
    ----------
    matrix_start, matrix_sources : int64
        Raw sources that each compensation matrix reads.
    weight_matrix, weight_start, weights : int64, int64, float64
        For each compensated source: its matrix, and its column of the inverse.
    ratio_sources, ratio_numbers : (n_ratios, 2) int64, (n_ratios, 3) float64
        ``a * (x - b) / (y - c)`` of two earlier sources.
    gate_kind, gate_parent : (n_gates,) int64
        Codes above; parent -1 is the root.
    dim_start, dim_source, dim_low, dim_high, dim_scale
        For each dimension of each gate: source, linear bounds (low <= x, not x >= high; NaN as high is no bound,
        NaN as low lets nothing in), scale. For a boolean: only sources whose NaN excludes an event.
    shape_start, shape : int64, float64
        Numbers of a gate: polygon x and y in turn; ellipsoid center, inverse covariance, squared distance.
    term_start, term_gate, term_complement
        Terms of a boolean.
    scale_kind, scale_numbers, tables
        Scales as `kernels.scales` reads them.
    """

    matrix_start: Array
    matrix_sources: Array
    weight_matrix: Array
    weight_start: Array
    weights: Array
    ratio_sources: Array
    ratio_numbers: Array
    gate_kind: Array
    gate_parent: Array
    dim_start: Array
    dim_source: Array
    dim_low: Array
    dim_high: Array
    dim_scale: Array
    shape_start: Array
    shape: Array
    term_start: Array
    term_gate: Array
    term_complement: Array
    scale_kind: Array
    scale_numbers: Array
    tables: Array


@kernel
def run_block(
    plan: PlanArrays, raw: Array, derived: Array, n: int, words: Array, counts: Array, nan_counts: Array
) -> None:
    """Evaluate every gate of a plan for n events.

    Parameters
    ----------
    raw : (n_raw, >= n) float64
        Linear values of the detectors that the plan reads.
    derived : (n_derived, >= n) float64
        Scratch for compensated channels and ratios.
    words : (n_words, n) uint64
        Out: bit g % 64 of word g // 64 says whether gate g holds the event.
    counts, nan_counts : (n_gates,) int64
        Added to: events held; events of the parent left out because a value was NaN.
    """
    _compensate(plan, raw, derived, n)
    _divide(plan, raw, derived, n)
    words[:, :n] = 0
    for gate in range(plan.gate_kind.size):
        kind = plan.gate_kind[gate]
        if kind == RECTANGLE:
            _rectangle(plan, gate, raw, derived, n, words, counts, nan_counts)
        elif kind == POLYGON:
            _polygon(plan, gate, raw, derived, n, words, counts, nan_counts)
        elif kind == ELLIPSOID:
            _ellipsoid(plan, gate, raw, derived, n, words, counts, nan_counts)
        else:
            _boolean(plan, gate, raw, derived, n, words, counts, nan_counts)


@kernel
def _row(raw: Array, derived: Array, source: int) -> Array:
    if source < raw.shape[0]:
        return raw[source]
    return derived[source - raw.shape[0]]


@kernel
def _compensate(plan: PlanArrays, raw: Array, derived: Array, n: int) -> None:
    # One axpy a detector and channel over contiguous rows, always in the same order, so that every run and the
    # plain twin give the same last bit.
    for target in range(plan.weight_matrix.size):
        out = derived[target]
        matrix = plan.weight_matrix[target]
        first = plan.matrix_start[matrix]
        out[:n] = 0.0
        for k in range(plan.matrix_start[matrix + 1] - first):
            weight = plan.weights[plan.weight_start[target] + k]
            row = raw[plan.matrix_sources[first + k]]
            if weight != 0.0:
                for i in range(n):
                    out[i] += weight * row[i]
    for matrix in range(plan.matrix_start.size - 1):
        _spoil(plan, matrix, raw, derived, n)


@kernel
def _spoil(plan: PlanArrays, matrix: int, raw: Array, derived: Array, n: int) -> None:
    # NaN or infinity in any detector of a matrix leaves nothing known about its channels.
    for k in range(plan.matrix_start[matrix], plan.matrix_start[matrix + 1]):
        row = raw[plan.matrix_sources[k]]
        total = 0.0
        for i in range(n):
            total += row[i] - row[i]
        if total != 0.0:
            for i in range(n):
                if not math.isfinite(row[i]):
                    for target in range(plan.weight_matrix.size):
                        if plan.weight_matrix[target] == matrix:
                            derived[target, i] = math.nan


@kernel
def _divide(plan: PlanArrays, raw: Array, derived: Array, n: int) -> None:
    first = plan.weight_matrix.size
    for r in range(plan.ratio_sources.shape[0]):
        top = _row(raw, derived, plan.ratio_sources[r, 0])
        bottom = _row(raw, derived, plan.ratio_sources[r, 1])
        a, b, c = plan.ratio_numbers[r, 0], plan.ratio_numbers[r, 1], plan.ratio_numbers[r, 2]
        out = derived[first + r]
        for i in range(n):
            out[i] = a * (top[i] - b) / (bottom[i] - c)


@kernel
def _held(plan: PlanArrays, gate: int, words: Array, i: int) -> bool:
    parent = plan.gate_parent[gate]
    return parent < 0 or (words[parent >> 6, i] >> np.uint64(parent & 63)) & np.uint64(1) != 0


@kernel
def _rectangle(
    plan: PlanArrays,
    gate: int,
    raw: Array,
    derived: Array,
    n: int,
    words: Array,
    counts: Array,
    nan_counts: Array,
) -> None:
    word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
    first, last = plan.dim_start[gate], plan.dim_start[gate + 1]
    row = _row(raw, derived, plan.dim_source[first])
    low, high = plan.dim_low[first], plan.dim_high[first]
    held, lost = 0, 0
    for i in range(n):
        if not _held(plan, gate, words, i):
            continue
        x = row[i]
        inside = x >= low and not x >= high
        missing = x != x
        for k in range(first + 1, last):
            z = _row(raw, derived, plan.dim_source[k])[i]
            missing = missing or z != z
            inside = inside and z >= plan.dim_low[k] and not z >= plan.dim_high[k]
        if missing:
            lost += 1
        elif inside:
            words[word, i] |= bit
            held += 1
    counts[gate] += held
    nan_counts[gate] += lost


@kernel
def _polygon(
    plan: PlanArrays,
    gate: int,
    raw: Array,
    derived: Array,
    n: int,
    words: Array,
    counts: Array,
    nan_counts: Array,
) -> None:
    word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
    kx = plan.dim_start[gate]
    ky = kx + 1
    row_x, row_y = _row(raw, derived, plan.dim_source[kx]), _row(raw, derived, plan.dim_source[ky])
    outline = plan.shape[plan.shape_start[gate] : plan.shape_start[gate + 1]]
    half = outline.size // 2
    xs, ys = outline[:half], outline[half:]
    scale_x, scale_y = plan.dim_scale[kx], plan.dim_scale[ky]
    held, lost = 0, 0
    for i in range(n):
        if not _held(plan, gate, words, i):
            continue
        x, y = row_x[i], row_y[i]
        if x != x or y != y:
            lost += 1
            continue
        # The outline's bounding box in linear units: most events need no transform.
        if x >= plan.dim_high[kx] or y >= plan.dim_high[ky] or not (x >= plan.dim_low[kx] and y >= plan.dim_low[ky]):
            continue
        px = scale_value(plan.scale_kind[scale_x], plan.scale_numbers[scale_x], plan.tables, x)
        py = scale_value(plan.scale_kind[scale_y], plan.scale_numbers[scale_y], plan.tables, y)
        if polygon_holds(px, py, xs, ys):
            words[word, i] |= bit
            held += 1
    counts[gate] += held
    nan_counts[gate] += lost


@kernel
def _ellipsoid(
    plan: PlanArrays,
    gate: int,
    raw: Array,
    derived: Array,
    n: int,
    words: Array,
    counts: Array,
    nan_counts: Array,
) -> None:
    word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
    first, last = plan.dim_start[gate], plan.dim_start[gate + 1]
    size = last - first
    numbers = plan.shape[plan.shape_start[gate] : plan.shape_start[gate + 1]]
    center, precision = numbers[:size], numbers[size : size + size * size]
    distance_square = numbers[size + size * size]
    point = np.empty(size)
    held, lost = 0, 0
    for i in range(n):
        if not _held(plan, gate, words, i):
            continue
        missing, near = False, True
        for k in range(first, last):
            x = _row(raw, derived, plan.dim_source[k])[i]
            missing = missing or x != x
            near = near and x >= plan.dim_low[k] and not x >= plan.dim_high[k]
        if missing:
            lost += 1
        elif near:
            for k in range(first, last):
                scale = plan.dim_scale[k]
                x = _row(raw, derived, plan.dim_source[k])[i]
                point[k - first] = scale_value(plan.scale_kind[scale], plan.scale_numbers[scale], plan.tables, x)
            if ellipsoid_holds(point, center, precision, distance_square):
                words[word, i] |= bit
                held += 1
    counts[gate] += held
    nan_counts[gate] += lost


@kernel
def _boolean(
    plan: PlanArrays,
    gate: int,
    raw: Array,
    derived: Array,
    n: int,
    words: Array,
    counts: Array,
    nan_counts: Array,
) -> None:
    word, bit = gate >> 6, np.uint64(1) << np.uint64(gate & 63)
    all_of = plan.gate_kind[gate] == ALL_OF
    held, lost = 0, 0
    for i in range(n):
        if not _held(plan, gate, words, i):
            continue
        missing = False
        for k in range(plan.dim_start[gate], plan.dim_start[gate + 1]):
            x = _row(raw, derived, plan.dim_source[k])[i]
            missing = missing or x != x
        if missing:
            lost += 1
            continue
        inside = all_of
        for k in range(plan.term_start[gate], plan.term_start[gate + 1]):
            other = plan.term_gate[k]
            true = (words[other >> 6, i] >> np.uint64(other & 63)) & np.uint64(1) != 0
            true = true != plan.term_complement[k]
            inside = (inside and true) if all_of else (inside or true)
        if inside:
            words[word, i] |= bit
            held += 1
    counts[gate] += held
    nan_counts[gate] += lost
