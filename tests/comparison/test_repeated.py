"""All visits in one model, against closed forms and against statsmodels on shared special cases."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from immunoprofile.comparison.repeated import fit_repeated
from immunoprofile.errors import AnalysisError

N, VISITS = 40, 3

# Two searches for one maximum.
SEARCH = 1e-4


@pytest.fixture
def trial() -> dict[str, np.ndarray]:
    """Forty subjects at three visits without a gap: a mean a visit and a difference by response a visit."""
    generator = np.random.default_rng(11)
    responder = np.arange(N) < 18
    covariance = 0.3 * np.ones((VISITS, VISITS)) + np.diag([0.2, 0.3, 0.5])
    values = generator.multivariate_normal(np.zeros(VISITS), covariance, N) + 0.4 * responder[:, None]
    visit, group = np.tile(np.arange(VISITS), N), np.repeat(responder, VISITS)
    levels = (visit[:, None] == np.arange(VISITS)).astype(float)
    return {
        "values": values.ravel(),
        "design": np.column_stack([levels, levels * group[:, None]]),
        "subjects": np.repeat(np.arange(N), VISITS),
        "visits": visit,
    }


def test_fit_repeated__without_gaps_the_covariance_is_that_of_the_residuals(trial):
    # Multivariate analysis of variance: REML of an unstructured covariance = residual products / (n - 2).
    fit = fit_repeated(**trial)
    y = trial["values"].reshape(N, VISITS)
    group = np.arange(N) < 18
    rest = y - np.where(group[:, None], y[group].mean(axis=0), y[~group].mean(axis=0))
    assert fit.structure == "unstructured"
    assert fit.visit_covariance == pytest.approx(rest.T @ rest / (N - 2), rel=SEARCH)


@pytest.mark.parametrize("weights", [[0, 0, 0, 0, 1, 0], [0, 0, 0, 1 / 3, 1 / 3, 1 / 3]], ids=["one visit", "mean"])
def test_fit_repeated__without_gaps_a_contrast_is_the_t_test_of_summaries(trial, weights):
    # Satterthwaite's degrees of freedom are then exactly n - 2, and t that of two groups of summary values.
    found = fit_repeated(**trial).contrast(weights)
    summary = trial["values"].reshape(N, VISITS) @ np.array(weights[VISITS:])
    group = np.arange(N) < 18
    first, second = summary[group], summary[~group]
    pooled = (17 * first.var(ddof=1) + 21 * second.var(ddof=1)) / (N - 2)
    t = (first.mean() - second.mean()) / np.sqrt(pooled * (1 / 18 + 1 / 22))
    assert found.df == pytest.approx(N - 2, rel=SEARCH)
    assert found.statistic == pytest.approx(t, rel=SEARCH)


def test_fit_repeated__compound_symmetry_with_gaps_is_a_random_level_a_subject(trial):
    # statsmodels MixedLM, restricted likelihood.
    kept = np.random.default_rng(1).random(N * VISITS) > 0.2
    part = {name: column[kept] for name, column in trial.items()}
    ours = fit_repeated(**part, structures=("compound_symmetry",))
    theirs = MixedLM(part["values"], part["design"], groups=part["subjects"]).fit(reml=True)
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=SEARCH)
    assert ours.coefficients == pytest.approx(theirs.fe_params, abs=SEARCH)
    assert np.sqrt(np.diag(ours.coefficient_covariance)) == pytest.approx(theirs.bse_fe, rel=3e-3)


def test_fit_repeated__heterogeneous_ar1_finds_what_it_was_made_from():
    generator = np.random.default_rng(3)
    sds, rho, n = np.array([0.5, 0.8, 1.2, 1.0]), 0.6, 1500
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    truth = np.outer(sds, sds) * rho**lag
    values = generator.multivariate_normal(np.zeros(4), truth, n).ravel()
    fit = fit_repeated(
        values, np.ones((4 * n, 1)), np.repeat(np.arange(n), 4), np.tile(np.arange(4), n),
        structures=("heterogeneous_ar1",),
    )  # fmt: skip
    # Four standard errors of a variance from 1500 subjects: 4 sqrt(2 / 1500) = 15 %.
    assert fit.visit_covariance == pytest.approx(truth, rel=0.15)


def test_fit_repeated__falls_back_where_the_free_covariance_cannot_be_fitted():
    # Nobody was seen at visits 0 and 2 both: their covariance is not identified.
    generator = np.random.default_rng(5)
    subjects, visits = np.repeat(np.arange(40), 2), np.tile([0, 1, 1, 2], 20)
    fit = fit_repeated(generator.normal(size=80), np.ones((80, 1)), subjects, visits)
    assert fit.structure == "heterogeneous_ar1"


def test_fit_repeated__two_samples_of_a_visit_are_refused():
    with pytest.raises(AnalysisError, match=r"subject 0: has several samples at one visit\. Keep one"):
        fit_repeated([1.0, 2.0, 3.0], np.ones((3, 1)), [0, 0, 1], [1, 1, 1])


def test_fit_repeated__says_which_covariances_failed():
    with pytest.raises(AnalysisError, match="no covariance between visits"):
        fit_repeated(np.zeros(12), np.ones((12, 1)), np.repeat(np.arange(6), 2), np.tile([0, 1], 6))
