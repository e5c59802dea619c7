"""Exact tests of trend over doses."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from immunoprofile.comparison.trend import cochran_armitage, jonckheere
from immunoprofile.errors import InsufficientDataError

# Sums of the same probabilities in another order.
ROUNDING = 1e-12


def test_cochran_armitage__equals_the_enumeration_of_responders():
    dose = np.array([0.5] * 3 + [1.0] * 3 + [2.0] * 6)
    responded = np.array([0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0], dtype=bool)
    sums = np.array([dose[list(chosen)].sum() for chosen in combinations(range(12), 5)])
    expected = np.mean(np.abs(sums - 5 * dose.mean()) >= abs(dose[responded].sum() - 5 * dose.mean()) - 1e-9)
    found = cochran_armitage(dose, responded)
    assert found.p == pytest.approx(expected, abs=ROUNDING)
    assert found.n_perm == sums.size


def test_cochran_armitage__the_doses_of_the_trial():
    # 0 of 3, 2 of 3, 6 of 12 at 0.5, 1 and 2 x 10^6/kg. Enumeration over 43,758 relabelings, by hand in NumPy.
    dose = np.array([0.5] * 3 + [1.0] * 3 + [2.0] * 12)
    responded = np.array([False] * 3 + [True, True, False] + [True] * 6 + [False] * 6)
    sums = np.array([dose[list(chosen)].sum() for chosen in combinations(range(18), 8)])
    middle = 8 * dose.mean()
    expected = np.mean(np.abs(sums - middle) >= abs(dose[responded].sum() - middle) - 1e-9)
    assert cochran_armitage(dose, responded).p == pytest.approx(expected, abs=ROUNDING)


def test_cochran_armitage__small_dose_groups_cannot_reach_the_level():
    # One responder of 3, 3, 3: a third of all tables are as extreme as any.
    found = cochran_armitage([1, 1, 1, 2, 2, 2, 3, 3, 3], [0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert found.min_p == pytest.approx(2 / 3)


def test_cochran_armitage__refuses_one_dose():
    with pytest.raises(InsufficientDataError, match="two doses"):
        cochran_armitage([1, 1, 1], [0, 1, 1])


def test_jonckheere__equals_the_enumeration_of_doses():
    dose, values = np.array([1, 1, 2, 2, 3, 3]), np.array([0.3, 1.1, 0.9, 2.2, 1.7, 3.1])

    def score(x: np.ndarray) -> int:
        return sum(x[i] < x[j] for i in range(6) for j in range(6) if dose[i] < dose[j])

    null = []
    for first in combinations(range(6), 2):
        rest = [i for i in range(6) if i not in first]
        for second in combinations(rest, 2):
            null.append(score(values[[*first, *second, *(i for i in rest if i not in second)]]))
    far = np.abs(np.array(null) - 6)
    found = jonckheere(dose, values)
    assert (found.p_method, found.n_perm) == ("exact", 90)
    assert found.statistic == score(values)
    assert found.p == pytest.approx(np.mean(far >= abs(score(values) - 6)), abs=ROUNDING)


def test_jonckheere__a_perfect_trend_over_3_3_12_is_one_of_371280_either_way():
    found = jonckheere([1] * 3 + [2] * 3 + [4] * 12, np.arange(18))
    assert found.p == pytest.approx(2 / 371_280, rel=1e-9)
    assert found.estimate == 1.0


def test_jonckheere__with_ties_is_drawn_and_close_to_exact():
    dose, values = [1, 1, 1, 2, 2, 2, 3, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]
    tied = jonckheere(dose, [1, 2, 3, 3, 5, 6, 7, 8, 9], seed=2)
    assert (tied.p_method, tied.seed, tied.flags) == ("mc", 2, frozenset({"TIES"}))
    assert tied.p < 0.01
    assert jonckheere(dose, values).p < 0.01
