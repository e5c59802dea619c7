"""One tube of stained cells becomes the numbers that a cytometer would write.

Light comes first: each cell's stains are log-normal round the median of its kind, each fluorochrome lights all
detectors as the spillover matrix says, and the cell's own fluorescence is added. Then the instrument: photons are
counted, so the variance grows with the light (that is why compensated negatives spread, and more so beside a bright
neighbour), the electronics add a little that may be negative, and nothing exceeds the range. Events are drawn in
blocks that fit a processor's cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.kernels.light import detect_light, spread_stains
from immunoprofile.simulation.acquisition import STEADY, Acquisition, draw_run, draw_times
from immunoprofile.simulation.cells import DEAD, DOUBLET
from immunoprofile.simulation.light import RANGE, SCATTER
from immunoprofile.simulation.panel import VIABILITY, Panel

UNITS_PER_PHOTOELECTRON = 10.0
"""Scale units that one photoelectron adds [A]: 1000 units then carry a CV of 10 %."""

ELECTRONIC_SD = 22.0
"""SD of a detector without light, scale units [A]."""

BLOCK = 20_480
"""Events drawn at a time: a block's stains and light stay in a cache of some megabytes."""

_HEIGHT_PER_AREA = 0.92
LIVE_DYE, DEAD_DYE = 45.0, 32000.0
"""Median of the viability dye on live and on dead cells [A]."""
_DEAD_KEEPS = np.float32(0.55)
"""Share of its other stains that a dead cell keeps [A]."""


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """The events of one file and what they truly are.

    Parameters
    ----------
    values : (n_events, n_channels) float32
        Channels in file order: FSC-A, FSC-H, SSC-A, the detectors of the panel, Time.
    labels : (n_events,) uint8
        Index into the panel's labels.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """What a block is drawn from: panel, how bright each kind is here, and how often each lymphocyte comes."""

    panel: Panel
    log_stain: NDArray[np.float32]
    lymphocytes: NDArray[np.uint8]
    weights: NDArray[np.float64]
    spill: NDArray[np.float32]
    glow: NDArray[np.float32]
    dye: int | None


def draw_tube(
    rng: np.random.Generator,
    panel: Panel,
    shares: Mapping[str, float],
    n_events: int,
    marker_shift: Sequence[float] | NDArray[np.float64],
    *,
    run: Acquisition = STEADY,
    stained: Sequence[str] | None = None,
) -> Tube:
    """Draw the events of one file.

    Parameters
    ----------
    shares
        Probability of each label, in the order of the panel's labels.
    n_events
        Events in the file.
    marker_shift : (n_markers,)
        Log shift of each marker's brightness for this subject and run.
    run
        How the tube ran; a run that was not steady changes light and times, and not which cells there are.
    stained
        Markers whose antibody is in the tube, for controls; None for all.
    """
    labels = _draw_labels(rng, panel, shares, n_events)
    plan = _plan(panel, shares, np.asarray(marker_shift, dtype=np.float64), stained)
    times, bright = None, None
    if run != STEADY:
        times, bright = draw_run(rng.spawn(1)[0], n_events, run)
    values = np.empty((n_events, len(SCATTER) + len(panel.markers) + 1), dtype=np.float32)
    for start in range(0, n_events, BLOCK):
        here = slice(start, start + BLOCK)
        _draw_block(rng, plan, labels[here], None if bright is None else bright[here], values[here])
    values[:, -1] = draw_times(rng, n_events) if times is None else times
    return Tube(values, labels)


def _plan(
    panel: Panel, shares: Mapping[str, float], shift: NDArray[np.float64], stained: Sequence[str] | None
) -> _Draw:
    log_stain = panel.looks.log_stain + shift.astype(np.float32)
    dye = panel.markers.index(VIABILITY) if VIABILITY in panel.markers else None
    if dye is not None:
        log_stain[:, dye] = np.log(LIVE_DYE)
    for j, marker in enumerate(panel.markers):
        if stained is not None and marker not in stained:
            log_stain[:, j] = -np.inf
    names = panel.lymphocytes
    weights = np.array([shares[name] for name in names])
    if weights.sum() == 0:  # a tube without lymphocytes still has dead cells and doublets
        weights = np.ones(len(names))
    return _Draw(
        panel=panel,
        log_stain=log_stain,
        lymphocytes=np.array([panel.labels.index(name) for name in names], dtype=np.uint8),
        weights=weights / weights.sum(),
        spill=panel.spill.astype(np.float32),
        glow=panel.autofluorescence.astype(np.float32),
        dye=dye,
    )


def _draw_labels(
    rng: np.random.Generator, panel: Panel, shares: Mapping[str, float], n_events: int
) -> NDArray[np.uint8]:
    counts = rng.multinomial(n_events, np.array([shares[label] for label in panel.labels]))
    labels = np.repeat(np.arange(len(panel.labels), dtype=np.uint8), counts)
    rng.shuffle(labels)
    return labels


def _draw_block(
    rng: np.random.Generator,
    plan: _Draw,
    labels: NDArray[np.uint8],
    bright: NDArray[np.float32] | None,
    values: NDArray[np.float32],
) -> None:
    """All channels but time, of one block of events, into `values`."""
    kinds = _draw_kinds(rng, plan, labels)
    stains, scatter = _draw_cells(rng, plan, kinds)
    _kill(rng, plan, (stains, scatter), np.flatnonzero(labels == plan.panel.labels.index(DEAD)))
    height = scatter[0] * _HEIGHT_PER_AREA
    glow = plan.panel.looks.autofluorescence[kinds]
    _pair_up(rng, plan, labels, (stains, scatter, height, glow))
    wobble = 1 + np.float32(0.025) * rng.standard_normal(labels.size, dtype=np.float32)
    if bright is not None:
        stains *= bright
        glow *= bright
    _detect(rng, plan, stains, glow, values[:, len(SCATTER) : -1])
    values[:, 0] = np.minimum(scatter[0], RANGE - 1)
    values[:, 1] = np.minimum(height * wobble, RANGE - 1)
    values[:, 2] = np.minimum(scatter[1], RANGE - 1)


def _draw_kinds(rng: np.random.Generator, plan: _Draw, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The kind behind each event: its label, or for dead cells and doublets one drawn among lymphocytes."""
    kinds = labels.copy()
    open_places = np.flatnonzero(kinds >= len(plan.panel.kinds))
    kinds[open_places] = _draw_lymphocytes(rng, plan, open_places.size)
    return kinds


def _draw_lymphocytes(rng: np.random.Generator, plan: _Draw, n: int) -> NDArray[np.uint8]:
    return plan.lymphocytes[rng.choice(plan.lymphocytes.size, n, p=plan.weights)]


def _draw_cells(
    rng: np.random.Generator, plan: _Draw, kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stains (n_markers, n) without autofluorescence, and FSC-A and SSC-A (2, n)."""
    looks = plan.panel.looks
    stains = rng.standard_normal((plan.log_stain.shape[1], kinds.size), dtype=np.float32)
    spread_stains(stains, kinds, plan.log_stain, looks.spread)
    np.exp(stains, out=stains)
    scatter = rng.standard_normal((2, kinds.size), dtype=np.float32) * looks.scatter_spread[kinds]
    scatter[1] *= np.float32(1.5)
    scatter += looks.log_scatter.T[:, kinds]
    return stains, np.exp(scatter, out=scatter)


def _kill(
    rng: np.random.Generator,
    plan: _Draw,
    cells: tuple[NDArray[np.float32], NDArray[np.float32]],
    dead: NDArray[np.intp],
) -> None:
    """Dead cells in place: dye inside, half of the stains lost, smaller and more granular."""
    stains, scatter = cells
    stains[:, dead] *= _DEAD_KEEPS
    if plan.dye is not None:
        inside = np.exp(np.log(DEAD_DYE) + 0.4 * rng.standard_normal(dead.size))
        stains[plan.dye, dead] = inside if np.isfinite(plan.log_stain[0, plan.dye]) else 0.0
    scatter[0, dead] *= np.float32(0.75)
    scatter[1, dead] *= np.float32(1.35)


def _pair_up(
    rng: np.random.Generator, plan: _Draw, labels: NDArray[np.uint8], cells: tuple[NDArray[np.float32], ...]
) -> None:
    """Doublets in place: a second cell's light is added; the pulse grows in area, hardly in height."""
    stains, scatter, height, glow = cells
    both = np.flatnonzero(labels == plan.panel.labels.index(DOUBLET))
    partners = _draw_lymphocytes(rng, plan, both.size)
    more, size = _draw_cells(rng, plan, partners)
    stains[:, both] += more
    scatter[:, both] += size
    height[both] = np.maximum(height[both], size[0] * np.float32(_HEIGHT_PER_AREA)) * np.float32(1.05)
    glow[both] += plan.panel.looks.autofluorescence[partners]


def _detect(
    rng: np.random.Generator,
    plan: _Draw,
    stains: NDArray[np.float32],
    glow: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Light to counts: ``stains.T @ spill`` plus autofluorescence, with photon and electronic noise, into `out`.

    The product is summed in a fixed order, not by a matrix library whose last bits depend on threads.
    """
    glowing = glow * np.exp(np.float32(0.30) * rng.standard_normal(glow.size, dtype=np.float32))
    noise = rng.standard_normal(stains.shape, dtype=np.float32)
    settings = np.array([UNITS_PER_PHOTOELECTRON, ELECTRONIC_SD**2, RANGE - 1], dtype=np.float32)
    detect_light(stains, glowing, noise, plan.glow, plan.spill, settings, out)
