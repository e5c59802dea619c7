"""The simulated cytometer's light: its detectors, their range, and how fluorochromes spill into them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from immunoprofile.simulation.reading import HERE, Strict, read_data

RANGE = 262144
"""$PnR of every channel: the 18-bit scale of digital instruments, and the `t` of the templates' scales."""

TIMESTEP = 0.01
"""Seconds per unit of the Time channel, the value most instruments of this scale write."""

SCATTER = ("FSC-A", "FSC-H", "SSC-A")
TIME = "Time"


class Detector(Strict):
    """What an unstained lymphocyte shows, linear units, and where the fluorochrome of this detector is seen besides."""

    autofluorescence: Annotated[float, Field(ge=0)]
    spill: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)


class LightFile(Strict):
    """`light.toml`."""

    detector: dict[str, Detector]


@lru_cache(maxsize=1)
def load_light() -> LightFile:
    """The detectors that come along."""
    return read_data(HERE / "light.toml", LightFile)


def spill_matrix(detectors: Sequence[str]) -> NDArray[np.float64]:
    """(n, n): row = fluorochrome, column = detector, 1 on the diagonal; ``observed = true @ matrix``."""
    matrix = np.eye(len(detectors))
    known = load_light().detector
    for i, source in enumerate(detectors):
        for j, seen in enumerate(detectors):
            if seen in known[source].spill:
                matrix[i, j] = known[source].spill[seen]
    return matrix


def autofluorescence(detectors: Sequence[str]) -> NDArray[np.float64]:
    """(n,): what an unstained lymphocyte shows in each detector, linear units."""
    return np.array([load_light().detector[d].autofluorescence for d in detectors])
