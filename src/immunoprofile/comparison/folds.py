"""The cross-validated model of `prediction` for many labelings at once, in arrays.

A permutation p needs a thousand cross-validations, and building scikit-learn's objects for each takes a hundred times
what their arithmetic takes. The steps and numbers are those of the pipeline: standardise, keep the features that
separate best, fit a ridge logistic model, judge the subjects left out; all inside each fold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from immunoprofile.comparison.relabeling import Bools, Floats

_ROUNDS = 50
_FLAT = 1e-10
"""Largest slope of a fitted log-likelihood: its scores are then right to about as many digits."""
_CONSTANT = 1e-20
"""Share of a feature's own variance below which it is constant in a fold: rounding error alone."""
_AT_ONCE = 2_000_000
"""Numbers held at once, about 16 MB each array."""


def fold_areas(features: Floats, labels: Bools, held_out: Bools, n_kept: int) -> Floats:
    """Mean area under the curve over the folds of each labeling.

    Parameters
    ----------
    features : (n, m), finite
    labels : (p, n), bool
        A labeling a row.
    held_out : (p, f, n), bool
        Samples left out in each fold of each labeling; folds without both labels inside are not counted.
    n_kept
        Features kept in each fold.

    Returns
    -------
    (p,); 0.5 where no fold could be judged, NaN where a model was not found.
    """
    n_folds, n = held_out.shape[1:]
    step = max(1, _AT_ONCE // (n_folds * n * max(n, features.shape[1])))
    parts = []
    for first in range(0, len(labels), step):
        some, left = labels[first : first + step], held_out[first : first + step]
        y = np.repeat(some, n_folds, axis=0)
        found = _areas(features - features.mean(axis=0), y, left.reshape(-1, n), min(n_kept, features.shape[1]))
        parts.append(_mean_of_judged(found.reshape(-1, n_folds), some[:, None, :], left))
    return np.concatenate(parts)


def _mean_of_judged(areas: Floats, labels: Bools, held_out: Bools) -> Floats:
    judged = (labels & held_out).any(axis=2) & (~labels & held_out).any(axis=2)
    n = judged.sum(axis=1)
    total = np.where(judged, areas, 0.0).sum(axis=1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), 0.5), dtype=np.float64)


def _areas(x: Floats, y: Bools, held_out: Bools, n_kept: int) -> Floats:
    """Area under the curve of each fold (q,)."""
    train = (~held_out).astype(np.float64)
    kept, middle, spread = _best_features(x, y, train, n_kept)
    z = np.moveaxis(x[:, kept], 1, 0)
    z = (z - np.take_along_axis(middle, kept, 1)[:, None, :]) / np.take_along_axis(spread, kept, 1)[:, None, :]
    scores = _ridge_scores(z, y.astype(np.float64), train)
    difference = scores[:, :, None] - scores[:, None, :]
    pairs = (held_out & y)[:, :, None] & (held_out & ~y)[:, None, :]
    won = np.where(pairs, (difference > 0) + 0.5 * (difference == 0), 0.0).sum(axis=(1, 2))
    n_pairs = pairs.sum(axis=(1, 2))
    found = won / np.maximum(n_pairs, 1)
    return np.asarray(np.where(np.isnan(scores).any(axis=1), np.nan, found), dtype=np.float64)


def _best_features(x: Floats, y: Bools, train: Floats, n_kept: int) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Columns (q, n_kept) with the largest F between labels in training, and mean and deviation of all columns."""
    n = train.sum(axis=1)[:, None]
    middle = train @ x / n
    squares = train @ x**2 - n * middle**2
    between = np.zeros_like(middle)
    for group in (train * y, train * ~y):
        size = group.sum(axis=1)[:, None]
        between += size * (group @ x / np.maximum(size, 1.0) - middle) ** 2
    constant = squares <= _CONSTANT * len(x) * x.var(axis=0) + np.finfo(np.float64).tiny
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(constant, -np.inf, between / (squares - between))
    spread = np.where(constant, 1.0, np.sqrt(np.maximum(squares, 0.0) / n))
    return np.argsort(f, axis=1, kind="stable")[:, -n_kept:], middle, spread


def _ridge_scores(z: Floats, y: Floats, train: Floats) -> Floats:
    """Linear predictors (q, n) of logistic models with half the squared slopes as penalty, by Newton's method."""
    design = np.concatenate([z, np.ones((*z.shape[:2], 1))], axis=2)
    k = design.shape[2]
    penalty = np.diag([1.0] * (k - 1) + [0.0])
    beta = np.zeros((len(z), k))
    for _ in range(_ROUNDS):
        share = 1.0 / (1.0 + np.exp(-np.einsum("qnk,qk->qn", design, beta)))
        slope = np.einsum("qnk,qn->qk", design, train * (y - share)) - beta * np.diag(penalty)
        if float(np.abs(slope).max()) < _FLAT:
            return np.asarray(np.einsum("qnk,qk->qn", design, beta), dtype=np.float64)
        weight = train * share * (1.0 - share)
        information = np.einsum("qnj,qn,qnk->qjk", design, weight, design, optimize=True) + penalty
        beta = beta + np.linalg.solve(information, slope[:, :, None])[:, :, 0]
    flat = np.abs(slope).max(axis=1) < _FLAT
    return np.asarray(np.where(flat[:, None], np.einsum("qnk,qk->qn", design, beta), np.nan), dtype=np.float64)
