"""Which samples are drawn: visits become days, and each subject's draws become planned samples."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.errors import InputError, Problem, printable
from immunoprofile.simulation.panel import Panel
from immunoprofile.simulation.parameters import Parameters
from immunoprofile.simulation.scenarios import Fault, Scenario
from immunoprofile.simulation.streams import Purpose, draw_normal, key_of, open_stream
from immunoprofile.simulation.subjects import FIRST_ENROLMENT, FIRST_MARKERS, Subject

BASELINE = "BL"
BASELINE_DAY = -1
_FEWEST_FOR_A_MISSED_VISIT = 3
_WEEK = re.compile(r"W([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class PlannedSample:
    """One tube to be drawn: whose, when, in which panel, and what is particular about it.

    Parameters
    ----------
    noise : (n_parts,)
        Standard normal deviations of this visit, one for each part of the trial's tree; alike in all tubes of the
        visit.
    panel_noise
        Deviations of subject and visit for the parts of the panel's own splits.
    marker_shift : (n_markers,)
        Log shift of each of the panel's markers, of subject, run and run day together.
    batch
        The run day; None where the cohort has none.
    faults
        What was done to this tube on purpose.
    """

    sample_id: str
    subject: Subject
    visit: str
    day: int
    panel: Panel
    lymph_abs_1e9_per_l: float
    wbc_1e9_per_l: float
    noise: tuple[float, ...]
    panel_noise: Mapping[str, tuple[float, float]]
    marker_shift: tuple[float, ...]
    batch: str | None = None
    faults: frozenset[Fault] = frozenset()

    @property
    def collection_date(self) -> datetime.date:
        """The day of the draw on the calendar."""
        return self.subject.first_infusion + datetime.timedelta(days=self.day)


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


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What the samples of a cohort are planned from: numbers, seed, visits, panels and run days.

    `batch_days` is the length of a run period in days, whose samples share their shift of brightness; None for no
    run days.
    """

    parameters: Parameters
    seed: int
    scenario: Scenario
    days: Mapping[str, int]
    panels: tuple[Panel, ...]
    batch_days: int | None = None


def plan_samples(plan: SamplePlan, subjects: Sequence[Subject]) -> tuple[PlannedSample, ...]:
    """All samples that are drawn, by subject, day and panel.

    Of three and more subjects one non-responder misses the last visit; a scenario may take more away. A baseline is
    never missed, and a missed visit misses every panel.
    """
    missed = _draw_missed(plan, subjects)
    return tuple(
        _plan_one(plan, subject, visit, day, panel)
        for subject in subjects
        for visit, day in plan.days.items()
        if (subject.number, visit) not in missed
        for panel in plan.panels
    )


def _draw_missed(plan: SamplePlan, subjects: Sequence[Subject]) -> set[tuple[int, str]]:
    rng = open_stream(plan.seed, Purpose.SCENARIO)
    later = [v for v in plan.days if v != BASELINE]
    candidates = [s.number for s in subjects if not s.responder]
    if len(plan.days) < 2 or len(subjects) < _FEWEST_FOR_A_MISSED_VISIT or not candidates:
        return set()
    missed = {(int(rng.choice(candidates)), later[-1])}
    missed |= {(s.number, v) for s in subjects for v in later if rng.random() < plan.scenario.missing_share}
    return missed


def _plan_one(plan: SamplePlan, subject: Subject, visit: str, day: int, panel: Panel) -> PlannedSample:
    p, seed = plan.parameters, plan.seed
    rng = open_stream(seed, Purpose.VISIT, subject.number, day)
    person = open_stream(seed, Purpose.VISIT, subject.number).standard_normal()
    lymph = p.lymph_abs_median * np.exp(p.lymph_abs_between * person + p.lymph_abs_within * rng.standard_normal())
    wbc = lymph / p.lymph_of_wbc * np.exp(p.lymph_abs_within * rng.standard_normal())
    first = np.array(subject.marker_shift) + p.marker_shift_run * rng.standard_normal(len(FIRST_MARKERS))
    batch = None if plan.batch_days is None else batch_of(subject.first_infusion, day, plan.batch_days)
    alone = f"{subject.subject_id}_{visit}"
    return PlannedSample(
        sample_id=alone if len(plan.panels) == 1 else f"{alone}_{panel.id}",
        subject=subject,
        visit=visit,
        day=day,
        panel=panel,
        lymph_abs_1e9_per_l=round(float(lymph), 2),
        wbc_1e9_per_l=round(float(wbc), 1),
        noise=tuple(rng.standard_normal(len(p.part_names)).tolist()),
        panel_noise=_draw_panel_noise(seed, subject.number, day, panel),
        marker_shift=_shift_markers(
            plan, (subject.number, day), dict(zip(FIRST_MARKERS, first, strict=True)), panel, batch
        ),
        batch=batch,
        faults=faults_of(plan.scenario, subject.number, day),
    )


def faults_of(scenario: Scenario, number: int, day: int) -> frozenset[Fault]:
    """The faults of a subject's tubes: after baseline, where it is the subject's turn."""
    tube_faults: tuple[Fault, ...] = ("wrong_spillover", "aged_blood", "clog", "drift")
    mine = (f for i, f in enumerate(scenario.faults) if i == number - 1 and f in tube_faults)
    return frozenset(mine) if day > 0 else frozenset()


def batch_of(first_infusion: datetime.date, day: int, batch_days: int) -> str:
    """The run day of a draw: periods of so many days since the trial's first enrolment, counted from 1."""
    since = (first_infusion - FIRST_ENROLMENT).days + day - BASELINE_DAY
    return f"B{since // batch_days + 1:02d}"


def _draw_panel_noise(seed: int, number: int, day: int, panel: Panel) -> dict[str, tuple[float, float]]:
    names = {
        part.varies_with or part.name for split in panel.splits for part in split.parts if part.between or part.within
    }
    return {
        name: (
            draw_normal(seed, Purpose.PART, number, key_of(name)),
            draw_normal(seed, Purpose.PART, number, day, key_of(name)),
        )
        for name in sorted(names)
    }


def _shift_markers(
    plan: SamplePlan, who: tuple[int, int], first: Mapping[str, float], panel: Panel, batch: str | None
) -> tuple[float, ...]:
    """Log shift of each marker: the subject's and the run's, and that of the run day where there are run days."""
    p, seed, (number, day) = plan.parameters, plan.seed, who
    shifts = []
    for marker in panel.markers:
        key = key_of(marker)
        if marker in first:
            shift = float(first[marker])
        else:
            shift = p.marker_shift_subject * draw_normal(seed, Purpose.MARKER, number, key)
            shift += p.marker_shift_run * draw_normal(seed, Purpose.MARKER, number, day, key)
        shifts.append(shift + batch_shift(p, seed, batch, panel, marker))
    return tuple(shifts)


def batch_shift(p: Parameters, seed: int, batch: str | None, panel: Panel, marker: str) -> float:
    """Log shift of a marker of a panel on a run day: the same for all its samples and for its controls."""
    if batch is None:
        return 0.0
    return p.marker_shift_batch * draw_normal(seed, Purpose.BATCH, key_of(batch), key_of(f"{panel.id}/{marker}"))
