"""Can response be predicted? Asked only on request, and answered beside what noise would have given.

Selection, scaling and fitting happen inside every fold, folds keep subjects apart, p comes from permuted labels,
and the best of as many pure-noise features stands beside the area under the curve. scikit-learn does the work; it is
imported when first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from immunoprofile.comparison.answer import check_groups
from immunoprofile.comparison.guards import check_held_out
from immunoprofile.comparison.relabeling import Bools, Floats
from immunoprofile.errors import InsufficientDataError

PERMUTATIONS = 999
"""Permuted labels behind the p of a cross-validated area (analysis plan, 1.11: at least 999)."""

_SELECTED = 3
_FOLDS = 4
_NOISE_DRAWS = 4_000


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
    generator, order = np.random.default_rng(seed), list(labels)
    hits = 0
    for _ in range(permutations):
        shuffled = dict(zip(order, generator.permutation([labels[s] for s in order]), strict=True))
        hits += _cross_validated(x, np.array([shuffled[s] for s in names]), names, seed) >= seen - 1e-12
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


def _cross_validated(x: Floats, y: Bools, names: np.ndarray, seed: int) -> float:
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    found = []
    for train, test in folds.split(x, y, names):
        if y[test].all() or not y[test].any():
            continue
        kept = SelectKBest(k=min(_SELECTED, x.shape[1]))
        model = make_pipeline(StandardScaler(), kept, LogisticRegression())
        model.fit(x[train], y[train])
        found.append(_auc(np.asarray(model.decision_function(x[test]), dtype=np.float64), y[test]))
    return float(np.mean(found)) if found else 0.5


def _auc(scores: Floats, y: Bools) -> float:
    difference = scores[y][:, None] - scores[~y][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
