"""The level of each count: CR, R or none, by exact decimals, with bleeding and eligibility beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum

from immunoprofile.platelets.criteria import ResponseLevel, TimePoint
from immunoprofile.platelets.eligibility import Baseline, Window, why_not_eligible
from immunoprofile.platelets.records import Bleeding, Count, Course
from immunoprofile.platelets.rule import Rule


class Level(IntEnum):
    """How much a count shows; a higher level includes the lower."""

    NONE = 0
    R = 1
    CR = 2


@dataclass(frozen=True, slots=True)
class JudgedCount:
    """A count and what was found of it.

    Parameters
    ----------
    why_not
        Reasons why it may not speak; empty for an eligible count.
    bleeding
        None where it was not assessed.
    level
        None where there is no baseline to judge it by.
    by_count_alone
        CR by 100 x 10^9/L without the doubling that R asks for.
    """

    count: Count
    why_not: tuple[str, ...]
    bleeding: bool | None
    level: Level | None
    by_count_alone: bool = False

    @property
    def eligible(self) -> bool:
        """May it speak for the treatment?"""
        return not self.why_not

    @property
    def day(self) -> int:
        """Day since the first infusion."""
        return self.count.day

    def reaches(self, level: Level) -> bool:
        """Is it at this level or better?"""
        return self.level is not None and self.level >= level


def response_threshold(baseline: Decimal, rule: Rule) -> Decimal:
    """The count in 10^9/L that R asks for: 30 and twice the baseline, whichever is more."""
    return threshold_over(baseline, rule.level.r)


def threshold_over(baseline: Decimal, asked: ResponseLevel | TimePoint) -> Decimal:
    """The count in 10^9/L that a limit and a multiple of the baseline ask for together."""
    fold = Decimal(0) if asked.min_fold is None else asked.min_fold
    return max(asked.min_1e9_per_l, fold * baseline)


def judge_counts(
    course: Course,
    baseline: Baseline | None,
    windows: Sequence[Window],
    rule: Rule,
    cutoff: int | None = None,
) -> tuple[JudgedCount, ...]:
    """Every count of a course with eligibility, bleeding and level, in time order."""
    reasons = why_not_eligible(course, windows, rule, cutoff)
    return tuple(_judge(c, why, course, baseline, rule) for c, why in zip(course.counts, reasons, strict=True))


def _judge(
    count: Count, why_not: tuple[str, ...], course: Course, baseline: Baseline | None, rule: Rule
) -> JudgedCount:
    bleeding = with_bleeding(count.day, course.bleeding, rule)
    judged = JudgedCount(count, why_not, bleeding, None)
    if baseline is None:
        return judged
    by_count = platelet_level(count.value, baseline.value, rule)
    alone = by_count is Level.CR and count.value < response_threshold(baseline.value, rule)
    undecided = _undecided(count, by_count, bleeding, course, rule)
    level = Level.NONE if bleeding or undecided else by_count
    return replace(judged, why_not=why_not + undecided, level=level, by_count_alone=alone and level is Level.CR)


def platelet_level(value: Decimal, baseline: Decimal, rule: Rule) -> Level:
    """The level of a count by its number alone; limits are inclusive."""
    if rule.level.cr is not None and value >= rule.level.cr.min_1e9_per_l:
        return Level.CR
    return Level.R if value >= response_threshold(baseline, rule) else Level.NONE


def with_bleeding(day: int, bleeding: Sequence[Bleeding] | None, rule: Rule) -> bool | None:
    """Was the worst grade in the days up to this one above the rule's; None where nothing was assessed."""
    first = day - rule.bleeding.lookback_days
    grades = [b.grade for b in bleeding or () if first <= b.day <= day]
    return max(grades) > rule.bleeding.max_grade if grades else None


def _undecided(count: Count, by_count: Level, bleeding: bool | None, course: Course, rule: Rule) -> tuple[str, ...]:
    """Why a count that its number lets qualify can neither show a response nor deny one."""
    if by_count is Level.NONE or bleeding:
        return ()
    if count.qualifier:
        return ("bound_above_threshold",)
    if bleeding is None and course.bleeding is not None and rule.bleeding.absent == "unknown":
        return ("bleeding_unknown",)
    return ()
