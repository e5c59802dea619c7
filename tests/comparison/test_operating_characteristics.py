"""What the tests promise, seen in simulation: errors of the first kind, coverage, family-wise error.

Each limit is the nominal value plus or minus four standard errors of the simulation, widened by what the exact test
cannot reach for being discrete.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from immunoprofile.comparison import ancova, group_difference, relabelings, signed_rank, step_down_min_p
from immunoprofile.comparison.stepdown import relabeled_statistics

N_NULL = 1500


def slack(n: int, p: float = 0.05) -> float:
    """Four standard errors of a share p of n simulations."""
    return 4 * math.sqrt(p * (1 - p) / n)


def test_signed_rank__errs_as_often_as_it_says_and_its_interval_covers():
    generator = np.random.default_rng(101)
    answers = [signed_rank(generator.normal(0, 0.35, 18)) for _ in range(N_NULL)]
    rejected = np.mean([a.p <= 0.05 for a in answers])
    covered = np.mean([a.ci_lo <= 0 <= a.ci_hi for a in answers])
    # Attainable size of n = 18: 1 - 0.9518 achieved by the interval
    assert rejected == pytest.approx(0.048, abs=slack(N_NULL))
    assert covered == pytest.approx(0.952, abs=slack(N_NULL))


def test_group_difference__errs_as_often_as_it_says_and_its_interval_covers():
    generator = np.random.default_rng(102)
    group, shift = np.arange(14) < 6, 0.4
    answers = [group_difference(generator.normal(0, 0.4, 14) + shift * group, group) for _ in range(N_NULL)]
    null = [group_difference(generator.normal(0, 0.4, 14), group).p for _ in range(N_NULL)]
    assert np.mean(np.array(null) <= 0.05) == pytest.approx(0.05, abs=slack(N_NULL))
    covered = np.mean([a.ci_lo <= shift <= a.ci_hi for a in answers])
    assert covered == pytest.approx(0.95, abs=slack(N_NULL))
    # The mean is unbiased: 4 standard errors of a difference of means.
    error = 0.4 * math.sqrt(1 / 6 + 1 / 8) / math.sqrt(N_NULL)
    assert np.mean([a.estimate for a in answers]) == pytest.approx(shift, abs=4 * error)


def test_group_difference__finds_a_large_difference_as_often_as_planned():
    # Log-odds 0.55, changes with sd sqrt(2 x 0.224^2 + 0.15^2) = 0.35, 8 against 10: power 0.88 (analysis plan, 5.2).
    generator = np.random.default_rng(106)
    runs, group = 150, np.arange(18) < 8
    found = [group_difference(generator.normal(0, 0.35, 18) + 0.55 * group, group).p <= 0.05 for _ in range(runs)]
    assert np.mean(found) == pytest.approx(0.88, abs=slack(runs, 0.88))


def test_ancova__is_misled_where_response_depends_on_the_true_baseline_and_the_change_score_is_not():
    generator = np.random.default_rng(103)
    runs, rejected = 400, np.zeros(2)
    for _ in range(runs):
        true = generator.normal(0, 0.35, 14)
        # Log-odds of 4 a standard deviation of the true baseline (analysis plan, 1.4).
        group = np.zeros(14, dtype=bool)
        group[np.argsort(4 * true / 0.35 + generator.logistic(size=14))[7:]] = True
        before, after = true + generator.normal(0, 0.224, (2, 14))
        rejected += [group_difference(after - before, group).p <= 0.05, ancova(after, before, group).p <= 0.05]
    change, adjusted = rejected / runs
    assert change == pytest.approx(0.05, abs=slack(runs))
    assert adjusted > 0.05 + slack(runs)


def test_step_down__family_wise_error_of_twenty_correlated_populations():
    generator = np.random.default_rng(104)
    runs, wrong = 400, 0
    group = np.arange(12) < 6
    labels = relabelings(group).labels
    for _ in range(runs):
        shared = generator.normal(size=(12, 1))
        d = math.sqrt(0.5) * shared + math.sqrt(0.5) * generator.normal(size=(12, 20))
        # Some populations have few subjects.
        d[:2, 15:] = np.nan
        null = relabeled_statistics(d, labels)
        adjusted = step_down_min_p(null, relabeled_statistics(d, group[None, :])[0])
        wrong += adjusted.min() <= 0.05
    assert 0.05 - slack(runs) <= wrong / runs <= 0.05 + slack(runs)


def test_pooled_cells__would_reject_a_true_null_nearly_always():
    # Why the unit is the subject: a z test on pooled counts against a true null (analysis plan, 0.1: 87 %).
    generator = np.random.default_rng(105)
    runs, pooled, paired = 200, 0, 0
    for _ in range(runs):
        own = generator.normal(-2.75, 0.35, 18)
        logit = own + generator.normal(0, 0.224, (2, 18))
        counts = generator.binomial(20_000, 1 / (1 + np.exp(-logit)))
        share = counts.sum(axis=1) / (18 * 20_000)
        both = share.mean()
        pooled += abs(share[1] - share[0]) > 1.96 * math.sqrt(2 * both * (1 - both) / (18 * 20_000))
        values = np.log((counts + 0.5) / (20_000 - counts + 0.5))
        paired += signed_rank(values[1] - values[0]).p <= 0.05
    assert pooled / runs > 0.7
    assert paired / runs == pytest.approx(0.048, abs=slack(runs))
