"""Change points of an acquisition: stretches in which all signals keep their distribution, and which of them differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_MIN_BINS = 3
"""A segment holds at least so many bins: shorter ones are noise, or the rate tells them."""
_MAX_SEGMENTS = 40
_FLAT = 0.01
"""A cut with less than this variance of its share tells nothing: nearly all events lie on one side."""


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """Which bins of an acquisition differ from most of it.

    Parameters
    ----------
    odd : (n_bins,) bool
        Bins of the segments that differ.
    effect
        Largest shift of a cumulative share between a segment and the usual ones, in standard deviations of one event.
    channel
        Where it is; -1 where nothing differs.
    """

    odd: NDArray[np.bool_]
    effect: float
    channel: int


def find_drift(counts: NDArray[np.int64], split_z: float, effect: float) -> Drift:
    """Segments of an acquisition whose signals differ from those of most events.

    Parameters
    ----------
    counts : (n_bins, n_channels, n_cuts + 1)
        Events of each bin between the cuts of each channel.
    split_z
        Segments are split where some cumulative share differs by this many standard errors.
    effect
        A segment differs where a share is shifted by this much, in standard deviations of one event.

    Notes
    -----
    A cumulative share p of n events has variance p (1 - p) / n whatever the signal's distribution, so no model of peaks
    is needed; every cut has the same scale. Where bins vary more than counting explains, their own spread (of
    differences between neighbours, which a change point hardly touches) is used. Binary segmentation. The usual
    segments are those close to the segment to which most events are close; ties go to the earlier one.

    References
    ----------
    Scott AJ, Knott M. A cluster analysis method for grouping means in the analysis of variance. Biometrics
    1974;30:507-512 (binary segmentation).
    """
    nothing = Drift(np.zeros(counts.shape[0], np.bool_), 0.0, -1)
    deviations, sizes, channels = standardise(counts)
    if deviations.shape[1] == 0 or counts.shape[0] < 2 * _MIN_BINS:
        return nothing
    noise = _excess(deviations, sizes)
    edges = _segment(deviations, sizes, split_z * noise)
    if len(edges) == 2:
        return nothing
    spans = list(pairwise(edges))
    weights = np.array([sizes[a:b].sum() for a, b in spans])
    means = np.array([np.average(deviations[a:b], axis=0, weights=sizes[a:b]) for a, b in spans])
    shifts = np.abs(means[:, None, :] - means[None, :, :])
    near = (shifts < effect).all(axis=2)
    reference = int(np.argmax(near @ weights))
    odd = np.zeros(counts.shape[0], np.bool_)
    for segment in np.flatnonzero(~near[reference]):
        odd[slice(*spans[segment])] = True
    worst = np.unravel_index(int(shifts[reference].argmax()), shifts[reference].shape)
    return Drift(odd, float(shifts[reference][worst]), int(channels[worst[1]]))


def standardise(
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Cumulative shares of each bin as deviations from the whole, in standard deviations of one event.

    Returns
    -------
    (n_bins, n_features) deviations, (n_bins,) events, (n_features,) channels. Cuts that tell nothing are left out.
    """
    sizes = counts.sum(axis=2).max(axis=1).astype(np.float64)
    per_channel = counts.sum(axis=2)
    below = np.cumsum(counts, axis=2)[:, :, :-1]
    total = per_channel.sum(axis=0)
    share = below.sum(axis=0) / np.maximum(total, 1)[:, None]
    variance = share * (1 - share)
    told = variance >= _FLAT
    with np.errstate(invalid="ignore", divide="ignore"):
        bins = below / per_channel[:, :, None]
        deviations = (bins - share) / np.sqrt(variance)
    # A bin whose values of a channel are all NaN says nothing of it.
    flat = np.nan_to_num(deviations[:, told], nan=0.0)
    return flat, sizes, np.nonzero(told)[0]


def _excess(deviations: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times counting error the bins of each feature vary, at least 1."""
    scaled = np.diff(deviations * np.sqrt(sizes)[:, None], axis=0) / np.sqrt(2)
    spread = 1.4826 * np.median(np.abs(scaled), axis=0)
    limits: NDArray[np.float64] = np.maximum(spread, 1.0)
    return limits


def _segment(deviations: NDArray[np.float64], sizes: NDArray[np.float64], limits: NDArray[np.float64]) -> list[int]:
    """Edges of the segments, the first 0 and the last the number of bins."""
    weighted = np.vstack([np.zeros(deviations.shape[1]), np.cumsum(deviations * sizes[:, None], axis=0)])
    weight = np.concatenate([[0.0], np.cumsum(sizes)])
    edges, open_ = [0, len(sizes)], [(0, len(sizes))]
    while open_ and len(edges) <= _MAX_SEGMENTS:
        first, last = open_.pop()
        split = _best_split(weighted, weight, first, last, limits)
        if split is not None:
            edges.append(split)
            open_ += [(split, last), (first, split)]
    return sorted(edges)


def _best_split(
    weighted: NDArray[np.float64], weight: NDArray[np.float64], first: int, last: int, limits: NDArray[np.float64]
) -> int | None:
    """Where the difference of the means beside it is largest against its standard error; None where none passes."""
    places = np.arange(first + _MIN_BINS, last - _MIN_BINS + 1)
    if not places.size:
        return None
    left, right = (weight[places] - weight[first])[:, None], (weight[last] - weight[places])[:, None]
    gap = (weighted[places] - weighted[first]) / left - (weighted[last] - weighted[places]) / right
    score = (np.abs(gap) * np.sqrt(left * right / (left + right)) / limits).max(axis=1)
    best = int(score.argmax())
    return int(places[best]) if score[best] > 1 else None
