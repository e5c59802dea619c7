"""A plan as flat arrays: what `gating.plan` builds and `kernels.gates` walks through.

They are few tables and not one array for each number, because every array that a kernel takes costs the compiler
time.
"""

from __future__ import annotations

from typing import NamedTuple

from immunoprofile.kernels.accelerate import Array

RECTANGLE, POLYGON, ELLIPSOID, ALL_OF, ANY_OF = range(5)

# Columns of the tables below. FIRST_... points into another table; the next row of the same column says where it ends.
GATE_COLUMNS = 7
KIND, PARENT, MAP, FIRST_DIM, FIRST_NUMBER, FIRST_TERM, FIRST_TARGET = range(GATE_COLUMNS)
SOURCE, SCALE = range(2)
LOW, HIGH, STEPS = range(3)
OTHER, COMPLEMENT = range(2)
TARGET_COLUMNS = 5
ROW, MATRIX, FIRST_DETECTOR, LAST_DETECTOR, FIRST_WEIGHT = range(TARGET_COLUMNS)
CODE, QUICK, QUICK_FIRST = range(3)


class SourceArrays(NamedTuple):
    """How compensated channels and ratios are made.

    Attributes
    ----------
    targets : (n_compensated, 5) int64
        For each compensated channel, in the order in which gates ask for them: its row among the derived sources,
        its matrix, where the detectors of that matrix begin and end, where its weights begin.
    detectors : int64
        Raw sources that each matrix reads, end to end.
    side_by_side : (n_raw,) int64
        0, 1, 2, ...: the places of detectors that were gathered.
    weights : float64
        For each compensated channel its column of the inverse.
    ratios, ratio_numbers : (n_ratios, 2) int64, (n_ratios, 3) float64
        ``a * (x - b) / (y - c)`` of two earlier sources.
    """

    targets: Array
    detectors: Array
    side_by_side: Array
    weights: Array
    ratios: Array
    ratio_numbers: Array


class GateArrays(NamedTuple):
    """Gates in order of evaluation.

    Attributes
    ----------
    rows : (n_gates + 2, 7) int64
        Kind (codes above), parent, cell map (-1 for none), and where its dimensions, numbers, terms and targets
        begin; targets are the compensated channels that only events of this gate are asked for. Then the root,
        which is the parent number n_gates, and a row to end with.
    dims : (n_dims, 2) int64
        Source and scale. For a boolean: only sources whose NaN excludes an event.
    limits : (n_dims, 3) float64
        Linear bounds (low <= x, not x >= high; NaN as high is no bound, NaN as low lets nothing in) and the steps a
        scaled unit that values are rounded to (`geometry.binned`; 0 for none).
    numbers : float64
        Polygon: all x, then all y. Ellipsoid: center, inverse covariance, squared distance.
    terms : (n_terms, 2) int64
        Gate, and whether its complement is meant.
    maps, map_places : (n_maps, n_cells, n_cells) uint8, (n_maps, 4) float64
        States of the cells; x and y of their origin and cells a unit.
    """

    rows: Array
    dims: Array
    limits: Array
    numbers: Array
    terms: Array
    maps: Array
    map_places: Array


class ScaleArrays(NamedTuple):
    """Scales as `kernels.scales` reads them.

    Attributes
    ----------
    rows : (n_scales, 3) int64
        Kind, row of `quick` (-1 for none), first part of that table.
    numbers, tables, quick
        See `scale_value` and `quick_value`.
    """

    rows: Array
    numbers: Array
    tables: Array
    quick: Array


class PlanArrays(NamedTuple):
    """A plan as flat arrays."""

    sources: SourceArrays
    gates: GateArrays
    scales: ScaleArrays


class Scratch(NamedTuple):
    """Room to work in, for one thread; n is the largest block.

    Attributes
    ----------
    work : (n_derived, n) float64
        Compensated channels and ratios.
    dense : (n_raw + 1, n) float64
        The events of one gate, side by side.
    held, sizes : (n_gates + 1, n) uint32, (n_gates + 1,) int64
        The events that each gate holds; the last row is the root's. Without a sign: of an index that has one the
        compiler asks, event after event, whether it counts from the end.
    states : (n,) uint8
        What is known of each event of one gate: 0 outside, 1 inside, 2 undecided, 3 NaN.
    doubtful : (n,) uint32
        Which events of one gate are undecided.
    gaps : (n_raw + n_derived,) bool
        Sources with NaN or infinity.
    points : (most dimensions of a gate, n) float64
        Places of the events of one gate in its map of cells; then scaled values of the undecided.
    """

    work: Array
    dense: Array
    held: Array
    sizes: Array
    states: Array
    doubtful: Array
    gaps: Array
    points: Array
