"""One tube of stained cells becomes the numbers that a cytometer would write.

Light comes first: each cell's stains are log-normal round the median of its kind, each fluorochrome lights
all detectors as the spillover matrix says, and the cell's own fluorescence is added. Then the instrument:
photons are counted, so the variance grows with the light (that is why compensated negatives spread, and
more so beside a bright neighbour), the electronics add a little that may be negative, and nothing exceeds
the range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.simulation.cells import DEAD, DOUBLET, KINDS, LABELS, LYMPHOCYTES, build_looks
from immunoprofile.simulation.panel import DETECTORS, DYES, MARKERS, RANGE, SCATTER, TIMESTEP, spill_matrix

UNITS_PER_PHOTOELECTRON = 10.0
"""Scale units that one photoelectron adds [A]: 1000 units then carry a CV of 10 %."""

ELECTRONIC_SD = 22.0
"""SD of a detector without light, scale units [A]."""

EVENTS_PER_SECOND = 2000.0
_HEIGHT_PER_AREA = 0.92
_LIVE_DYE, _DEAD_DYE = 45.0, 32000.0
"""Median of the viability dye on live and on dead cells [A]."""
_DEAD_KEEPS = np.float32(0.55)
"""Share of its other stains that a dead cell keeps [A]."""

_LOOKS = build_looks()
_SPILL = spill_matrix().astype(np.float32)
_AUTOFLUORESCENCE = np.array([d.autofluorescence for d in DYES], dtype=np.float32)
_DYE_COLUMN = MARKERS.index("Viability")
_KIND_OF = {k.label: i for i, k in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """The events of one file and what they truly are.

    Parameters
    ----------
    values : (n_events, 18) float32
        Channels in file order: FSC-A, FSC-H, SSC-A, 14 detectors, Time.
    labels : (n_events,) uint8
        Index into `cells.LABELS`.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]


def draw_tube(
    rng: np.random.Generator, shares: Mapping[str, float], n_events: int, marker_shift: NDArray[np.float64]
) -> Tube:
    """Draw the events of one file.

    Parameters
    ----------
    shares
        Probability of each label, in the order of `LABELS`.
    n_events
        Events in the file.
    marker_shift : (14,)
        Log shift of each marker's brightness for this subject and run.
    """
    labels = _draw_labels(rng, shares, n_events)
    kinds = _draw_kinds(rng, labels, shares)
    stains, scatter = _draw_cells(rng, kinds, marker_shift)
    dead = np.flatnonzero(labels == LABELS.index(DEAD))
    _kill(rng, stains, scatter, dead)
    height = scatter[0] * _HEIGHT_PER_AREA
    glow = _LOOKS.autofluorescence[kinds]
    _pair_up(rng, labels, marker_shift, (stains, scatter, height, glow), shares)
    values = np.empty((len(SCATTER) + len(DETECTORS) + 1, n_events), dtype=np.float32)
    values[0] = scatter[0]
    values[1] = height * (1 + np.float32(0.025) * rng.standard_normal(n_events, dtype=np.float32))
    values[2] = scatter[1]
    values[3:-1] = _detect(rng, stains, glow)
    np.clip(values, None, RANGE - 1, out=values)
    values[-1] = _draw_times(rng, n_events)
    return Tube(np.ascontiguousarray(values.T), labels)


def _draw_labels(rng: np.random.Generator, shares: Mapping[str, float], n_events: int) -> NDArray[np.uint8]:
    counts = rng.multinomial(n_events, np.array([shares[label] for label in LABELS]))
    labels = np.repeat(np.arange(len(LABELS), dtype=np.uint8), counts)
    rng.shuffle(labels)
    return labels


def _draw_kinds(rng: np.random.Generator, labels: NDArray[np.uint8], shares: Mapping[str, float]) -> NDArray[np.intp]:
    """The kind behind each event: its label, or for dead cells and doublets one drawn among lymphocytes."""
    kinds = labels.astype(np.intp)
    open_places = np.flatnonzero(kinds >= len(KINDS))
    kinds[open_places] = _draw_lymphocytes(rng, open_places.size, shares)
    return kinds


def _draw_lymphocytes(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> NDArray[np.intp]:
    names = [k.label for k in KINDS if k.label in LYMPHOCYTES]
    weights = np.array([shares[name] for name in names])
    return np.array([_KIND_OF[name] for name in names])[rng.choice(len(names), n, p=weights / weights.sum())]


def _draw_cells(
    rng: np.random.Generator, kinds: NDArray[np.intp], marker_shift: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stains (14, n) without autofluorescence, and FSC-A and SSC-A (2, n)."""
    shifted = _LOOKS.log_stain + marker_shift.astype(np.float32)
    shifted[:, _DYE_COLUMN] = np.log(_LIVE_DYE)
    stains = np.empty((len(MARKERS), kinds.size), dtype=np.float32)
    for j in range(len(MARKERS)):
        rng.standard_normal(dtype=np.float32, out=stains[j])
        stains[j] *= _LOOKS.spread[:, j][kinds]
        stains[j] += shifted[:, j][kinds]
    np.exp(stains, out=stains)
    scatter = rng.standard_normal((2, kinds.size), dtype=np.float32) * _LOOKS.scatter_spread[kinds]
    scatter[1] *= np.float32(1.5)
    scatter += _LOOKS.log_scatter.T[:, kinds]
    return stains, np.exp(scatter, out=scatter)


def _kill(
    rng: np.random.Generator,
    stains: NDArray[np.float32],
    scatter: NDArray[np.float32],
    dead: NDArray[np.intp],
) -> None:
    """Dead cells in place: dye inside, half of the stains lost, smaller and more granular."""
    stains[:, dead] *= _DEAD_KEEPS
    stains[_DYE_COLUMN, dead] = np.exp(np.log(_DEAD_DYE) + 0.4 * rng.standard_normal(dead.size))
    scatter[0, dead] *= np.float32(0.75)
    scatter[1, dead] *= np.float32(1.35)


def _pair_up(
    rng: np.random.Generator,
    labels: NDArray[np.uint8],
    marker_shift: NDArray[np.float64],
    cells: tuple[NDArray[np.float32], ...],
    shares: Mapping[str, float],
) -> None:
    """Doublets in place: a second cell's light is added; the pulse grows in area, hardly in height."""
    stains, scatter, height, glow = cells
    both = np.flatnonzero(labels == LABELS.index(DOUBLET))
    partners = _draw_lymphocytes(rng, both.size, shares)
    more, size = _draw_cells(rng, partners, marker_shift)
    stains[:, both] += more
    scatter[:, both] += size
    height[both] = np.maximum(height[both], size[0] * np.float32(_HEIGHT_PER_AREA)) * np.float32(1.05)
    glow[both] += _LOOKS.autofluorescence[partners]


def _detect(rng: np.random.Generator, stains: NDArray[np.float32], glow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light to counts: ``stains.T @ matrix`` plus autofluorescence, with photon and electronic noise.

    The product is summed in a fixed order here, not by a matrix library whose last bits depend on threads.
    """
    light = np.empty_like(stains)
    noise = np.empty(glow.size, dtype=np.float32)
    glowing = glow * np.exp(np.float32(0.30) * rng.standard_normal(glow.size, dtype=np.float32))
    for k in range(len(DETECTORS)):
        np.multiply(glowing, _AUTOFLUORESCENCE[k], out=light[k])
        for j in np.flatnonzero(_SPILL[:, k]):
            light[k] += _SPILL[j, k] * stains[j]
        rng.standard_normal(dtype=np.float32, out=noise)
        noise *= np.sqrt(light[k] * np.float32(UNITS_PER_PHOTOELECTRON) + np.float32(ELECTRONIC_SD**2))
        light[k] += noise
    return light


def _draw_times(rng: np.random.Generator, n_events: int) -> NDArray[np.float32]:
    """Arrival times in units of `TIMESTEP`: a steady flow, never going back."""
    seconds = n_events / EVENTS_PER_SECOND
    return np.floor(np.sort(rng.random(n_events)) * seconds / TIMESTEP).astype(np.float32)
