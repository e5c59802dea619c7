"""Change points of an acquisition: stretches in which all signals keep their distribution, and which of them differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from immunoprofile.kernels.quality import may_drift

_MIN_BINS = 3
"""A segment holds at least so many bins: shorter ones are noise, or the rate tells them."""
_MAX_SEGMENTS = 40
_SURELY = 0.999
"""Part of a limit that a quick look must not pass: it rounds otherwise, in the tenth digit."""
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
    # Limits only grow with the noise: where none is passed without, as in most files, the noise need not be known.
    shares, below = np.empty((2, counts.shape[1], counts.shape[2] - 1))
    if not counts.size or not may_drift(counts, _MIN_BINS, _FLAT, _SURELY * split_z, shares, below):
        return nothing
    deviations, sizes, channels = standardise(counts)
    if deviations.shape[1] == 0 or counts.shape[0] < 2 * _MIN_BINS:
        return nothing
    edges = _segment(deviations, sizes, split_z * _excess(deviations, sizes))
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
    # Sums from the left as a product: whole numbers, so they are exact, and many short sums are slow one by one.
    sums = counts.astype(np.float64) @ np.triu(np.ones((counts.shape[2], counts.shape[2])))
    per_channel, below = np.ascontiguousarray(sums[:, :, -1]), np.ascontiguousarray(sums[:, :, :-1])
    sizes = per_channel.max(axis=1)
    share = below.sum(axis=0) / np.maximum(per_channel.sum(axis=0), 1)[:, None]
    variance = share * (1 - share)
    told = variance >= _FLAT
    # In place: a file has some 30,000 of them, and each copy takes as long as the arithmetic.
    deviations = below
    with np.errstate(invalid="ignore", divide="ignore"):
        deviations /= per_channel[:, :, None]
        deviations -= share
        deviations /= np.sqrt(variance)
    chosen = deviations.reshape(len(counts), -1) if told.all() else deviations[:, told]
    if not per_channel.all():
        # A bin whose values of a channel are all NaN says nothing of it.
        np.nan_to_num(chosen, copy=False, nan=0.0)
    return chosen, sizes, np.nonzero(told)[0]


def _excess(deviations: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times counting error the bins of each feature vary, at least 1."""
    scaled = np.diff(deviations * np.sqrt(sizes)[:, None], axis=0) / np.sqrt(2)
    spread = 1.4826 * np.median(np.abs(scaled), axis=0)
    limits: NDArray[np.float64] = np.maximum(spread, 1.0)
    return limits


def _segment(deviations: NDArray[np.float64], sizes: NDArray[np.float64], limits: NDArray[np.float64]) -> list[int]:
    """Edges of the segments, the first 0 and the last the number of bins."""
    weighted = np.zeros((len(deviations) + 1, deviations.shape[1]))
    np.cumsum(deviations * sizes[:, None], axis=0, out=weighted[1:])
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
    within = slice(places[0], places[-1] + 1)
    left, right = (weight[within] - weight[first])[:, None], (weight[last] - weight[within])[:, None]
    gap = weighted[within] - weighted[first]
    gap /= left
    after = weighted[last] - weighted[within]
    after /= right
    gap -= after
    np.abs(gap, out=gap)
    gap *= np.sqrt(left * right / (left + right))
    gap /= limits
    score = gap.max(axis=1)
    best = int(score.argmax())
    return int(places[best]) if score[best] > 1 else None
