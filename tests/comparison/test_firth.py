"""Logistic regression with Firth's penalty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from firthmodels import FirthLogisticRegression

from immunoprofile.comparison.firth import firth_logistic, fit_firth
from immunoprofile.errors import InsufficientDataError

# Printed digits of the sources.
PRINTED = 5e-7
# Two searches that stop within 1e-6 of the same maximum.
SEARCH = 1e-4

# sex2 of R's logistf: age, oc, vic, vicl, vis, dia; women with and without a urinary tract infection
# (Foxman B et al. Epidemiology 1997;8:637-641; Heinze G, Schemper M. Stat Med 2002;21:2409-2419).
SEX2 = [
    ("000010", 1, 1),
    ("001000", 14, 2),
    ("001010", 3, 1),
    ("001100", 10, 8),
    ("001110", 12, 18),
    ("001111", 1, 0),
    ("010000", 44, 42),
    ("010001", 3, 0),
    ("010010", 0, 1),
    ("011000", 15, 1),
    ("011001", 1, 0),
    ("011010", 2, 0),
    ("011100", 7, 5),
    ("011110", 3, 6),
    ("101000", 2, 0),
    ("101010", 1, 0),
    ("101011", 1, 0),
    ("101100", 1, 2),
    ("101110", 0, 4),
    ("101111", 1, 0),
    ("110000", 5, 14),
    ("110010", 0, 1),
    ("111000", 3, 1),
    ("111110", 0, 2),
]


def spread_out(table: list[tuple[str, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Design with an intercept, and who is a case."""
    x = [[1, *map(int, pattern)] for pattern, cases, others in table for _ in range(cases + others)]
    y = [i < cases for _, cases, others in table for i in range(cases + others)]
    return np.array(x, dtype=float), np.array(y)


def test_fit_firth__sex2_as_in_logistf():
    x, y = spread_out(SEX2)
    expected = [0.12025404, -1.10598130, -0.06881673, 2.26887464, -2.11140816, -0.78831694, 3.09601263]
    # The source stops once no coefficient moves by 1e-5; the last one differs in its seventh digit.
    assert fit_firth(x, y).coefficients.tolist() == pytest.approx(expected, abs=1e-6)


def test_fit_firth__likelihoods_of_sex2_as_in_logistf():
    # logistf prints: Likelihood ratio test=49.09 on 6 df; the penalised log-likelihood of its fit is -132.5394.
    x, y = spread_out(SEX2)
    fit, none = fit_firth(x, y), fit_firth(x, y, fixed=dict.fromkeys(range(1, 7), 0.0))
    assert (fit.log_likelihood, none.log_likelihood) == pytest.approx((-132.5394, -157.0847), abs=5e-5)
    assert 2 * (fit.log_likelihood - none.log_likelihood) == pytest.approx(49.09, abs=5e-3)


def test_firth_logistic__two_by_two_adds_half_a_subject_to_each_cell():
    # 7 of 10 against 0 of 8: ln((7.5 / 3.5) / (0.5 / 8.5))
    found = firth_logistic([1] * 10 + [0] * 8, [True] * 7 + [False] * 11)
    assert found.estimate == pytest.approx(3.5953534, abs=PRINTED)
    assert found.estimate == pytest.approx(math.log((7.5 / 3.5) / (0.5 / 8.5)))


def test_firth_logistic__complete_separation_stays_finite():
    # 4 against 4: ln 81, profile limits (1.0504, 10.2227), likelihood-ratio p .0066643 (analysis plan, 1.8)
    found = firth_logistic([1, 1, 1, 1, 0, 0, 0, 0], [True] * 4 + [False] * 4)
    assert found.estimate == pytest.approx(math.log(81), abs=PRINTED)
    # The source's upper limit is that of a search which stops within about 3e-4.
    assert (found.ci_lo, found.ci_hi) == pytest.approx((1.0504, 10.2227), abs=3e-4)
    assert found.p == pytest.approx(0.0066643, abs=5e-8)
    assert "FEW_EVENTS" in found.flags


def test_firth_logistic__equals_another_program():
    generator = np.random.default_rng(3)
    x = generator.normal(-2.7, 0.35, 18)
    y = (x + generator.logistic(0, 0.3, 18) > -2.7).astype(int)
    other = FirthLogisticRegression().fit(x[:, None], y)
    found = firth_logistic(x, y.astype(bool))
    assert found.estimate == pytest.approx(other.coef_[0], rel=SEARCH)
    lo, hi = other.conf_int(method="pl")[0]
    assert (found.ci_lo, found.ci_hi) == pytest.approx((lo, hi), rel=SEARCH)


def test_firth_logistic__a_change_of_unit_changes_the_unit_only():
    x, y = np.array([1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 5.5, 7.0]), [False, False, True, False, True, False, True, True]
    one, thousand = firth_logistic(x, y), firth_logistic(1000 * x, y)
    assert one.p == pytest.approx(thousand.p)
    assert one.estimate == pytest.approx(1000 * thousand.estimate)


def test_firth_logistic__refuses_two_responders():
    with pytest.raises(InsufficientDataError, match="2 against 5 subjects"):
        firth_logistic([1, 2, 3, 4, 5, 6, 7], [True, True, False, False, False, False, False])


def test_firth_logistic__refuses_a_constant():
    with pytest.raises(InsufficientDataError, match="does not vary"):
        firth_logistic([2.0] * 8, [True] * 4 + [False] * 4)
