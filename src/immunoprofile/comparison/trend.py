"""Does something rise or fall over doses? Exact tests of trend."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import Answer, check_values, fitting, snapped
from immunoprofile.comparison.nulls import untied_mann_whitney_null
from immunoprofile.comparison.relabeling import DRAWS, Floats, at_least
from immunoprofile.comparison.tails import midranks
from immunoprofile.errors import InsufficientDataError


def cochran_armitage(dose: ArrayLike, response: ArrayLike) -> Answer:
    """Exact test of a trend of the response rate over doses.

    Parameters
    ----------
    dose : (n,), finite
        The score of each subject's dose group: the dose itself.
    response : (n,), bool

    Returns
    -------
    Answer
        `estimate` and `statistic` are the mean dose of responders minus that of non-responders; no interval.

    Raises
    ------
    InsufficientDataError
        One dose only, or all or none responded.

    Notes
    -----
    p sums the probabilities, given the number of responders, of all tables whose responders' mean dose lies
    at least as far from what is expected: every relabeling is in one of these tables, none is drawn.

    References
    ----------
    Armitage P. Tests for linear trends in proportions and frequencies. Biometrics 1955;11:375-386.
    doi 10.2307/3001775
    """
    score, responded = check_values(dose, "dose"), np.asarray(response, dtype=np.bool_)
    levels, sizes = np.unique(score, return_counts=True)
    total = int(responded.sum())
    if levels.size < 2 or total in {0, responded.size}:
        raise InsufficientDataError("a trend needs two doses, responders and non-responders", code="TREND-CONSTANT")
    tables = [t for t in product(*(range(int(n) + 1) for n in sizes[:-1])) if 0 <= total - sum(t) <= sizes[-1]]
    counts = np.array([[*t, total - sum(t)] for t in tables])
    ways = np.array([math.prod(math.comb(int(n), int(k)) for n, k in zip(sizes, t, strict=True)) for t in counts])
    share = ways / math.comb(responded.size, total)
    middle = total * float(score.mean())
    distance = np.abs(counts @ levels - middle)
    seen = abs(float(score[responded].sum()) - middle)
    slack = 1e-9 * max(1.0, float(distance.max()))
    difference = float(score[responded].mean() - score[~responded].mean())
    return Answer(
        estimate=difference, ci_lo=-math.inf, ci_hi=math.inf, ci_level=math.nan, ci_method="none",
        statistic=difference, p=min(1.0, float(share[distance >= seen - slack].sum())), p_method="exact",
        n_perm=fitting(math.comb(responded.size, total)), min_p=float(share[distance >= distance.max() - slack].sum()),
    )  # fmt: skip


def jonckheere(dose: ArrayLike, values: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Answer:
    """Test of an ordered trend of values over doses: exact without ties, else over random orders.

    Parameters
    ----------
    dose : (n,), finite
        Only its order counts.
    values : (n,), finite

    Returns
    -------
    Answer
        `statistic` is Jonckheere's J (ties count one half); `estimate` is J over its largest value: 0.5 for no
        trend.

    Raises
    ------
    InsufficientDataError
        One dose only.

    Notes
    -----
    Without ties J is a sum of independent Mann-Whitney statistics, each dose against all lower ones, so its
    exact distribution is their convolution.

    References
    ----------
    Jonckheere AR. A distribution-free k-sample test against ordered alternatives. Biometrika
    1954;41:133-145. doi 10.2307/2333011
    """
    score, x = check_values(dose, "dose"), snapped(check_values(values, "values"))
    levels, sizes = np.unique(score, return_counts=True)
    if levels.size < 2:
        raise InsufficientDataError("a trend needs two doses", code="TREND-CONSTANT")
    ranks = midranks(x)
    row, column = np.nonzero(score[:, None] < score[None, :])
    seen = float(_concordant(ranks[None, :], row, column)[0])
    largest = float(row.size)
    if np.unique(x).size == x.size:
        null = np.ones(1)
        for k in range(1, sizes.size):
            null = np.convolve(null, untied_mann_whitney_null(int(sizes[k]), int(sizes[:k].sum())))
        distance = np.abs(np.arange(null.size) - largest / 2.0)
        p = float(null[distance >= abs(seen - largest / 2.0) - 1e-9].sum())
        least, drawn, n_perm = 2.0 * float(null[0]), None, _arrangements(sizes)
    else:
        orders = np.argsort(np.random.default_rng(seed).random((draws, x.size)), axis=1, kind="stable")
        drawn_ranks = np.vstack([ranks, ranks[orders]])
        distances = np.abs(_concordant(drawn_ranks, row, column) - largest / 2.0)
        p, least = at_least(distances, abs(seen - largest / 2.0)), at_least(distances, float(distances.max()))
        drawn, n_perm = seed, draws
    return Answer(
        estimate=seen / largest, ci_lo=-math.inf, ci_hi=math.inf, ci_level=math.nan, ci_method="none",
        statistic=seen, p=min(1.0, p), p_method="exact" if drawn is None else "mc",
        n_perm=fitting(n_perm), min_p=min(1.0, least), seed=drawn,
        flags=frozenset() if drawn is None else frozenset({"TIES"}),
    )  # fmt: skip


def _concordant(ranks: Floats, row: np.ndarray, column: np.ndarray) -> Floats:
    """Pairs in which the higher dose has the higher rank, ties one half."""
    found = np.zeros(len(ranks))
    for i, j in zip(row, column, strict=True):
        found += 0.5 * (np.sign(ranks[:, j] - ranks[:, i]) + 1.0)
    return found


def _arrangements(sizes: np.ndarray) -> int:
    return math.factorial(int(sizes.sum())) // math.prod(math.factorial(int(n)) for n in sizes)
