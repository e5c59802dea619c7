"""People and their platelets: proportions of the trial, and counts that show the true response."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from immunoprofile.platelets import classify_response
from immunoprofile.simulation import Trial, draw_trial, load_parameters, sheets
from immunoprofile.simulation.course import Course
from immunoprofile.simulation.subjects import Subject, allocate_doses

VISITS = ("BL", "W4", "W28")
SEEDS = range(20)
WASHOUT = {"platelet_transfusion": 7, "ivig": 28, "none": 0}


@pytest.fixture(scope="module")
def people() -> list[tuple[Subject, Course]]:
    """360 courses from 20 cohorts of 18."""
    trials = [draw_trial(seed, 18, VISITS) for seed in SEEDS]
    return [pair for t in trials for pair in zip(t.subjects, t.courses, strict=True)]


@pytest.mark.parametrize(
    ("n", "doses", "responders"),
    [
        pytest.param(18, {0.5: 3, 1.0: 3, 2.0: 12}, {1.0: 2, 2.0: 6}, id="the-trial"),
        pytest.param(8, {0.5: 1, 1.0: 1, 2.0: 6}, {1.0: 1, 2.0: 3}, id="the-demo"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_subjects__keep_the_proportions_of_the_trial(
    n: int, doses: dict[float, int], responders: dict[float, int], seed: int
) -> None:
    subjects = draw_trial(seed, n, ("BL",)).subjects
    assert Counter(s.dose for s in subjects) == doses
    assert Counter(s.dose for s in subjects if s.responder) == responders


@given(n=st.integers(1, 300))
def test_doses__every_subject_has_one_and_none_is_negative(n: int) -> None:
    doses = allocate_doses(load_parameters(), n)
    assert len(doses) == n
    assert doses == sorted(doses)


@given(n=st.integers(1, 60), seed=st.integers(0, 10**6))
@rules(deadline=None, max_examples=20)
def test_subjects__responders_are_the_stated_share(n: int, seed: int) -> None:
    subjects = draw_trial(seed, n, ("BL",)).subjects
    assert sum(s.responder for s in subjects) == round(n * 8 / 18)
    assert not any(s.responder for s in subjects if s.dose == 0.5)


def test_subjects__depleted_ones_had_rituximab(people: list[tuple[Subject, Course]]) -> None:
    assert all(s.had_rituximab for s, _ in people if s.b_depleted)
    assert sum(s.b_depleted for s, _ in people) == 3 * len(SEEDS)


def _in_response(counts: dict[int, int], days: list[int], level: int) -> set[int]:
    """Days that begin a confirmed response: a plain reading of IWG 2009 with nothing low between."""
    found = set()
    for first, second in itertools.combinations(days, 2):
        between = [d for d in days if first <= d <= second]
        if second - first >= 7 and all(counts[d] >= level for d in between):
            found.add(first)
    return found


def _read_by_hand(subject: Subject, course: Course) -> str:
    counts = dict(zip(course.days, course.counts, strict=True))
    grades = dict(zip(course.days, course.grades, strict=True))
    washout = WASHOUT[subject.rescue]
    days = [
        d
        for d in course.days
        if d > 0
        and grades[d] == 0
        and (course.rescue_day is None or not course.rescue_day <= d <= course.rescue_day + washout)
    ]
    eligible = [d for d in course.days if d > 0 and d not in days and grades[d] > 0]
    counts |= dict.fromkeys(eligible, 0)  # a count with bleeding is below every level
    usable = sorted({*days, *eligible})
    window = [d for d in usable if d <= 112]
    if any(d <= 84 for d in _in_response(counts, window, 100)):
        return "CR"
    if any(d <= 84 for d in _in_response(counts, window, max(30, 2 * counts[0]))):
        return "R"
    return "NR"


def test_course__counts_show_the_true_response(people: list[tuple[Subject, Course]]) -> None:
    assert [_read_by_hand(s, c) for s, c in people] == [s.response for s, _ in people]


def test_course__loss_is_the_first_of_two_low_counts(people: list[tuple[Subject, Course]]) -> None:
    lost = [(s, c) for s, c in people if c.loss_day is not None]
    assert lost
    for _, course in lost:
        after = [n for d, n in zip(course.days, course.counts, strict=True) if d >= course.loss_day]
        before = [n for d, n in zip(course.days, course.counts, strict=True) if course.onset_day <= d < course.loss_day]
        assert max(after[:2]) < course.threshold <= min(before)


def test_course__about_half_still_respond_at_week_28(people: list[tuple[Subject, Course]]) -> None:
    kept = [c.loss_day is None for s, c in people if s.responder]
    # 160 responders: four binomial standard errors round one half
    assert np.mean(kept) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / len(kept)))


def test_course__rescue_never_precedes_the_end_of_a_response(people: list[tuple[Subject, Course]]) -> None:
    rescued = [(s, c) for s, c in people if c.rescue_day is not None]
    assert {s.responder for s, _ in rescued} == {True, False}
    assert all(c.loss_day is not None and c.rescue_day > c.loss_day for s, c in rescued if s.responder)


def test_course__inclusion_asks_for_few_platelets_and_bleeding(people: list[tuple[Subject, Course]]) -> None:
    for _, course in people:
        assert 1 <= course.baseline < 30
        assert min(course.grades[:2]) >= 1  # days -7 and 0


def test_course__baseline_median_is_near_nine(people: list[tuple[Subject, Course]]) -> None:
    # Log-SD 0.55: the median of 360 has a standard error of 1.2533 * 0.55 / sqrt(360) = 3.6 %.
    # Counts are whole, so one count is the tolerance.
    assert np.median([c.baseline for _, c in people]) == pytest.approx(9, abs=1)


def test_course__does_not_depend_on_the_other_subjects_visits(trial: Trial) -> None:
    more = draw_trial(trial.seed, 8, ("BL", "W2", "W4", "W8", "W12"))
    assert more.courses == trial.courses
    assert all(more.shares[s.sample_id] == trial.shares[s.sample_id] for s in trial.samples if s.visit != "W8")


def test_course__the_response_rule_finds_the_true_class_and_days(trial: Trial) -> None:
    """The sheets through the platelets room: class, onset, complete response and loss of every subject."""
    texts = {
        "platelets": sheets.list_platelets(trial.parameters, trial.subjects, trial.courses),
        "subjects": sheets.list_subjects(trial.parameters, trial.subjects, trial.end_day),
        "treatments": sheets.list_treatments(trial.parameters, trial.subjects, trial.courses),
        "bleeding": sheets.list_bleeding(trial.subjects, trial.courses),
    }
    frames = {name: pd.DataFrame(rows).astype("string") for name, rows in texts.items()}
    found = classify_response(
        frames["platelets"], frames["subjects"], treatments=frames["treatments"], bleeding=frames["bleeding"]
    )
    found = found[found["definition_id"] == "iwg-2009"].set_index("subject_id")
    columns = ["first_response_day", "cr_day", "loss_day"]
    for subject, course in zip(trial.subjects, trial.courses, strict=True):
        row = found.loc[subject.subject_id]
        days = [None if pd.isna(row[c]) else int(row[c]) for c in columns]
        assert row["best_response"] == subject.response
        assert days == [course.onset_day, course.cr_day, course.loss_day]
