"""Sheets of a study become the courses of its subjects, with all problems of all sheets at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from immunoprofile.errors import Problem, StudyError, printable
from immunoprofile.platelets.eligibility import choose_baseline, exclusion_windows
from immunoprofile.platelets.records import Count, Course
from immunoprofile.platelets.rule import Rule
from immunoprofile.platelets.sheets import (
    by_subject,
    check_bleeding,
    check_platelets,
    check_subjects,
    check_treatments,
)
from immunoprofile.platelets.units import plain_number

_ASK = "Give the unit of the file: are these really counts in 10^9/L?"


def check_courses(
    platelets: pd.DataFrame | None,
    subjects: pd.DataFrame,
    treatments: pd.DataFrame | None,
    bleeding: pd.DataFrame | None,
    rule: Rule | None,
    *,
    paths: Mapping[str, str] | None = None,
) -> tuple[tuple[Course, ...], list[Problem]]:
    """The course of every subject, in the order of `subjects`, and what is wrong with the sheets.

    Parameters
    ----------
    platelets, subjects, treatments, bleeding
        The sheets of a study, as text or typed; None where there is none.
    rule
        For the magnitude that counts may have; None leaves that unchecked.
    paths
        How messages call each sheet; by its name where absent.
    """
    called = paths or {}
    known, problems = check_subjects(subjects, called.get("subjects", "subjects"))
    where = called.get("platelets", "platelets")
    counts: Sequence[Count] = ()
    given, bled = None, None
    if platelets is not None:
        counts, found = check_platelets(platelets, known, where)
        problems = problems + found
    if treatments is not None:
        rows, found = check_treatments(treatments, known, called.get("treatments", "treatments"))
        given, problems = by_subject(rows, lambda t: t.subject_id), problems + found
    if bleeding is not None:
        grades, found = check_bleeding(bleeding, known, called.get("bleeding", "bleeding"))
        bled, problems = by_subject(grades, lambda b: b.subject_id), problems + found
    series = by_subject(counts, lambda c: c.subject_id)
    courses = tuple(
        Course(
            subject,
            tuple(sorted(series.get(name, ()), key=lambda c: c.order)),
            None if given is None else tuple(sorted(given.get(name, ()), key=lambda t: (t.day, t.kind, t.role))),
            None if bled is None else tuple(sorted(bled.get(name, ()), key=lambda b: (b.day, b.grade))),
        )
        for name, subject in known.items()
    )
    return courses, problems + ([] if rule is None else _check_magnitude(courses, rule, where))


def read_courses(
    platelets: pd.DataFrame,
    subjects: pd.DataFrame,
    treatments: pd.DataFrame | None,
    bleeding: pd.DataFrame | None,
    rule: Rule,
) -> tuple[Course, ...]:
    """The courses of `check_courses`.

    Raises
    ------
    StudyError
        The sheets have problems: all of them.
    """
    courses, problems = check_courses(platelets, subjects, treatments, bleeding, rule)
    if problems:
        raise StudyError.of(problems)
    return courses


def _check_magnitude(courses: Sequence[Course], rule: Rule, path: str) -> list[Problem]:
    """Counts and baselines that only a wrong unit explains, one problem a file."""
    limit, highest = rule.units.max_count_1e9_per_l, rule.units.baseline_below_1e9_per_l
    counts = sorted((c for course in courses for c in course.counts), key=lambda c: c.line)
    above = [c for c in counts if c.value > limit]
    if above:
        return [_magnitude(above, f"of {len(counts)} counts lie above {limit} x 10^9/L", path)]
    chosen = (choose_baseline(c, exclusion_windows(c.treatments or (), rule), rule) for c in courses)
    baselines = [b.count for b in chosen if b is not None]
    high = sorted((c for c in baselines if c.value >= highest), key=lambda c: c.line)
    return [_magnitude(high, f"of {len(baselines)} baselines reach {highest} x 10^9/L", path)] if high else []


def _magnitude(counts: Sequence[Count], what: str, path: str) -> Problem:
    first = counts[0]
    unit = printable(first.unit_given)
    shown = f"{plain_number(first.value)} of subject {printable(first.subject_id)}, unit {unit}"
    return Problem(
        f"{len(counts)} {what} (the first: {shown})",
        path,
        f"row {first.line}",
        found=plain_number(first.value),
        remedy=_ASK,
        code="PLATELETS-MAGNITUDE",
    )
