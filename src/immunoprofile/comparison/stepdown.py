"""Many populations at once: adjusted p-values that hold for all of them together.

`step_down_min_p` uses what the populations share (they come from the same subjects), `holm` and
`benjamini_hochberg` need the p-values alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ROUNDING
from immunoprofile.comparison.relabeling import DRAWS, Bools, Floats, blocks, stratum_masks
from immunoprofile.comparison.signed_rank import signed_ranks

FLIPS_ENUMERATED = 18
"""Up to this many subjects all sign patterns are used: 2^17 of them, a pattern and its mirror being one."""

_LEAST_LABELED = 2
"""A relabeling that leaves fewer in a group says nothing about that population (p = 1)."""


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment: the family-wise error holds whatever the dependence.

    Parameters
    ----------
    p : (m,)
        NaN is not a test: it stays NaN and is not counted.

    References
    ----------
    Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.
    """
    return _adjusted(p, lambda ordered, m: np.maximum.accumulate(ordered * (m - np.arange(m))))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini and Hochberg's adjustment: the expected share of false findings among the findings.

    Parameters
    ----------
    p : (m,)
        NaN is not a test: it stays NaN and is not counted.

    References
    ----------
    Benjamini Y, Hochberg Y. Controlling the false discovery rate. J R Stat Soc B 1995;57:289-300.
    """

    def from_above(ordered: Floats, m: int) -> Floats:
        raised = ordered * m / (1.0 + np.arange(m))
        return np.asarray(np.minimum.accumulate(raised[::-1])[::-1], dtype=np.float64)

    return _adjusted(p, from_above)


def step_down_min_p(statistics: ArrayLike, observed: ArrayLike) -> Floats:
    """Westfall and Young's step-down min-p from one null distribution for all populations.

    Parameters
    ----------
    statistics : (n_patterns, m)
        Absolute statistics under every pattern, the observed one among the patterns; -inf where a pattern
        says nothing about a population.
    observed : (m,)
        Those of the data.

    Returns
    -------
    (m,) adjusted p-values, each at least as large as its own p over the patterns.

    Notes
    -----
    Each statistic is first turned into its own p over the patterns, so a population with few subjects does
    not drown the others. Family-wise error holds where the patterns are equally likely under no association.

    References
    ----------
    Westfall PH, Young SS. Resampling-Based Multiple Testing. Wiley; 1993. Algorithm 2.8.
    Ge Y, Dudoit S, Speed TP. Resampling-based multiple testing for microarray data analysis. Test
    2003;12:1-77. doi 10.1007/BF02595811
    """
    null, seen = np.asarray(statistics, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    ranked = [own_p(null[:, j], seen[j]) for j in range(seen.size)]
    own = np.array([r[1] for r in ranked])
    order = np.argsort(own, kind="stable")
    adjusted = np.empty(seen.size)
    smallest = np.ones(len(null))
    for j in order[::-1]:
        smallest = np.minimum(smallest, ranked[j][0])
        adjusted[j] = np.mean(smallest <= own[j])
    adjusted[order] = np.maximum.accumulate(adjusted[order])
    return adjusted


def relabeled_statistics(deltas: Floats, labels: Bools, strata: Sequence[object] | None = None) -> Floats:
    """Absolute standardised group differences of every population under every relabeling.

    Parameters
    ----------
    deltas : (n, m)
        Changes; NaN where a subject has none for a population.
    labels : (n_relabelings, n)

    Returns
    -------
    (n_relabelings, m), the difference over its standard deviation given the group sizes; without missing
    values it orders relabelings as the plain difference does. -inf where fewer than 2 are left in a group.
    """
    return np.column_stack([_relabeled(deltas[:, j], labels, strata) for j in range(deltas.shape[1])])


def flipped_statistics(deltas: Floats, *, seed: int, draws: int = DRAWS) -> tuple[Floats, int | None]:
    """Signed-rank statistics of every population under sign flips of whole subjects.

    Parameters
    ----------
    deltas : (n, m)
        Changes; NaN where a subject has none for a population.

    Returns
    -------
    (n_patterns, m) distances of the rank sums from their middle, the observed pattern first; and the seed
    where patterns were drawn, None where they are all there are.
    """
    present = np.isfinite(deltas)
    ranks = np.zeros_like(deltas)
    for j in range(deltas.shape[1]):
        ranks[present[:, j], j] = signed_ranks(deltas[present[:, j], j])
    signs, drawn = sign_patterns(len(deltas), seed=seed, draws=draws)
    return np.abs(signs @ ranks), drawn


def sign_patterns(n: int, *, seed: int, draws: int = DRAWS) -> tuple[Floats, int | None]:
    """Sign flips of n subjects: all up to mirror images (n <= 18), else drawn ones with their seed.

    Returns
    -------
    (n_patterns, n) of 1 and -1, the first one flipping nobody; and the seed, None where all are there.
    """
    exact = n <= FLIPS_ENUMERATED
    return (_all_signs(n), None) if exact else (_drawn_signs(n, seed, draws), seed)


def _all_signs(n: int) -> Floats:
    """(2^(n-1), n): every sign pattern that leaves the first subject as it is; the first row flips nobody."""
    bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1
    return np.column_stack([np.ones(len(bits)), 1.0 - 2.0 * bits])


def _drawn_signs(n: int, seed: int, draws: int) -> Floats:
    drawn = np.random.default_rng(seed).integers(0, 2, size=(draws, n))
    return np.vstack([np.ones((1, n)), 1.0 - 2.0 * drawn])


def _relabeled(deltas: Floats, labels: Bools, strata: Sequence[object] | None) -> Floats:
    present = np.isfinite(deltas)
    parts = [m & present for m in stratum_masks(deltas.size, strata)]
    values, inside = np.zeros(deltas.size), np.zeros((deltas.size, len(parts)))
    spread = np.zeros(len(parts))
    for j, part in enumerate(parts):
        inside[part, j] = 1.0
        if part.sum() > 1:
            values[part] = deltas[part] - deltas[part].mean()
            spread[j] = np.square(values[part]).sum() / (part.sum() - 1) / part.sum()
    sizes = inside.sum(axis=0)
    return np.concatenate([_standardised(block, values, inside, sizes, spread) for block in blocks(labels)])


def _standardised(labels: Floats, values: Floats, inside: Floats, sizes: Floats, spread: Floats) -> Floats:
    first = labels @ inside
    variance = (first * (sizes - first)) @ spread
    usable = np.minimum(first.sum(axis=1), (sizes - first).sum(axis=1)) >= _LEAST_LABELED
    score = np.abs(labels @ values) / np.sqrt(np.where(variance > 0, variance, 1.0))
    return np.where(usable, np.where(variance > 0, score, 0.0), -np.inf)


def own_p(null: Floats, seen: float) -> tuple[Floats, float]:
    """p of every pattern, and of the data, over one population's statistics; ties up to rounding count."""
    finite = null[np.isfinite(null)]
    slack = ROUNDING * float(np.max(finite, initial=0.0))
    order = np.argsort(null)
    ordered = null[order]
    # Sorted questions: the search then walks through memory once.
    p = np.empty(len(null))
    p[order] = (len(null) - np.searchsorted(ordered, ordered - slack)) / len(null)
    return p, float(len(null) - np.searchsorted(ordered, seen - slack)) / len(null)


def _adjusted(p: ArrayLike, raise_ordered: Callable[[Floats, int], NDArray[np.float64]]) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    tests = np.flatnonzero(np.isfinite(values))
    order = tests[np.argsort(values[tests], kind="stable")]
    adjusted = np.full(values.size, np.nan)
    adjusted[order] = np.minimum(raise_ordered(values[order], tests.size), 1.0)
    return adjusted
