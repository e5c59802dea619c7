"""Single-stain controls drawn with a known spillover matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from immunoprofile.fcs import ChannelSpec, write_fcs

DETECTORS = ("B1-A", "B2-A", "V1-A", "R1-A")
TRUTH = np.array(
    [
        [1.000, 0.220, 0.015, 0.000],
        [0.012, 1.000, 0.000, 0.005],
        [0.060, 0.003, 1.000, 0.000],
        [0.001, 0.030, 0.000, 1.000],
    ]
)
TOP = 262_144


@dataclass(frozen=True)
class Drawing:
    """How a control is drawn; lengths in linear units.

    `debris` is the part of events that are small, of their own autofluorescence and take up no stain. `noise` is
    normal, `photons` the events' variance for each unit of signal.
    """

    n: int = 6_000
    positive: float = 0.4
    brightness: float = 8_000.0
    width: float = 0.6
    autofluorescence: tuple[float, ...] = (90.0, 140.0, 60.0, 30.0)
    noise: float = 30.0
    photons: float = 4.0
    debris: float = 0.3

    def exactly(self) -> Drawing:
        """The same without noise: all cells with the same autofluorescence."""
        return replace(self, noise=0.0, photons=0.0)


PLAIN = Drawing()


def draw_values(seed: int, row: np.ndarray | None, drawing: Drawing) -> np.ndarray:
    """(n, 6) forward scatter, side scatter and the four detectors; `row` None is unstained."""
    rng = np.random.default_rng(seed)
    n, n_debris = drawing.n, int(drawing.debris * drawing.n)
    spread = 0.0 if drawing.noise == 0 else 0.35
    glow = np.exp(spread * rng.standard_normal((n, 1))) * np.array(drawing.autofluorescence)
    glow[:n_debris] *= 0.2
    stain = np.zeros((n, 1))
    if row is not None:
        stained = slice(n_debris, n_debris + int(drawing.positive * (n - n_debris)))
        bright = rng.standard_normal((stained.stop - stained.start, 1))
        stain[stained] = drawing.brightness * np.exp(drawing.width * bright)
    signal = glow + stain * (np.zeros(4) if row is None else row)
    noise = rng.standard_normal((n, 4)) * np.sqrt(drawing.noise**2 + drawing.photons * np.maximum(signal, 0))
    scatter = rng.normal((80_000, 30_000), (9_000, 6_000), (n, 2))
    scatter[:n_debris] = 2_000 + rng.exponential((8_000, 5_000), (n_debris, 2))
    return np.hstack([scatter, np.minimum(signal + noise, TOP - 1)])


def specs(detectors: tuple[str, ...] = DETECTORS) -> list[ChannelSpec]:
    return [ChannelSpec(d, None, TOP) for d in ("FSC-A", "SSC-A", *detectors)]


def write_control(path: Path, stained: str | None, seed: int, drawing: Drawing = PLAIN, **options: Any) -> Path:
    """Write a control drawn from `TRUTH`; its path."""
    row = None if stained is None else TRUTH[DETECTORS.index(stained)]
    write_fcs(path, draw_values(seed, row, drawing), specs(), **options)
    return path


def write_set(folder: Path, seed: int = 1, drawing: Drawing = PLAIN) -> tuple[dict[str, Path], Path]:
    """A control of every detector and an unstained one."""
    single = {d: write_control(folder / f"{d}.{seed}.fcs", d, 10 * seed + i, drawing) for i, d in enumerate(DETECTORS)}
    return single, write_control(folder / f"unstained.{seed}.fcs", None, 10 * seed + 9, drawing)
