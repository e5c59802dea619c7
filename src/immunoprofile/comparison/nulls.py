"""Exact null distributions of rank sums, with whatever ties the ranks have.

The shift algorithm of Streitberg and Röhmel adds one rank after the other; midranks are doubled so that every
sum is an integer. Without ties the results are R's ``dsignrank`` and ``dwilcox``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def doubled(ranks: ArrayLike) -> NDArray[np.int64]:
    """Twice the midranks, as integers."""
    return np.asarray(np.rint(2.0 * np.asarray(ranks, dtype=np.float64)), dtype=np.int64)


def signed_rank_null(ranks: ArrayLike) -> Floats:
    """Probability of every sum of positive ranks when each sign is a fair coin.

    Parameters
    ----------
    ranks : (n,)
        Midranks of the absolute changes that are not zero.

    Returns
    -------
    (2 sum(ranks) + 1,), entry i is P(V = i / 2). Sums are exact in binary up to about 50 ranks and rounded
    to 1e-16 of themselves beyond.

    References
    ----------
    Streitberg B, Röhmel J. Exact distributions for permutation and rank tests: an introduction to some
    recently published algorithms. Stat Softw Newsl 1986;12:10-17.
    """
    null = np.ones(1)
    for shift in doubled(ranks):
        longer = np.zeros(null.size + shift)
        longer[: null.size] += 0.5 * null
        longer[shift:] += 0.5 * null
        null = longer
    return null


def rank_sum_null(ranks: ArrayLike, size: int) -> Floats:
    """Probability of every rank sum of a group when all groups of its size are equally likely.

    Parameters
    ----------
    ranks : (n,)
        Midranks of all values.
    size
        Subjects in the group, ``0 <= size <= n``.

    Returns
    -------
    (2 sum(ranks) + 1,), entry i is P(W = i / 2), W the plain sum of the group's ranks.
    """
    shifts = doubled(ranks)
    if not 0 <= size <= shifts.size:
        raise ValueError(f"a group of {size} cannot be drawn from {shifts.size}")
    chosen = np.zeros((size + 1, int(shifts.sum()) + 1))
    chosen[0, 0] = 1.0
    reached = 1
    for shift in shifts:
        chosen[1:, shift : shift + reached] += chosen[:-1, :reached].copy()
        reached += int(shift)
    return np.asarray(chosen[size] / chosen[size].sum(), dtype=np.float64)


def untied_signed_rank_null(n: int) -> Floats:
    """P(V = 0 .. n(n+1)/2) for n changes without ties or zeros: R's ``dsignrank``."""
    return signed_rank_null(np.arange(1, n + 1))[::2]


def untied_mann_whitney_null(m: int, n: int) -> Floats:
    """P(U = 0 .. m n) for groups of m and n without ties: R's ``dwilcox``."""
    least = m * (m + 1) // 2
    null = rank_sum_null(np.arange(1, m + n + 1), m)[::2]
    return null[least : least + m * n + 1]
