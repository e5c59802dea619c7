"""The end of a run on the terminal, for a statistician: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.answers import NO_CONTROL, answer_sections, rate_sentences
from immunoprofile.report.gaps import gap_sections
from immunoprofile.report.names import read_names, usual_definition
from immunoprofile.report.numbers import TIE
from immunoprofile.report.sections import Section


def summary_sections(results: Results) -> list[Section]:
    """What a run says in words: answers, gaps, and what no answer here can mean."""
    names = read_names(results.populations)
    answers = answer_sections(results, names)
    closing = [Section("Reminder", (NO_CONTROL,))] if results.association is not None else []
    return [*answers, *gap_sections(results, names), *closing]


def headline(results: Results) -> list[str]:
    """The answer in three sentences, those that there are: change, difference by response, response rate."""
    sections = answer_sections(results, read_names(results.populations))
    asked = ("Primary endpoint", "Association with response", "Response rate")
    found = {s.title: s.sentences[0] for s in sections}
    return [found[title] for title in asked if title in found]


def render_summary(results: Results, *, width: int = 80) -> list[str]:
    """Lines of plain text, none wider than `width`, that say what came out and what is missing.

    Parameters
    ----------
    width
        At least 20 characters.
    """
    title = f"Study {printable(results.study_id, 60)}" if results.study_id else "Results"
    return render_sections(summary_sections(results), width=width, title=title)


def render_response(response: pd.DataFrame, definition: str | None = None, *, width: int = 80) -> list[str]:
    """The response rate of a response table, with both denominators, as lines of text.

    Parameters
    ----------
    definition
        The one that decides; ``iwg-2009`` where none is named and the table has it.
    """
    own = definition or usual_definition(response)
    return render_sections([Section("Response rate", tuple(rate_sentences(response, own)))], width=width)[1:]


def render_sections(sections: Sequence[Section], *, width: int = 80, title: str | None = None) -> list[str]:
    """Sections as lines of text, none wider than `width`."""
    lines = wrap(title, width) if title else []
    for section in sections:
        lines += ["", *wrap(section.title, width)]
        for sentence in section.sentences:
            # A name such as at-least-50-twice or non-responders stays whole, so that it can be looked for.
            lines += wrap(sentence, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [line.replace(TIE, " ") for line in lines]
