"""Outlines on two axes: a separating line, a band of singlets, the ellipse of a component."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating.automatic.axes import axis_span, open_ends, rounded
from immunoprofile.gating.automatic.mixture import even_sample, fit_mixture
from immunoprofile.gating.automatic.peaks import estimate_density, find_valleys
from immunoprofile.gating.gates import AutoRule, Ellipsoid, Polygon

Values = NDArray[np.float64]
Vertices = list[tuple[float, float]]

_COARSE_STEP, _FINE_STEP = 3.0, 0.5
_LEAST_SHARE = 0.002
_LEAST_EVENTS = 20
_PAIRS, _ROUNDS = 3.0, 5


@dataclass(frozen=True, slots=True)
class Split:
    """A line ``cos(angle) x + sin(angle) y = at`` over axes in units of their spans."""

    angle: float
    at: float
    depth: float


@dataclass(frozen=True, slots=True)
class Outline:
    """What was found on two axes, or None; how, or why not; the separating line where there is one."""

    shape: Polygon | Ellipsoid | None
    words: str
    split: Split | None = None


def find_separation(rule: AutoRule, samples: Sequence[Values]) -> Outline:
    """The straight line along whose normal two groups part most deeply; the half plane where `target` lies."""
    spans = _spans(rule, samples)
    scaled = _even(samples, spans)
    low, high = rule.angles or (0.0, 180.0)
    best = _best_split(scaled, np.arange(low, high + 1e-9, _COARSE_STEP), rule.bandwidth)
    if best is None:
        return Outline(None, "one group: no line parts two peaks")
    near = np.arange(max(low, best.angle - _COARSE_STEP), min(high, best.angle + _COARSE_STEP) + 1e-9, _FINE_STEP)
    best = _best_split(scaled, near, rule.bandwidth) or best
    assert rule.target is not None
    normal = np.array([math.cos(math.radians(best.angle)), math.sin(math.radians(best.angle))]) / spans
    side = 1.0 if normal @ np.array(rule.target) >= best.at else -1.0
    x, y = rule.dimensions
    vertices = _half_plane(rule, side * normal, side * best.at, spans)
    if len(vertices) < 3:
        return Outline(None, "the line found lies off the axes")
    words = f"line at {best.angle:g} degrees, {best.at:.4g} from the origin in axis lengths"
    return Outline(Polygon((x, y), tuple(vertices)), words, best)


def own_split(rule: AutoRule, values: Values, pooled: Split) -> float | None:
    """Where one sample's own valley lies along the normal of the pool's line; None where it has none."""
    spans = _spans(rule, [values])
    found = _best_split(_even([values], spans), np.array([pooled.angle]), rule.bandwidth)
    return None if found is None else found.at


def _spans(rule: AutoRule, samples: Sequence[Values]) -> Values:
    return np.array([axis_span(d, [s[k] for s in samples]) for k, d in enumerate(rule.dimensions)])


def _even(samples: Sequence[Values], spans: Values) -> Values:
    return np.ascontiguousarray(even_sample(samples) / spans[:, np.newaxis])


def _best_split(scaled: Values, angles: Values, bandwidth: float | None) -> Split | None:
    best: Split | None = None
    for angle in angles:
        turn = math.radians(float(angle))
        along = math.cos(turn) * scaled[0] + math.sin(turn) * scaled[1]
        density = estimate_density([along], 1.0, bandwidth=bandwidth)
        for valley in () if density is None else find_valleys(density):
            above = int(np.count_nonzero(along >= valley.at))
            fewest = min(above, along.size - above)
            if fewest < max(_LEAST_EVENTS, _LEAST_SHARE * along.size):
                continue
            if best is None or valley.depth > best.depth + 1e-9:
                best = Split(round(float(angle), 3), rounded(valley.at, 1.0), valley.depth)
    return best


def _half_plane(rule: AutoRule, normal: Values, at: float, spans: Values) -> Vertices:
    """The part of the plane where ``normal . point >= at``, its open sides where no event reaches."""
    x, y = (open_ends(d) for d in rule.dimensions)
    corners = [np.array(c) for c in ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]))]
    kept: Vertices = []
    for here, there in zip(corners, [*corners[1:], corners[0]], strict=True):
        a, b = float(normal @ here) - at, float(normal @ there) - at
        if a >= 0:
            kept.append(_vertex(here, spans))
        if (a >= 0) != (b >= 0):
            kept.append(_vertex(here + (there - here) * (a / (a - b)), spans))
    return kept


def _vertex(point: Values, spans: Values) -> tuple[float, float]:
    return rounded(float(point[0]), float(spans[0])), rounded(float(point[1]), float(spans[1]))


def find_singlets(rule: AutoRule, samples: Sequence[Values]) -> Outline:
    """A band about the robust line of height over area, `width` standard deviations to either side.

    Two cells in one pulse have more area for their height, so they lie below the line. The spread is therefore taken
    from the events above it, and grows with the area as theirs does; what lies `_PAIRS` below is left out of the next
    of `_ROUNDS` fits, so that pairs, which are most of the largest events, do not bend the line.
    """
    events = even_sample(samples)
    low, high = (float(q) for q in np.quantile(events[0], [0.001, 0.999])) if events.shape[1] else (0.0, 0.0)
    kept = events[:, (events[0] > low) & (events[0] < high)]
    if kept.shape[1] < _LEAST_EVENTS:
        return Outline(None, "no line: too few events, or one value on the first axis")
    for _ in range(_ROUNDS):
        line = _robust_line(kept, high - low)
        if line is None:
            return Outline(None, "no line: the fit did not converge")
        start, slope = line
        residual = kept[1] - (start + slope * kept[0])
        spread = _spread_above(kept[0], residual)
        if not slope > 0:
            return Outline(None, "no line: the second axis does not rise with the first")
        if spread is None:
            return Outline(None, "no line: too few events above it")
        kept = kept[:, residual > -_PAIRS * _spread_at(kept[0], spread)]
    assert spread is not None
    width = float(rule.width or 0)
    ends = np.array([low - 0.02 * (high - low), high + 0.05 * (high - low)])
    reach, centre = width * _spread_at(ends, spread), start + slope * ends
    below, above = (list(zip(ends, centre + sign * reach, strict=True)) for sign in (-1, 1))
    first, second = rule.dimensions
    spans = _spans(rule, samples)
    shape = Polygon((first, second), tuple(_vertex(np.array(v), spans) for v in (*below, *above[::-1])))
    return Outline(shape, f"band of {width:g} SD about the line {start:.4g} + {slope:.4g} x")


def _robust_line(events: Values, scale: float) -> tuple[float, float] | None:
    """Start and slope of Huber's regression of the second axis on the first; None where it does not converge."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import HuberRegressor

    x, y = events / scale
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model = HuberRegressor(epsilon=1.35, max_iter=500).fit(x[:, np.newaxis], y)
        except (ConvergenceWarning, ValueError):
            return None
    return float(model.intercept_) * scale, float(model.coef_[0])


def _spread_at(x: Values, spread: tuple[float, float, float]) -> Values:
    start, slope, least = spread
    found: Values = np.maximum(start + slope * x, least)
    return found


def _spread_above(x: Values, residual: Values) -> tuple[float, float, float] | None:
    """Standard deviation of the residuals as ``a + b x`` (b >= 0) and its least value, from those above the line.

    In ten stretches of equal numbers; 0.6745 is the median of |z|.
    """
    order = np.argsort(x[residual > 0], kind="stable")
    above, at = residual[residual > 0][order], x[residual > 0][order]
    if above.size < _LEAST_EVENTS:
        return None
    parts = np.array_split(np.arange(above.size), min(10, above.size // 10 or 1))
    sizes = np.array([np.median(above[p]) / 0.6745 for p in parts])
    places = np.array([np.median(at[p]) for p in parts])
    slope = 0.0
    if len(parts) > 2 and np.ptp(places) > 0:
        slope = max(float(np.polyfit(places, sizes, 1)[0]), 0.0)
    start = float(np.median(sizes - slope * places))
    return start, slope, float(sizes.min()) / 2


def find_ellipse(rule: AutoRule, samples: Sequence[Values]) -> Outline:
    """The ellipse that holds `quantile` of the mixture component nearest to `target`."""
    from scipy.special import gammaincinv

    fitted = fit_mixture(samples, int(rule.components or 2))
    if isinstance(fitted, str):
        return Outline(None, fitted)
    assert rule.target is not None
    spans = _spans(rule, samples)
    away = ((fitted.means - np.array(rule.target)) / spans) ** 2
    k = int(np.argmin(away.sum(axis=1)))
    share = float(fitted.weights[k])
    if share * fitted.n_events < _LEAST_EVENTS:
        return Outline(None, f"the component nearest to the target holds {share:.2%} of the events")
    # Nine digits: what the EM's last bits are does not reach the gate.
    covariance = tuple(tuple(float(f"{v:.9g}") for v in row) for row in fitted.covariances[k])
    center = _vertex(fitted.means[k], spans)
    distance = rounded(2.0 * float(gammaincinv(1.0, rule.quantile)), 1.0)
    shape = Ellipsoid(rule.dimensions, center, covariance, distance)
    if not shape.is_ellipsoid:
        return Outline(None, "the component nearest to the target is flat")
    return Outline(shape, f"component at ({center[0]:.4g}, {center[1]:.4g}) with {share:.1%} of the events")
