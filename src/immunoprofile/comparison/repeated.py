"""All visits in one linear model: restricted likelihood with a covariance between visits (MMRM).

For 40 subjects and more, and then as sensitivity: below that the summary measure and its relabelings lose
nothing to it and cannot fail to converge. Missing visits are taken as missing at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.tails import student_p, student_upper
from immunoprofile.errors import AnalysisError

STRUCTURES = ("unstructured", "heterogeneous_ar1", "compound_symmetry")
"""Covariances between visits, from free to simple; the next is tried where one cannot be fitted."""

MODEL_SUBJECTS = 40
"""Fewer subjects are not given to this model (analysis plan: bands of n)."""

_STEP = 1e-4
"""Step of numerical second differences: near the fourth root of the machine epsilon, for values about 1."""

_IMPOSSIBLE = 1e12
"""Deviance of a covariance that is none: far above any real one, and finite for the search."""


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedFit:
    """Fixed effects, their covariance and the covariance between visits.

    Parameters
    ----------
    coefficients : (k,)
    coefficient_covariance : (k, k)
    visit_covariance : (n_visits, n_visits)
    log_likelihood
        Restricted, with its constants: as R's mmrm and nlme print it.
    """

    structure: str
    coefficients: Floats
    coefficient_covariance: Floats
    visit_covariance: Floats
    log_likelihood: float
    _parts: tuple[_Part, ...]
    _parameters: Floats
    _parameter_covariance: Floats

    def contrast(self, weights: ArrayLike, *, alpha: float = ALPHA) -> Answer:
        """A weighted sum of coefficients with Satterthwaite's degrees of freedom.

        References
        ----------
        Satterthwaite FE. An approximate distribution of estimates of variance components. Biometrics Bull
        1946;2:110-114. doi 10.2307/3002019
        """
        c = np.asarray(weights, dtype=np.float64)

        def variance(parameters: Floats) -> float:
            return float(
                c
                @ np.linalg.inv(
                    _sums(self._parts, _covariance(self.structure, parameters, len(self.visit_covariance)))[0]
                )
                @ c
            )

        estimate, error = float(c @ self.coefficients), math.sqrt(variance(self._parameters))
        slope = _gradient(variance, self._parameters)
        df = 2.0 * error**4 / float(slope @ self._parameter_covariance @ slope)
        half = student_upper(alpha / 2.0, df) * error
        t = estimate / error
        p = student_p(t, df)
        return Answer(
            estimate, estimate - half, estimate + half, 1.0 - alpha, "t_satterthwaite", t, p, "asymptotic", None, 0.0,
            df=df,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Subjects seen at the same visits: their values (s, v), designs (s, v, k) and which visits those are."""

    values: Floats
    design: Floats
    visits: NDArray[np.intp]


def fit_repeated(
    values: ArrayLike,
    design: ArrayLike,
    subjects: ArrayLike,
    visits: ArrayLike,
    *,
    structures: Sequence[str] = STRUCTURES,
) -> RepeatedFit:
    """Fit a linear model to all visits by restricted maximum likelihood.

    Parameters
    ----------
    values : (n_samples,), finite
    design : (n_samples, k)
        Columns of the fixed effects, not collinear.
    subjects, visits : (n_samples,)
        One sample a subject and visit; visits are ordered by their sorted names or numbers.
    structures
        Covariances to try, in this order.

    Raises
    ------
    AnalysisError
        No covariance could be fitted, or two samples of a subject at one visit.

    References
    ----------
    Mallinckrodt CH, Lane PW, Schnell D, et al. Recommendations for the primary analysis of continuous
    endpoints in longitudinal clinical trials. Drug Inf J 2008;42:303-319. doi 10.1177/009286150804200402
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    parts, n_visits = _grouped(y, x, np.asarray(subjects), np.asarray(visits))
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    spread = float(residual.std())
    for structure in structures if spread > 0 else ():
        fit = _fit(structure, parts, n_visits, math.log(spread))
        if fit is not None:
            return fit
    raise AnalysisError(
        "no covariance between visits could be fitted",
        where="repeated measures",
        expected=", ".join(structures),
        remedy="Use the summary measure: it needs no model.",
        code="MODEL-NOT-CONVERGED",
    )


def _grouped(
    y: Floats, x: Floats, subjects: NDArray[np.generic], visits: NDArray[np.generic]
) -> tuple[tuple[_Part, ...], int]:
    levels, at = np.unique(visits, return_inverse=True)
    rows: dict[tuple[int, ...], list[NDArray[np.intp]]] = {}
    for subject in np.unique(subjects):
        own = np.flatnonzero(subjects == subject)
        own = own[np.argsort(at[own], kind="stable")]
        pattern = tuple(int(v) for v in at[own])
        if len(set(pattern)) < len(pattern):
            raise AnalysisError(
                "has several samples at one visit", where=f"subject {subject}", code="PAIR-DUPLICATE",
                remedy="Keep one sample a subject and visit; cells or repeats are not subjects.",
            )  # fmt: skip
        rows.setdefault(pattern, []).append(own)
    parts = [_Part(y[np.array(o)], x[np.array(o)], np.array(p, dtype=np.intp)) for p, o in sorted(rows.items())]
    return tuple(parts), levels.size


def _fit(structure: str, parts: tuple[_Part, ...], n_visits: int, log_sd: float) -> RepeatedFit | None:
    from scipy.optimize import minimize

    def objective(parameters: Floats) -> float:
        return _deviance(parts, _covariance(structure, parameters, n_visits))

    found = minimize(objective, _start(structure, n_visits, log_sd), method="BFGS", options={"gtol": 1e-5})
    if not found.fun < _IMPOSSIBLE:
        return None
    curvature = _hessian(objective, found.x)
    # The deviance is twice the negative log-likelihood: its inverse curvature counts twice.
    if not np.all(np.isfinite(curvature)) or np.linalg.eigvalsh(curvature)[0] <= 1e-6:
        return None
    covariance = _covariance(structure, found.x, n_visits)
    information, score = _sums(parts, covariance)[:2]
    return RepeatedFit(
        structure, np.asarray(np.linalg.solve(information, score), dtype=np.float64), _inverse(information), covariance,
        -0.5 * float(found.fun), parts, np.asarray(found.x, dtype=np.float64), 2.0 * _inverse(curvature),
    )  # fmt: skip


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _start(structure: str, n_visits: int, log_sd: float) -> Floats:
    sds = np.full(n_visits, log_sd)
    if structure == "unstructured":
        return np.concatenate([sds, np.full(n_visits * (n_visits - 1) // 2, 0.1 * math.exp(log_sd))])
    if structure == "heterogeneous_ar1":
        return np.concatenate([sds, [0.3]])
    return np.array([log_sd, 0.0])


def _covariance(structure: str, parameters: Floats, n_visits: int) -> Floats:
    """Covariance between visits from free parameters."""
    if structure == "unstructured":
        return _from_cholesky(parameters)
    if structure == "heterogeneous_ar1":
        sds, rho = np.exp(parameters[:-1]), math.tanh(float(parameters[-1]))
        lag = np.abs(np.subtract.outer(np.arange(sds.size), np.arange(sds.size)))
        return np.asarray(np.outer(sds, sds) * rho**lag, dtype=np.float64)
    if structure != "compound_symmetry":
        raise ValueError(f"no covariance named {structure}")
    # Correlations from -1 / (n - 1) to 1 keep the matrix positive definite.
    least = -1.0 / max(n_visits - 1, 1)
    rho = least + (1.0 - least) / (1.0 + math.exp(-float(parameters[1])))
    shape = np.full((n_visits, n_visits), rho)
    np.fill_diagonal(shape, 1.0)
    return np.asarray(math.exp(2.0 * float(parameters[0])) * shape, dtype=np.float64)


def _from_cholesky(parameters: Floats) -> Floats:
    n = int((math.isqrt(8 * parameters.size + 1) - 1) // 2)
    lower = np.diag(np.exp(parameters[:n]))
    lower[np.tril_indices(n, -1)] = parameters[n:]
    return np.asarray(lower @ lower.T, dtype=np.float64)


def _sums(parts: tuple[_Part, ...], covariance: Floats) -> tuple[Floats, Floats, float, float, int]:
    """Information, score, weighted squares, log determinants and number of samples over all subjects."""
    k = parts[0].design.shape[2]
    information, score, squares, logdet, n = np.zeros((k, k)), np.zeros(k), 0.0, 0.0, 0
    for part in parts:
        own = covariance[np.ix_(part.visits, part.visits)]
        inverse = np.linalg.inv(own)
        weighted = np.einsum("uv,svk->suk", inverse, part.design)
        information += np.einsum("suj,suk->jk", part.design, weighted)
        score += np.einsum("suk,su->k", weighted, part.values)
        squares += float(np.einsum("su,uv,sv->", part.values, inverse, part.values))
        logdet += len(part.values) * float(np.linalg.slogdet(own)[1])
        n += part.values.size
    return information, score, squares, logdet, n


def _deviance(parts: tuple[_Part, ...], covariance: Floats) -> float:
    """Twice the negative restricted log-likelihood."""
    try:
        information, score, squares, logdet, n = _sums(parts, covariance)
        beta = np.linalg.solve(information, score)
    except np.linalg.LinAlgError:
        return _IMPOSSIBLE
    sign, logdet_information = np.linalg.slogdet(information)
    if sign <= 0 or not np.isfinite(logdet):
        return _IMPOSSIBLE
    rest = squares - float(score @ beta)
    return logdet + float(logdet_information) + rest + (n - beta.size) * math.log(2.0 * math.pi)


def _gradient(value: Callable[[Floats], float], at: Floats) -> Floats:
    steps = np.eye(at.size) * _STEP
    return np.array([(value(at + s) - value(at - s)) / (2.0 * _STEP) for s in steps])


def _hessian(value: Callable[[Floats], float], at: Floats) -> Floats:
    steps, n = np.eye(at.size) * _STEP, at.size
    middle = value(at)
    curvature = np.empty((n, n))
    for i in range(n):
        curvature[i, i] = (value(at + steps[i]) - 2.0 * middle + value(at - steps[i])) / _STEP**2
        for j in range(i):
            both, apart = steps[i] + steps[j], steps[i] - steps[j]
            mixed = value(at + both) - value(at + apart) - value(at - apart) + value(at - both)
            curvature[i, j] = curvature[j, i] = mixed / (4.0 * _STEP**2)
    return curvature
