"""Counts over time become two tables: the response of each subject, and the audit of each count."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

import pandas as pd

from immunoprofile.columns import RESPONSE, RESPONSE_COUNTS
from immunoprofile.platelets.audit import audit_rows
from immunoprofile.platelets.course import read_courses
from immunoprofile.platelets.eligibility import effective_change, ends_attribution
from immunoprofile.platelets.flags import join_flags
from immunoprofile.platelets.response import (
    Evidence,
    Verdict,
    gather_evidence,
    judge_response,
    rescue_is_event,
)
from immunoprofile.platelets.rule import Rule, load_rule
from immunoprofile.tables import build_frame


def classify_response(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: str | PathLike[str] | Rule = "iwg-2009",
    treatments: pd.DataFrame | None = None,
    bleeding: pd.DataFrame | None = None,
    *,
    data_cutoff_day: int | None = None,
) -> pd.DataFrame:
    """Platelet counts to the response of each subject, under a definition and its variants.

    Parameters
    ----------
    platelets
        Columns subject_id, day or date, and platelets_1e9_per_l, or platelets with unit; optional predose,
        clumped. Days count from the first infusion, which is day 0. ``<10`` is read as a bound.
    subjects
        Column subject_id; optional first_infusion_date (needed for dates), last_observation_day, end_reason.
    rule
        Id of a packaged rule, or path of a rule file.
    treatments
        Columns subject_id, day or date, kind, role; optional end_day or end_date, change. None: every subject
        is flagged, and no count is set aside for rescue.
    bleeding
        Columns subject_id, day or date, grade. None: platelets only, every subject is flagged.
    data_cutoff_day
        Counts, treatments and bleeding after this day are ignored.

    Returns ------- The table `response`: for each row of `subjects` one row for the rule itself
    (``definition_id`` is the rule's id: iwg-2009) and one for each of its variants (iwg-2009-lenient,
    iwg-2009-policy).

    Raises
    ------
    StudyError
        The tables or the rule have problems: all of them at once.

    Notes ----- A subject without a baseline is NE with reason ``no_baseline``. Time to response is censored
    at the last eligible count in the days in which a response may begin, 0 where there is none. Duration is
    that of the first episode. Days observed run from day 0 to the last eligible count, or to the loss where
    that is later.

    References ---------- Rodeghiero F, Stasi R, Gernsheimer T, et al. Standardization of terminology,
    definitions and outcome criteria in immune thrombocytopenic purpura of adults and children: report from an
    international working group. Blood 2009;113(11):2386-2393. doi:10.1182/blood-2008-07-162503
    """
    judged = _judge_all(platelets, subjects, rule, treatments, bleeding, data_cutoff_day)
    return build_frame(RESPONSE, (_response_row(evidence, verdict) for evidence, verdict in judged))


def explain_response(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: str | PathLike[str] | Rule = "iwg-2009",
    treatments: pd.DataFrame | None = None,
    bleeding: pd.DataFrame | None = None,
    *,
    data_cutoff_day: int | None = None,
) -> pd.DataFrame:
    """The audit of `classify_response`: each platelet count and definition with every decision in words.

    Takes what `classify_response` takes, raises what it raises, and returns the table `response_counts`.
    """
    judged = _judge_all(platelets, subjects, rule, treatments, bleeding, data_cutoff_day)
    return build_frame(RESPONSE_COUNTS, (row for e, v in judged for row in audit_rows(e, v)))


def _judge_all(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: str | PathLike[str] | Rule,
    treatments: pd.DataFrame | None,
    bleeding: pd.DataFrame | None,
    cutoff: int | None,
) -> Iterator[tuple[Evidence, Verdict]]:
    loaded = rule if isinstance(rule, Rule) else load_rule(rule)
    for course in read_courses(platelets, subjects, treatments, bleeding, loaded):
        for definition in loaded.definitions():
            evidence = gather_evidence(course, definition, cutoff)
            yield evidence, judge_response(evidence)


def _response_row(evidence: Evidence, verdict: Verdict) -> dict[str, object]:
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
    if evidence.baseline is None:
        return None, None
    if verdict.response is not None:
        return verdict.response.onset.day, 1
    if rescue_is_event(evidence):
        return evidence.rescue_day, 2
    return max((c.day for c in evidence.in_onset_days), default=0), 0


def _times(evidence: Evidence, verdict: Verdict) -> dict[str, object]:
    """Onset, loss and duration of the first episode; nothing where there was no response."""
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
    if evidence.baseline is None or not evidence.eligible:
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
    unassessed = evidence.course.bleeding is not None and any(c.bleeding is None for c in carrying)
    loss = verdict.episodes[0].loss if verdict.episodes else None
    early = loss is not None and loss.day is not None and loss.day < verdict.episodes[0].pair.confirmed.day
    facts = {
        "BLEEDING_NOT_ASSESSED": unassessed,
        "CONFIRMATION_GAP": any(p.gap > evidence.rule.confirmation.flag_gap_days for p in pairs),
        "LATE_RESPONSE": verdict.late,
        "LOSS_BEFORE_CONFIRMATION": early,
        "NR_SINGLE_COUNT": verdict.best == "NR" and verdict.reason is None and len(evidence.eligible) == 1,
        "RESPONSE_AFTER_RESCUE": verdict.after_rescue,
    }
    return {flag for flag, holds in facts.items() if holds}
