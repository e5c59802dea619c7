"""What a definition judges of one subject, and what it then says."""

from __future__ import annotations

from dataclasses import dataclass

from immunoprofile.platelets.confirmation import Pair
from immunoprofile.platelets.eligibility import (
    Baseline,
    Window,
    attribution_end,
    choose_baseline,
    exclusion_windows,
    first_rescue,
)
from immunoprofile.platelets.levels import JudgedCount, judge_counts
from immunoprofile.platelets.loss import Episode, Loss
from immunoprofile.platelets.records import Course
from immunoprofile.platelets.rule import Rule


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a definition judges: a course with its baseline, windows and judged counts."""

    course: Course
    rule: Rule
    windows: tuple[Window, ...]
    baseline: Baseline | None
    counts: tuple[JudgedCount, ...]
    cutoff: int | None = None

    @property
    def eligible(self) -> tuple[JudgedCount, ...]:
        """The counts that may speak, in time order, at most one a day."""
        return tuple(c for c in self.counts if c.eligible)

    def eligible_in(self, first: int, last: int) -> tuple[JudgedCount, ...]:
        """The counts of these days that may speak."""
        return tuple(c for c in self.eligible if first <= c.day <= last)

    @property
    def rescue_day(self) -> int | None:
        """The first rescue from day 0 on."""
        return first_rescue(self.course.treatments or ())

    @property
    def attribution_end(self) -> int | None:
        """The day from which counts no longer speak for the study treatment."""
        return attribution_end(self.course.treatments or (), self.rule)

    @property
    def composite(self) -> bool:
        """Does rescue count as failure under this rule?"""
        return self.rule.rescue.strategy == "composite"

    def rescued_by(self, day: int) -> bool:
        """Did rescue, from day 0 to this day, make a failure under this rule?"""
        return self.composite and self.rescue_day is not None and self.rescue_day <= day

    @property
    def failed(self) -> bool:
        """Did observation end for a reason that the rule calls a failure?"""
        reason = _plain(self.course.subject.end_reason or "")
        return reason in {_plain(r) for r in self.rule.observation.failure_reasons}

    def observed_until(self, day: int) -> bool:
        """Was the subject observed up to this day: by what the sheet says, else by a count on it or after it?"""
        last = self.course.subject.last_observation_day
        if last is None:
            last = max((c.day for c in self.counts if "after_cutoff" not in c.why_not), default=-1)
        return last >= day and (self.cutoff is None or self.cutoff >= day)


def _plain(reason: str) -> str:
    return " ".join(reason.casefold().replace("_", " ").replace("-", " ").split())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a definition says of a subject.

    Parameters
    ----------
    best
        CR, R, UNCONFIRMED_R, NR or NE.
    reason
        One of `flags.REASONS` where the counts alone do not say why.
    response, complete
        The credited pairs of R or better, and of CR.
    complete_loss
        The end of CR; what is left may still be R.
    after_rescue, late
        A confirmed pair does not count because rescue came before its onset, or because it began too late.
    decided_by
        The counts that a definition without confirmation rests on: the one of a time point, those of responding weeks.
    """

    best: str
    reason: str | None = None
    response: Pair | None = None
    complete: Pair | None = None
    episodes: tuple[Episode, ...] = ()
    complete_loss: Loss | None = None
    after_rescue: bool = False
    late: bool = False
    decided_by: tuple[JudgedCount, ...] = ()

    @property
    def responder(self) -> bool | None:
        """True for CR and R, None for NE."""
        return None if self.best == "NE" else self.best in {"CR", "R"}


def gather_evidence(course: Course, rule: Rule, cutoff: int | None = None) -> Evidence:
    """Baseline, exclusion windows and the judgement of every count of a course.

    Parameters
    ----------
    cutoff
        Last day of the data: counts after it are set aside, treatments and bleeding after it are not seen.
    """
    seen = _until(course, cutoff)
    windows = exclusion_windows(seen.treatments or (), rule)
    baseline = choose_baseline(seen, windows, rule)
    return Evidence(seen, rule, windows, baseline, judge_counts(seen, baseline, windows, rule, cutoff), cutoff)


def _until(course: Course, cutoff: int | None) -> Course:
    if cutoff is None:
        return course
    treatments = None if course.treatments is None else tuple(t for t in course.treatments if t.day <= cutoff)
    bleeding = None if course.bleeding is None else tuple(b for b in course.bleeding if b.day <= cutoff)
    return Course(course.subject, course.counts, treatments, bleeding)
