"""What a column and a table are, and the columns that several tables share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Dtype = Literal["str", "int", "float", "bool"]

MAX_LABEL = 40
"""Characters of a label in a SAS transport file of version 5."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    `alias` is the name of at most eight characters that SAS transport files need.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    alias: str = ""

    @property
    def label(self) -> str:
        """The meaning in at most 40 characters, as SAS transport files need: its first clause, or its first words.

        A column whose meaning begins with a list of its words is labelled by its name.
        """
        clause = re.split(r"[:;,]| - ", self.meaning, maxsplit=1)[0]
        if len(self.meaning) > MAX_LABEL and not clause[0].isupper():
            return self.name.replace("_", " ").capitalize()
        if len(clause) <= MAX_LABEL:
            return self.meaning if len(self.meaning) <= MAX_LABEL else clause
        words = clause[: MAX_LABEL - 3].rsplit(" ", 1)[0]
        return f"{words}..."


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the results folder: its columns in order, and the columns that identify a row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """One column by its name."""
        return next(c for c in self.columns if c.name == name)


SUBJECT = Column("subject_id", "str", "Subject as named in subjects.csv", alias="SUBJID")
SAMPLE = Column("sample_id", "str", "Sample as named in samples.csv", alias="SAMPID")
VISIT = Column("visit", "str", "Visit as named in samples.csv", alias="VISIT")
POP_ID = Column("pop_id", "str", "Population: the id of its gate in the template", alias="POPID")
DENOM_ID = Column("denom_id", "str", "Denominator: pop_id of the population divided by", alias="DENOMID")
FLAGS = Column("flags", "str", "Findings on this row, codes joined by ';'; empty when there is none", alias="FLAGS")
STUDY = Column("study_id", "str", "Study as named in study.toml", alias="STUDYID")
DEFINITION = Column("definition_id", "str", "Response definition: the id of its rule file", alias="DEFID")
