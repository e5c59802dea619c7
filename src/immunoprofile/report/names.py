"""What populations are called for people, and which response definition a study uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.comparison import MEASURES
from immunoprofile.errors import printable
from immunoprofile.report.numbers import absent

_DEFINITION = re.compile(r"\(([^()]+)\)$")
_USUAL = "iwg-2009"
_SAYING = ("best_response", "reason", "flags")
"""Columns of `response` that say more than who responded."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names for people, by pop_id; where the tables give none, the pop_id itself."""

    labels: Mapping[str, str]

    def population(self, pop_id: object) -> str:
        """One population, safe to print."""
        return printable(self.labels.get(str(pop_id), str(pop_id)), 80)

    def measured(self, row: Mapping[str, Any], scale: str = "scale") -> str:
        """What a row of `change` or `association` measures: ``Treg of CD4+``, ``B cells per microlitre``."""
        name, measure = self.population(row["pop_id"]), str(row[scale])
        if measure == "logit_frac":
            return f"{name} of {self.population(row['denom_id'])}"
        return f"{name}, {_UNITS.get(measure, printable(measure))}"


_UNITS = {"log_cells_per_ul": "cells per microlitre", "log_mfi": "intensity"}


def read_names(populations: pd.DataFrame) -> Names:
    """The names that a populations table gives: its label, else the last part of its path."""
    columns = [c for c in ("pop_id", "pop_path", "pop_label", "denom_id", "denom_path") if c in populations.columns]
    labels: dict[str, str] = {"all_events": "all events", "unnamed": "an unnamed denominator"}
    for row in populations[columns].drop_duplicates().to_dict("records"):
        _name(labels, row, "denom_id", "denom_path")
        _name(labels, row, "pop_id", "pop_path")
        if not absent(row.get("pop_label")) and str(row["pop_label"]).strip():
            labels[str(row["pop_id"])] = str(row["pop_label"])
    return Names(labels)


def _name(labels: dict[str, str], row: Mapping[Any, Any], key: str, path: str) -> None:
    if not absent(row.get(key)) and not absent(row.get(path)):
        # A "/" inside a name is written "\/" in a path.
        last = re.split(r"(?<!\\)/", str(row[path]))[-1]
        labels.setdefault(str(row[key]), last.replace("\\/", "/").replace("\\\\", "\\"))


def effect_word(measure: str) -> str:
    """What the effect of a change is called: odds ratio or fold change."""
    known = MEASURES.get(measure)
    return "odds ratio" if known is not None and known.effect_word == "odds" else "fold change"


def own_definition(results: Results) -> str | None:
    """The response definition that the answers rest on; None where the tables name none."""
    if results.association is not None:
        named = [_DEFINITION.search(str(c)) for c in results.association["contrast"].dropna()]
        found = [m.group(1) for m in named if m is not None]
        if found:
            return found[0]
    return None if results.response is None else usual_definition(results.response)


def usual_definition(response: pd.DataFrame) -> str | None:
    """``iwg-2009`` where the table has it, else the definition with the shortest name: variants add to it."""
    if "definition_id" not in response.columns:
        return None
    known = [str(d) for d in response["definition_id"].dropna().unique()]
    return _USUAL if _USUAL in known else min(known, key=lambda d: (len(d), d), default=None)


def split_definitions(response: pd.DataFrame, own: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the definition that decides, and those of the others beside it.

    A table that others wrote may have subject_id and responder only: then all rows are its own, and what says more
    is missing.
    """
    absent_columns = {
        c: pd.array([pd.NA] * len(response), dtype="string") for c in _SAYING if c not in response.columns
    }
    whole = response.assign(**absent_columns)
    if own is None or "definition_id" not in response.columns:
        return whole, whole.iloc[:0]
    mine = (whole["definition_id"] == own).fillna(False).astype(bool)
    return whole[mine], whole[~mine]
