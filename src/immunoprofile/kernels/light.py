"""From standard normal values to the light of stained cells, and from light to what a detector writes.

All in float32 and in a fixed order of operations, so that the result does not depend on blocks or threads. Marker
by marker in the outer loop: the inner one runs over neighbouring events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunoprofile.kernels.accelerate import allocating_kernel, kernel

_F32 = NDArray[np.float32]


@kernel
def spread_stains(normal: _F32, kinds: NDArray[np.uint8], centre: _F32, spread: _F32) -> None:
    """Standard normal values (n_markers, n) in place to log brightness: each with the centre and spread of its kind.

    Parameters
    ----------
    kinds : (n,)
        Row of `centre` and `spread` (n_kinds, n_markers) of each event.
    """
    for j in range(normal.shape[0]):
        for i in range(normal.shape[1]):
            kind = kinds[i]
            normal[j, i] = normal[j, i] * spread[kind, j] + centre[kind, j]


@allocating_kernel
def detect_light(
    stains: _F32,
    glow: _F32,
    noise: _F32,
    autofluorescence: _F32,
    spill: _F32,
    settings: _F32,
    out: _F32,
) -> None:
    """What each detector writes: its fluorochromes' light, the cell's own, and noise that grows with the light.

    Parameters
    ----------
    stains : (n_markers, n)
        Light of each fluorochrome.
    glow : (n,)
        The cell's own light, relative to `autofluorescence` (n_markers,).
    noise : (n_markers, n)
        Standard normal values.
    spill : (n_markers, n_markers)
        Row = fluorochrome, column = detector; the product is summed in the order of fluorochromes.
    settings : (3,)
        Units per photoelectron, variance without light, highest value.
    out : (n, n_markers)
        Filled; events in rows.
    """
    gain, dark, top = settings[0], settings[1], settings[2]
    n_markers, n = stains.shape
    light = np.empty(n, dtype=np.float32)
    for k in range(n_markers):
        for i in range(n):
            light[i] = glow[i] * autofluorescence[k]
        for j in range(n_markers):
            share = spill[j, k]
            if share != 0:
                for i in range(n):
                    light[i] += share * stains[j, i]
        for i in range(n):
            seen = light[i] + noise[k, i] * np.sqrt(light[i] * gain + dark)
            out[i, k] = min(seen, top)
