"""One subject under one definition: baseline, best response, times, loss, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from immunoprofile.platelets.confirmation import Pair, awaits_confirmation, first_pair, later_pair
from immunoprofile.platelets.eligibility import (
    Baseline,
    Window,
    attribution_end,
    choose_baseline,
    exclusion_windows,
    first_rescue,
)
from immunoprofile.platelets.levels import JudgedCount, Level, judge_counts
from immunoprofile.platelets.loss import Break, Episode, Loss, find_loss, follow_episodes
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

    @property
    def eligible(self) -> tuple[JudgedCount, ...]:
        """The counts that may speak, in time order, at most one a day."""
        return tuple(c for c in self.counts if c.eligible)

    @property
    def in_onset_days(self) -> tuple[JudgedCount, ...]:
        """Eligible counts in the days in which a response may begin."""
        first, last = self.rule.confirmation.onset_days
        return tuple(c for c in self.eligible if first <= c.day <= last)

    @property
    def rescue_day(self) -> int | None:
        """The first rescue from day 0 on."""
        return first_rescue(self.course.treatments or ())

    @property
    def attribution_end(self) -> int | None:
        """The day from which counts no longer speak for the study treatment."""
        return attribution_end(self.course.treatments or (), self.rule)


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
    """

    best: str
    reason: str | None = None
    response: Pair | None = None
    complete: Pair | None = None
    episodes: tuple[Episode, ...] = ()
    complete_loss: Loss | None = None
    after_rescue: bool = False
    late: bool = False

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
    return Evidence(seen, rule, windows, baseline, judge_counts(seen, baseline, windows, rule, cutoff))


def _until(course: Course, cutoff: int | None) -> Course:
    if cutoff is None:
        return course
    treatments = None if course.treatments is None else tuple(t for t in course.treatments if t.day <= cutoff)
    bleeding = None if course.bleeding is None else tuple(b for b in course.bleeding if b.day <= cutoff)
    return Course(course.subject, course.counts, treatments, bleeding)


def judge_response(evidence: Evidence) -> Verdict:
    """The best response of a subject under the rule of its evidence, and how it went on."""
    if evidence.baseline is None:
        return Verdict("NE", "no_baseline")
    confirmation = evidence.rule.confirmation
    response, after_rescue = _credited(evidence, Level.R)
    if response is not None:
        return _responding(evidence, response)
    late = later_pair(evidence.eligible, Level.R, confirmation, confirmation.onset_days[1]) is not None
    if rescue_is_event(evidence):
        return Verdict("NR", "rescue_before_response", after_rescue=after_rescue, late=late)
    if not evidence.in_onset_days:
        best, reason = _without_counts(evidence)
        return Verdict(best, reason, late=late)
    open_ended = awaits_confirmation(evidence.eligible, Level.R, confirmation)
    return Verdict("UNCONFIRMED_R" if open_ended else "NR", late=late)


def _credited(evidence: Evidence, level: Level) -> tuple[Pair | None, bool]:
    """The first confirmed pair that counts, and whether rescue before its onset kept one from counting."""
    pair = first_pair(evidence.eligible, level, evidence.rule.confirmation)
    rescue = evidence.rescue_day
    composite = evidence.rule.rescue.strategy == "composite"
    if pair is not None and composite and rescue is not None and rescue <= pair.onset.day:
        return None, True
    return pair, False


def rescue_is_event(evidence: Evidence) -> bool:
    """Does rescue, in the days in which a response may begin, count as failure under this rule?"""
    day, last = evidence.rescue_day, evidence.rule.confirmation.onset_days[1]
    return evidence.rule.rescue.strategy == "composite" and day is not None and day <= last


def _responding(evidence: Evidence, response: Pair) -> Verdict:
    complete, after_rescue = _credited(evidence, Level.CR)
    breaks = _breaks(evidence)
    rule, counts = evidence.rule, evidence.eligible
    loss = None if complete is None else find_loss(counts, Level.CR, complete.onset.day, breaks, rule)
    return Verdict(
        "R" if complete is None else "CR",
        response=response,
        complete=complete,
        episodes=follow_episodes(counts, response, breaks, rule),
        complete_loss=loss,
        after_rescue=after_rescue,
    )


def _breaks(evidence: Evidence) -> tuple[Break, ...]:
    """Bleeding, and rescue where the rule makes it an event, while counts still speak for the treatment."""
    course, rule = evidence.course, evidence.rule
    bled = (Break(b.day, "bleeding") for b in course.bleeding or () if b.grade > rule.bleeding.max_grade)
    composite = rule.rescue.strategy == "composite"
    rescued = (Break(t.day, "rescue") for t in course.treatments or () if composite and t.role == "rescue")
    ended = evidence.attribution_end
    return _in_order([b for b in chain(bled, rescued) if ended is None or b.day <= ended])


def _in_order(breaks: Sequence[Break]) -> tuple[Break, ...]:
    return tuple(sorted(breaks, key=lambda b: (b.day, b.reason)))


def _without_counts(evidence: Evidence) -> tuple[str, str]:
    """NR where failure left no count in the days of onset, NE where anything else did."""
    last = evidence.rule.confirmation.onset_days[1]
    failures = [d for d in (evidence.rescue_day, evidence.attribution_end) if d is not None and d <= last]
    if failures:
        return "NR", "no_eligible_count_rescue"
    reason = _plain(evidence.course.subject.end_reason or "")
    if reason in {_plain(r) for r in evidence.rule.observation.failure_reasons}:
        return "NR", "lack_of_efficacy"
    return "NE", "no_eligible_count"


def _plain(reason: str) -> str:
    return " ".join(reason.casefold().replace("_", " ").replace("-", " ").split())
