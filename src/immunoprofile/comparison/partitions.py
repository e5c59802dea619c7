"""Populations that together make a whole: what one gains the others lose, so they are compared together.

Only for sets that the plan declares closed (naive, central memory, effector memory, TEMRA of CD4). Centred
log-ratios say which part moved against the others; isometric log-ratios are free coordinates for one joint test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from immunoprofile.comparison.answer import ALPHA, Answer, check_groups, check_pairs
from immunoprofile.comparison.measures import CORRECTION
from immunoprofile.comparison.ratios import SAMPLE, find_population, tube_counts
from immunoprofile.comparison.relabeling import (
    DRAWS,
    Bools,
    Floats,
    at_least,
    centered,
    relabelings,
    stratum_masks,
)
from immunoprofile.comparison.stepdown import sign_patterns
from immunoprofile.errors import InputError


def log_ratio_coordinates(populations: pd.DataFrame, partition: str, parts: Sequence[str]) -> pd.DataFrame:
    """Centred and isometric log-ratios of a closed partition, as a table for `paired_change`.

    Parameters
    ----------
    populations
        subject_id, visit, pop_id and count; panel, sample_id, day, status and flags where present.
    partition
        Name of the whole; it becomes the denom_id.
    parts : at least 2
        pop_ids that together make the whole and share no cell, in the order of the coordinates.

    Returns
    -------
    DataFrame
        Scale ``clr``: a row a part; scale ``ilr``: rows PARTITION_1 and so on, each the balance of all earlier
        parts against the next one. value_variance is that of counting. No value where any part was not
        evaluable.

    Raises
    ------
    InputError
        Fewer than two parts, one named twice, or one that the table lacks.

    References
    ----------
    Aitchison J. The Statistical Analysis of Compositional Data. Chapman and Hall; 1986.
    Egozcue JJ, Pawlowsky-Glahn V, Mateu-Figueras G, Barcelo-Vidal C. Isometric logratio transformations for
    compositional data analysis. Math Geol 2003;35:279-300. doi 10.1023/A:1023818214614
    """
    if len(parts) < 2 or len(set(parts)) < len(parts):
        raise InputError(
            f"a partition needs two or more different parts, {partition} has {', '.join(parts) or 'none'}",
            where="partitions", remedy="Name each part once.", code="PLAN-PARTITION",
        )  # fmt: skip
    tubes = tube_counts(populations)
    joined = find_population(tubes, parts[0], "partitions")[[*SAMPLE, "day", "flags"]]
    for i, part in enumerate(parts):
        own = find_population(tubes, part, "partitions")
        column = own.assign(**{f"part{i}": own["count"].where(own["evaluable"])})[[*SAMPLE, f"part{i}"]]
        joined = joined.merge(column, on=list(SAMPLE), how="left")
    counts = joined[[f"part{i}" for i in range(len(parts))]].to_numpy(dtype=np.float64) + CORRECTION
    names = [*parts, *(f"{partition}_{i}" for i in range(1, len(parts)))]
    matrices = [(row, "clr") for row in _centred(len(parts))] + [(row, "ilr") for row in balances(len(parts))]
    tables = [
        joined[[*SAMPLE, "day", "flags"]].assign(
            pop_id=name, denom_id=partition, value=np.log(counts) @ row, value_variance=(1.0 / counts) @ row**2,
            scale=scale,
        )
        for name, (row, scale) in zip(names, matrices, strict=True)
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def balances(n_parts: int) -> Floats:
    """(n_parts - 1, n_parts) orthonormal contrasts: all earlier parts against the next one."""
    rows = np.zeros((n_parts - 1, n_parts))
    for i in range(1, n_parts):
        rows[i - 1, :i] = math.sqrt(1.0 / (i * (i + 1)))
        rows[i - 1, i] = -math.sqrt(i / (i + 1))
    return rows


def composition_change(balance_changes: Floats, *, seed: int = 0, draws: int = DRAWS) -> Answer:
    """Did the composition change at all? One test of all coordinates, by sign flips of whole subjects.

    Parameters
    ----------
    balance_changes : (n, n_coordinates), finite, n >= 5

    Returns
    -------
    Answer
        `estimate` is the length of the mean change (Aitchison's distance); there is no interval.

    Raises
    ------
    InsufficientDataError
        Fewer than 5 subjects.

    Notes
    -----
    p is exact where changes are symmetric around zero under no change, whatever the correlation of the parts;
    it does not depend on the choice of coordinates.
    """
    d = np.asarray(balance_changes, dtype=np.float64)
    check_pairs(len(d))
    signs, drawn = sign_patterns(len(d), seed=seed, draws=draws)
    null = np.linalg.norm(signs @ d, axis=1) / len(d)
    return _length_answer(null, float(np.linalg.norm(d.mean(axis=0))), drawn)


def composition_difference(
    balance_changes: Floats, group: Bools, *, strata: Sequence[object] | None = None, seed: int = 0
) -> Answer:
    """Does the change of the composition differ by response? As `composition_change`, by relabelings.

    Raises
    ------
    InsufficientDataError
        Fewer than 3 in a group.
    """
    d, labels = np.asarray(balance_changes, dtype=np.float64), np.asarray(group, dtype=np.bool_)
    check_groups(int(labels.sum()), int((~labels).sum()))
    masks = stratum_masks(len(d), strata)
    weight = sum(int(labels[m].sum()) * int((~labels[m]).sum()) / int(m.sum()) for m in masks) or 1.0
    columns = np.column_stack([centered(d[:, j], masks) for j in range(d.shape[1])]) / weight
    ways = relabelings(labels, strata, seed=seed)
    null = np.concatenate([np.linalg.norm(block @ columns, axis=1) for block in ways.blocks()])
    return _length_answer(null, float(np.linalg.norm(labels @ columns)), ways.seed)


def _length_answer(null: Floats, seen: float, seed: int | None) -> Answer:
    return Answer(
        estimate=seen, ci_lo=-math.inf, ci_hi=math.inf, ci_level=1.0 - ALPHA, ci_method="none", statistic=seen,
        p=at_least(null, seen), p_method="exact" if seed is None else "mc", n_perm=len(null) - (seed is not None),
        min_p=at_least(null, float(null.max())), seed=seed,
    )  # fmt: skip


def _centred(n_parts: int) -> Floats:
    return np.asarray(np.eye(n_parts) - 1.0 / n_parts, dtype=np.float64)
