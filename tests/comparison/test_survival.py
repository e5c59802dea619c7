"""Curves with censoring and competing events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight

from immunoprofile.comparison.survival import cumulative_incidence, kaplan_meier, log_rank, median_time

# Acute myelogenous leukemia, R survival::aml (Miller RG. Survival Analysis. Wiley; 1981).
MAINTAINED = ([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0])
NONMAINTAINED = ([5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1])

# Printed digits of the source.
PRINTED = 5e-5
# Two programs that sum the same terms in another order.
ROUNDING = 1e-10


@pytest.mark.parametrize(
    ("arm", "conf_type", "expected"),
    [
        (MAINTAINED, "log", (31, 18, math.inf)),
        (MAINTAINED, "log-log", (31, 13, math.inf)),
        (NONMAINTAINED, "log", (23, 8, math.inf)),
        (NONMAINTAINED, "log-log", (23, 5, 33)),
    ],
    ids=["maintained log", "maintained log-log", "nonmaintained log", "nonmaintained log-log"],
)
def test_kaplan_meier__medians_of_aml_as_in_r_and_lifelines(arm, conf_type, expected):
    # survfit(Surv(time, status) ~ x, aml): 31 (18, NA) and 23 (8, NA); lifelines' log-log limits start at 13 and 5.
    assert median_time(kaplan_meier(*arm, conf_type=conf_type)) == expected


def test_kaplan_meier__aml_at_day_31():
    # summary(survfit(...)): time 31, n.risk 5, survival 0.491
    curve = kaplan_meier(*MAINTAINED)
    assert curve.at(31)[0] == pytest.approx(0.4909, abs=PRINTED)
    assert curve.at_risk[list(curve.time).index(31)] == 5


def test_kaplan_meier__before_the_first_event_all_are_free_of_it():
    assert kaplan_meier(*MAINTAINED).at(3)[0] == 1.0


def test_kaplan_meier__without_censoring_is_the_share_left():
    curve = kaplan_meier([1, 2, 3, 4], [1, 1, 1, 1])
    assert curve.value.tolist() == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert median_time(curve)[0] == 2.5


def test_kaplan_meier__refuses_negative_days():
    with pytest.raises(ValueError, match="days from 0 on"):
        kaplan_meier([-1, 2], [1, 0])


def test_log_rank__aml_as_in_r():
    # survdiff(Surv(time, status) ~ x, aml): Chisq = 3.4, p = 0.0653
    group = [True] * 11 + [False] * 12
    statistic, p = log_rank(MAINTAINED[0] + NONMAINTAINED[0], MAINTAINED[1] + NONMAINTAINED[1], group)
    assert statistic == pytest.approx(3.396389, abs=5e-7)
    assert p == pytest.approx(0.0653393, abs=5e-8)


def test_cumulative_incidence__equals_statsmodels():
    generator = np.random.default_rng(4)
    time, event = generator.permutation(40) + 1.0, generator.integers(0, 3, 40)
    ours, theirs = cumulative_incidence(time, event), CumIncidenceRight(time, event)
    assert [ours.at(t)[0] for t in theirs.times] == pytest.approx(theirs.cinc[0].tolist(), abs=ROUNDING)


def test_cumulative_incidence__limits_hold_the_truth_as_often_as_they_say():
    # Exponential times, hazards 1 (response) and 0.5 (rescue), censored at 1.5: F1(1) = (1/1.5)(1 - exp(-1.5)).
    generator, truth, runs, covered = np.random.default_rng(6), (1 - math.exp(-1.5)) / 1.5, 600, 0
    for _ in range(runs):
        first, second = generator.exponential(1.0, 40), generator.exponential(2.0, 40)
        time = np.minimum(np.minimum(first, second), 1.5)
        event = np.where(time == 1.5, 0, np.where(first < second, 1, 2))
        _, lo, hi = cumulative_incidence(time, event).at(1.0)
        covered += lo <= truth <= hi
    # Four standard errors of the simulation: 4 sqrt(.95 x .05 / 600) = 0.036.
    assert covered / runs == pytest.approx(0.95, abs=0.036)


def test_cumulative_incidence__responses_and_rescues_add_up_to_all():
    time, event = [7, 7, 14, 21, 28, 35], [1, 2, 1, 0, 2, 1]
    both = cumulative_incidence(time, event).value + cumulative_incidence(time, event, cause=2).value
    free = kaplan_meier(time, [e > 0 for e in event]).value
    assert both.tolist() == pytest.approx((1 - free).tolist(), abs=ROUNDING)


def test_cumulative_incidence__a_rescue_is_not_a_censored_response():
    # By hand: 4 subjects; response day 7 (1/4), rescue day 14, response day 21 with 2 left: 1/4 + (1/2)(1/2) = 1/2;
    # one minus Kaplan-Meier with the rescue censored would say 1 - (3/4)(1/2) = 0.625.
    curve = cumulative_incidence([7, 14, 21, 28], [1, 2, 1, 0])
    assert curve.at(21)[0] == pytest.approx(0.5)
    assert curve.at(3)[0] == 0.0


def test_landmark__removes_the_error_that_immortal_time_makes():
    # A marker that can only be seen to rise while still without response, independent of it by construction.
    generator = np.random.default_rng(8)
    runs, naive, fair = 60, 0, 0
    for _ in range(runs):
        onset, rise = generator.exponential(60.0, 200), generator.exponential(60.0, 200)
        time, event = np.minimum(onset, 112.0), onset <= 112
        naive += log_rank(time, event, rise <= time)[1] <= 0.05
        left = time > 28
        fair += log_rank(time[left] - 28, event[left], (rise <= 28)[left])[1] <= 0.05
    assert naive == runs
    # Nominal 5 % plus four standard errors of 60 runs.
    assert fair / runs <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)
