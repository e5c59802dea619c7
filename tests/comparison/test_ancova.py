"""The contrast adjusted for baseline."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from immunoprofile.comparison import ancova
from immunoprofile.errors import InsufficientDataError

DOUBLE = 1e-9  # two routes to one least-squares solution


@pytest.fixture
def trial():
    generator = np.random.default_rng(11)
    group = np.arange(9) < 4
    baseline = generator.normal(-3, 0.5, 9)
    return 0.6 * baseline + 0.3 * group + generator.normal(0, 0.2, 9), baseline, group


def linear_model(post, columns):
    """Coefficient, standard error and t of the first column by ordinary least squares."""
    design = np.column_stack([*columns, np.ones(len(post))])
    solution = np.linalg.lstsq(design, post, rcond=None)[0]
    rest = post - design @ solution
    variance = rest @ rest / (len(post) - design.shape[1])
    error = np.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0])
    return solution[0], error, solution[0] / error


def test_ancova__equals_ordinary_least_squares(trial):
    post, baseline, group = trial
    coefficient, error, t = linear_model(post, [group, baseline])
    answer = ancova(post, baseline, group)
    assert (answer.estimate, answer.statistic) == pytest.approx((coefficient, t), abs=DOUBLE)
    # R: qt(0.975, 6) = 2.446912
    assert answer.ci_hi - answer.estimate == pytest.approx(2.446912 * error, abs=1e-6)
    assert answer.df == 6


@pytest.mark.parametrize("seed", range(5))
def test_ancova__p_is_the_share_of_relabelings_with_a_larger_t(seed):
    generator = np.random.default_rng(seed)
    group = np.arange(9) < 4
    baseline = generator.normal(-3, 0.5, 9) + 0.4 * group
    post = 0.6 * baseline + generator.normal(0, 0.3, 9)
    sizes = []
    for members in combinations(range(9), 4):
        labels = np.isin(np.arange(9), members)
        sizes.append(abs(linear_model(post, [labels, baseline])[2]))
    seen = abs(linear_model(post, [group, baseline])[2])
    answer = ancova(post, baseline, group)
    assert answer.p == pytest.approx(np.mean(np.array(sizes) >= seen - DOUBLE), abs=DOUBLE)
    assert (answer.p_method, answer.n_perm) == ("relabel_fixed_covariate", 126)


def test_ancova__strata_enter_the_model(trial):
    post, baseline, group = trial
    stratum = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1])
    expected = linear_model(post, [group, baseline, stratum])
    answer = ancova(post, baseline, group, strata=list(stratum))
    assert (answer.estimate, answer.statistic, answer.df) == pytest.approx((expected[0], expected[2], 5), abs=DOUBLE)


def test_ancova__swapping_the_labels_flips_the_sign(trial):
    post, baseline, group = trial
    there, back = ancova(post, baseline, group), ancova(post, baseline, ~group)
    assert back.estimate == pytest.approx(-there.estimate, abs=DOUBLE)
    assert back.p == pytest.approx(there.p, abs=DOUBLE)


def test_ancova__constant_baseline_gives_the_plain_difference(trial):
    post, _, group = trial
    expected = post[group].mean() - post[~group].mean()
    assert ancova(post, np.full(9, -3.0), group).estimate == pytest.approx(expected, abs=DOUBLE)


def test_ancova__a_baseline_that_is_the_label_is_refused(trial):
    post, _, group = trial
    with pytest.raises(InsufficientDataError, match="cannot be told from baseline and strata") as refusal:
        ancova(post, group.astype(float), group)
    assert refusal.value.code == "ANCOVA-DEGENERATE"


def test_ancova__refuses_two_in_a_group(trial):
    post, baseline, _ = trial
    with pytest.raises(InsufficientDataError, match="2 against 7"):
        ancova(post, baseline, np.arange(9) < 2)
