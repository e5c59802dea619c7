"""The model of counts with a level a subject."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.comparison.counts_model import counts_contrast, fit_counts
from immunoprofile.errors import InsufficientDataError

# Contagious bovine pleuropneumonia: new cases of animals in 15 herds over four periods (R lme4 cbpp;
# Lesnoff M et al. Prev Vet Med 2004;62:1-15).
CASES = [
    [2, 3, 4, 0], [3, 1, 1], [8, 2, 0, 2], [2, 0, 2, 0], [5, 0, 0, 1], [3, 0, 0, 1], [8, 1, 3, 0], [12], [2, 0, 0, 0],
    [1, 1, 0, 2], [0, 5, 3, 1], [2, 1, 0, 0], [1, 2, 0, 0], [11, 0, 0, 0], [1, 1, 1, 0],
]  # fmt: skip
ANIMALS = [
    [14, 12, 9, 5], [22, 18, 21], [22, 16, 16, 20], [10, 10, 9, 6], [18, 25, 24, 4], [17, 17, 18, 20], [16, 10, 9, 5],
    [34], [9, 6, 8, 6], [22, 22, 18, 22], [25, 27, 22, 22], [10, 8, 6, 5], [21, 24, 19, 23], [19, 2, 3, 2],
    [19, 15, 15, 15],
]  # fmt: skip

# Digits printed by the sources, whose own searches stop there.
PRINTED = 3e-4


@pytest.fixture(scope="module")
def cbpp() -> dict[str, np.ndarray]:
    herd = np.repeat(np.arange(15), [len(c) for c in CASES])
    period = np.concatenate([np.arange(len(c)) for c in CASES])
    design = np.column_stack([np.ones(56), *[(period == p).astype(float) for p in (1, 2, 3)]])
    return {"count": np.concatenate(CASES), "total": np.concatenate(ANIMALS), "design": design, "subjects": herd}


def test_cbpp__is_99_of_842(cbpp):
    assert (cbpp["count"].sum(), cbpp["total"].sum()) == (99, 842)


def test_fit_counts__cbpp_by_laplace_as_in_lme4(cbpp):
    # glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), family = binomial) prints -1.3983, -0.9919,
    # -1.1282, -1.5797, 0.6421 and logLik -92.0; a tighter search of the same likelihood (analysis plan, 1.6):
    fit = fit_counts(**cbpp, overdispersed=False, nodes=1)
    assert fit.coefficients.tolist() == pytest.approx([-1.3985, -0.9923, -1.1287, -1.5803], abs=PRINTED)
    assert fit.subject_sd == pytest.approx(0.6421, abs=PRINTED)
    assert fit.log_likelihood == pytest.approx(-92.0263, abs=5e-4)


def test_fit_counts__cbpp_by_quadrature(cbpp):
    # The same model, 25 nodes (analysis plan, 1.6).
    fit = fit_counts(**cbpp, overdispersed=False, nodes=25)
    assert fit.coefficients.tolist() == pytest.approx([-1.3992, -0.9914, -1.1278, -1.5795], abs=PRINTED)
    assert fit.subject_sd == pytest.approx(0.6475, abs=PRINTED)
    assert fit.log_likelihood == pytest.approx(-91.9834, abs=5e-4)


def test_fit_counts__cbpp_is_not_the_answer_of_penalised_quasi_likelihood(cbpp):
    wrong = [-1.327364, -1.016126, -1.149984, -1.605217]
    assert np.abs(fit_counts(**cbpp, overdispersed=False).coefficients - wrong).max() > 10 * PRINTED


def test_fit_counts__finds_the_odds_ratio_and_the_overdispersion_it_was_made_from():
    generator = np.random.default_rng(2)
    n, rho = 60, 2e-3
    subjects, post = np.repeat(np.arange(n), 3), np.tile([0.0, 1, 1], n)
    responder = subjects < 27
    eta = -2.75 + generator.normal(0, 0.35, n)[subjects] + 0.4 * post * responder
    share, m = 1 / (1 + np.exp(-eta)), (1 - rho) / rho
    count = generator.binomial(20_000, generator.beta(share * m, (1 - share) * m))
    design = np.column_stack([np.ones(3 * n), post, responder, post * responder])
    fit = fit_counts(count, np.full(3 * n, 20_000), design, subjects)
    found = counts_contrast(fit, [0, 0, 0, 1], n)
    # Four standard errors of the estimate, as the model gives them.
    assert found.estimate == pytest.approx(0.4, abs=4 * found.estimate / found.statistic)
    assert fit.rho == pytest.approx(rho, rel=0.5)
    assert fit.subject_sd == pytest.approx(0.35, rel=0.4)


@pytest.fixture(scope="module")
def shifting() -> dict[str, np.ndarray]:
    """Twelve subjects before and twice after, whose shifts differ."""
    generator = np.random.default_rng(11)
    subjects, post = np.tile(np.arange(12), 3), np.repeat([0.0, 1, 1], 12)
    eta = -2.5 + generator.normal(0, 0.35, 12)[subjects] + post * generator.normal(0, 0.3, 12)[subjects]
    count = generator.binomial(8_000, 1 / (1 + np.exp(-eta - generator.normal(0, 0.2, 36))))
    design = np.column_stack([np.ones(36), post])
    return {"count": count, "total": np.full(36, 8_000), "design": design, "subjects": subjects}


def test_fit_counts__errors_are_about_those_of_leaving_subjects_out(shifting):
    refits = []
    for left_out in range(12):
        kept = shifting["subjects"] != left_out
        refits.append(fit_counts(**{k: v[kept] for k, v in shifting.items()}).coefficients)
    moves = np.array(refits) - np.mean(refits, axis=0)
    jackknife = np.sqrt(11 / 12 * (moves**2).sum(axis=0))
    ours = np.sqrt(np.diag(fit_counts(**shifting).covariance))
    # One Newton step with the spreads held, against refits that find them again: measured within 8 %.
    assert ours.tolist() == pytest.approx(jackknife.tolist(), rel=0.15)


def test_fit_counts__order_of_samples_changes_nothing(shifting):
    order = np.random.default_rng(1).permutation(36)
    found, again = fit_counts(**shifting), fit_counts(**{k: v[order] for k, v in shifting.items()})
    # Two searches of one likelihood, whose slope is left below 1e-3.
    assert again.coefficients.tolist() == pytest.approx(found.coefficients.tolist(), abs=1e-4)
    assert again.covariance.ravel().tolist() == pytest.approx(found.covariance.ravel().tolist(), rel=1e-2)


def test_counts_contrast__has_the_t_distribution_of_its_subjects(shifting):
    answer = counts_contrast(fit_counts(**shifting), [0, 1], 12)
    assert answer.df == 10
    assert answer.ci_method == "t_mancl_derouen"
    # qt(.975, 10) = 2.228139
    half = 2.228139 * answer.estimate / answer.statistic
    assert (answer.ci_lo, answer.ci_hi) == pytest.approx((answer.estimate - half, answer.estimate + half))


def test_counts_contrast__refuses_as_many_columns_as_subjects(shifting):
    fit = fit_counts(**shifting)
    with pytest.raises(InsufficientDataError, match="too few subjects for these columns"):
        counts_contrast(fit, np.ones(5), 5)
