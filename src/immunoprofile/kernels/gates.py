"""One block of events through a whole plan: sources, then gates in order, to bits and counts.

A **source** is a row of linear values: a detector as read, a compensated channel, a ratio. A **gate** tests sources
of the events that its parent holds, which are kept as a list, so that a rare population costs next to nothing. The
plan comes as one `PlanArrays` (`kernels.arrays`).
"""

from __future__ import annotations

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part
from immunoprofile.kernels.arrays import (
    ALL_OF,
    COMPLEMENT,
    ELLIPSOID,
    FIRST_DETECTOR,
    FIRST_DIM,
    FIRST_TARGET,
    FIRST_TERM,
    FIRST_WEIGHT,
    HIGH,
    KIND,
    LAST_DETECTOR,
    LOW,
    MATRIX,
    OTHER,
    PARENT,
    RECTANGLE,
    ROW,
    SOURCE,
    GateArrays,
    PlanArrays,
    Scratch,
    SourceArrays,
)
from immunoprofile.kernels.compensation import add_weighted, gather, has_gap, spoil
from immunoprofile.kernels.outlined import outlined
from immunoprofile.kernels.rows import row_of, value_of

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
            size, lost = outlined(plan.gates, plan.scales, gate, raw, scratch, events, mine)
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
        top = row_of(raw, scratch.work, sources.ratios[r, 0])
        bottom = row_of(raw, scratch.work, sources.ratios[r, 1])
        a, b, c = sources.ratio_numbers[r, 0], sources.ratio_numbers[r, 1], sources.ratio_numbers[r, 2]
        out = scratch.work[n_compensated + r]
        for i in range(n):
            out[i] = a * (top[i] - b) / (bottom[i] - c)
        gaps[raw.shape[0] + n_compensated + r] = has_gap(out, n)


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
        x = value_of(raw, work, gates.dims[k, SOURCE], i)
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
        row, low, high = row_of(raw, scratch.work, gates.dims[k, SOURCE]), gates.limits[k, LOW], gates.limits[k, HIGH]
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
