"""Do two quantities go together? Spearman, Kendall, and correlation within subjects over visits.

Change against baseline is refused: both hold the same measuring error, so they correlate without any effect.
`oldham` asks what people mean by it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import permutations
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA, Answer, check_pairs, check_values
from immunoprofile.comparison.relabeling import DRAWS, Floats, at_least
from immunoprofile.comparison.tails import midranks, normal_upper, student_p
from immunoprofile.errors import AnalysisError, InsufficientDataError

ENUMERATED = 9
"""Up to this many subjects all orders are used: 9! = 362,880 (analysis plan)."""

_KENDALL_VARIANCE = 0.437
"""Numerator of the variance of Fisher's z of tau (Fieller, Hartley, Pearson 1957)."""


def spearman(x: ArrayLike, y: ArrayLike, *, seed: int = 0, alpha: float = ALPHA, draws: int = DRAWS) -> Answer:
    """Spearman's rank correlation over subjects, p from all orders (n <= 9) or random ones.

    Parameters
    ----------
    x, y : (n,), finite, n >= 5, one value a subject

    Returns
    -------
    Answer
        `statistic` is rho. The interval is Fisher's z with the standard error of Bonett and Wright.

    Raises
    ------
    InsufficientDataError
        Fewer than 5 subjects, or one of the two does not vary.

    References
    ----------
    Bonett DG, Wright TA. Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
    Psychometrika 2000;65:23-28. doi 10.1007/BF02294183
    """
    first, second = _pair(x, y)
    a, b = (r - r.mean() for r in (midranks(first), midranks(second)))
    size = math.sqrt(float(a @ a) * float(b @ b))
    rho = float(a @ b) / size
    orders, drawn = _orders(first.size, seed, draws)
    null = np.abs(b[orders] @ a)
    error = math.sqrt((1.0 + rho * rho / 2.0) / (first.size - 3))
    return _answer(rho, rho, error, null, abs(float(a @ b)), drawn, alpha, "fisher_z_bonett_wright")


def kendall(x: ArrayLike, y: ArrayLike, *, seed: int = 0, alpha: float = ALPHA, draws: int = DRAWS) -> Answer:
    """Kendall's tau-b over subjects, p from all orders (n <= 9) or random ones.

    Parameters and errors as in `spearman`; `statistic` is the number of concordant pairs.

    References
    ----------
    Kendall MG. A new measure of rank correlation. Biometrika 1938;30:81-93. doi 10.1093/biomet/30.1-2.81
    Fieller EC, Hartley HO, Pearson ES. Tests for rank correlation coefficients. I. Biometrika 1957;44:470-481.
    doi 10.1093/biomet/44.3-4.470
    """
    first, second = _pair(x, y)
    row, column = np.triu_indices(first.size, 1)
    a = np.sign(first[row] - first[column])
    signs = np.sign(second[:, None] - second[None, :])
    b = signs[row, column]
    score = float(a @ b)
    tau = score / math.sqrt(float(a @ a) * float(b @ b))
    orders, drawn = _orders(first.size, seed, draws)
    null = np.abs(sum(s * signs[orders[:, i], orders[:, j]] for s, i, j in zip(a, row, column, strict=True)))
    error = math.sqrt(_KENDALL_VARIANCE / (first.size - 4))
    concordant = float(np.sum(a * b > 0))
    return _answer(tau, concordant, error, np.asarray(null), abs(score), drawn, alpha, "fisher_z_fieller")


def oldham(baseline: ArrayLike, post: ArrayLike, *, seed: int = 0) -> Answer:
    """Does the change go with the level? Spearman of post - baseline with the mean of both.

    References
    ----------
    Oldham PD. A note on the analysis of repeated measurements of the same subjects. J Chronic Dis
    1962;15:969-977. doi 10.1016/0021-9681(62)90116-9
    """
    before, after = check_values(baseline, "baseline"), check_values(post, "post")
    return spearman(after - before, (after + before) / 2.0, seed=seed)


def refuse_change_against_baseline(error_variance: float, subject_variance: float) -> NoReturn:
    """Refuse to correlate change with baseline, and say what correlation no effect at all would give.

    Parameters
    ----------
    error_variance, subject_variance
        Variance of one measurement within and between subjects, on the scale of the analysis.

    Raises
    ------
    AnalysisError
        Always.
    """
    total = (subject_variance + error_variance) * 2.0 * error_variance
    expected = -error_variance / math.sqrt(total) if total > 0 else 0.0
    raise AnalysisError(
        f"change against baseline correlates by about {expected:.2f} where nothing happens at all",
        where="correlation",
        remedy="Ask oldham(): change against the mean of baseline and window.",
        code="COUPLED",
    )


def repeated_measures_correlation(x: ArrayLike, y: ArrayLike, subjects: ArrayLike, *, alpha: float = ALPHA) -> Answer:
    """Correlation within subjects over visits, each subject with its own level.

    Parameters
    ----------
    x, y : (n_samples,), finite
    subjects : (n_samples,)
        Subject of each sample; subjects with one sample say nothing.

    Returns
    -------
    Answer
        `df` = samples - subjects - 1 over subjects with two samples or more; t interval by Fisher's z.

    Raises
    ------
    InsufficientDataError
        Fewer than 5 subjects with two samples, or no variation within subjects.

    Notes
    -----
    p is that of t, hence asymptotic: it assumes one slope for all subjects and independent errors over visits.

    References
    ----------
    Bland JM, Altman DG. Calculating correlation coefficients with repeated observations: part 1. BMJ
    1995;310:446. doi 10.1136/bmj.310.6977.446
    Bakdash JZ, Marusich LR. Repeated measures correlation. Front Psychol 2017;8:456.
    doi 10.3389/fpsyg.2017.00456
    """
    first, second = check_values(x, "x"), check_values(y, "y")
    names, place, size = np.unique(np.asarray(subjects, dtype=str), return_inverse=True, return_counts=True)
    kept = size[place] > 1
    n_subjects = int(np.unique(place[kept]).size)
    check_pairs(n_subjects)
    within = [_centred(v, place, len(names))[kept] for v in (first, second)]
    spread = math.sqrt(float(within[0] @ within[0]) * float(within[1] @ within[1]))
    df = int(kept.sum()) - n_subjects - 1
    if spread == 0 or df < 2:
        raise InsufficientDataError("there is no variation within subjects to correlate", code="CORRELATION-CONSTANT")
    r = float(np.clip(float(within[0] @ within[1]) / spread, -1.0, 1.0))
    t = r * math.sqrt(df / (1.0 - r * r)) if abs(r) < 1 else math.copysign(math.inf, r)
    p = student_p(t, df)
    lo, hi = _fisher(r, 1.0 / math.sqrt(df - 1), alpha)
    return Answer(r, lo, hi, 1.0 - alpha, "fisher_z", t, p, "asymptotic", None, 0.0, df=float(df))


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    first, second = check_values(x, "x"), check_values(y, "y")
    if first.size != second.size:
        raise ValueError("x and y must have one value a subject each")
    check_pairs(first.size)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        raise InsufficientDataError("one of the two quantities does not vary", code="CORRELATION-CONSTANT")
    return first, second


def _centred(values: Floats, place: NDArray[np.intp], n: int) -> Floats:
    means = np.bincount(place, values, n) / np.maximum(np.bincount(place, minlength=n), 1)
    return np.asarray(values - means[place], dtype=np.float64)


@lru_cache(maxsize=4)
def _all_orders(n: int) -> NDArray[np.intp]:
    orders = np.array(list(permutations(range(n))), dtype=np.intp)
    orders.setflags(write=False)
    return orders


def _orders(n: int, seed: int, draws: int) -> tuple[NDArray[np.intp], int | None]:
    """All orders of n subjects, or the observed one and `draws` random ones with their seed."""
    if n <= ENUMERATED:
        return _all_orders(n), None
    drawn = np.argsort(np.random.default_rng(seed).random((draws, n)), axis=1, kind="stable")
    return np.vstack([np.arange(n), drawn]), seed


def _answer(
    estimate: float, statistic: float, error: float, null: Floats, seen: float, seed: int | None, alpha: float, how: str
) -> Answer:
    lo, hi = _fisher(estimate, error, alpha)
    drawn = seed is not None
    return Answer(
        estimate=estimate,
        ci_lo=lo,
        ci_hi=hi,
        ci_level=1.0 - alpha,
        ci_method=how,
        statistic=statistic,
        p=at_least(null, seen),
        p_method="mc" if drawn else "exact",
        n_perm=len(null) - drawn,
        min_p=at_least(null, float(null.max())),
        seed=seed,
    )


def _fisher(r: float, error: float, alpha: float) -> tuple[float, float]:
    if abs(r) >= 1:
        return r, r
    half = normal_upper(alpha / 2.0) * error
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)
