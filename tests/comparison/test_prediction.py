"""Prediction beside what noise gives."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.comparison.prediction import _areas_of, _cross_validated, best_of_noise, predict_response, roc_auc
from immunoprofile.comparison.rank_sum import rank_sum
from immunoprofile.errors import AnalysisError, InsufficientDataError

GROUP = np.arange(18) < 8

# Sums of four areas, each a ratio of small whole numbers.
ROUNDED = 1e-12


def test_best_of_noise__twenty_features_and_eighteen_subjects():
    # Best of 20 null areas at n = 18: median .76, 90th percentile .86 (analysis plan, 1.11).
    areas = best_of_noise(8, 18, 20, seed=1)
    # Areas of 8 against 10 are multiples of 1/80: one step either way.
    assert np.median(areas) == pytest.approx(0.76, abs=0.013)
    assert np.quantile(areas, 0.9) == pytest.approx(0.86, abs=0.013)


def test_predict_response__noise_is_not_predicted():
    features = np.random.default_rng(2).normal(size=(18, 20))
    found = predict_response(features, GROUP, permutations=19, seed=1)
    assert found.p > 0.05
    assert found.auc < found.noise_p90


def test_predict_response__a_clear_difference_is_found():
    features = np.random.default_rng(3).normal(size=(18, 5))
    features[:, 0] += 4.0 * GROUP
    found = predict_response(features, GROUP, permutations=19, seed=1)
    assert (found.p, found.auc > 0.9) == (0.05, True)


def test_predict_response__says_the_noise_beside_the_area():
    features = np.random.default_rng(2).normal(size=(18, 20))
    words = predict_response(features, GROUP, permutations=3).words
    assert "the best of 20 features of pure noise, picked by looking, has 0.76" in words


def test_predict_response__samples_of_a_subject_stay_together():
    # Twins of each subject would be found again by any model that may learn from the one and judge the other.
    features = np.random.default_rng(4).normal(size=(18, 5))
    doubled, names = np.repeat(features, 2, axis=0), np.repeat(np.arange(18).astype(str), 2)
    found = predict_response(doubled, np.repeat(GROUP, 2), names, permutations=9, seed=2)
    assert (found.n_subjects, found.auc < 0.9) == (18, True)


def test_predict_response__refuses_three_responders():
    with pytest.raises(InsufficientDataError, match="4 folds need 4 subjects in each group"):
        predict_response(np.ones((18, 2)), np.arange(18) < 3)


def test_predict_response__a_subject_has_one_response():
    with pytest.raises(ValueError, match="two responses"):
        predict_response(np.ones((4, 2)), [True, False, True, False], ["A", "A", "B", "C"])


def test_roc_auc__is_the_mann_whitney_statistic_over_all_pairs():
    scores = np.random.default_rng(5).normal(size=18)
    u = rank_sum(scores[GROUP], scores[~GROUP]).statistic
    assert roc_auc(scores, GROUP, fitted_on=[], scored=["S1"]) == pytest.approx(u / 80)


def test_roc_auc__of_the_subjects_it_was_fitted_on_is_refused():
    with pytest.raises(AnalysisError, match="used to choose or fit the score"):
        roc_auc([1.0, 2.0], [True, False], fitted_on=["A"], scored=["A", "B"])


@pytest.mark.parametrize("shape", [(18, 20), (18, 2), (24, 6)], ids=["many features", "two features", "pairs"])
def test_areas_of_relabelings__are_those_of_the_pipelines(monkeypatch, shape):
    # Beside scikit-learn, labeling by labeling; one feature is constant; in the last case subjects have two samples.
    generator = np.random.default_rng(6)
    names = np.arange(shape[0]) // (2 if shape[0] == 24 else 1)
    features = generator.normal(size=shape)
    features[:, -1] = 0.0
    group = names < names.max() / 2
    labels = np.array([generator.permutation(names.max() + 1)[names] < names.max() / 2 for _ in range(12)])
    seen = _cross_validated(features, group, names, 3)
    theirs = [_cross_validated(features, y, names, 3) for y in labels]
    monkeypatch.setattr("immunoprofile.comparison.prediction._cross_validated", None)
    assert _areas_of(labels, features, group, names, 3, seen).tolist() == pytest.approx(theirs, abs=ROUNDED)


def test_areas_of_relabelings__come_from_the_pipelines_where_the_arrays_disagree(monkeypatch):
    features = np.random.default_rng(6).normal(size=(18, 4))
    labels = np.array([np.roll(GROUP, 3), np.roll(GROUP, 7)])
    names = np.arange(18)
    expected = [_cross_validated(features, y, names, 3) for y in labels]
    monkeypatch.setattr("immunoprofile.comparison.prediction.fold_areas", lambda *_: np.array([0.1, 0.2, 0.3]))
    seen = _cross_validated(features, GROUP, names, 3)
    assert _areas_of(labels, features, GROUP, names, 3, seen).tolist() == expected
