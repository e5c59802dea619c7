"""A trial before anything is written: people, their platelets, their samples, and what each sample holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from immunoprofile.errors import InputError, Problem
from immunoprofile.simulation import parameters as p
from immunoprofile.simulation.cells import DEAD, DOUBLET
from immunoprofile.simulation.composition import expected_shares
from immunoprofile.simulation.course import Course, draw_course
from immunoprofile.simulation.scenarios import Scenario, find_scenario
from immunoprofile.simulation.streams import Purpose, open_stream
from immunoprofile.simulation.subjects import Subject, draw_subjects
from immunoprofile.simulation.visits import PlannedSample, plan_samples, read_visits

MOST_SUBJECTS = 999


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that is true of a simulated trial, but the events themselves.

    Parameters
    ----------
    days
        Day of each visit, in order.
    end_day
        Last day of observation.
    courses
        One a subject, in the order of `subjects`.
    shares
        Sample to label to probability: what each tube is drawn from.
    """

    seed: int
    scenario: Scenario
    days: Mapping[str, int]
    end_day: int
    subjects: tuple[Subject, ...]
    courses: tuple[Course, ...]
    samples: tuple[PlannedSample, ...]
    shares: Mapping[str, Mapping[str, float]]

    def viability_of(self, sample_id: str) -> float:
        """Live cells among single cells: what the lab's viability count would say."""
        shares = self.shares[sample_id]
        return 1 - shares[DEAD] / (1 - shares[DOUBLET])


def draw_trial(seed: int, n_subjects: int, visits: Sequence[str], scenario: str = "trial") -> Trial:
    """Draw people, platelet courses and samples; thousands of trials a minute, for questions about methods.

    Raises
    ------
    InputError
        Unknown scenario or visit, or a number outside its limits.
    """
    plan, days = find_scenario(scenario), read_visits(visits)
    check_limits({"seed": (seed, 0, None), "n_subjects": (n_subjects, 1, MOST_SUBJECTS)})
    end_day = max(p.FOLLOW_UP_DAYS, *days.values())
    subjects = draw_subjects(seed, n_subjects)
    samples = plan_samples(seed, subjects, days, plan)
    return Trial(
        seed=seed,
        scenario=plan,
        days=days,
        end_day=end_day,
        subjects=subjects,
        courses=tuple(draw_course(open_stream(seed, Purpose.PLATELETS, s.number), s, end_day) for s in subjects),
        samples=samples,
        shares={s.sample_id: _expect(s, plan) for s in samples},
    )


def _expect(sample: PlannedSample, scenario: Scenario) -> dict[str, float]:
    return expected_shares(
        sample.subject,
        sample.day,
        with_effects=scenario.effects,
        visit_noise=sample.noise,
        dead_factor=scenario.dead_factor,
    )


def check_limits(options: Mapping[str, tuple[int, int, int | None]]) -> None:
    """Each option with its lowest and highest value; all that are outside are reported at once.

    Raises
    ------
    InputError
        One problem for each option outside its limits.
    """
    problems = []
    for name, (value, low, high) in options.items():
        limits = f"{low} or more" if high is None else f"{low} to {high}"
        if value < low or (high is not None and value > high):
            problems.append(
                Problem(
                    f"{name} is {value}",
                    where=name,
                    expected=limits,
                    found=str(value),
                    remedy=f"Give {limits}.",
                    code="SIMULATE-OPTION",
                )
            )
    if problems:
        raise InputError.of(problems)
