"""Estimating equations, against statsmodels; and why its quasi-binomial scale is not used."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from immunoprofile.comparison.marginal import gee
from immunoprofile.errors import InsufficientDataError

# Two searches for one solution.
SEARCH = 1e-6


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    subjects = np.repeat(np.arange(18), 3)
    responder = (subjects < 8).astype(float)
    kept = generator.random(54) > 0.1
    values = generator.normal(size=18)[subjects] + 0.5 * responder + generator.normal(size=54)
    return values[kept], np.column_stack([np.ones(54), responder])[kept], subjects[kept]


def test_gee__equals_statsmodels_with_the_bias_reduced_covariance(data):
    values, design, subjects = data
    model = sm.GEE(values, design, groups=subjects, cov_struct=sm.cov_struct.Exchangeable())
    theirs = model.fit(cov_type="bias_reduced", maxiter=500, ctol=1e-10)
    ours = gee(values, design, subjects, [0, 1])
    assert ours.estimate == pytest.approx(theirs.params[1], rel=SEARCH)
    assert ours.estimate / ours.statistic == pytest.approx(theirs.bse[1], rel=SEARCH)
    assert ours.df == 16


def test_gee__one_sample_a_subject_has_the_difference_of_means():
    values, group = np.array([1.0, 2.0, 4.0, 3.0, 6.0, 8.0]), np.array([1, 1, 1, 0, 0, 0.0])
    found = gee(values, np.column_stack([np.ones(6), group]), np.arange(6), [0, 1])
    assert found.estimate == pytest.approx(7 / 3 - 17 / 3)


def test_gee__refuses_more_columns_than_subjects():
    with pytest.raises(InsufficientDataError, match="too few subjects"):
        gee(np.arange(5.0), np.eye(5), np.arange(5), [1, 0, 0, 0, 0])


def test_quasi_binomial_scale__of_statsmodels_is_right_with_weights_only():
    # GLM([k, N - k]).fit(scale="X2") divides the dispersion by N, so that its standard errors are far too small.
    k, n = np.array([80.0, 140, 60, 210, 120, 300]), np.full(6, 1000.0)
    design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    pairs = sm.GLM(np.column_stack([k, n - k]), design, family=sm.families.Binomial()).fit(scale="X2")
    weighted = sm.GLM(k / n, design, family=sm.families.Binomial(), var_weights=n).fit(scale="X2")
    # By hand: Pearson's chi-squared over n - p.
    mu = np.repeat([k[:3].mean(), k[3:].mean()], 3) / 1000
    dispersion = np.sum((k - n * mu) ** 2 / (n * mu * (1 - mu))) / 4
    assert weighted.scale == pytest.approx(dispersion)
    assert pairs.scale == pytest.approx(dispersion / 1000)
