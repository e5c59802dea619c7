"""Failures for people: one line a cause with how many it struck; the table keeps a row each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from immunoprofile.cli.console import Verbosity, verbosity
from immunoprofile.errors import printable

_NAMED = 3
"""Samples named in a line about many."""


def describe_failures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each cause: whom it struck, and the message of the first of them; a line each with -v.

    Notes
    -----
    Two failures have one cause where stage, code and message agree but for the file's name and numbers.
    """
    causes: dict[Any, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows):
        key = number if verbosity() is Verbosity.VERBOSE else _cause(row)
        causes.setdefault(key, []).append(row)
    return [_line(struck) for struck in causes.values()]


def _cause(row: Mapping[str, Any]) -> tuple[str, ...]:
    what = str(row["message"]).split(": ", 1)[-1].replace(str(row["item_id"]), "")
    return row["item_kind"], row["stage"], row["code"], re.sub(r"[\d,.]+", "#", what)


def _line(struck: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(printable(r["item_id"], 60) for r in struck[:_NAMED])
    message = printable(struck[0]["message"], 1_000)
    if len(struck) == 1:
        return f"failed: {names}: {message}"
    rest = f" and {len(struck) - _NAMED} more" if len(struck) > _NAMED else ""
    return f"failed: {len(struck)} {struck[0]['item_kind']}s ({names}{rest}) for one cause. The first: {message}"
