"""Which counts may speak for the study treatment, which one is the baseline, and why the others may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from math import inf

from immunoprofile.platelets.criteria import Exclusion
from immunoprofile.platelets.records import Count, Course, Treatment
from immunoprofile.platelets.rule import Rule


@dataclass(frozen=True, slots=True)
class Window:
    """Days in which counts do not speak, both ends included; `end` None is without end."""

    start: int
    end: int | None
    reason: str
    from_rescue: bool
    end_assumed: bool = False

    @property
    def until(self) -> float:
        """Its last day; infinite without end."""
        return inf if self.end is None else self.end

    def holds(self, day: int) -> bool:
        """Does a day lie in the window?"""
        return self.start <= day <= self.until


@dataclass(frozen=True, slots=True)
class Baseline:
    """The count before treatment, and which days of the rule gave it."""

    count: Count
    rule: str
    old: bool

    @property
    def value(self) -> Decimal:
        """In 10^9/L; of a censored count its bound."""
        return self.count.value


def exclusion_windows(treatments: Sequence[Treatment], rule: Rule) -> tuple[Window, ...]:
    """The windows that a subject's treatments open, in time order."""
    kinds = {e.kind: e for e in rule.exclusion}
    opened = [_window(t, kinds[t.kind], treatments) for t in treatments if t.kind in kinds and _opens(t, kinds[t.kind])]
    return tuple(sorted((w for w in opened if w is not None), key=lambda w: (w.start, w.reason, w.until)))


def _opens(treatment: Treatment, exclusion: Exclusion) -> bool:
    if treatment.change in {"stop", "decrease"}:
        return False
    marks = {"any", treatment.role, effective_change(treatment)}
    return bool(marks & set(exclusion.when))


def effective_change(treatment: Treatment) -> str | None:
    """The change that a row stands for: one that begins after day 0 and does not say is a start."""
    if treatment.change is None and treatment.day > 0:
        return "start"
    return treatment.change


def _window(treatment: Treatment, exclusion: Exclusion, treatments: Sequence[Treatment]) -> Window | None:
    end = treatment.end_day if treatment.end_day is not None else _stop_day(treatment, treatments)
    assumed = end is None
    if end is None and exclusion.blank_end == "same_day":
        end = treatment.day
    if exclusion.stable_days is not None and treatment.role != "rescue":
        stable = treatment.day <= -exclusion.stable_days and (end is None or end >= 0)
        if stable:
            return None
    until = None if end is None else end + exclusion.washout_days
    assumed = assumed and exclusion.blank_end == "ongoing"
    return Window(treatment.day, until, f"{treatment.kind}@{treatment.day}", treatment.role == "rescue", assumed)


def _stop_day(treatment: Treatment, treatments: Sequence[Treatment]) -> int | None:
    """A row without an end is ended by the next row that says the same kind was stopped."""
    stops = [t.day for t in treatments if t.kind == treatment.kind and t.change == "stop" and t.day >= treatment.day]
    return min(stops, default=None)


def attribution_end(treatments: Sequence[Treatment], rule: Rule) -> int | None:
    """The day, from 0 on, from which counts no longer speak for the study treatment; else None."""
    return min((t.day for t in treatments if ends_attribution(t, rule) and t.day >= 0), default=None)


def ends_attribution(treatment: Treatment, rule: Rule) -> bool:
    """Is this the start of a treatment to which later responses belong?"""
    return treatment.kind in rule.attribution.ended_by and treatment.change not in {"stop", "decrease"}


def first_rescue(treatments: Sequence[Treatment]) -> int | None:
    """The day of the first rescue treatment from day 0 on; None if there is none."""
    return min((t.day for t in treatments if t.role == "rescue" and t.day >= 0), default=None)


def choose_baseline(course: Course, windows: Sequence[Window], rule: Rule) -> Baseline | None:
    """The last usable count before dosing; None where there is none.

    Notes
    -----
    Usable is a count that is not clumped and outside every exclusion window. A day-0 count speaks as before
    dosing unless `predose` says FALSE. Of several on the last day the lowest speaks.
    """
    usable = [c for c in course.counts if _before_dosing(c) and not c.clumped and not _held(c.day, windows)]
    for (first, last), old in ((rule.baseline.days, False), (rule.baseline.fallback_days, True)):
        within = [c for c in usable if first <= c.day <= last]
        if within:
            newest = max(c.day for c in within)
            count = min((c for c in within if c.day == newest), key=lambda c: c.order)
            return Baseline(count, f"last in days {first}..{last}", old)
    return None


def _before_dosing(count: Count) -> bool:
    return count.day < 0 or (count.day == 0 and count.predose is not False)


def _held(day: int, windows: Sequence[Window]) -> bool:
    return any(w.holds(day) for w in windows)


def why_not_eligible(
    course: Course, windows: Sequence[Window], rule: Rule, cutoff: int | None
) -> list[tuple[str, ...]]:
    """For each count of a course the reasons why it may not speak; no reason is an eligible count."""
    ended = attribution_end(course.treatments or (), rule)
    reasons = [_reasons(c, windows, ended, cutoff) for c in course.counts]
    by_day = groupby(range(len(reasons)), key=lambda i: course.counts[i].day)
    for _, positions in by_day:
        speaking = [i for i in positions if not reasons[i]]
        for i in speaking[1:]:
            reasons[i] = ("not_lowest_of_day",)
    return reasons


def _reasons(count: Count, windows: Sequence[Window], ended: int | None, cutoff: int | None) -> tuple[str, ...]:
    reasons = []
    if count.day <= 0:
        reasons.append("before_treatment" if _before_dosing(count) else "day_0_after_dosing")
    if cutoff is not None and count.day > cutoff:
        reasons.append("after_cutoff")
    if count.clumped:
        reasons.append("clumped")
    reasons += [w.reason for w in windows if w.holds(count.day)]
    if ended is not None and count.day >= ended:
        reasons.append("attribution_ended")
    return tuple(dict.fromkeys(reasons))
