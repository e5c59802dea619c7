"""Do two groups differ? The Mann-Whitney test, exact with ties."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ALPHA, Answer, check_groups, check_values, fitting, snapped
from immunoprofile.comparison.nulls import Floats, doubled, rank_sum_null
from immunoprofile.comparison.shift import hodges_lehmann_shift
from immunoprofile.comparison.tails import midranks


def rank_sum(first: ArrayLike, second: ArrayLike, *, alpha: float = ALPHA) -> Answer:
    """Exact two-sided Mann-Whitney test, with the Hodges-Lehmann shift first - second and its interval.

    Parameters
    ----------
    first : (m,), second : (n,), finite, at least 3 values each

    Returns
    -------
    Answer
        `statistic` is U of the first group: R's W.

    Raises
    ------
    InsufficientDataError
        Fewer than 3 values in a group.

    Notes
    -----
    The p-value is the share of all groups of the first one's size whose rank sum lies at least as far from
    its mean; without ties this is twice the smaller tail. ``scipy.stats.mannwhitneyu(method="exact")`` is
    right without ties only.
    """
    x, y = check_values(first, "first"), check_values(second, "second")
    check_groups(x.size, y.size)
    ranks = midranks(snapped(np.concatenate([x, y])))
    shift = hodges_lehmann_shift(x, y, alpha=alpha)
    p, min_p = _two_sided(ranks, x.size)
    tied = np.unique(ranks).size < ranks.size
    found = {"TIES": tied, "CI_BELOW_LEVEL": shift.level < 1.0 - alpha}
    return Answer(
        estimate=shift.estimate,
        ci_lo=shift.lo,
        ci_hi=shift.hi,
        ci_level=shift.level,
        ci_method="exact_mann_whitney",
        statistic=float(ranks[: x.size].sum()) - x.size * (x.size + 1) / 2.0,
        p=p,
        p_method="exact",
        n_perm=fitting(math.comb(ranks.size, x.size)),
        min_p=min_p,
        flags=frozenset(code for code, present in found.items() if present),
    )


def _two_sided(ranks: Floats, size: int) -> tuple[float, float]:
    """p of the first `size` ranks against their exact null, and the smallest p that null can give."""
    null = rank_sum_null(ranks, size)
    twice = doubled(ranks)
    # All distances from the mean are taken times n, so that they are integers and compare exactly.
    distance = np.abs(ranks.size * np.arange(null.size) - size * int(twice.sum()))
    seen = abs(ranks.size * int(twice[:size].sum()) - size * int(twice.sum()))
    possible = null > 0
    farthest = distance[possible].max()
    return min(1.0, float(null[distance >= seen].sum())), float(null[distance == farthest].sum())
