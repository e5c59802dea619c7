"""Definitions by the calendar: the count at a set time, or enough responding weeks."""

from __future__ import annotations

from collections.abc import Mapping

from immunoprofile.platelets.criteria import TimePoint, Weeks
from immunoprofile.platelets.evidence import Evidence, Verdict
from immunoprofile.platelets.levels import JudgedCount, Level, threshold_over
from immunoprofile.platelets.rule import WeeklyRule


def without_counts(evidence: Evidence, last_day: int) -> tuple[str, str]:
    """NR where failure by a day left no count that speaks, NE where anything else did."""
    failures = [d for d in (evidence.rescue_day, evidence.attribution_end) if d is not None and d <= last_day]
    if failures:
        return "NR", "no_eligible_count_rescue"
    if evidence.failed:
        return "NR", "lack_of_efficacy"
    return "NE", "no_eligible_count"


def judge_point(evidence: Evidence, point: TimePoint) -> Verdict:
    """R or NR by the eligible count nearest to a day; of two equally near the later one speaks.

    Notes
    -----
    Rescue by the day of that count is failure under the composite strategy. Without a count: NR after failure, NE where
    observation ended before or nobody counted.
    """
    within = evidence.eligible_in(*point.days)
    if not within:
        return _without_point(evidence, point)
    count = min(within, key=lambda c: (abs(c.day - point.target_day), -c.day))
    if evidence.rescued_by(count.day):
        return Verdict("NR", "rescue_before_response", decided_by=(count,))
    return Verdict("R" if _reaches(count, evidence, point) else "NR", decided_by=(count,))


def _without_point(evidence: Evidence, point: TimePoint) -> Verdict:
    if evidence.rescued_by(point.days[1]):
        return Verdict("NR", "rescue_before_response")
    best, reason = without_counts(evidence, point.days[1])
    ended = best == "NE" and not evidence.observed_until(point.days[0])
    return Verdict(best, "observation_ended" if ended else reason)


def _reaches(count: JudgedCount, evidence: Evidence, point: TimePoint) -> bool:
    assert evidence.baseline is not None
    if point.no_bleeding and count.bleeding:
        return False
    limit = threshold_over(evidence.baseline.value, point)
    return count.count.value > limit if point.strict else count.count.value >= limit


def judge_weeks(evidence: Evidence, rule: WeeklyRule) -> Verdict:
    """R where enough weeks respond, durably or (overall) for a while; NE where observation ended too early to say.

    Notes
    -----
    A week responds by the lowest of its eligible counts; a week without a count while the subject is observed does not
    respond. Rescue by the last week is failure of the durable response under the composite strategy.
    """
    responding = _responding_weeks(evidence, rule)
    durable = _judge_span(evidence, rule.durable, responding, rescue_fails=True)
    if durable.best == "R" or not rule.overall or rule.transient is None:
        return durable
    transient = _judge_span(evidence, rule.transient, responding, rescue_fails=False)
    undecided = durable if durable.best == "NE" else transient
    return transient if transient.best == "R" else undecided


def _responding_weeks(evidence: Evidence, rule: WeeklyRule) -> dict[int, JudgedCount]:
    """Week to its lowest eligible count, of the weeks in which that count reaches R and no rescue is near."""
    rescues = [t.day for t in evidence.course.treatments or () if t.role == "rescue" and t.day >= 0]
    lowest: dict[int, JudgedCount] = {}
    for count in evidence.eligible:
        week = (count.day - 1) // 7 + 1
        if week not in lowest or count.count.value < lowest[week].count.value:
            lowest[week] = count
    return {
        week: count
        for week, count in lowest.items()
        if count.reaches(Level.R) and not any(0 <= count.day - r <= rule.after_rescue_days for r in rescues)
    }


def _judge_span(
    evidence: Evidence, span: Weeks, responding: Mapping[int, JudgedCount], *, rescue_fails: bool
) -> Verdict:
    first, last = span.weeks
    counts = tuple(responding[w] for w in sorted(responding) if first <= w <= last)
    if rescue_fails and evidence.rescued_by(span.last_day):
        return Verdict("NR", "rescue_before_response")
    if len(counts) >= span.min_weeks:
        return Verdict("R", decided_by=counts)
    if evidence.failed:
        return Verdict("NR", "lack_of_efficacy", decided_by=counts)
    open_weeks = sum(not evidence.observed_until(7 * (w - 1) + 1) for w in range(first, last + 1))
    if len(counts) + open_weeks >= span.min_weeks:
        return Verdict("NE", "observation_ended", decided_by=counts)
    return Verdict("NR", decided_by=counts)
