"""Counts as counts: a beta-binomial model with a level of its own for each subject, as sensitivity.

The cells of a sample are not independent; the beta-binomial lets samples of one subject differ by more than
counting does, and the random level lets subjects differ. Inference is by the normal approximation, which is
optimistic for few subjects: it stands beside the exact tests, never before them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln
from scipy.stats import norm

from immunoprofile.comparison.answer import ALPHA, Answer, check_pairs
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.errors import AnalysisError

NODES = 15
"""Nodes of adaptive Gauss-Hermite quadrature (analysis plan); 1 is Laplace's approximation."""

_LEAST_INFLATION = 1e-3
"""Least overdispersion times the largest total: a variance 0.1 % above the binomial one. Closer to the binomial the
beta functions lose their digits."""

_NEWTON_STEPS = 12
"""Steps to a mode at most: from the mode of parameters nearby three to six suffice; more would chase rounding error."""


@lru_cache(maxsize=4)
def _quadrature(nodes: int) -> tuple[Floats, Floats]:
    x, w = hermgauss(nodes)
    return np.asarray(x, dtype=np.float64), np.asarray(w, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class CountsFit:
    """Fixed effects with their covariance, spread of the subjects' levels, overdispersion, log-likelihood."""

    coefficients: Floats
    covariance: Floats
    subject_sd: float
    rho: float
    log_likelihood: float


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    count: Floats
    total: Floats
    design: Floats
    place: NDArray[np.intp]
    n_subjects: int
    overdispersed: bool
    nodes: int
    modes: Floats


def fit_counts(
    count: ArrayLike,
    total: ArrayLike,
    design: ArrayLike,
    subjects: ArrayLike,
    *,
    overdispersed: bool = True,
    nodes: int = NODES,
) -> CountsFit:
    """Maximum likelihood of logit(share) = design x coefficients + level of the subject.

    Parameters
    ----------
    count, total : (n_samples,), events, 0 <= count <= total, total > 0
    design : (n_samples, k), with the column of ones
    subjects : (n_samples,)
    overdispersed
        Beta-binomial samples; False for binomial ones.
    nodes
        Of the quadrature over a subject's level, centred on its mode.

    Raises
    ------
    AnalysisError
        The likelihood has no maximum that can be found.

    References
    ----------
    Skellam JG. A probability distribution derived from the binomial distribution by regarding the probability
    of success as variable between the sets of trials. J R Stat Soc B 1948;10:257-261.
    Pinheiro JC, Bates DM. Approximations to the log-likelihood function in the nonlinear mixed-effects model.
    J Comput Graph Stat 1995;4:12-35. doi 10.1080/10618600.1995.10474663
    """
    names = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    data = _Data(
        np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64),
        np.asarray(design, dtype=np.float64), names[1], len(names[0]), overdispersed, nodes,
        np.zeros(len(names[0])),
    )  # fmt: skip
    k = data.design.shape[1]
    share = (data.count + 0.5) / (data.total + 1.0)
    first = np.linalg.lstsq(data.design, np.log(share / (1 - share)), rcond=None)[0]
    start = np.concatenate([first, [-1.0], [-5.0] if overdispersed else []])
    # Wide central differences: the modes' curvature is itself a difference and carries noise of about 1e-8.
    # The first guess of the inverse curvature is that of some twenty subjects; it saves half of the search.
    guess = np.diag([0.03] * start.size)
    search = {"gtol": 1e-3, "finite_diff_rel_step": 1e-4, "hess_inv0": guess}
    found = minimize(lambda v: -_log_likelihood(v, data), start, method="BFGS", jac="3-point", options=search)
    curvature = _curvature(found.x, data)
    try:
        covariance = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
    except np.linalg.LinAlgError:
        covariance = np.full_like(curvature, np.nan)
    if not np.isfinite(found.fun) or np.any(~(np.diag(covariance)[:k] > 0)):
        raise AnalysisError(
            "the likelihood of the counts has no maximum that could be found",
            where="beta-binomial model",
            remedy="Use the summary measure: it needs no model.",
            code="MODEL-NOT-CONVERGED",
        )
    return CountsFit(
        found.x[:k], covariance[:k, :k], math.exp(float(found.x[k])),
        _rho(float(found.x[k + 1]), data) if overdispersed else 0.0, -float(found.fun),
    )  # fmt: skip


def counts_contrast(fit: CountsFit, weights: ArrayLike, n_subjects: int, *, alpha: float = ALPHA) -> Answer:
    """A weighted sum of coefficients, in log odds, with the normal interval and p."""
    check_pairs(n_subjects)
    c = np.asarray(weights, dtype=np.float64)
    estimate, error = float(c @ fit.coefficients), math.sqrt(float(c @ fit.covariance @ c))
    half, z = float(norm.isf(alpha / 2.0)) * error, estimate / error
    p = float(2.0 * norm.sf(abs(z)))
    return Answer(estimate, estimate - half, estimate + half, 1.0 - alpha, "wald", z, p, "asymptotic", None, 0.0)


def _rho(parameter: float, data: _Data) -> float:
    return max(1.0 / (1.0 + math.exp(-max(parameter, -30.0))), _LEAST_INFLATION / float(data.total.max()))


def _sample_terms(eta: Floats, data: _Data, rho: float) -> Floats:
    """Log probability of each count given its linear predictor (..., n_samples), without its constant."""
    k, n = data.count, data.total
    if not data.overdispersed:
        return np.asarray(k * eta - n * np.logaddexp(0.0, eta), dtype=np.float64)
    m = (1.0 - rho) / rho
    mu = np.clip(1.0 / (1.0 + np.exp(-eta)), 1e-12, 1 - 1e-12)
    return np.asarray(betaln(k + mu * m, n - k + (1 - mu) * m) - betaln(mu * m, (1 - mu) * m), dtype=np.float64)


def _log_likelihood(parameters: Floats, data: _Data) -> float:
    k = data.design.shape[1]
    if not np.all(np.isfinite(parameters)) or abs(parameters[k]) > 12:
        return -1e12
    sd = math.exp(float(parameters[k]))
    rho = _rho(float(parameters[k + 1]), data) if data.overdispersed else 0.0
    fixed = data.design @ parameters[:k]

    def level_terms(level: Floats) -> Floats:
        """Log density of (n_subjects, q) standardised levels with the subjects' counts."""
        eta = fixed[:, None] + sd * level[data.place]
        summed = np.zeros_like(level)
        np.add.at(summed, data.place, _sample_terms(eta.T, data, rho).T)
        return np.asarray(summed - 0.5 * level**2, dtype=np.float64)

    mode, spread = _modes(level_terms, data.modes)
    # The next search starts from these modes: parameters move little from one to the next.
    data.modes[:] = np.where(np.isfinite(mode), mode, 0.0)
    x, w = _quadrature(data.nodes)
    levels = mode[:, None] + math.sqrt(2.0) * spread[:, None] * x
    heights = level_terms(levels) + x**2 + np.log(w)
    top = heights.max(axis=1)
    integral = top + np.log(np.exp(heights - top[:, None]).sum(axis=1)) + np.log(spread)
    # sqrt(2) of the change of variable over sqrt(2 pi) of the normal density.
    total = float(integral.sum()) - 0.5 * data.n_subjects * math.log(math.pi)
    return total + float(
        (gammaln(data.total + 1) - gammaln(data.count + 1) - gammaln(data.total - data.count + 1)).sum()
    )


def _modes(level_terms: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """Mode of each subject's level and the spread that the curvature there gives."""
    mode, step = start.copy(), 1e-3
    spread = np.ones(start.size)
    for _ in range(_NEWTON_STEPS):
        around = level_terms(mode[:, None] + np.array([-step, 0.0, step]))
        slope = (around[:, 2] - around[:, 0]) / (2 * step)
        bend = np.minimum((around[:, 2] - 2 * around[:, 1] + around[:, 0]) / step**2, -0.5)
        move = np.clip(-slope / bend, -2.0, 2.0)
        mode, spread = mode + move, 1.0 / np.sqrt(-bend)
        if float(np.abs(move / spread).max()) < 1e-6:
            break
    return mode, spread


def _curvature(at: Floats, data: _Data) -> Floats:
    """Second differences of the negative log-likelihood."""
    step = 1e-3
    steps, n = np.eye(at.size) * step, at.size

    def value(v: Floats) -> float:
        return -_log_likelihood(v, data)

    curvature = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            both, apart = steps[i] + steps[j], steps[i] - steps[j]
            mixed = value(at + both) - value(at + apart) - value(at - apart) + value(at - both)
            curvature[i, j] = curvature[j, i] = mixed / (4.0 * step**2)
    return curvature
