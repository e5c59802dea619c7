"""All visits in one model, against closed forms, R, and statsmodels on shared special cases."""

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


# Distance from pituitary to fissure, 16 boys then 11 girls at 8, 10, 12 and 14 years: Potthoff RF, Roy SN. Biometrika
# 1964;51:313-326 (R nlme::Orthodont).
DISTANCE = [
    26, 25, 29, 31, 21.5, 22.5, 23, 26.5, 23, 22.5, 24, 27.5, 25.5, 27.5, 26.5, 27, 20, 23.5, 22.5, 26, 24.5, 25.5, 27,
    28.5, 22, 22, 24.5, 26.5, 24, 21.5, 24.5, 25.5, 23, 20.5, 31, 26, 27.5, 28, 31, 31.5, 23, 23, 23.5, 25, 21.5, 23.5,
    24, 28, 17, 24.5, 26, 29.5, 22.5, 25.5, 25.5, 26, 23, 24.5, 26, 30, 22, 21.5, 23.5, 25, 21, 20, 21.5, 23, 21, 21.5,
    24, 25.5, 20.5, 24, 24.5, 26, 23.5, 24.5, 25, 26.5, 21.5, 23, 22.5, 23.5, 20, 21, 21, 22.5, 21.5, 22.5, 23, 25, 23,
    23, 23.5, 24, 20, 21, 22, 21.5, 16.5, 19, 19, 19.5, 24.5, 25, 28, 28,
]  # fmt: skip


@pytest.fixture
def jaws() -> dict[str, np.ndarray]:
    """The distances with every ninth gone from the sixth on: a mean a visit and a difference by sex a visit."""
    child, visit = np.repeat(np.arange(27), 4), np.tile(np.arange(4), 27)
    levels = (visit[:, None] == np.arange(4)).astype(float)
    kept = np.arange(108) % 9 != 5
    return {
        "values": np.array(DISTANCE)[kept],
        "design": np.column_stack([levels, levels * (child >= 16)[:, None]])[kept],
        "subjects": child[kept],
        "visits": visit[kept],
    }


@pytest.mark.parametrize(
    ("structure", "log_likelihood", "coefficients", "errors"),
    [
        # gls(distance ~ 0 + factor(visit) + factor(visit):female, correlation = corSymm(form = ~visit | Subject),
        #     weights = varIdent(form = ~1 | visit), method = "REML"), nlme 3.1.162
        ("unstructured", -181.080137,
         [23.38790545, 23.69652716, 25.53607309, 27.36364636, -1.95883732, -1.58610079, -2.40051219, -3.24588622],
         [0.733220018, 0.540211171, 0.684321347, 0.576160806, 1.154133703, 0.842638356, 1.071160242, 0.898100809]),
        # the same with corAR1(form = ~visit | Subject)
        ("heterogeneous_ar1", -195.529097,
         [22.71184916, 23.79928829, 25.88884525, 27.25879373, -1.70893648, -1.63345092, -2.73897815, -3.14094456],
         [0.629694417, 0.556873231, 0.673163269, 0.563733369, 1.013492742, 0.867738268, 1.048843692, 0.876702875]),
    ],
    ids=["unstructured", "heterogeneous AR(1)"],
)  # fmt: skip
def test_fit_repeated__with_gaps_is_that_of_r(jaws, structure, log_likelihood, coefficients, errors):
    fit = fit_repeated(**jaws, structures=(structure,))
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=SEARCH)
    assert fit.coefficients == pytest.approx(coefficients, rel=SEARCH)
    assert np.sqrt(np.diag(fit.coefficient_covariance)) == pytest.approx(errors, rel=SEARCH)


@pytest.mark.parametrize(
    ("weights", "estimate", "error", "df", "p"),
    [
        # lmer(distance ~ 0 + factor(visit) + factor(visit):female + (1 | Subject)), lmerTest 3.1.3: contest1D
        ([0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25], -2.23079983, 0.77700318, 25.1496284, 0.0081846652),
        ([0, 0, 0, 0, 0, 0, 0, 1], -3.14729332, 0.946643628, 50.2841789, 0.00165775074),
    ],
    ids=["mean", "last visit"],
)
def test_contrast__with_gaps_has_the_degrees_of_freedom_of_r(jaws, weights, estimate, error, df, p):
    found = fit_repeated(**jaws, structures=("compound_symmetry",)).contrast(weights)
    assert found.estimate == pytest.approx(estimate, rel=SEARCH)
    assert found.estimate / found.statistic == pytest.approx(error, rel=SEARCH)
    assert found.df == pytest.approx(df, rel=SEARCH)
    assert found.p == pytest.approx(p, rel=SEARCH)


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
