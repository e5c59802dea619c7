"""One subject under one definition: baseline, best response, times, loss, and why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from immunoprofile.platelets.confirmation import Pair, awaits_confirmation, first_pair, later_pair
from immunoprofile.platelets.evidence import Evidence, Verdict
from immunoprofile.platelets.levels import Level
from immunoprofile.platelets.loss import Break, find_loss, follow_episodes
from immunoprofile.platelets.rule import ConfirmedRule, TimePointRule, WeeklyRule
from immunoprofile.platelets.scheduled import judge_point, judge_weeks, without_counts


def judge_response(evidence: Evidence) -> Verdict:
    """What the rule of the evidence says of its subject."""
    rule = evidence.rule
    if evidence.baseline is None:
        return Verdict("NE", "no_baseline")
    if isinstance(rule, TimePointRule):
        return judge_point(evidence, rule.decisive)
    if isinstance(rule, WeeklyRule):
        return judge_weeks(evidence, rule)
    assert isinstance(rule, ConfirmedRule)
    return _judge_confirmed(evidence, rule)


def _judge_confirmed(evidence: Evidence, rule: ConfirmedRule) -> Verdict:
    """The best response by two counts days apart, and how it went on."""
    confirmation = rule.confirmation
    response, after_rescue = _credited(evidence, Level.R, rule)
    if response is not None:
        return _responding(evidence, response, rule)
    late = later_pair(evidence.eligible, Level.R, confirmation, confirmation.onset_days[1]) is not None
    if evidence.rescued_by(confirmation.onset_days[1]):
        return Verdict("NR", "rescue_before_response", after_rescue=after_rescue, late=late)
    if not evidence.eligible_in(*confirmation.onset_days):
        best, reason = without_counts(evidence, confirmation.onset_days[1])
        return Verdict(best, reason, late=late)
    open_ended = awaits_confirmation(evidence.eligible, Level.R, confirmation)
    return Verdict("UNCONFIRMED_R" if open_ended else "NR", late=late)


def _credited(evidence: Evidence, level: Level, rule: ConfirmedRule) -> tuple[Pair | None, bool]:
    """The first confirmed pair that counts, and whether rescue before its onset kept one from counting."""
    pair = first_pair(evidence.eligible, level, rule.confirmation)
    if pair is not None and evidence.rescued_by(pair.onset.day):
        return None, True
    return pair, False


def _responding(evidence: Evidence, response: Pair, rule: ConfirmedRule) -> Verdict:
    complete, after_rescue = _credited(evidence, Level.CR, rule)
    breaks = _breaks(evidence)
    counts = evidence.eligible
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
    rescued = (Break(t.day, "rescue") for t in course.treatments or () if evidence.composite and t.role == "rescue")
    ended = evidence.attribution_end
    return _in_order([b for b in chain(bled, rescued) if ended is None or b.day <= ended])


def _in_order(breaks: Sequence[Break]) -> tuple[Break, ...]:
    return tuple(sorted(breaks, key=lambda b: (b.day, b.reason)))
