"""Does the change differ by response? The difference of mean changes, judged by relabelings of response.

A relabeling gives the response labels to the same subjects in another way, with as many responders as seen
(in every stratum, where there are strata). Each statistic of this room that looks at groups uses the same
relabelings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from immunoprofile.comparison.answer import ALPHA, ROUNDING, Answer, check_groups, check_values
from immunoprofile.errors import InsufficientDataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LIMIT = 200_000
"""Up to this many relabelings all are used (analysis plan)."""

DRAWS = 19_999
"""Relabelings drawn beyond; p = (1 + hits) / (1 + draws) (analysis plan)."""

_BLOCK = 20_000
"""Relabelings multiplied at a time: bounds the memory of their float copy."""

_KEPT = 2_000_000
"""Labels whose float copy is kept between questions: 16 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Relabelings:
    """Ways to give out the labels, the observed one among them.

    Parameters
    ----------
    labels : (n_relabelings, n)
        True for responders.
    seed
        Where they were drawn (then the observed labels are the first row); None where they are all there are.
    floats
        The labels as floats where they are few enough to be kept beside.
    """

    labels: Bools
    seed: int | None
    floats: Floats | None = None

    def blocks(self) -> Iterator[Floats]:
        """The labels as floats, a bounded number at a time."""
        return iter([self.floats]) if self.floats is not None else blocks(self.labels)

    @property
    def n_perm(self) -> int:
        """Relabelings enumerated, or drawn beside the observed one."""
        return len(self.labels) - (self.seed is not None)


def count_relabelings(group: Bools, strata: Sequence[object] | None = None) -> int:
    """How many relabelings there are, the observed one included."""
    return math.prod(math.comb(int(s.sum()), int(group[s].sum())) for s in stratum_masks(len(group), strata))


def relabelings(
    group: Bools,
    strata: Sequence[object] | None = None,
    *,
    seed: int = 0,
    limit: int = LIMIT,
    draws: int = DRAWS,
) -> Relabelings:
    """All relabelings where there are at most `limit`, else `draws` random ones beside the observed.

    Parameters
    ----------
    group : (n,)
        True for responders.
    strata : (n,)
        Labels move only between subjects with the same value.

    Notes
    -----
    The order of the subjects decides which relabelings are drawn from a seed: sort them first.
    """
    group = np.asarray(group, dtype=np.bool_)
    names = None if strata is None else tuple(map(str, strata))
    return _kept(group.tobytes(), names, seed, limit, draws)


@lru_cache(maxsize=4)
def _kept(group_bytes: bytes, strata: tuple[str, ...] | None, seed: int, limit: int, draws: int) -> Relabelings:
    """The relabelings of one group; kept, because every population of a family asks for the same."""
    group = np.frombuffer(group_bytes, dtype=np.bool_)
    masks = stratum_masks(group.size, strata)
    exact = count_relabelings(group, strata) <= limit
    labels = _enumerated(group, masks) if exact else _drawn(group, masks, seed, draws)
    labels.setflags(write=False)
    floats = labels.astype(np.float64) if labels.size <= _KEPT else None
    return Relabelings(labels, None if exact else seed, floats)


def stratum_masks(n: int, strata: Sequence[object] | None) -> list[Bools]:
    """One mask a stratum, in order of first appearance; a single full one without strata."""
    if strata is None:
        return [np.ones(n, dtype=np.bool_)]
    values = list(strata)
    return [np.array([v == s for v in values], dtype=np.bool_) for s in dict.fromkeys(values)]


def _enumerated(group: Bools, masks: list[Bools]) -> Bools:
    parts = [_subsets(int(m.sum()), int(group[m].sum())) for m in masks]
    places = np.meshgrid(*[np.arange(len(p)) for p in parts], indexing="ij")
    labels = np.zeros((math.prod(len(p) for p in parts), group.size), dtype=np.bool_)
    for mask, part, place in zip(masks, parts, places, strict=True):
        labels[:, mask] = part[place.ravel()]
    return labels


@lru_cache(maxsize=8)
def _subsets(n: int, size: int) -> Bools:
    """(comb(n, size), n): every subset of a size; kept, because leaving out one subject asks again."""
    total = math.comb(n, size)
    members = np.fromiter(chain.from_iterable(combinations(range(n), size)), np.intp, total * size)
    subsets = np.zeros((total, n), dtype=np.bool_)
    np.put_along_axis(subsets, members.reshape(total, size), True, axis=1)
    subsets.setflags(write=False)
    return subsets


def _drawn(group: Bools, masks: list[Bools], seed: int, draws: int) -> Bools:
    generator = np.random.default_rng(seed)
    labels = np.empty((draws + 1, group.size), dtype=np.bool_)
    labels[0] = group
    for mask in masks:
        labels[1:, mask] = generator.permuted(np.broadcast_to(group[mask], (draws, int(mask.sum()))), axis=1)
    return labels


def blocks(labels: Bools) -> Iterator[Floats]:
    """The relabelings as floats, a bounded number at a time."""
    for start in range(0, len(labels), _BLOCK):
        yield labels[start : start + _BLOCK].astype(np.float64)


def centered(values: Floats, masks: list[Bools]) -> Floats:
    """Values minus the mean of their stratum."""
    result = np.array(values, dtype=np.float64)
    for mask in masks:
        result[mask] -= result[mask].mean()
    return result


def at_least(sizes: Floats, seen: float) -> float:
    """Share of statistics (absolute values) that are at least as large as the one seen, up to rounding."""
    slack = ROUNDING * float(np.max(sizes, initial=0.0))
    return float(np.mean(sizes >= seen - slack))


def group_difference(
    changes: ArrayLike,
    group: ArrayLike,
    *,
    strata: Sequence[object] | None = None,
    seed: int = 0,
    alpha: float = ALPHA,
    draws: int = DRAWS,
) -> Answer:
    """Mean change of responders minus that of non-responders, with p and interval from relabelings.

    Parameters
    ----------
    changes : (n,), finite, one a subject
    group : (n,), bool
        True for responders, at least 3 of each.
    strata : (n,)
        With strata the estimate is the mean of the strata's differences, weighted by n1 n0 / (n1 + n0): the
        coefficient of the group in a linear model with a level for every stratum.

    Returns
    -------
    Answer
        `statistic` is the estimate.

    Raises
    ------
    InsufficientDataError
        Fewer than 3 in a group, or no stratum with both.

    Notes
    -----
    p is the share of relabelings whose difference is at least as large in absolute value, the observed one
    included: exact where responders and non-responders are exchangeable. The interval inverts the two
    one-sided relabeling tests at alpha/2 each, so where the groups differ in size it can disagree with p at
    the very edge. For a shift s of the responders, a relabeling with difference b and with difference c of
    the labels themselves reaches the observed difference from s = (observed - b) / (1 - c) on; the limits are
    quantiles of these.

    References
    ----------
    Tritchler D. On inverting permutation tests. J Am Stat Assoc 1984;79:200-207. doi 10.2307/2288361
    """
    d, labels = check_values(changes, "changes"), np.asarray(group, dtype=np.bool_)
    check_groups(int(labels.sum()), int((~labels).sum()))
    masks = stratum_masks(d.size, strata)
    weight = _weight(labels, masks)
    ways = relabelings(labels, strata, seed=seed, draws=draws)
    columns = np.column_stack([centered(d, masks), centered(labels.astype(np.float64), masks)]) / weight
    sums = np.concatenate([block @ columns for block in ways.blocks()])
    estimate = float(labels @ columns[:, 0])
    sizes = np.abs(sums[:, 0])
    lo, hi, level = _inverted(sums, estimate, alpha)
    found = {"CI_UNBOUNDED": math.isinf(lo) or math.isinf(hi)}
    return Answer(
        estimate=estimate,
        ci_lo=lo,
        ci_hi=hi,
        ci_level=level,
        ci_method="relabel_inversion_equal_tails",
        statistic=estimate,
        p=at_least(sizes, abs(estimate)),
        p_method="exact" if ways.seed is None else "mc",
        n_perm=ways.n_perm,
        min_p=at_least(sizes, float(sizes.max())),
        seed=ways.seed,
        flags=frozenset(code for code, present in found.items() if present),
    )


def _weight(group: Bools, masks: list[Bools]) -> float:
    """Sum over strata of n1 n0 / (n1 + n0)."""
    weight = sum(int(group[m].sum()) * int((~group[m]).sum()) / int(m.sum()) for m in masks)
    if weight == 0:
        raise InsufficientDataError(
            "no stratum holds both responders and non-responders",
            remedy="Use fewer or wider strata.",
            code="STRATA-SEPARATE-GROUPS",
        )
    return float(weight)


def _inverted(sums: Floats, estimate: float, alpha: float) -> tuple[float, float, float]:
    """Limits and achieved level of the shift that the relabelings do not reject."""
    # How far the labels of a relabeling are from the observed ones; 0 for the observed labels themselves.
    distance = 1.0 - sums[:, 1]
    other = distance > ROUNDING
    turning = np.sort((estimate - sums[other, 0]) / distance[other])
    rejected = math.floor(alpha / 2.0 * len(sums) * (1.0 + ROUNDING))
    rank = rejected - int((~other).sum()) + 1
    if rank < 1:
        return -math.inf, math.inf, 1.0
    return float(turning[rank - 1]), float(turning[-rank]), 1.0 - 2.0 * rejected / len(sums)
