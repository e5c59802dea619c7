"""What every statistic of this room returns: estimate, interval, p and how each was had."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.errors import InsufficientDataError

ALPHA = 0.05
"""Level of the tests and, as 1 - ALPHA, of the intervals (analysis plan)."""

MIN_PAIRS = 5
"""Fewer pairs are described, not tested: below 5 no exact two-sided p reaches even 0.1 (2/2^4 = 0.125)."""

MIN_PER_GROUP = 3
"""Fewer in a group are described, not tested (analysis plan)."""

ROUNDING = 1e-12
"""Statistics closer than this share of the largest are equal: above rounding error, below any real gap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One estimate with its interval and its two-sided p-value.

    Parameters
    ----------
    estimate, ci_lo, ci_hi
        On the scale of the values given. A limit is infinite where the data cannot bound it.
    ci_level, ci_method
        Level as achieved, and how the limits were computed.
    statistic, df
        Of the test; NaN where there is none.
    p, p_method, n_perm, seed
        Two-sided p; exact, mc or relabel_fixed_covariate; how many patterns (None where the number does not
        fit 64 bits), and the seed where they were drawn.
    min_p
        Smallest p that this test could give with these values.
    flags
        Codes of the room's docstring.
    """

    estimate: float
    ci_lo: float
    ci_hi: float
    ci_level: float
    ci_method: str
    statistic: float
    p: float
    p_method: str
    n_perm: int | None
    min_p: float
    df: float = math.nan
    seed: int | None = None
    flags: frozenset[str] = frozenset()


def check_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A finite one-dimensional array, or a ValueError that says which argument is not one."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be one-dimensional and finite: leave missing values out before")
    return array


def check_groups(first: int, second: int) -> None:
    """Refuse a comparison of two groups of which one has fewer than `MIN_PER_GROUP`.

    Raises
    ------
    InsufficientDataError
    """
    if min(first, second) < MIN_PER_GROUP:
        raise InsufficientDataError(
            f"{first} against {second} subjects are too few to compare",
            expected=f"at least {MIN_PER_GROUP} in each group",
            found=f"{first} and {second}",
            remedy="Describe the subjects one by one; do not test.",
            code="TOO-FEW-PER-GROUP",
        )


def check_pairs(n_pairs: int) -> None:
    """Refuse a test of fewer than `MIN_PAIRS` pairs.

    Raises
    ------
    InsufficientDataError
    """
    if n_pairs < MIN_PAIRS:
        raise InsufficientDataError(
            f"{n_pairs} pairs are too few to test a change",
            expected=f"at least {MIN_PAIRS} pairs",
            found=str(n_pairs),
            remedy="Describe the subjects one by one; do not test.",
            code="TOO-FEW-PAIRS",
        )


def snapped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values with those that differ by rounding error only made equal, and those next to 0 made 0."""
    largest = float(np.max(np.abs(values), initial=0.0))
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.diff(ordered, prepend=-np.inf) > ROUNDING * largest
    equal = np.empty_like(values)
    equal[order] = ordered[first][np.cumsum(first) - 1]
    equal[np.abs(values) <= ROUNDING * largest] = 0.0
    return equal


def fitting(number: int) -> int | None:
    """The number where it fits a signed 64-bit column, else None."""
    return number if number < 2**63 else None
