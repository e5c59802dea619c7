"""Counts as counts: a beta-binomial model with a level of its own for each subject, as sensitivity.

The cells of a sample are not independent; the beta-binomial lets samples of one subject differ by more than
counting does, and the random level lets subjects differ. That their shifts differ as well is in no parameter, so the
curvature of the likelihood alone would be too sure: errors come from what each subject adds to it, corrected for few
subjects. It stands beside the exact tests, never before them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA, Answer, check_pairs
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.tails import student_p, student_upper
from immunoprofile.errors import AnalysisError, InsufficientDataError

NODES = 15
"""Nodes of adaptive Gauss-Hermite quadrature (analysis plan); 1 is Laplace's approximation."""

_LEAST_INFLATION = 1e-3
"""Least overdispersion times the largest total: a variance 0.1 % above the binomial one. Closer to the binomial the
beta functions lose their digits."""

_NEWTON_STEPS = 12
"""Steps to a mode at most: from the mode of parameters nearby three to six suffice; more would chase rounding error."""


_STEP = 1e-3
"""Step of numerical differences at the maximum: the modes' own noise of about 1e-8 over its square stays below 0.01."""


@lru_cache(maxsize=4)
def _quadrature(nodes: int) -> tuple[Floats, Floats]:
    x, w = hermgauss(nodes)
    return np.asarray(x, dtype=np.float64), np.asarray(w, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class CountsFit:
    """Fixed effects, their covariance between subjects, spread of levels, overdispersion, log-likelihood."""

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

    Notes
    -----
    The covariance is a sandwich of the subjects' own slopes at the maximum, each divided by one minus what the subject
    itself holds of the information (Mancl and DeRouen), with the spreads taken as known.

    References
    ----------
    Skellam JG. A probability distribution derived from the binomial distribution by regarding the probability
    of success as variable between the sets of trials. J R Stat Soc B 1948;10:257-261.
    Pinheiro JC, Bates DM. Approximations to the log-likelihood function in the nonlinear mixed-effects model.
    J Comput Graph Stat 1995;4:12-35. doi 10.1080/10618600.1995.10474663
    Mancl LA, DeRouen TA. A covariance estimator for GEE with improved small-sample properties. Biometrics
    2001;57:126-134. doi 10.1111/j.0006-341X.2001.00126.x
    """
    from scipy.optimize import minimize

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
        variances = np.diag(np.linalg.inv(curvature.sum(axis=0)))[:k]
    except np.linalg.LinAlgError:
        variances = np.full(k, np.nan)
    if not np.isfinite(found.fun) or np.any(~(variances > 0)):
        raise AnalysisError(
            "the likelihood of the counts has no maximum that could be found",
            where="beta-binomial model",
            remedy="Use the summary measure: it needs no model.",
            code="MODEL-NOT-CONVERGED",
        )
    covariance = _between_subjects(_slopes(found.x, data)[:, :k], curvature[:, :k, :k])
    return CountsFit(
        found.x[:k], covariance, math.exp(float(found.x[k])),
        _rho(float(found.x[k + 1]), data) if overdispersed else 0.0, -float(found.fun),
    )  # fmt: skip


def _between_subjects(slopes: Floats, curvature: Floats) -> Floats:
    """Covariance of coefficients from each subject's slope (n_subjects, k) and curvature (n_subjects, k, k)."""
    moves = np.linalg.solve(curvature.sum(axis=0) - curvature, slopes[:, :, None])[:, :, 0]
    return np.asarray(moves.T @ moves, dtype=np.float64)


def counts_contrast(fit: CountsFit, weights: ArrayLike, n_subjects: int, *, alpha: float = ALPHA) -> Answer:
    """A weighted sum of coefficients, in log odds; t interval and p with (n_subjects - columns) degrees of freedom.

    Raises
    ------
    InsufficientDataError
        Fewer than 5 subjects, or no more than columns.
    """
    check_pairs(n_subjects)
    c = np.asarray(weights, dtype=np.float64)
    df = n_subjects - c.size
    if df < 1:
        raise InsufficientDataError("too few subjects for these columns", code="MODEL-DEGENERATE")
    estimate, error = float(c @ fit.coefficients), math.sqrt(float(c @ fit.covariance @ c))
    half, t = student_upper(alpha / 2.0, df) * error, estimate / error
    p = student_p(t, df)
    return Answer(
        estimate, estimate - half, estimate + half, 1.0 - alpha, "t_mancl_derouen", t, p, "asymptotic", None, 0.0,
        df=float(df),
    )  # fmt: skip


def _rho(parameter: float, data: _Data) -> float:
    return max(1.0 / (1.0 + math.exp(-max(parameter, -30.0))), _LEAST_INFLATION / float(data.total.max()))


def _sample_terms(eta: Floats, data: _Data, rho: float) -> Floats:
    """Log probability of each count given its linear predictor (..., n_samples), without its constant."""
    k, n = data.count, data.total
    if not data.overdispersed:
        return np.asarray(k * eta - n * np.logaddexp(0.0, eta), dtype=np.float64)
    from scipy.special import betaln

    m = (1.0 - rho) / rho
    mu = np.clip(1.0 / (1.0 + np.exp(-eta)), 1e-12, 1 - 1e-12)
    return np.asarray(betaln(k + mu * m, n - k + (1 - mu) * m) - betaln(mu * m, (1 - mu) * m), dtype=np.float64)


def _log_likelihood(parameters: Floats, data: _Data) -> float:
    if not np.all(np.isfinite(parameters)) or abs(parameters[data.design.shape[1]]) > 12:
        return -1e12
    from scipy.special import gammaln

    constant = gammaln(data.total + 1) - gammaln(data.count + 1) - gammaln(data.total - data.count + 1)
    return float(_by_subject(parameters, data).sum()) + float(constant.sum())


def _by_subject(parameters: Floats, data: _Data) -> Floats:
    """Log-likelihood of each subject (n_subjects,), without its constant."""
    k = data.design.shape[1]
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
    return np.asarray(integral - 0.5 * math.log(math.pi), dtype=np.float64)


def _modes(level_terms: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
    """Mode of each subject's level and the spread that the curvature there gives."""
    mode, step = start.copy(), 1e-3
    spread = np.ones(start.size)
    for _ in range(_NEWTON_STEPS):
        around = level_terms(mode[:, None] + np.array([-step, 0.0, step]))
        # Far out, where the optimiser tries and turns back, a likelihood is infinite: its slope is then no number.
        with np.errstate(invalid="ignore"):
            slope = (around[:, 2] - around[:, 0]) / (2 * step)
            bend = np.minimum((around[:, 2] - 2 * around[:, 1] + around[:, 0]) / step**2, -0.5)
        move = np.clip(-slope / bend, -2.0, 2.0)
        mode, spread = mode + move, 1.0 / np.sqrt(-bend)
        if float(np.abs(move / spread).max()) < 1e-6:
            break
    return mode, spread


def _slopes(at: Floats, data: _Data) -> Floats:
    """First differences of each subject's log-likelihood: (n_subjects, n_parameters)."""
    steps = np.eye(at.size) * _STEP
    return np.stack([(_by_subject(at + s, data) - _by_subject(at - s, data)) / (2.0 * _STEP) for s in steps], axis=1)


def _curvature(at: Floats, data: _Data) -> Floats:
    """Second differences of each subject's negative log-likelihood: (n_subjects, n_parameters, n_parameters)."""
    steps, n = np.eye(at.size) * _STEP, at.size
    curvature = np.empty((data.n_subjects, n, n))
    for i in range(n):
        for j in range(i + 1):
            both, apart = steps[i] + steps[j], steps[i] - steps[j]
            mixed = -_by_subject(at + both, data) + _by_subject(at + apart, data)
            mixed += _by_subject(at - apart, data) - _by_subject(at - both, data)
            curvature[:, i, j] = curvature[:, j, i] = mixed / (4.0 * _STEP**2)
    return curvature
