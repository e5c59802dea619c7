"""What an axis is for a rule: how long, how far open sides reach, and how many of its negatives are noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating.gates import Dimension
from immunoprofile.scales import FlowJoBiex, Identity

Values = NDArray[np.float64]

_NOISE_SPREADS = 2.0
_LEAST_NEGATIVES = 50
_NEGATIVE_SHARE = 0.05
_FAR = 1e7
"""Beyond the ends of every detector's range: 2^18 channels are usual, 2^20 the most that is met."""


def axis_span(dimension: Dimension, samples: Sequence[Values]) -> float:
    """Length of the axis on which its populations lie.

    1 for the scales of Gating-ML, 4096 for FlowJo's; of an axis in linear units the middle 99.8 % of the samples.
    """
    if isinstance(dimension.scale, FlowJoBiex):
        return 4096.0
    if not isinstance(dimension.scale, Identity):
        return 1.0
    ends = [np.nanquantile(s, [0.001, 0.999]) for s in samples if s.size]
    span = float(np.mean([high - low for low, high in ends])) if ends else 1.0
    return span if span > 0 and math.isfinite(span) else 1.0


def rounded(place: float, span: float) -> float:
    """A place to a millionth of its axis: a thousandth of the narrowest population, far above rounding."""
    return round(place, 6 - math.ceil(math.log10(span)))


def open_ends(dimension: Dimension) -> tuple[float, float]:
    """Two places of the axis that no event reaches: where an open side of an outline may lie."""
    if isinstance(dimension.scale, FlowJoBiex):
        return -4096.0, 8192.0
    if isinstance(dimension.scale, Identity):
        return -_FAR, _FAR
    return -1.0, 2.0


def noise_floor(dimension: Dimension, samples: Sequence[Values]) -> float:
    """Below this place of the axis two peaks are one population, spread about zero by compensation.

    Twice the root mean square of the values below zero, in linear units: they are noise, so their mirror image above
    zero is. -inf where fewer than a twentieth of the events are below zero, or the scale shows none there.
    """
    zero = float(dimension.scale(0.0))
    if isinstance(dimension.scale, Identity) or not math.isfinite(zero):
        return -math.inf
    squares, total, found = 0.0, 0, 0
    for values in samples:
        below = values[values < zero]
        total, found = total + values.size, found + below.size
        if below.size:
            # Each sample weighs the same whatever its size.
            squares = max(squares, float(np.mean(dimension.scale.inverse(below[:: 1 + below.size // 20_000]) ** 2)))
    if found < max(_LEAST_NEGATIVES, _NEGATIVE_SHARE * total) or not math.isfinite(squares):
        return -math.inf
    return float(dimension.scale(_NOISE_SPREADS * math.sqrt(squares)))
