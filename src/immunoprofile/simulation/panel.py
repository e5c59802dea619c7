"""The 14-colour tube of the simulated trial: its detectors, its markers and how its fluorochromes spill.

CD16 and CD56 share one fluorochrome, as in many clinical tubes: NK cells are CD3- CD19- CD16+56+. There is no
CD24 and no CD10 in the tube, so transitional B cells are IgD+ CD27- CD38hi. Regulatory T cells are CD25hi
CD127low (no FoxP3: the tube is a surface tube).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.spillover import Spillover

RANGE = 262144
"""$PnR of every channel: the 18-bit scale of digital instruments, and the `t` of the template's scales."""

TIMESTEP = 0.01
"""Seconds per unit of the Time channel, the value most instruments of this scale write."""

SCATTER = ("FSC-A", "FSC-H", "SSC-A")
TIME = "Time"


@dataclass(frozen=True, slots=True)
class Dye:
    """One fluorochrome of the tube: the detector made for it and the marker it is bound to.

    `autofluorescence` is what an unstained lymphocyte shows in this detector, linear units: highest in the
    ultraviolet and violet, lowest in the far red.
    """

    detector: str
    marker: str
    autofluorescence: float


DYES: tuple[Dye, ...] = (
    Dye("BUV395-A", "CD45RA", 70.0),
    Dye("BUV496-A", "CD4", 110.0),
    Dye("BUV737-A", "CD8", 40.0),
    Dye("BUV805-A", "CD3", 25.0),
    Dye("BV421-A", "CD127", 90.0),
    Dye("BV510-A", "CD45", 140.0),
    Dye("BV605-A", "CD27", 80.0),
    Dye("BV711-A", "CD38", 45.0),
    Dye("BV786-A", "CCR7", 30.0),
    Dye("BB515-A", "IgD", 120.0),
    Dye("PE-A", "CD25", 60.0),
    Dye("PE-Cy7-A", "CD19", 30.0),
    Dye("APC-A", "CD16+56", 35.0),
    Dye("eFluor780-A", "Viability", 25.0),
)

DETECTORS: tuple[str, ...] = tuple(d.detector for d in DYES)
MARKERS: tuple[str, ...] = tuple(d.marker for d in DYES)

# Fluorochrome -> detector -> fraction of its signal seen there. Chosen, not measured: neighbours on the
# same laser spill most, tandems leak into the detector of their donor, and the matrix is far from
# symmetric, so that a program that applies it the wrong way round is found out.
_SPILL: dict[str, dict[str, float]] = {
    "BUV395-A": {"BUV496-A": 0.025, "BV421-A": 0.012},
    "BUV496-A": {"BUV395-A": 0.006, "BV510-A": 0.110, "BB515-A": 0.030, "BV605-A": 0.035},
    "BUV737-A": {"BUV805-A": 0.160, "BV711-A": 0.120, "BV786-A": 0.070, "PE-Cy7-A": 0.015},
    "BUV805-A": {"BUV737-A": 0.030, "BV786-A": 0.090, "eFluor780-A": 0.045, "PE-Cy7-A": 0.010},
    "BV421-A": {"BV510-A": 0.055, "BUV395-A": 0.004, "BV605-A": 0.010},
    "BV510-A": {"BV605-A": 0.150, "BUV496-A": 0.040, "BV711-A": 0.050, "BB515-A": 0.012, "BV786-A": 0.020},
    "BV605-A": {"PE-A": 0.090, "BV711-A": 0.210, "BV786-A": 0.060, "BV510-A": 0.015},
    "BV711-A": {"BV786-A": 0.230, "BUV737-A": 0.180, "APC-A": 0.020, "eFluor780-A": 0.040},
    "BV786-A": {"BUV805-A": 0.120, "eFluor780-A": 0.070, "BV711-A": 0.020},
    "BB515-A": {"PE-A": 0.060, "BV510-A": 0.020, "BUV496-A": 0.008},
    "PE-A": {"BV605-A": 0.120, "PE-Cy7-A": 0.018, "BB515-A": 0.010},
    "PE-Cy7-A": {"PE-A": 0.022, "BV786-A": 0.110, "eFluor780-A": 0.050, "BUV805-A": 0.020},
    "APC-A": {"eFluor780-A": 0.080, "BV711-A": 0.030, "BUV737-A": 0.015},
    "eFluor780-A": {"APC-A": 0.045, "BUV805-A": 0.060, "BV786-A": 0.040, "PE-Cy7-A": 0.030},
}


def spill_matrix() -> NDArray[np.float64]:
    """(14, 14): row = fluorochrome, column = detector, 1 on the diagonal; ``observed = true @ matrix``."""
    matrix = np.eye(len(DETECTORS))
    for source, seen in _SPILL.items():
        for detector, fraction in seen.items():
            matrix[DETECTORS.index(source), DETECTORS.index(detector)] = fraction
    return matrix


def true_spillover() -> Spillover:
    """The matrix with which the tube's light is mixed, as a lab would find it from perfect single stains."""
    return Spillover(DETECTORS, spill_matrix())


def channel_names() -> tuple[str, ...]:
    """All 18 detectors in file order: scatter, the 14 fluorochromes, time."""
    return (*SCATTER, *DETECTORS, TIME)
