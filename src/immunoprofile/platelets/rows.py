"""What a definition says of a subject, as one row of `response`."""

from __future__ import annotations

from immunoprofile.platelets.eligibility import effective_change, ends_attribution
from immunoprofile.platelets.evidence import Evidence, Verdict
from immunoprofile.platelets.flags import join_flags
from immunoprofile.platelets.rule import ConfirmedRule


def response_row(evidence: Evidence, verdict: Verdict) -> dict[str, object]:
    """The row of `response` of one subject under one definition."""
    baseline, eligible = evidence.baseline, evidence.eligible
    after = [c for c in evidence.counts if c.day > 0 and "after_cutoff" not in c.why_not]
    time, event = _time_to_response(evidence, verdict)
    return {
        "subject_id": evidence.course.subject.subject_id,
        "definition_id": evidence.rule.id,
        "baseline_plt_1e9_per_l": None if baseline is None else float(baseline.value),
        "baseline_day": None if baseline is None else baseline.count.day,
        "baseline_rule": None if baseline is None else baseline.rule,
        "best_response": verdict.best,
        "responder": verdict.responder,
        "reason": verdict.reason,
        "time_to_response_days": time,
        "ttr_event": event,
        "n_counts_eligible": len(eligible),
        "n_counts_excluded": len(after) - len(eligible),
        "max_plt_1e9_per_l": max((float(c.count.value) for c in eligible), default=None),
        "rescue_any": None if evidence.course.treatments is None else evidence.rescue_day is not None,
        "first_rescue_day": evidence.rescue_day,
        "rules_sha256": evidence.rule.sha256,
        "flags": join_flags(_course_flags(evidence) | _verdict_flags(evidence, verdict)),
        "prop_time_in_response": _share_of_time(evidence, verdict),
        **_times(evidence, verdict),
    }


def _time_to_response(evidence: Evidence, verdict: Verdict) -> tuple[int | None, int | None]:
    """Days to response, rescue or censoring; nothing where the definition has no onset."""
    rule = evidence.rule
    if evidence.baseline is None or not isinstance(rule, ConfirmedRule):
        return None, None
    if verdict.response is not None:
        return verdict.response.onset.day, 1
    first, last = rule.confirmation.onset_days
    if evidence.rescued_by(last):
        return evidence.rescue_day, 2
    return max((c.day for c in evidence.eligible_in(first, last)), default=0), 0


def _times(evidence: Evidence, verdict: Verdict) -> dict[str, object]:
    """Onset, loss and duration of the first episode; nothing where there was no confirmed response."""
    if verdict.response is None:
        return {}
    episode, complete, ended = verdict.episodes[0], verdict.complete, verdict.complete_loss
    loss = episode.loss
    onset = verdict.response.onset.day
    return {
        "first_response_day": onset,
        "confirmed_day": verdict.response.confirmed.day,
        "cr_day": None if complete is None else complete.onset.day,
        "cr_loss_day": None if ended is None else ended.day,
        "loss_day": None if loss is None else loss.day,
        "loss_reason": None if loss is None else loss.reason,
        "duration_days": episode.end(evidence.eligible[-1].day) - onset,
        "dor_event": int(loss is not None and loss.day is not None),
    }


def _share_of_time(evidence: Evidence, verdict: Verdict) -> float | None:
    """Days in response over days observed; None where nothing was observed or there is no baseline."""
    if evidence.baseline is None or not evidence.eligible or not isinstance(evidence.rule, ConfirmedRule):
        return None
    last = evidence.eligible[-1].day
    spans = [(e.pair.onset.day, e.end(last)) for e in verdict.episodes]
    observed = max([last, *(end for _, end in spans)])
    return sum(end - onset for onset, end in spans) / observed


def _course_flags(evidence: Evidence) -> set[str]:
    """Flags of what was given, whatever came of it."""
    course, rule, baseline = evidence.course, evidence.rule, evidence.baseline
    treatments = course.treatments or ()
    recent = (t for t in treatments if ends_attribution(t, rule) and -rule.attribution.flag_days_before <= t.day < 0)
    windows = {w.reason for w in evidence.windows}
    changed = (
        t
        for t in treatments
        if t.day >= 0 and effective_change(t) in {"start", "increase"} and t.role != "rescue"
        if f"{t.kind}@{t.day}" not in windows and not ends_attribution(t, rule)
    )
    facts = {
        "TREATMENTS_NOT_GIVEN": course.treatments is None,
        "BLEEDING_NOT_GIVEN": course.bleeding is None,
        "BASELINE_OLD": baseline is not None and baseline.old,
        "BASELINE_CENSORED": baseline is not None and bool(baseline.count.qualifier),
        "BASELINE_GE_30": any(c.eligible and c.by_count_alone for c in evidence.counts),
        "ATTRIBUTION_ENDED": evidence.attribution_end is not None,
        "RECENT_TREATMENT": any(recent),
        "CONCOMITANT_CHANGED": any(changed),
        "TREATMENT_END_UNKNOWN": any(w.end_assumed for w in evidence.windows),
    }
    return {flag for flag, holds in facts.items() if holds}


def _verdict_flags(evidence: Evidence, verdict: Verdict) -> set[str]:
    """Flags of how the response came about."""
    pairs = [p for p in (verdict.response, verdict.complete) if p is not None]
    carrying = [c for p in pairs for c in (p.onset, p.confirmed)]
    usual = evidence.rule.confirmation.flag_gap_days if isinstance(evidence.rule, ConfirmedRule) else 0
    unassessed = evidence.course.bleeding is not None and any(c.bleeding is None for c in carrying)
    loss = verdict.episodes[0].loss if verdict.episodes else None
    early = loss is not None and loss.day is not None and loss.day < verdict.episodes[0].pair.confirmed.day
    facts = {
        "BLEEDING_NOT_ASSESSED": unassessed,
        "CONFIRMATION_GAP": any(p.gap > usual for p in pairs),
        "LATE_RESPONSE": verdict.late,
        "LOSS_BEFORE_CONFIRMATION": early,
        "NR_SINGLE_COUNT": verdict.best == "NR" and verdict.reason is None and len(evidence.eligible) == 1,
        "RESPONSE_AFTER_RESCUE": verdict.after_rescue,
    }
    return {flag for flag, holds in facts.items() if holds}
