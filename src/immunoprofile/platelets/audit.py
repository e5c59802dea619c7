"""The audit of a response: what each count did, and the decision on it in words."""

from __future__ import annotations

from collections.abc import Mapping

from immunoprofile.platelets.eligibility import Window
from immunoprofile.platelets.evidence import Evidence, Verdict
from immunoprofile.platelets.flags import join_flags
from immunoprofile.platelets.levels import JudgedCount, Level, platelet_level, response_threshold
from immunoprofile.platelets.rule import ConfirmedRule, Rule, TimePointRule
from immunoprofile.platelets.units import plain_number

_REASONS = {
    "before_treatment": "it was taken before the first dose",
    "day_0_after_dosing": "it was taken on day 0 after dosing",
    "after_cutoff": "it lies after the data cutoff",
    "clumped": "the platelets were clumped",
    "not_lowest_of_day": "a lower count of the same day speaks",
    "bound_above_threshold": "it is a bound, and only counts below it are certain",
    "bleeding_unknown": "bleeding was not assessed in its days",
}
_ROLES = {
    "baseline": "Baseline ({other}).",
    "onset": "Onset of the response, confirmed on day {other}.",
    "confirms": "Confirms the response that began on day {other}.",
    "cr_onset": "Onset of CR, confirmed on day {other}.",
    "cr_confirms": "Confirms the CR that began on day {other}.",
    "loss": "Response lost here: it is below R, and so is the next count.",
    "loss_pending": "Below R; no later count says whether the response is lost.",
    "cr_loss": "CR lost here: it is below CR, and so is the next count.",
    "cr_loss_pending": "Below CR; no later count says whether CR is lost.",
    "regained": "Response regained, confirmed on day {other}.",
    "time_point": "Decides: the eligible count nearest to day {other}.",
    "responding_week": "Week {other} responds by it.",
}
Roles = Mapping[int, list[tuple[str, str]]]


def audit_rows(evidence: Evidence, verdict: Verdict) -> list[dict[str, object]]:
    """The rows of `response_counts` of one subject under one definition, in time order."""
    roles = _roles(evidence, verdict)
    baseline = evidence.baseline
    threshold = None if baseline is None else response_threshold(baseline.value, evidence.rule)
    return [
        {
            "subject_id": judged.count.subject_id,
            "definition_id": evidence.rule.id,
            "day": judged.day,
            "count_no": number,
            "platelets_1e9_per_l": float(judged.count.value),
            "qualifier": judged.count.qualifier,
            "unit_given": judged.count.unit_given,
            "eligible": judged.eligible,
            "why_not": ";".join(judged.why_not),
            "bleeding": judged.bleeding,
            "threshold_r_1e9_per_l": None if threshold is None else float(threshold),
            "level": None if judged.level is None else _level_name(judged.level),
            "role": ";".join(name for name, _ in roles[id(judged)]),
            "decision": _decision(judged, evidence, verdict, roles[id(judged)]),
            "flags": join_flags(_flags(judged, evidence)),
        }
        for number, judged in enumerate(evidence.counts, start=1)
    ]


def _level_name(level: Level) -> str:
    return "none" if level is Level.NONE else level.name


def _roles(evidence: Evidence, verdict: Verdict) -> Roles:
    """What each count did, with the day or rule that belongs to it, by identity of the count."""
    roles: dict[int, list[tuple[str, str]]] = {id(c): [] for c in evidence.counts}
    for judged in evidence.counts:
        if evidence.baseline is not None and judged.count is evidence.baseline.count:
            roles[id(judged)].append(("baseline", evidence.baseline.rule))
    for i, episode in enumerate(verdict.episodes):
        pair = episode.pair
        roles[id(pair.onset)].append(("regained" if i else "onset", str(pair.confirmed.day)))
        roles[id(pair.confirmed)].append(("confirms", str(pair.onset.day)))
    if verdict.complete is not None:
        roles[id(verdict.complete.onset)].append(("cr_onset", str(verdict.complete.confirmed.day)))
        roles[id(verdict.complete.confirmed)].append(("cr_confirms", str(verdict.complete.onset.day)))
    losses = [("", e.loss) for e in verdict.episodes] + [("cr_", verdict.complete_loss)]
    for prefix, loss in losses:
        if loss is not None and loss.count is not None:
            roles[id(loss.count)].append((f"{prefix}{'loss' if loss.day is not None else 'loss_pending'}", ""))
    for judged in verdict.decided_by:
        roles[id(judged)].append(_role_by_calendar(judged, evidence.rule))
    return roles


def _role_by_calendar(judged: JudgedCount, rule: Rule) -> tuple[str, str]:
    if isinstance(rule, TimePointRule):
        return "time_point", str(rule.decisive.target_day)
    return "responding_week", str((judged.day - 1) // 7 + 1)


def _decision(judged: JudgedCount, evidence: Evidence, verdict: Verdict, roles: list[tuple[str, str]]) -> str:
    sentences = [_level_sentence(judged, evidence)]
    if not judged.eligible:
        sentences.append(f"Does not speak for the treatment: {_why_not(judged, evidence)}.")
    sentences += [_ROLES[name].format(other=other) for name, other in roles]
    if judged.eligible and not roles and judged.reaches(Level.R) and verdict.response is None:
        sentences.append(_why_nothing(judged, evidence, verdict))
    return " ".join(sentences)


def _level_sentence(judged: JudgedCount, evidence: Evidence) -> str:
    shown = f"{judged.count.qualifier}{plain_number(judged.count.value)} x 10^9/L"
    if evidence.baseline is None or judged.level is None:
        return f"{shown}; there is no baseline to judge it by."
    base, rule = evidence.baseline, evidence.rule
    asked = plain_number(response_threshold(base.value, rule))
    before = f"{base.count.qualifier}{plain_number(base.value)}"
    by_count = platelet_level(judged.count.value, base.value, rule)
    bled = " by its number, but with bleeding" if judged.bleeding and by_count is not Level.NONE else ""
    name = "no response" if by_count is Level.NONE else by_count.name
    return f"{shown}; R asks for {asked} (baseline {before}): {name}{bled}."


def _why_not(judged: JudgedCount, evidence: Evidence) -> str:
    windows = {w.reason: w for w in evidence.windows}
    return "; ".join(_reason(code, windows, evidence) for code in judged.why_not)


def _reason(code: str, windows: Mapping[str, Window], evidence: Evidence) -> str:
    if code in _REASONS:
        return _REASONS[code]
    if code == "attribution_ended":
        return f"from day {evidence.attribution_end} on another treatment may be at work"
    window = windows[code]
    kind = code.partition("@")[0].replace("_", " ")
    until = "on, without a known end" if window.end is None else f"until day {window.end}"
    return f"{kind} sets counts aside from day {window.start} {until}"


def _why_nothing(judged: JudgedCount, evidence: Evidence, verdict: Verdict) -> str:
    if verdict.reason == "rescue_before_response":
        return f"Rescue on day {evidence.rescue_day} makes the subject NR: it does not count."
    if not isinstance(evidence.rule, ConfirmedRule):
        return "The definition does not rest on it."
    first, last = evidence.rule.confirmation.onset_days
    if not first <= judged.day <= last:
        return f"Outside the days in which a response may begin ({first} to {last})."
    return "No later count confirms it."


def _flags(judged: JudgedCount, evidence: Evidence) -> set[str]:
    flags = set()
    if judged.day > 0 and judged.bleeding is None and evidence.course.bleeding is not None:
        flags.add("BLEEDING_NOT_ASSESSED")
    if judged.by_count_alone:
        flags.add("CR_WITHOUT_DOUBLING")
    return flags
