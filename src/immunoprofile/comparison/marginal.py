"""Generalised estimating equations for changes at several visits, with a covariance for few subjects."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ALPHA, Answer, check_pairs
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.tails import student_p, student_upper
from immunoprofile.errors import InsufficientDataError

_ROUNDS = 100
_CONVERGED = 1e-10


def gee(
    values: ArrayLike, design: ArrayLike, subjects: ArrayLike, weights: ArrayLike, *, alpha: float = ALPHA
) -> Answer:
    """A weighted sum of coefficients of a linear model over visits, by estimating equations.

    Parameters
    ----------
    values : (n_samples,), finite
    design : (n_samples, k)
    subjects : (n_samples,)
        At least 5, and more than columns.
    weights : (k,)
        Of the coefficients in the sum asked for.

    Returns
    -------
    Answer
        t interval and p with (number of subjects - k) degrees of freedom: asymptotic.

    Raises
    ------
    InsufficientDataError
        Too few subjects for the columns, or collinear columns.

    Notes
    -----
    Normal errors, exchangeable working correlation, covariance of Mancl and DeRouen: the plain sandwich is
    too small for few subjects.

    References
    ----------
    Liang KY, Zeger SL. Longitudinal data analysis using generalized linear models. Biometrika 1986;73:13-22.
    doi 10.1093/biomet/73.1.13
    Mancl LA, DeRouen TA. A covariance estimator for GEE with improved small-sample properties. Biometrics
    2001;57:126-134. doi 10.1111/j.0006-341X.2001.00126.x
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    names = np.asarray(subjects, dtype=str)
    clusters = [np.flatnonzero(names == s) for s in np.unique(names)]
    check_pairs(len(clusters))
    df = len(clusters) - x.shape[1]
    if df < 1 or np.linalg.matrix_rank(x) < x.shape[1]:
        raise InsufficientDataError("too few subjects for these columns, or collinear columns", code="MODEL-DEGENERATE")
    beta, rho = np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], dtype=np.float64), 0.0
    for _ in range(_ROUNDS):
        rho = _correlation(y - x @ beta, clusters, x.shape[1])
        following = np.asarray(np.linalg.solve(*_equations(y, x, clusters, rho)), dtype=np.float64)
        moved = float(np.abs(following - beta).max())
        beta = following
        if moved < _CONVERGED:
            break
    covariance = _small_sample_covariance(y, x, clusters, rho, beta)
    c = np.asarray(weights, dtype=np.float64)
    estimate, error = float(c @ beta), math.sqrt(float(c @ covariance @ c))
    half = student_upper(alpha / 2.0, df) * error
    t = estimate / error
    p = student_p(t, df)
    return Answer(
        estimate, estimate - half, estimate + half, 1.0 - alpha, "t_mancl_derouen", t, p, "asymptotic", None, 0.0,
        df=float(df),
    )  # fmt: skip


def _correlation(residual: Floats, clusters: list[np.ndarray], n_columns: int) -> float:
    """Moment estimate of the exchangeable correlation; 0 where nobody has two samples."""
    pairs = sum(c.size * (c.size - 1) / 2 for c in clusters)
    if pairs <= n_columns:
        return 0.0
    scale = float(residual @ residual) / (residual.size - n_columns)
    products = sum((residual[c].sum() ** 2 - float(residual[c] @ residual[c])) / 2 for c in clusters)
    largest = max(c.size for c in clusters)
    rho = products / (pairs - n_columns) / scale if scale > 0 else 0.0
    return float(np.clip(rho, -0.99 / max(largest - 1, 1), 0.99))


def _working(size: int, rho: float) -> Floats:
    return np.full((size, size), rho) + (1.0 - rho) * np.eye(size)


def _equations(y: Floats, x: Floats, clusters: list[np.ndarray], rho: float) -> tuple[Floats, Floats]:
    left, right = np.zeros((x.shape[1], x.shape[1])), np.zeros(x.shape[1])
    for c in clusters:
        weighted = np.linalg.solve(_working(c.size, rho), x[c])
        left += x[c].T @ weighted
        right += weighted.T @ y[c]
    return left, right


def _small_sample_covariance(y: Floats, x: Floats, clusters: list[np.ndarray], rho: float, beta: Floats) -> Floats:
    """Mancl and DeRouen's sandwich: residuals divided by one minus their subject's leverage."""
    bread = np.linalg.inv(_equations(y, x, clusters, rho)[0])
    filling = np.zeros_like(bread)
    for c in clusters:
        weighted = np.linalg.solve(_working(c.size, rho), x[c])
        leverage = x[c] @ bread @ weighted.T
        score = weighted.T @ np.linalg.solve(np.eye(c.size) - leverage, y[c] - x[c] @ beta)
        filling += np.outer(score, score)
    return np.asarray(bread @ filling @ bread, dtype=np.float64)
