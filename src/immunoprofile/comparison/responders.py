"""Who responded: one label a subject, from a response table and one of its definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from immunoprofile.comparison.checks import need_columns, refuse
from immunoprofile.errors import InputError, PairingError, Problem, printable


def read_responders(response: pd.DataFrame, definition: str | None = None) -> tuple[dict[str, bool | None], str | None]:
    """Who responded, under one definition: subject to True, False or None (not evaluable).

    Parameters
    ----------
    response
        subject_id and responder; definition_id where there are several definitions.
    definition
        Which one; without it ``iwg-2009`` where the table has it, else the first in the table.

    Returns
    -------
    The responses, and the definition used (None where the table names none).

    Raises
    ------
    InputError
        Columns are missing, the definition is not in the table, or a responder is neither true, false nor
        missing.
    PairingError
        Several rows of a subject.
    """
    need_columns(response, ("subject_id", "responder"), "response")
    chosen, name = _one_definition(response, definition)
    subjects = [str(s) for s in chosen["subject_id"]]
    _check_responders(subjects, list(chosen["responder"]))
    labels = [None if pd.isna(v) else bool(v) for v in chosen["responder"]]
    return dict(sorted(zip(subjects, labels, strict=True))), name


def _one_definition(response: pd.DataFrame, definition: str | None) -> tuple[pd.DataFrame, str | None]:
    if "definition_id" not in response.columns:
        return response, definition
    known = [str(d) for d in response["definition_id"].dropna().unique()]
    name = definition or ("iwg-2009" if "iwg-2009" in known or not known else known[0])
    if name not in known:
        raise InputError(
            f'no response by definition "{printable(name)}"', where="column definition_id",
            expected=printable(name), found=", ".join(printable(k) for k in known),
            remedy="Name one of the definitions found.", code="DEFINITION-UNKNOWN",
        )  # fmt: skip
    return response[(response["definition_id"] == name).fillna(False)], name


def _check_responders(subjects: list[str], values: list[Any]) -> None:
    twice = sorted({s for s in subjects if subjects.count(s) > 1})
    refuse(
        [
            Problem("has several responses", where=f"subject {printable(s)}",
                    remedy="Give one response a subject and definition.", code="PAIR-DUPLICATE")
            for s in twice
        ],
        PairingError,
    )  # fmt: skip
    refuse(
        [
            Problem(
                f'responder "{printable(v)}" is neither TRUE, FALSE nor NA',
                where=f"subject {printable(s)}",
                remedy="Write TRUE, FALSE or NA.",
                code="RESPONDER-VALUE",
            )
            for s, v in zip(subjects, values, strict=True)
            if not pd.isna(v) and not isinstance(v, bool | np.bool_)
        ],
        InputError,
    )
