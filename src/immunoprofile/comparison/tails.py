"""Tails and quantiles of the distributions that the models refer to, and midranks.

They are those of ``scipy.stats`` to the last bit, called without that package: it takes longer to load than a finished
run to look through; and so what is called is imported in the functions that need it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def normal_upper(share: float) -> float:
    """The value above which this share of a standard normal distribution lies."""
    from scipy.special import ndtri

    return -float(ndtri(share))


def student_upper(share: float, df: float) -> float:
    """The value above which this share of Student's t with `df` degrees of freedom lies."""
    from scipy.special import stdtrit

    # From the share below it: `stdtrit` is not symmetric to the last bit.
    return float(stdtrit(df, 1.0 - share))


def student_p(t: float, df: float) -> float:
    """Two-sided p of a t statistic; NaN where it or `df` is."""
    from scipy.special import stdtr

    return 2.0 * float(stdtr(df, -abs(t)))


def chi2_upper(share: float, df: float) -> float:
    """The value above which this share of a chi-squared distribution lies."""
    from scipy.special import chdtri

    return float(chdtri(df, share))


def chi2_p(statistic: float, df: float) -> float:
    """p of a chi-squared statistic, which is at least 0; NaN where it is NaN."""
    from scipy.special import chdtrc

    return float(chdtrc(df, statistic))


def midranks(values: ArrayLike) -> Floats:
    """Ranks from 1 on; equal values share the mean of their ranks.

    Parameters
    ----------
    values : (n,)
        Where one is NaN no rank is known, and all are NaN.
    """
    given = np.asarray(values, dtype=np.float64)
    if np.isnan(given).any():
        return np.full(given.shape, np.nan)
    _, place, size = np.unique(given, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(size) - (size - 1) / 2.0)[place], dtype=np.float64)
