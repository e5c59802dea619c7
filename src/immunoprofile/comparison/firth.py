"""Does a baseline value go with response? Logistic regression that stays finite when groups separate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ALPHA, Answer, check_groups
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.tails import chi2_p, chi2_upper
from immunoprofile.errors import InsufficientDataError

EVENTS_A_PREDICTOR = 5
"""Subjects of the smaller group that one predictor asks for (analysis plan)."""

_STEPS = 200
_LARGEST_STEP = 5.0
_CONVERGED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Firth:
    """Coefficients (intercept first) that maximise the penalised likelihood, and its value."""

    coefficients: Floats
    log_likelihood: float


def fit_firth(design: ArrayLike, group: ArrayLike, *, fixed: dict[int, float] | None = None) -> Firth:
    """Maximise the likelihood of logistic regression with Jeffreys' prior.

    Parameters
    ----------
    design : (n, k), with the column of ones
    group : (n,), bool
    fixed
        Columns held at a value.

    Raises
    ------
    InsufficientDataError
        Columns that others give exactly.

    References
    ----------
    Firth D. Bias reduction of maximum likelihood estimates. Biometrika 1993;80:27-38.
    doi 10.1093/biomet/80.1.27
    Heinze G, Schemper M. A solution to the problem of separation in logistic regression. Stat Med
    2002;21:2409-2419. doi 10.1002/sim.1047
    """
    x, y = np.asarray(design, dtype=np.float64), np.asarray(group, dtype=np.float64)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise InsufficientDataError("a predictor does not vary, or others give it exactly", code="PREDICTOR-CONSTANT")
    held = fixed or {}
    free = np.array([j for j in range(x.shape[1]) if j not in held], dtype=np.intp)
    beta = np.zeros(x.shape[1])
    for j, value in held.items():
        beta[j] = value
    level = _penalised(x, y, beta)
    for _ in range(_STEPS if free.size else 0):
        step = np.zeros_like(beta)
        step[free] = _step(x, y, beta, free)
        step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        beta, level, moved = _climb(lambda b: _penalised(x, y, b), beta, step, level)
        if moved < _CONVERGED:
            break
    return Firth(beta, level)


def firth_logistic(predictor: ArrayLike, group: ArrayLike, *, alpha: float = ALPHA) -> Answer:
    """Log odds ratio of response per unit of one predictor, with profile limits and likelihood-ratio p.

    Parameters
    ----------
    predictor : (n,), finite
    group : (n,), bool
        At least 3 of each.

    Returns
    -------
    Answer
        `statistic` is the likelihood-ratio chi-squared (1 df); flag ``FEW_EVENTS`` below 5 subjects in the
        smaller group. A limit is infinite where the penalised likelihood never falls far enough.

    Raises
    ------
    InsufficientDataError
        Fewer than 3 in a group, or a predictor that does not vary.
    """
    x, y = np.asarray(predictor, dtype=np.float64), np.asarray(group, dtype=np.bool_)
    check_groups(int(y.sum()), int((~y).sum()))
    # Standardised inside, so that search steps mean the same for every scale.
    spread = float(x.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(x).max())):
        raise InsufficientDataError("a predictor does not vary, or others give it exactly", code="PREDICTOR-CONSTANT")
    design = np.column_stack([np.ones(x.size), (x - x.mean()) / spread])
    fit, none = fit_firth(design, y), fit_firth(design, y, fixed={1: 0.0})
    statistic = max(0.0, 2.0 * (fit.log_likelihood - none.log_likelihood))
    drop = chi2_upper(alpha, 1) / 2.0

    def below(value: float) -> float:
        return fit_firth(design, y, fixed={1: value}).log_likelihood - fit.log_likelihood + drop

    slope = float(fit.coefficients[1])
    lo, hi = (_limit(below, slope, side) / spread for side in (-1.0, 1.0))
    few = min(int(y.sum()), int((~y).sum())) < EVENTS_A_PREDICTOR
    return Answer(
        estimate=slope / spread,
        ci_lo=lo,
        ci_hi=hi,
        ci_level=1.0 - alpha,
        ci_method="profile_penalised_likelihood",
        statistic=statistic,
        df=1.0,
        p=chi2_p(statistic, 1),
        p_method="asymptotic",
        n_perm=None,
        min_p=0.0,
        flags=frozenset({"FEW_EVENTS"} if few else ()),
    )


def _probabilities(x: Floats, beta: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x @ beta, -700.0, 700.0))), dtype=np.float64)


def _penalised(x: Floats, y: Floats, beta: Floats) -> float:
    eta = x @ beta
    p = _probabilities(x, beta)
    log_likelihood = float(y @ eta - np.logaddexp(0.0, eta).sum())
    sign, logdet = np.linalg.slogdet((x * (p * (1 - p))[:, None]).T @ x)
    return log_likelihood + 0.5 * float(logdet) if sign > 0 else -math.inf


def _step(x: Floats, y: Floats, beta: Floats, free: np.ndarray) -> Floats:
    """Newton's step of Firth's modified score in the free columns."""
    p = _probabilities(x, beta)
    weight = p * (1 - p)
    information = (x * weight[:, None]).T @ x
    leverage = np.einsum("ij,ij->i", x * weight[:, None], np.linalg.solve(information, x.T).T)
    score = x.T @ (y - p + leverage * (0.5 - p))
    return np.asarray(np.linalg.solve(information[np.ix_(free, free)], score[free]), dtype=np.float64)


def _climb(height: Callable[[Floats], float], beta: Floats, step: Floats, level: float) -> tuple[Floats, float, float]:
    """Take the step, halved until the likelihood does not fall."""
    for halving in range(30):
        tried = beta + step / 2**halving
        reached = height(tried)
        if reached >= level - 1e-12:
            return tried, reached, float(np.abs(step).max()) / 2**halving
    return beta, level, 0.0


def _limit(below: Callable[[float], float], slope: float, side: float) -> float:
    from scipy.optimize import brentq

    reach = 0.5
    while below(slope + side * reach) > 0:
        reach *= 2.0
        if reach > 1e3:
            return side * math.inf
    return float(brentq(below, slope, slope + side * reach, xtol=1e-10))
