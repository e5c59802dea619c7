"""Checks of a table's columns, numbers and ranges, and where a row is in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from immunoprofile.comparison.measures import Floats
from immunoprofile.errors import InputError, PairingError, Problem, printable

_SHOWN = 12
"""Problems listed one by one; the rest are counted."""


def need_columns(frame: pd.DataFrame, needed: Sequence[str], table: str) -> None:
    """Refuse a table that lacks columns, naming all of them.

    Raises
    ------
    InputError
    """
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise InputError(
            f"column {', '.join(missing)} missing from the {table} table",
            where="header",
            expected=", ".join(needed),
            found=", ".join(printable(c) for c in frame.columns),
            remedy="Add the column, or give a table written by immunoprofile.",
            code="TABLE-COLUMNS",
        )


def numbers(frame: pd.DataFrame, column: str) -> Floats:
    """A column as floats, NaN for missing.

    Raises
    ------
    InputError
        A value is not a number.
    """
    given = frame[column]
    try:
        # Text is read by way of strings: pandas.to_numeric misses the last bit of one number in three.
        text = given if pd.api.types.is_numeric_dtype(given) else given.astype("string")
        values = text.astype("Float64")
    except (ValueError, TypeError) as problem:
        strange = next((v for v in given.dropna() if not _is_number(v)), problem)
        raise InputError(
            f'"{printable(strange)}" is not a number', where=f"column {column}", expected="numbers, NA where missing",
            remedy="Write plain numbers with a point, without units.", code="TABLE-VALUE",
        ) from problem  # fmt: skip
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def place(row: pd.Series) -> str:
    """Where a row of a populations table is, in words."""
    panel = f", panel {printable(row['panel'])}" if row["panel"] else ""
    return f"subject {printable(row['subject_id'])}, visit {printable(row['visit'])}{panel}"


def refuse(problems: Sequence[Problem], error: type[InputError | PairingError]) -> None:
    """Raise the problems as one error, the first dozen in full; nothing where there is none."""
    if not problems:
        return
    rest = len(problems) - _SHOWN
    more = [Problem(f"and {rest} more like these", code=problems[0].code)] if rest > 0 else []
    raise error.of([*problems[:_SHOWN], *more])


def check_range(frame: pd.DataFrame, values: Floats, scale: str, least: float, most: float) -> None:
    wrong = np.flatnonzero((values < least) | (values > most) | np.isinf(values))
    problems = [
        Problem(
            f"value {values[i]:g} cannot be on the scale {scale}",
            where=f"{place(frame.iloc[i])}, population {printable(frame['pop_id'].iloc[i])}",
            expected=f"{least:g} to {most:g}",
            remedy="Correct the value or name its scale.",
            code="TABLE-RANGE",
        )
        for i in wrong
    ]
    refuse(problems, InputError)
