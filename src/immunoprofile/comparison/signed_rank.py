"""Did it change? Wilcoxon's signed-rank test, exact with ties and zeros."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ALPHA, Answer, check_pairs, check_values, fitting, snapped
from immunoprofile.comparison.nulls import Floats, doubled, signed_rank_null
from immunoprofile.comparison.shift import hodges_lehmann
from immunoprofile.comparison.tails import midranks


def signed_ranks(changes: ArrayLike) -> Floats:
    """Midranks of absolute changes with the sign of the change; 0 where the change is 0 (Pratt).

    Notes
    -----
    Zeros are ranked with the others and then lose their rank. Absolute changes that differ by rounding error
    only are tied: ``1.3`` from ``1.1 - -0.2`` and from ``0.1 - -1.2`` is one value.

    References
    ----------
    Pratt JW. Remarks on zeros and ties in the Wilcoxon signed rank procedures. J Am Stat Assoc
    1959;54:655-667. doi 10.1080/01621459.1959.10501526
    """
    d = check_values(changes, "changes")
    size = snapped(np.abs(d))
    return np.asarray(np.where(size > 0, np.sign(d) * midranks(size), 0.0), dtype=np.float64)


def signed_rank(changes: ArrayLike, *, alpha: float = ALPHA) -> Answer:
    """Exact two-sided signed-rank test of no change, with the Hodges-Lehmann estimate and interval.

    Parameters
    ----------
    changes : (n,), finite, one a subject, n >= 5
        Window minus baseline on the scale of the analysis.
    alpha
        One minus the level asked for the interval.

    Returns
    -------
    Answer
        `statistic` is V, the sum of the ranks of positive changes.

    Raises
    ------
    InsufficientDataError
        Fewer than 5 changes.

    Notes
    -----
    The p-value is the share of all sign patterns of the changes that are not zero whose V lies at least as
    far from its middle: exact for the ranks at hand. ``scipy.stats.wilcoxon`` is exact without ties and zeros
    only.
    """
    d = check_values(changes, "changes")
    check_pairs(d.size)
    ranks = signed_ranks(d)
    active = ranks[ranks != 0]
    shift = hodges_lehmann(d, alpha=alpha)
    return Answer(
        estimate=shift.estimate,
        ci_lo=shift.lo,
        ci_hi=shift.hi,
        ci_level=shift.level,
        ci_method="exact_signed_rank",
        statistic=float(active[active > 0].sum()),
        p=_two_sided(active),
        p_method="exact",
        n_perm=fitting(2**active.size),
        min_p=min(1.0, 2.0 ** (1 - active.size)),
        flags=_flags(active, d.size, shift.level, alpha),
    )


def _two_sided(active: Floats) -> float:
    """Share of sign patterns whose sum of positive ranks lies at least as far from the middle as seen."""
    ranks = doubled(np.abs(active))
    total = int(ranks.sum())
    seen = int(ranks[active > 0].sum())
    far = np.abs(2 * np.arange(total + 1) - total) >= abs(2 * seen - total)
    return min(1.0, float(signed_rank_null(np.abs(active))[far].sum()))


def _flags(active: Floats, n: int, level: float, alpha: float) -> frozenset[str]:
    found = {
        "TIES": np.unique(np.abs(active)).size < active.size,
        "ZERO_CHANGES": active.size < n,
        "CI_BELOW_LEVEL": level < 1.0 - alpha,
    }
    return frozenset(code for code, present in found.items() if present)
