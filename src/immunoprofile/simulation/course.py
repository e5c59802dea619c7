"""The platelet course of one subject: counts, rescue and bleeding, true to the response that was drawn.

A count is the person's level that day with log-normal noise. The level is what the truth says, and noise
must not decide the class: a count is therefore held inside the band of its true level that day (at least 30
and twice the baseline while responding, at least 100 while complete, below while not). Rescue adds to the
count and is excused from the band while it acts.

References
----------
Rodeghiero F et al. Standardization of terminology, definitions and outcome criteria in immune thrombocytopenic
purpura. Blood 2009;113:2386-2393, for the levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from immunoprofile.simulation.parameters import Parameters
from immunoprofile.simulation.subjects import Subject

SCREENING_DAY = -7
_WASHOUT_DAYS = {"platelet_transfusion": 7, "ivig": 28}
"""Days after a rescue during which its counts do not speak for the study treatment (response.md)."""
_RESCUE_RISE = {"platelet_transfusion": 38.0, "ivig": 62.0}
_RAMP_OF_THRESHOLD = 0.75
_AFTER_LOSS_OF_THRESHOLD = 0.55
_BELOW = 0.9
"""A count below a level stays below this share of it, so that rounding cannot lift it over."""


@dataclass(frozen=True, slots=True)
class Course:
    """Weekly counts of one subject and the truth behind them.

    Parameters
    ----------
    days, counts, grades
        Day of each visit, platelets in 10^9/L, worst WHO bleeding grade: same length, in order of days.
    onset_day, cr_day, loss_day, rescue_day
        None where it did not happen. Onset is the first count at the level of response or better; `cr_day`
        the first at the level of complete response; loss the first count below the level of response again.
    spike_day
        Day of an isolated count at response level in a non-responder.
    """

    days: tuple[int, ...]
    counts: tuple[int, ...]
    grades: tuple[int, ...]
    baseline: int
    onset_day: int | None
    cr_day: int | None
    loss_day: int | None
    rescue_day: int | None
    spike_day: int | None

    @property
    def threshold(self) -> int:
        """The level of response for this subject: 30, or twice the baseline if that is more."""
        return max(30, 2 * self.baseline)


def draw_course(p: Parameters, rng: np.random.Generator, subject: Subject, end_day: int) -> Course:
    """Counts on day -7, then weekly from day 0 to `end_day`, with rescue and bleeding."""
    days = (SCREENING_DAY, *range(0, end_day + 1, 7))
    low, high = p.baseline_range
    drawn = p.baseline_median * math.exp(p.baseline_log_sd * rng.standard_normal())
    baseline = round(min(max(drawn, low), high))
    onset, loss = _draw_onset(p, rng, subject, end_day)
    cr_day = onset + 7 if onset is not None and subject.response == "CR" else None
    rescue_day = _draw_rescue_day(rng, subject, loss, end_day)
    spike_day = int(7 * rng.integers(2, 11)) if subject.has_spike else None
    bare = Course(days, (), (), baseline, onset, cr_day, loss, rescue_day, spike_day)
    counts = tuple(_draw_count(p, rng, bare, subject, day) for day in days)
    grades = tuple(_draw_grade(rng, bare, day, count) for day, count in zip(days, counts, strict=True))
    return Course(days, counts, grades, baseline, onset, cr_day, loss, rescue_day, spike_day)


def _draw_onset(
    p: Parameters, rng: np.random.Generator, subject: Subject, end_day: int
) -> tuple[int | None, int | None]:
    """Day of the first weekly count in response, and of the first after its loss."""
    waited = p.onset_median * math.exp(p.onset_log_sd * rng.standard_normal())
    lasted = p.loss_not_before + rng.exponential(1 / p.loss_per_day)
    if not subject.responder:
        return None, None
    onset = min(max(7 * math.ceil(waited / 7), 7), 28)
    loss = 7 * math.ceil((onset + lasted) / 7)
    # The last count cannot be a loss: it takes two low counts to show one.
    return onset, loss if loss <= end_day - 7 else None


def _draw_rescue_day(rng: np.random.Generator, subject: Subject, loss: int | None, end_day: int) -> int | None:
    """Non-responders within the first weeks; responders only after loss, or it would have made them none."""
    early, late = int(rng.integers(10, 40)), int(rng.integers(1, 6))
    if subject.rescue == "none":
        return None
    if not subject.responder:
        return early
    return loss + 7 + late if loss is not None and loss + 7 + late <= end_day else None


def _draw_count(p: Parameters, rng: np.random.Generator, course: Course, subject: Subject, day: int) -> int:
    noise = 10 ** (p.noise_log10_sd * rng.standard_normal())
    lift = rng.uniform(1.1, 1.5)
    if day == 0:
        return course.baseline
    if day == course.spike_day:
        return math.ceil(course.threshold * lift)
    low, high = _band(course, day)
    held = _hold(_level(p, course, subject, day) * noise, low, high)
    since = None if course.rescue_day is None else day - course.rescue_day
    if since is not None and since >= 0:
        held += _RESCUE_RISE[subject.rescue] * math.exp(-since / p.rescue_decay_days[subject.rescue])
        if since > _WASHOUT_DAYS[subject.rescue]:
            held = min(held, high)
    return max(1, math.floor(held))


def _hold(count: float, low: float, high: float) -> float:
    """A count outside its band is mirrored into it on the log scale, so that none piles up on the edge."""
    inside = low * low / count if count < low else high * high / count if count > high else count
    return min(max(inside, low), high)


def _level(p: Parameters, course: Course, subject: Subject, day: int) -> float:
    """The level without noise: baseline, a rise to the peak, and after a loss most of the way back."""
    if course.onset_day is None:
        return math.sqrt(course.baseline * p.non_responder_median)
    if day < course.onset_day:
        reached = max(day, 0) / course.onset_day
        return float(course.baseline ** (1 - reached) * (_RAMP_OF_THRESHOLD * course.threshold) ** reached)
    if course.loss_day is not None and day >= course.loss_day:
        return _AFTER_LOSS_OF_THRESHOLD * course.threshold
    complete = course.cr_day is not None and day >= course.cr_day
    return (p.peak_cr if complete else p.peak_r) * math.exp(p.peak_log_sd * subject.rise_z)


def _band(course: Course, day: int) -> tuple[float, float]:
    """Lowest and highest count that still shows the true level of this day."""
    responding = (
        course.onset_day is not None and day >= course.onset_day and (course.loss_day is None or day < course.loss_day)
    )
    if not responding:
        return 1.0, _BELOW * (course.threshold if course.onset_day is not None else 30)
    if course.cr_day is not None and day >= course.cr_day:
        return 102.0, 400.0
    return course.threshold + 1.0, 97.0


def _draw_grade(rng: np.random.Generator, course: Course, day: int, count: int) -> int:
    """WHO grade: 1 or 2 at inclusion, rarer the higher the count, none while responding."""
    some, more = rng.random(), rng.random()
    severe = 2 if more < 0.3 else 1
    if day <= 0:
        return severe
    if _band(course, day)[0] > 1.0 or day == course.spike_day:
        return 0
    return severe if some < 1 / (1 + (count / 8.0) ** 1.5) else 0
