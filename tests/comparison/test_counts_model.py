"""The model of counts with a level a subject."""

from __future__ import annotations

import numpy as np
import pytest

from immunoprofile.comparison.counts_model import counts_contrast, fit_counts

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
PRINTED = 6e-4


@pytest.fixture(scope="module")
def cbpp() -> dict[str, np.ndarray]:
    herd = np.repeat(np.arange(15), [len(c) for c in CASES])
    period = np.concatenate([np.arange(len(c)) for c in CASES])
    design = np.column_stack([np.ones(56), *[(period == p).astype(float) for p in (1, 2, 3)]])
    return {"count": np.concatenate(CASES), "total": np.concatenate(ANIMALS), "design": design, "subjects": herd}


def test_cbpp__is_99_of_842(cbpp):
    assert (cbpp["count"].sum(), cbpp["total"].sum()) == (99, 842)


def test_fit_counts__cbpp_by_laplace_as_in_lme4(cbpp):
    # glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), family = binomial): logLik -92.0
    fit = fit_counts(**cbpp, overdispersed=False, nodes=1)
    assert fit.coefficients.tolist() == pytest.approx([-1.3983, -0.9919, -1.1282, -1.5797], abs=PRINTED)
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
