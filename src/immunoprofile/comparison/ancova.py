"""The other view of the same contrast: window adjusted for baseline.

Groups that were not randomised can differ at baseline for a reason, and then the change score and this model
answer different questions (Lord's paradox). Both are always shown; neither decides alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ALPHA, Answer, check_groups, check_values
from immunoprofile.comparison.relabeling import (
    DRAWS,
    Bools,
    Floats,
    at_least,
    relabelings,
    stratum_masks,
)
from immunoprofile.comparison.tails import student_upper
from immunoprofile.errors import InsufficientDataError

_DEGENERATE = 1e-10
"""Share of a sum of squares below which the rest after regression is rounding error."""


def ancova(
    post: ArrayLike,
    baseline: ArrayLike,
    group: ArrayLike,
    *,
    strata: Sequence[object] | None = None,
    seed: int = 0,
    alpha: float = ALPHA,
    draws: int = DRAWS,
) -> Answer:
    """Difference between responders and non-responders at the same baseline: post ~ 1 + group + baseline.

    Parameters
    ----------
    post, baseline : (n,), finite, on the scale of the analysis
    group : (n,), bool
        True for responders, at least 3 of each.
    strata : (n,)
        A level for every stratum enters the model, and labels move within strata only.

    Returns
    -------
    Answer
        `statistic` is Student's t of the group with `df` = n - 2 - (number of strata or 1); the interval is
        its.

    Raises
    ------
    InsufficientDataError
        Fewer than 3 in a group, no degree of freedom left, or a group that baseline and strata tell exactly.

    Notes
    -----
    p is the share of relabelings with the covariate held fixed whose abs(t) is at least as large. That is
    approximate (under no association the covariate still may go with the label), hence
    ``relabel_fixed_covariate`` and never ``exact``. The interval assumes normal errors of one variance.

    References
    ----------
    van Breukelen GJP. ANCOVA versus change from baseline had more power in randomized studies and more bias
    in nonrandomized studies. J Clin Epidemiol 2006;59:920-925. doi 10.1016/j.jclinepi.2006.02.007
    """
    y, x = check_values(post, "post"), check_values(baseline, "baseline")
    labels = np.asarray(group, dtype=np.bool_)
    check_groups(int(labels.sum()), int((~labels).sum()))
    basis = _basis(x, stratum_masks(y.size, strata))
    df = y.size - basis.shape[1] - 1
    rest = y - basis @ (basis.T @ y)
    estimate, error = _coefficient(rest, labels, basis, df)
    ways = relabelings(labels, strata, seed=seed, draws=draws)
    shares = np.concatenate([_explained(block, rest, basis) for block in ways.blocks()])
    half = student_upper(alpha / 2.0, df) * error
    return Answer(
        estimate=estimate,
        ci_lo=estimate - half,
        ci_hi=estimate + half,
        ci_level=1.0 - alpha,
        ci_method="t",
        statistic=estimate / error if error > 0 else math.nan,
        df=float(df),
        p=at_least(shares, float(_explained(labels[None, :].astype(np.float64), rest, basis)[0])),
        p_method="relabel_fixed_covariate",
        n_perm=ways.n_perm,
        min_p=at_least(shares, float(shares.max())),
        seed=ways.seed,
    )


def _basis(baseline: Floats, masks: list[Bools]) -> Floats:
    """Orthonormal columns that span the strata's levels and the baseline."""
    levels = np.column_stack([m / math.sqrt(m.sum()) for m in masks])
    within = baseline - levels @ (levels.T @ baseline)
    spread = float(np.linalg.norm(within))
    if spread <= _DEGENERATE * float(np.linalg.norm(baseline)):
        return levels
    return np.column_stack([levels, within / spread])


def _coefficient(rest: Floats, labels: Bools, basis: Floats, df: int) -> tuple[float, float]:
    """The group's coefficient and its standard error, by regression of what the other columns leave."""
    own = labels - basis @ (basis.T @ labels)
    spread = float(own @ own)
    if df < 1 or spread <= _DEGENERATE * labels.size:
        raise InsufficientDataError(
            "the groups cannot be told from baseline and strata",
            remedy="Use fewer strata; compare changes instead.",
            code="ANCOVA-DEGENERATE",
        )
    estimate = float(own @ rest) / spread
    left = rest - estimate * own
    return estimate, math.sqrt(float(left @ left) / df / spread)


def _explained(labels: Floats, rest: Floats, basis: Floats) -> Floats:
    """Squared partial correlation of labels and post, which orders relabelings as abs(t) does."""
    spread = labels.sum(axis=1) - np.square(labels @ basis).sum(axis=1)
    total = float(rest @ rest)
    usable = spread > _DEGENERATE * rest.size
    share = np.square(labels @ rest) / (np.where(usable, spread, 1.0) * (total if total > 0 else 1.0))
    # Labels that baseline tells exactly have no t: they count as extreme, which can only raise p.
    return np.where(usable, share, 1.0)
