"""Intervals of a proportion: what counting alone leaves open.

References
----------
Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 1927;22:209-212.
doi:10.1080/01621459.1927.10502953
Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial.
Biometrika 1934;26:404-413. doi:10.1093/biomet/26.4.404
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


def wilson(count: ArrayLike, total: ArrayLike, level: float = 0.95) -> Limits:
    """Wilson score limits of count / total.

    Parameters
    ----------
    count, total
        Whole numbers, 0 <= count <= total, of any common shape.

    Returns
    -------
    lower, upper
        In 0..1; exactly 0 at count 0 and 1 at count total; NaN where total is 0.

    Raises
    ------
    ValueError
        A count is negative or above its total.
    """
    k, n = _whole(count, total)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        shrink = 1 + z * z / n
        middle = (p + z * z / (2 * n)) / shrink
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    low, high = np.where(k == 0, 0.0, middle - half), np.where(k == n, 1.0, middle + half)
    empty = n == 0
    return np.where(empty, np.nan, np.clip(low, 0, 1)), np.where(empty, np.nan, np.clip(high, 0, 1))


def clopper_pearson(count: ArrayLike, total: ArrayLike, level: float = 0.95) -> Limits:
    """Exact (Clopper-Pearson) limits of count / total: at least `level` whatever the true proportion.

    Arguments, edges and errors as in `wilson`.
    """
    from scipy.special import betaincinv

    k, n = _whole(count, total)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(k == 0, 0.0, betaincinv(np.maximum(k, 1), n - k + 1, tail))
        high = np.where(k == n, 1.0, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    empty = n == 0
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _whole(count: ArrayLike, total: ArrayLike) -> Limits:
    k, n = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64))
    if not ((k >= 0) & (k <= n)).all():
        raise ValueError(f"{count!s} of {total!s} is not a proportion")
    return k, n
