"""What a figure is, and what all figures need to know of a study."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immunoprofile.cohort import Results
from immunoprofile.report.names import Names, own_definition, read_names, split_definitions
from immunoprofile.report.numbers import absent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure by the name of its file, and its caption as paragraphs."""

    name: str
    figure: Figure
    caption: tuple[str, ...]

    def caption_text(self) -> str:
        """The caption as a text file."""
        paragraphs = [textwrap.fill(p, 100, break_long_words=False, break_on_hyphens=False) for p in self.caption]
        return "\n\n".join(paragraphs).replace("\u00a0", " ") + "\n"


@dataclass(frozen=True, slots=True)
class Subjects:
    """Names of populations, the response definition in use, and the group (0, 1, 2) of each subject."""

    names: Names
    definition: str | None
    groups: Mapping[str, int]

    @classmethod
    def of(cls, results: Results) -> Subjects:
        """What the tables say; no groups where there is no response."""
        own = own_definition(results)
        groups: dict[str, int] = {}
        if results.response is not None:
            mine, _ = split_definitions(results.response, own)
            for subject, responder in zip(mine["subject_id"], mine["responder"], strict=True):
                groups[str(subject)] = 2 if absent(responder) else 0 if responder else 1
        return cls(read_names(results.populations), own, groups)

    def group(self, subject: object) -> int:
        """A subject's group; everybody is in the last where no response is known."""
        return self.groups.get(str(subject), 2)

    def split(self, subjects: Sequence[object]) -> str:
        """``8 responders, 7 non-responders``."""
        from immunoprofile.figures.style import GROUPS

        members = [self.group(s) for s in subjects]
        return ", ".join(f"{members.count(i)} {g.name}" for i, g in enumerate(GROUPS) if i in members)


def rows_of(table: pd.DataFrame) -> list[Row]:
    """A table as rows by column name."""
    return [{str(k): v for k, v in r.items()} for r in table.to_dict("records")]


def tree_order(results: Results) -> dict[str, int]:
    """Place of each pop_id in the gating tree, by its path."""
    pairs = results.populations[["pop_id", "pop_path"]].drop_duplicates() if "pop_path" in results.populations else None
    if pairs is None:
        return {}
    found = sorted({(str(p), str(i)) for i, p in zip(pairs["pop_id"], pairs["pop_path"], strict=True)})
    return {pop_id: place for place, (_, pop_id) in reversed(list(enumerate(found)))}


def wrapped(words: str, width: int, most: int = 2) -> str:
    """Words in at most so many lines; what does not fit is cut with an ellipsis."""
    lines = textwrap.wrap(words, width, break_on_hyphens=False)
    if len(lines) > most:
        rest = " ".join(lines[most - 1 :])
        lines = [*lines[: most - 1], rest[: width - 1].rstrip() + "…"]
    return "\n".join(lines)
