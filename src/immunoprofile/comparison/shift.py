"""Hodges-Lehmann estimates: the typical change, and the typical difference between two groups.

Both come with the interval that inverts their rank test, taken from the exact null distribution without ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA, check_values
from immunoprofile.comparison.nulls import untied_mann_whitney_null, untied_signed_rank_null

_QUANTILE_SLACK = 1e-12
"""A cumulative probability this close to the level reaches it: the sums have at most 1e4 rounded terms."""


@dataclass(frozen=True, slots=True)
class Shift:
    """An estimate with closed limits and the level that they achieve."""

    estimate: float
    lo: float
    hi: float
    level: float


def hodges_lehmann(changes: ArrayLike, *, alpha: float = ALPHA) -> Shift:
    """Median of the Walsh averages of changes, with its exact interval.

    Parameters
    ----------
    changes : (n,), finite, n >= 1
        Zeros stay in.
    alpha
        One minus the level asked for.

    Notes
    -----
    With q the alpha/2 quantile of the signed-rank distribution (at least 1) the limits are the q-th smallest
    and the q-th largest Walsh average, as in R's ``wilcox.test(conf.int = TRUE)`` without ties. With ties the
    closed interval keeps at least this level (Noether 1967). Where even q = 1 exceeds alpha/2 (n < 6 at 0.05)
    the level achieved is below the one asked for; the level returned is always the one achieved.

    References
    ----------
    Hollander M, Wolfe DA. Nonparametric Statistical Methods. 2nd ed. Wiley; 1999. Sections 3.2 and 3.3.
    Noether GE. Wilcoxon confidence intervals for location parameters in the discrete case. J Am Stat Assoc
    1967;62:184-188. doi 10.2307/2282921
    """
    d = check_values(changes, "changes")
    row, column = np.triu_indices(d.size)
    return _order_limits((d[row] + d[column]) / 2.0, untied_signed_rank_null(d.size), alpha)


def hodges_lehmann_shift(first: ArrayLike, second: ArrayLike, *, alpha: float = ALPHA) -> Shift:
    """Median of all differences first - second, with its exact interval.

    Parameters
    ----------
    first : (m,), second : (n,), finite, at least one value each

    Notes
    -----
    Limits as in R's ``wilcox.test(conf.int = TRUE)`` without ties; see `hodges_lehmann` for ties and levels.
    """
    x, y = check_values(first, "first"), check_values(second, "second")
    return _order_limits((x[:, None] - y[None, :]).ravel(), untied_mann_whitney_null(x.size, y.size), alpha)


def _order_limits(terms: NDArray[np.float64], null: NDArray[np.float64], alpha: float) -> Shift:
    """The median of the terms, and the order statistics that the null's quantile names."""
    ordered = np.sort(terms)
    below = np.cumsum(null)
    rank = max(int(np.searchsorted(below, alpha / 2.0 - _QUANTILE_SLACK)), 1)
    level = 1.0 - 2.0 * float(below[rank - 1])
    return Shift(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[-rank]), max(level, 0.0))
