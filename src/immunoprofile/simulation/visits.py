"""Which samples are drawn: visits become days, and each subject's draws become planned samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.errors import InputError, Problem, printable
from immunoprofile.simulation import parameters as p
from immunoprofile.simulation.panel import MARKERS
from immunoprofile.simulation.scenarios import Scenario
from immunoprofile.simulation.streams import Purpose, open_stream
from immunoprofile.simulation.subjects import Subject

BASELINE = "BL"
BASELINE_DAY = -1
_FEWEST_FOR_A_MISSED_VISIT = 3
_WEEK = re.compile(r"W([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One tube to be drawn: whose, when, and what is particular about this draw.

    `noise` are the standard normal deviations of this visit, one for each part of the tree of cells;
    `marker_shift` the log shift of each marker of subject and run together.
    """

    sample_id: str
    subject: Subject
    visit: str
    day: int
    lymph_abs_1e9_per_l: float
    wbc_1e9_per_l: float
    noise: tuple[float, ...]
    marker_shift: tuple[float, ...]


def read_visits(visits: Sequence[str]) -> dict[str, int]:
    """Day of each visit: ``BL`` is the day before the first infusion, ``W4`` is day 28.

    Raises
    ------
    InputError
        A name of another form, one twice, none at all: all problems at once.
    """
    problems = [
        _problem(f'visit "{printable(v)}" is neither {BASELINE} nor W and a number', "Write BL, W1, W2, ... W28.")
        for v in visits
        if v != BASELINE and not _WEEK.fullmatch(v)
    ]
    twice = sorted({v for v in visits if list(visits).count(v) > 1})
    problems += [_problem(f'visit "{printable(v)}" is named more than once', "Name it once.") for v in twice]
    if not visits:
        problems.append(_problem("no visit is named", "Name at least one, such as BL."))
    if problems:
        raise InputError.of(problems)
    days = {v: BASELINE_DAY if v == BASELINE else 7 * int(v[1:]) for v in visits}
    return dict(sorted(days.items(), key=lambda item: item[1]))


def _problem(what: str, remedy: str) -> Problem:
    return Problem(what, where="visits", remedy=remedy, code="SIMULATE-OPTION")


def plan_samples(
    seed: int, subjects: Sequence[Subject], days: dict[str, int], scenario: Scenario
) -> tuple[PlannedSample, ...]:
    """All samples that are drawn, by subject and day.

    Of three and more subjects one non-responder misses the last visit; a scenario may take more away. A
    baseline is never missed.
    """
    missed = _draw_missed(seed, subjects, days, scenario)
    return tuple(
        _plan_one(seed, subject, visit, day)
        for subject in subjects
        for visit, day in days.items()
        if (subject.number, visit) not in missed
    )


def _draw_missed(
    seed: int, subjects: Sequence[Subject], days: dict[str, int], scenario: Scenario
) -> set[tuple[int, str]]:
    rng = open_stream(seed, Purpose.SCENARIO)
    later = [v for v in days if v != BASELINE]
    if len(days) < 2 or len(subjects) < _FEWEST_FOR_A_MISSED_VISIT:
        return set()
    candidates = [s.number for s in subjects if not s.responder]
    missed = {(int(rng.choice(candidates)), later[-1])}
    missed |= {(s.number, v) for s in subjects for v in later if rng.random() < scenario.missing_share}
    return missed


def _plan_one(seed: int, subject: Subject, visit: str, day: int) -> PlannedSample:
    rng = open_stream(seed, Purpose.VISIT, subject.number, day)
    person = open_stream(seed, Purpose.VISIT, subject.number).standard_normal()
    lymph = p.LYMPH_ABS_MEDIAN * np.exp(p.LYMPH_ABS_BETWEEN * person + p.LYMPH_ABS_WITHIN * rng.standard_normal())
    wbc = lymph / p.LYMPH_OF_WBC * np.exp(p.LYMPH_ABS_WITHIN * rng.standard_normal())
    shift = np.array(subject.marker_shift) + p.MARKER_SHIFT_RUN * rng.standard_normal(len(MARKERS))
    return PlannedSample(
        sample_id=f"{subject.subject_id}_{visit}",
        subject=subject,
        visit=visit,
        day=day,
        lymph_abs_1e9_per_l=round(float(lymph), 2),
        wbc_1e9_per_l=round(float(wbc), 1),
        noise=tuple(rng.standard_normal(p.N_PARTS).tolist()),
        marker_shift=tuple(shift.tolist()),
    )
