"""What a chart is, and the groups that charts tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.report.names import own_definition, split_definitions
from immunoprofile.report.numbers import absent


@dataclass(frozen=True)
class Chart:
    """A drawing with its title, its words, and what it is about, so that filters find it."""

    anchor: str
    title: str
    svg: Markup
    caption: str = ""
    subject: str = ""
    population: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Subjects of one response: name, shape of their marks (which is also the class of their colour)."""

    name: str
    shape: str


GROUPS = (
    Group("responders", "circle"),
    Group("non-responders", "triangle"),
    Group("response not known", "square"),
)


def response_groups(results: Results) -> Mapping[str, int]:
    """Subject to the number of its group in `GROUPS`; empty where no response is known at all."""
    if results.response is None:
        return {}
    mine, _ = split_definitions(results.response, own_definition(results))
    pairs = zip(mine["subject_id"], mine["responder"], strict=True)
    return {str(s): 2 if absent(r) else 0 if r else 1 for s, r in pairs}
