"""Every rule that one sample can answer by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from immunoprofile.fcs import Events
from immunoprofile.gating import Membership
from immunoprofile.quality import counts, preparation
from immunoprofile.quality.judge import Answer, Measured, ask_all
from immunoprofile.quality.removal import Cleaned
from immunoprofile.quality.ruleset import Rule, RuleSet, load_quality_rules
from immunoprofile.quality.survey import Survey, share_of, survey_events
from immunoprofile.spillover import Spillover


def check_sample(
    members: Membership,
    events: Events,
    sample: Mapping[str, Any],
    *,
    rules: RuleSet | None = None,
    spillover: Spillover | None = None,
    survey: Survey | None = None,
    cleaned: Cleaned | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Apply every rule that one sample can answer by itself.

    Parameters
    ----------
    members
        As counted: after removal, where events were removed.
    sample
        ``sample_id``; ``hours_to_stain`` and ``viability_frac`` where known.
    rules
        Those of the program where None.
    spillover
        The matrix that replaced those of file and template.
    survey
        What `survey_events` found; it is asked where None.
    cleaned
        What `remove_events` gave; None where nothing was asked to be removed.

    Returns
    -------
    tuple
        Rows of `columns.SAMPLES_QC` and of `columns.CHECKS_UNANSWERED` (`judge.checks_of` makes frames of them).
    """
    rules = rules or load_quality_rules()
    survey = survey or survey_events(members, events, rules)
    matrix = preparation.spillover_in_use(members.plan.template, events, spillover)
    answers: dict[str, Callable[[Rule], Answer]] = {
        "lymphocyte_events": lambda _: counts.events_of(members, "lymphocytes"),
        "singlet_fraction": lambda _: _singlets(members),
        "viability": lambda _: counts.share_of_parent(members, "live"),
        "viability_sheet": lambda _: preparation.of_sheet(sample, "viability_frac"),
        "lymphosum": lambda _: counts.lymphosum(members),
        "cd4_cd8_of_t": lambda _: counts.cd4_cd8_of_t(members),
        "b_events": lambda _: counts.events_of(members, "b"),
        "bead_events": lambda _: counts.events_of(members, "beads"),
        "bead_flow": lambda _: counts.bead_flow(members),
        "bead_spread": lambda _: counts.bead_spread(members, events),
        "time_affected": lambda _: _affected(survey),
        "flow_stopped": lambda _: _of_course(survey, "stopped"),
        "time_order": lambda _: _of_course(survey, "n_back"),
        "margin_events": lambda _: _margins(survey),
        "events_removed": lambda _: _removed(cleaned, survey.n_events),
        "events_lost": lambda _: preparation.events_lost(events),
        "reader_warnings": lambda _: preparation.reader_warnings(events),
        "hours_to_stain": lambda _: preparation.of_sheet(sample, "hours_to_stain"),
        "spillover_condition": lambda _: preparation.condition(matrix),
        "spillover_diagonal": lambda _: preparation.diagonal(matrix),
        "spillover_entries": lambda rule: preparation.off_diagonal(matrix, *rule.warn),
    }
    return ask_all(rules, {str(sample["sample_id"]): answers})


def _singlets(members: Membership) -> Answer:
    quality = members.plan.template.quality.doublets
    if quality == "off":
        return "the template's [quality] turns it off"
    if quality == "remove":
        return "doublets were removed: events_removed tells how many"
    return counts.share_of_parent(members, "singlets")


def _affected(survey: Survey) -> Answer:
    course = survey.course
    if isinstance(course, str):
        return course
    where = f", most {course.detector} ({course.effect:.2f} SD)" if course.detector else ""
    note = f"{100 * course.by_rate:.1f} % by rate, {100 * course.by_signal:.1f} % by signals{where}"
    return Measured(share_of(course.odd), note=note)


def _of_course(survey: Survey, name: str) -> Answer:
    return survey.course if isinstance(survey.course, str) else Measured(float(getattr(survey.course, name)))


def _margins(survey: Survey) -> Answer:
    if isinstance(survey.at_margin, str):
        return survey.at_margin
    worst = max(survey.margins.items(), key=lambda item: item[1], default=None)
    note = "" if worst is None else f"most in {worst[0]}: {worst[1]:,}"
    return Measured(share_of(survey.at_margin), note=note)


def _removed(cleaned: Cleaned | None, n_events: int) -> Answer:
    """How many events went, as a fraction of the file, and the number for each reason."""
    if cleaned is None or not cleaned.asked:
        return "the template's [quality] removes nothing"
    if not n_events:
        return "the file holds no events"
    unable = [f"{name} not: {why}" for name, why in cleaned.unable.items()]
    parts = [f"{name} {count:,}" for name, count in cleaned.removed.items()]
    note = f"{cleaned.n_removed:,} of {n_events:,} events ({'; '.join([*parts, *unable])})"
    return Measured(cleaned.n_removed / n_events, note=note)
