"""Overrides of single samples: refused before anything is gated where they name no gate, then put in place."""

from __future__ import annotations

from collections.abc import Sequence

from immunoprofile.errors import Problem, StudyError
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.overrides import override_gates
from immunoprofile.study import Overrides, Sample


def refuse_wrong_overrides(work: Sequence[tuple[Sample, GatingTemplate]], overrides: Overrides) -> None:
    """Refuse overrides that do not fit the templates of their samples.

    Raises
    ------
    StudyError
        A gate that is not there, a move or geometry that cannot be: all of them. Nothing was done.
    """
    problems: list[Problem] = []
    for sample, template in work:
        problems += override_gates(template, overrides.get(sample.sample_id, ()))[1]
    if problems:
        raise StudyError.of(problems)


def overridden(template: GatingTemplate, sample: Sample, overrides: Overrides) -> GatingTemplate:
    """The template of a sample with its overrides in place.

    Raises
    ------
    StudyError
        A move that the template allows, and the gates found in this sample do not.
    """
    rows = overrides.get(sample.sample_id, ())
    if not rows:
        return template
    changed, problems = override_gates(template, rows)
    if problems:
        raise StudyError.of(problems)
    return changed
