"""Counts over time become two tables: the response of each subject, and the audit of each count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike

import pandas as pd

from immunoprofile.columns import RESPONSE, RESPONSE_COUNTS
from immunoprofile.platelets.audit import audit_rows
from immunoprofile.platelets.course import read_courses
from immunoprofile.platelets.evidence import Evidence, Verdict, gather_evidence
from immunoprofile.platelets.response import judge_response
from immunoprofile.platelets.rows import response_row
from immunoprofile.platelets.rule import Rule, check_definitions, load_rule
from immunoprofile.tables import build_frame

RuleLike = str | PathLike[str] | Rule
Judged = Sequence[tuple[Evidence, Verdict]]


def classify_response(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: RuleLike = "iwg-2009",
    treatments: pd.DataFrame | None = None,
    bleeding: pd.DataFrame | None = None,
    *,
    also: Iterable[RuleLike] = (),
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
    also
        Further definitions, whose rows stand below those of `rule`.
    data_cutoff_day
        Counts, treatments and bleeding after this day are ignored.

    Returns
    -------
    The table `response`: for each row of `subjects` one row for the rule itself (``definition_id`` is the
    rule's id: iwg-2009) and one for each of its variants (iwg-2009-lenient, iwg-2009-policy).

    Raises
    ------
    StudyError
        The tables or the rule have problems: all of them at once.

    Notes
    -----
    A subject without a baseline is NE with reason ``no_baseline``. Time to response is censored at the last
    eligible count in the days in which a response may begin, 0 where there is none. Duration is that of the
    first episode. Days observed run from day 0 to the last eligible count, or to the loss where that is later.

    References
    ----------
    Rodeghiero F, Stasi R, Gernsheimer T, et al. Standardization of terminology, definitions and outcome
    criteria in immune thrombocytopenic purpura of adults and children: report from an international working
    group. Blood 2009;113(11):2386-2393. doi:10.1182/blood-2008-07-162503
    """
    judged = _judge_all(platelets, subjects, (rule, *also), treatments, bleeding, data_cutoff_day)
    return _response(judged)


def explain_response(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: RuleLike = "iwg-2009",
    treatments: pd.DataFrame | None = None,
    bleeding: pd.DataFrame | None = None,
    *,
    also: Iterable[RuleLike] = (),
    data_cutoff_day: int | None = None,
) -> pd.DataFrame:
    """The audit of `classify_response`: each platelet count and definition with every decision in words.

    Takes what `classify_response` takes, raises what it raises, and returns the table `response_counts`.
    """
    judged = _judge_all(platelets, subjects, (rule, *also), treatments, bleeding, data_cutoff_day)
    return _counts(judged)


def judge_platelets(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rule: RuleLike = "iwg-2009",
    treatments: pd.DataFrame | None = None,
    bleeding: pd.DataFrame | None = None,
    *,
    also: Iterable[RuleLike] = (),
    data_cutoff_day: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of `classify_response` and `explain_response` from one judgement."""
    judged = _judge_all(platelets, subjects, (rule, *also), treatments, bleeding, data_cutoff_day)
    return _response(judged), _counts(judged)


def _response(judged: Judged) -> pd.DataFrame:
    return build_frame(RESPONSE, (response_row(evidence, verdict) for evidence, verdict in judged))


def _counts(judged: Judged) -> pd.DataFrame:
    return build_frame(RESPONSE_COUNTS, (row for e, v in judged for row in audit_rows(e, v)))


def _judge_all(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    rules: Sequence[RuleLike],
    treatments: pd.DataFrame | None,
    bleeding: pd.DataFrame | None,
    cutoff: int | None,
) -> Judged:
    loaded = [r if isinstance(r, Rule) else load_rule(r) for r in rules]
    definitions = check_definitions(loaded)
    courses = read_courses(platelets, subjects, treatments, bleeding, loaded[0])
    evidence = (gather_evidence(course, d, cutoff) for course in courses for d in definitions)
    return [(e, judge_response(e)) for e in evidence]
