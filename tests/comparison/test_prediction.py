"""Prediction beside what noise gives."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.comparison.prediction import best_of_noise, predict_response, roc_auc
from immunoprofile.comparison.rank_sum import rank_sum
from immunoprofile.errors import AnalysisError, InsufficientDataError

GROUP = np.arange(18) < 8


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
