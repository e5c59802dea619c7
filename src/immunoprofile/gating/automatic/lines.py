"""Cuts on one axis: valley, tail, quantile (also of a control) and mixture. Each finds a place, or says why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating.automatic.axes import axis_span, noise_floor
from immunoprofile.gating.automatic.mixture import fit_mixture
from immunoprofile.gating.automatic.peaks import Density, Valley, estimate_density, find_peaks, find_valleys
from immunoprofile.gating.gates import AutoRule

Values = NDArray[np.float64]

_LEAST_SHARE = 0.001
_LEAST_EVENTS = 10
"""A cut that leaves fewer than so many events (or less than that share) on one side has found stragglers."""
_ALL_SORTED, _GUESSED = 20_000, 4_096
"""So many values are sorted whole to find a quantile; of more, so many guess where it lies."""
_SEPARATION = 2.0
"""Ashman's D below which two components are not told apart (Ashman KM, Bird CM, Zepf SE. Detecting bimodality in
astronomical datasets. Astron J 1994;108:2348. doi:10.1086/117248)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cut lies on its axis, or None; and how it was found, or why it was not."""

    at: float | None
    words: str


@dataclass(frozen=True)
class Line:
    """The samples of a pool on one axis, in the order of their ids; each weighs the same."""

    rule: AutoRule
    samples: tuple[Values, ...]

    @cached_property
    def span(self) -> float:
        """Length of the axis."""
        return axis_span(self.rule.dimensions[0], self.samples)

    @cached_property
    def density(self) -> Density | None:
        """The samples' mean density."""
        return estimate_density(self.samples, self.span, bandwidth=self.rule.bandwidth)


def find_valley(line: Line) -> Place:
    """The deepest valley between two real peaks, inside `between`.

    Notes
    -----
    None where there is one peak; where a valley lies among the negatives' own noise; where it parts stragglers.
    """
    density = line.density
    if density is None:
        return Place(None, "no two different values")
    valleys = find_valleys(density)
    if not valleys:
        return Place(None, "one peak")
    floor = noise_floor(line.rule.dimensions[0], line.samples)
    sound = [v for v in valleys if v.at > floor]
    if not sound:
        return Place(None, "one peak: the only valleys lie within the noise of the negatives")
    inside = [v for v in sound if _within(v.at, line.rule.between)]
    if not inside:
        near = min(sound, key=lambda v: _outside(v.at, line.rule.between))
        return Place(None, f"no valley {_stretch(line.rule)}; the nearest is at {near.at:.4g}")
    populated = [v for v in inside if _is_populated(line.samples, v.at)]
    if not populated:
        return Place(None, f"the valley at {inside[0].at:.4g} leaves almost no events on one side")
    best = max(populated, key=lambda v: (v.depth, -v.at))
    return Place(best.at, _valley_words(best))


def _valley_words(valley: Valley) -> str:
    return f"valley at {valley.at:.4g} between peaks at {valley.below:.4g} and {valley.above:.4g}"


def find_tail(line: Line) -> Place:
    """Where the highest peak ends: its far side mirrored at the mode.

    The side away from the cut holds nothing but the peak's own events; `quantile` of the whole peak lies before the
    cut when the same distances are laid out on the other side.
    """
    density = line.density
    if density is None:
        return Place(None, "no two different values")
    peaks, _ = find_peaks(density)
    if not peaks:
        return Place(None, "no peak")
    mode = float(density.x[max(peaks, key=lambda p: density.height[p])])
    sign = 1.0 if line.rule.keep == "above" else -1.0
    own = [abs(mode - (s[s <= mode] if sign > 0 else s[s >= mode])) for s in line.samples]
    if sum(d.size for d in own) < _LEAST_EVENTS:
        return Place(None, "the highest peak has no side of its own")
    share = 2 * float(line.rule.quantile or 0) - 1
    at = mode + sign * _pooled_quantile([d for d in own if d.size], share)
    return _bounded(line, at, f"tail of the peak at {mode:.4g} ends at {at:.4g}")


def find_quantile(line: Line) -> Place:
    """The `quantile` of the parent's events, each sample weighing the same."""
    at = _pooled_quantile(line.samples, float(line.rule.quantile or 0))
    return _bounded(line, at, f"quantile {line.rule.quantile:g} at {at:.4g}")


def find_crossing(line: Line) -> Place:
    """Where two neighbouring components of a Gaussian mixture are equally likely."""
    fitted = fit_mixture([s[np.newaxis, :] for s in line.samples], int(line.rule.components or 2))
    if isinstance(fitted, str):
        return Place(None, fitted)
    order = np.argsort(fitted.means[:, 0])
    means, spreads = fitted.means[order, 0], np.sqrt(fitted.covariances[order, 0, 0])
    weights = fitted.weights[order]
    i = _lower_component(line.rule, means)
    apart = float(abs(means[i + 1] - means[i]) * math.sqrt(2) / math.hypot(spreads[i], spreads[i + 1]))
    if apart < _SEPARATION:
        return Place(None, f"one peak: the components overlap (Ashman's D {apart:.2f} < {_SEPARATION:g})")
    x = np.linspace(means[i], means[i + 1], 4001)
    odds = [np.log(weights[k] / spreads[k]) - 0.5 * ((x - means[k]) / spreads[k]) ** 2 for k in (i, i + 1)]
    at = float(x[np.argmin(np.abs(odds[0] - odds[1]))])
    return _bounded(line, at, f"components at {means[i]:.4g} and {means[i + 1]:.4g} are equally likely at {at:.4g}")


def _lower_component(rule: AutoRule, means: Values) -> int:
    """Number of the component below the cut; the one at its other side is the one above."""
    if rule.target is None:
        return len(means) - 2 if rule.keep == "above" else 0
    nearest = int(np.argmin(np.abs(means - rule.target[0])))
    lower = nearest - 1 if rule.keep == "above" else nearest
    return min(max(lower, 0), len(means) - 2)


def _pooled_quantile(samples: Sequence[Values], share: float) -> float:
    """The least value with at least this share of the weight at or below it; each sample weighs the same."""
    kept = [s[~np.isnan(s)] if np.isnan(s).any() else s for s in samples]
    kept = [s for s in kept if s.size]
    if not kept:
        return math.nan
    # Sums of weights carry rounding: a share is reached as if compared to twelve decimals.
    asked = share - 1e-12
    low, high = _stretch_around(kept, asked)
    inside = kept if low is None else [s[s > low] for s in kept]
    inside = inside if high is None else [s[s <= high] for s in inside]
    values = np.concatenate(inside)
    weights = np.concatenate([np.full(t.size, 1 / s.size) for t, s in zip(inside, kept, strict=True)])
    order = np.argsort(values, kind="stable")
    start = 0.0 if low is None else _share_below(kept, low)
    reached = start + np.cumsum(weights[order]) / len(kept)
    place = int(np.searchsorted(reached, asked))
    return float(values[order[min(place, values.size - 1)]])


def _stretch_around(samples: Sequence[Values], share: float) -> tuple[float | None, float | None]:
    """Two values with the quantile above the first and not above the second, near each other where there are many.

    A few thousand values of all samples guess them; what is guessed is then counted, so that it holds. None is no end.
    """
    if sum(s.size for s in samples) <= _ALL_SORTED:
        return None, None
    each = max(1, _GUESSED // len(samples))
    guess = np.sort(np.concatenate([s[:: max(1, s.size // each)] for s in samples]))
    # Four standard errors of a share among so many values.
    slack = 4 * math.sqrt(max(share * (1 - share), 0.0) / guess.size) + 2 / guess.size
    first, last = int((share - slack) * guess.size), math.ceil((share + slack) * guess.size)
    low = float(guess[first]) if first >= 0 else None
    high = float(guess[last]) if last < guess.size else None
    if low is not None and _share_below(samples, low) >= share:
        low = None
    return low, None if high is not None and _share_below(samples, high) < share else high


def _share_below(samples: Sequence[Values], place: float) -> float:
    """Share of the weight at or below a place."""
    return math.fsum(np.count_nonzero(s <= place) / s.size for s in samples) / len(samples)


def _bounded(line: Line, at: float, words: str) -> Place:
    if not math.isfinite(at):
        return Place(None, f"{words}, which is no place of the axis")
    if not _within(at, line.rule.between):
        return Place(None, f"{words}, which is not {_stretch(line.rule)}")
    return Place(at, words)


def _within(at: float, between: tuple[float, float] | None) -> bool:
    return between is None or between[0] <= at <= between[1]


def _outside(at: float, between: tuple[float, float] | None) -> float:
    return 0.0 if between is None else max(between[0] - at, at - between[1], 0.0)


def _stretch(rule: AutoRule) -> str:
    assert rule.between is not None
    return f"between {rule.between[0]:g} and {rule.between[1]:g}"


def _is_populated(samples: Sequence[Values], at: float) -> bool:
    """True where the pool has events enough on both sides of a cut."""
    total = sum(s.size for s in samples)
    above = sum(int(np.count_nonzero(s >= at)) for s in samples)
    return min(above, total - above) >= max(_LEAST_EVENTS, _LEAST_SHARE * total)
