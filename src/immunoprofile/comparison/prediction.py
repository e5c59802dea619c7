"""Can response be predicted? Asked only on request, and answered beside what noise would have given.

Selection, scaling and fitting happen inside every fold, folds keep subjects apart, p comes from permuted labels,
and the best of as many pure-noise features stands beside the area under the curve. scikit-learn chooses the folds and
gives the area; the permuted labels go through the same steps in arrays (`folds`), which have to give that area again.
It is imported when first used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import ROUNDING, check_groups
from immunoprofile.comparison.folds import fold_areas
from immunoprofile.comparison.guards import check_held_out
from immunoprofile.comparison.relabeling import Bools, Floats
from immunoprofile.errors import InsufficientDataError

PERMUTATIONS = 999
"""Permuted labels behind the p of a cross-validated area (analysis plan, 1.11: at least 999)."""

_SELECTED = 3
_FOLDS = 4
_NOISE_DRAWS = 4_000
_TOLERANCE = 1e-9
"""Largest slope at a solution: a looser search (1e-4) could order two subjects otherwise than the solution does."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A cross-validated area under the curve, and what it has to be measured against.

    Parameters
    ----------
    auc
        Mean over folds of subjects left out.
    p, n_permutations
        Share of permuted labels, the observed ones included, that do at least as well.
    noise_median, noise_p90
        Area of the best single one of as many features of pure noise, picked by looking: median and 90th
        percentile over simulations.
    """

    auc: float
    p: float
    n_permutations: int
    n_subjects: int
    n_features: int
    noise_median: float
    noise_p90: float
    seed: int

    @property
    def words(self) -> str:
        """The result in one sentence, with its reference."""
        return (
            f"cross-validated AUC {self.auc:.2f} (n = {self.n_subjects}, p = {self.p:.3f}); the best of "
            f"{self.n_features} features of pure noise, picked by looking, has {self.noise_median:.2f} "
            f"(90th percentile {self.noise_p90:.2f})"
        )


def predict_response(
    features: ArrayLike,
    group: ArrayLike,
    subjects: Sequence[str] | None = None,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Prediction:
    """Nested cross-validation of a small logistic model, subjects kept apart.

    Parameters
    ----------
    features : (n_samples, m), finite
        Values known before response.
    group : (n_samples,), bool
        Response; the same for all samples of a subject.
    subjects : (n_samples,)
        None where each sample is a subject.

    Raises
    ------
    InsufficientDataError
        Fewer than 4 subjects in a group: no fold could hold both.

    Notes
    -----
    Each fold standardises, keeps the 3 features that separate best in its training subjects, and fits a ridge
    logistic model to them. Labels are permuted over subjects.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(group, dtype=np.bool_)
    names = np.arange(len(y)).astype(str) if subjects is None else np.asarray(subjects, dtype=str)
    labels = _subject_labels(names, y)
    check_groups(sum(labels.values()), sum(not v for v in labels.values()))
    if min(sum(labels.values()), sum(not v for v in labels.values())) < _FOLDS:
        raise InsufficientDataError(
            f"{_FOLDS} folds need {_FOLDS} subjects in each group", where="prediction",
            remedy="Describe; do not predict.", code="TOO-FEW-PER-GROUP",
        )  # fmt: skip
    seen = _cross_validated(x, y, names, seed)
    permuted = _permuted(labels, names, permutations, seed)
    hits = int((_areas_of(permuted, x, y, names, seed, seen) >= seen - ROUNDING).sum())
    noise = best_of_noise(int(sum(labels.values())), len(labels), x.shape[1], seed=seed)
    return Prediction(
        seen, (1 + hits) / (1 + permutations), permutations, len(labels), x.shape[1], float(np.median(noise)),
        float(np.quantile(noise, 0.9)), seed,
    )  # fmt: skip


def roc_auc(scores: ArrayLike, group: ArrayLike, *, fitted_on: Sequence[str], scored: Sequence[str]) -> float:
    """Area under the curve of scores on subjects who were not used to make them: U / (n1 n0).

    Raises
    ------
    AnalysisError
        A subject was used to choose or fit the score.
    """
    check_held_out(fitted_on, scored)
    return _auc(np.asarray(scores, dtype=np.float64), np.asarray(group, dtype=np.bool_))


def best_of_noise(n_responders: int, n: int, n_features: int, *, seed: int = 0, draws: int = _NOISE_DRAWS) -> Floats:
    """(draws,) areas of the best of independent pure-noise features, for this many subjects."""
    generator = np.random.default_rng(seed)
    ranks = np.argsort(generator.random((draws, n_features, n)), axis=2) + 1
    u = ranks[:, :, :n_responders].sum(axis=2) - n_responders * (n_responders + 1) / 2
    return np.asarray(u.max(axis=1) / (n_responders * (n - n_responders)), dtype=np.float64)


def _subject_labels(names: np.ndarray, y: Bools) -> dict[str, bool]:
    labels = {str(s): bool(v) for s, v in zip(names, y, strict=True)}
    if any(labels[str(s)] != bool(v) for s, v in zip(names, y, strict=True)):
        raise ValueError("a subject has two responses")
    return labels


def _permuted(labels: dict[str, bool], names: np.ndarray, permutations: int, seed: int) -> Bools:
    """(permutations, n_samples) labels that moved between subjects."""
    generator, order = np.random.default_rng(seed), list(labels)
    place = {s: i for i, s in enumerate(order)}
    of_sample = np.array([place[str(s)] for s in names])
    drawn = [generator.permutation([labels[s] for s in order])[of_sample] for _ in range(permutations)]
    return np.array(drawn, dtype=np.bool_).reshape(permutations, len(names))


def _areas_of(permuted: Bools, x: Floats, y: Bools, names: np.ndarray, seed: int, seen: float) -> Floats:
    """Cross-validated area of each labeling; by scikit-learn where the arrays do not give what it gave."""
    every = np.vstack([y[None, :], permuted])
    held_out = np.zeros((len(every), _FOLDS, len(y)), dtype=np.bool_)
    for i, labeling in enumerate(every):
        for fold, (_, test) in enumerate(_folds(x, labeling, names, seed)):
            held_out[i, fold, test] = True
    areas = fold_areas(x, every, held_out, _SELECTED)
    if abs(areas[0] - seen) <= ROUNDING and not np.isnan(areas).any():
        return areas[1:]
    return np.array([_cross_validated(x, labeling, names, seed) for labeling in permuted])


def _folds(x: Floats, y: Bools, names: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedGroupKFold

    yield from StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed).split(x, y, names)


def _cross_validated(x: Floats, y: Bools, names: np.ndarray, seed: int) -> float:
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = []
    for train, test in _folds(x, y, names, seed):
        if y[test].all() or not y[test].any():
            continue
        kept = SelectKBest(k=min(_SELECTED, x.shape[1]))
        model = make_pipeline(StandardScaler(), kept, LogisticRegression(solver="newton-cholesky", tol=_TOLERANCE))
        # A feature that is constant in a fold separates nothing and is ranked last; scikit-learn warns of it each time.
        with warnings.catch_warnings(action="ignore", category=UserWarning), np.errstate(invalid="ignore"):
            model.fit(x[train], y[train])
        found.append(_auc(np.asarray(model.decision_function(x[test]), dtype=np.float64), y[test]))
    return float(np.mean(found)) if found else 0.5


def _auc(scores: Floats, y: Bools) -> float:
    difference = scores[y][:, None] - scores[~y][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
