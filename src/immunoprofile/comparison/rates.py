"""Intervals of a proportion: how many of n responded."""

from __future__ import annotations

import math

from scipy.stats import beta, norm

from immunoprofile.comparison.answer import ALPHA


def clopper_pearson(count: int, total: int, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Exact limits of a proportion: their coverage is never below 1 - alpha.

    Parameters
    ----------
    count, total
        ``0 <= count <= total``, total >= 1.

    Returns
    -------
    Lower and upper limit; 0 where count is 0, 1 where count is total.

    References
    ----------
    Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial.
    Biometrika 1934;26:404-413. doi 10.1093/biomet/26.4.404
    """
    _check(count, total)
    lo = 0.0 if count == 0 else float(beta.ppf(alpha / 2.0, count, total - count + 1))
    hi = 1.0 if count == total else float(beta.ppf(1.0 - alpha / 2.0, count + 1, total - count))
    return lo, hi


def wilson(count: int, total: int, *, alpha: float = ALPHA) -> tuple[float, float]:
    """Score limits of a proportion: close to 1 - alpha on average, never outside 0..1.

    Parameters
    ----------
    count, total
        ``0 <= count <= total``, total >= 1.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc
    1927;22:209-212. doi 10.1080/01621459.1927.10502953
    """
    _check(count, total)
    z2 = float(norm.ppf(1.0 - alpha / 2.0)) ** 2
    share = count / total
    middle = share + z2 / (2.0 * total)
    half = math.sqrt(z2 * (share * (1.0 - share) / total + z2 / (4.0 * total * total)))
    scale = 1.0 + z2 / total
    # At the ends one limit is the bound itself; rounding must not move it.
    lo = 0.0 if count == 0 else (middle - half) / scale
    hi = 1.0 if count == total else (middle + half) / scale
    return lo, hi


def _check(count: int, total: int) -> None:
    if total < 1 or not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is not a proportion")
