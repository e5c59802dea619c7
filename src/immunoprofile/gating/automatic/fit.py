"""One rule and the values of its pool: a gate's geometry, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating.automatic.axes import axis_span, rounded
from immunoprofile.gating.automatic.lines import Line, Place, find_crossing, find_quantile, find_tail, find_valley
from immunoprofile.gating.automatic.planes import (
    Outline,
    Split,
    find_ellipse,
    find_separation,
    find_singlets,
    own_split,
)
from immunoprofile.gating.gates import AutoRule, Geometry, Rectangle

Values = NDArray[np.float64]

_ON_A_LINE: dict[str, Callable[[Line], Place]] = {
    "valley": find_valley,
    "tail": find_tail,
    "quantile": find_quantile,
    "fmo": find_quantile,
    "mixture": find_crossing,
}
_IN_A_PLANE: dict[str, Callable[[AutoRule, Sequence[Values]], Outline]] = {
    "mixture": find_ellipse,
    "singlets": find_singlets,
    "separate": find_separation,
}
_OF_ITS_OWN = frozenset({"valley", "tail", "mixture"})
"""Methods on one axis whose cut moves with the sample's own populations; the others move by definition."""
DRIFT = 0.05
"""A sample's own cut further off than this share of the axis is a finding: a good fifth of a decade on a logicle axis
of 4.5 decades, the size of a step of a voltage check that laboratories act on."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A gate's geometry as found, or None with the reason in `words`.

    `at` is the place that single samples are compared with; `split` the line of a separation.
    """

    geometry: Geometry | None
    words: str
    at: float | None = None
    split: Split | None = None
    span: float = 1.0


def fit_rule(rule: AutoRule, samples: Sequence[Values], fallback: Geometry) -> Fit:
    """Find a gate in the events of its parent.

    Parameters
    ----------
    samples
        (n_dimensions, n_events) scaled values of each sample of the pool, in the order of their ids.
    fallback
        What the template declares; of a range, the bound that the rule does not find stays.

    Notes
    -----
    Each sample weighs the same. Nothing here depends on the order of the sheet, on threads or on a seed of the clock.
    """
    if len(rule.dimensions) == 2:
        outline = _IN_A_PLANE[rule.method](rule, samples)
        at = None if outline.split is None else outline.split.at
        return Fit(outline.shape, outline.words, at, outline.split)
    line = Line(rule, tuple(np.ascontiguousarray(s[0]) for s in samples))
    place = _ON_A_LINE[rule.method](line)
    if place.at is None:
        return Fit(None, place.words, span=line.span)
    at = rounded(place.at, line.span)
    cut = _cut(rule, at, fallback)
    if cut is None:
        return Fit(None, f"{place.words}, beyond the other bound of the fallback", span=line.span)
    return Fit(cut, place.words, at, span=line.span)


def own_place(rule: AutoRule, fit: Fit, values: Values) -> float | None:
    """Where one sample's own cut lies, on the axis (or along the normal) of the pool's; None where it has none.

    Parameters
    ----------
    values
        (n_dimensions, n_events) of the parent's events.
    """
    if fit.split is not None:
        return own_split(rule, values, fit.split)
    if len(rule.dimensions) == 2 or rule.method not in _OF_ITS_OWN:
        return None
    return _ON_A_LINE[rule.method](Line(rule, (np.ascontiguousarray(values[0]),))).at


def drift_limit(rule: AutoRule, values: Sequence[Values]) -> float:
    """How far a sample's own cut may lie from the pool's, in the units of `own_place`."""
    if rule.drift is not None:
        return rule.drift
    return DRIFT * (1.0 if rule.method == "separate" else axis_span(rule.dimensions[0], [v[0] for v in values]))


def _cut(rule: AutoRule, at: float, fallback: Geometry) -> Rectangle | None:
    """The range that a cut makes; None where the fallback's other bound leaves nothing of it."""
    low, high = fallback.bounds[0] if isinstance(fallback, Rectangle) and len(fallback.bounds) == 1 else (None, None)
    low, high = (at, high) if rule.keep == "above" else (low, at)
    empty = low is not None and high is not None and not low < high
    return None if empty else Rectangle(rule.dimensions, ((low, high),))
