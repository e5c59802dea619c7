"""Populations for a spreadsheet: one row a sample, percent, and nothing that a spreadsheet would run."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

_SAMPLE = ("study_id", "subject_id", "sample_id", "visit", "day", "panel")
_FORMULA = re.compile(r"(?:^|[\r\n])[ \u00a0\u3000]*[=+\-@\t\r＝＋－＠]")
"""What a cell, or a line of it, begins with that spreadsheets read as a formula (OWASP, CSV injection): behind blanks
and in full-width forms too."""
_LONGEST = 32


def widen(populations: pd.DataFrame) -> pd.DataFrame:
    """One row a sample; a column for each percentage, count and concentration.

    Returns
    -------
    DataFrame
        ``POP__pct_of_DENOM``, ``POP__count``, ``POP__cells_per_ul``, at most 32 characters each (cut, then numbered,
        where longer). Percent is 100 * frac. Missing stays missing, with its reason in ``POP__flags_of_DENOM``.
    """
    samples = populations.drop_duplicates("sample_id").loc[:, list(_SAMPLE)].set_index("sample_id")
    keyed = populations.set_index("sample_id")
    columns: dict[str, pd.Series] = {}
    for (pop, denom), rows in keyed.groupby(["pop_id", "denom_id"], sort=True):
        columns.setdefault(f"{pop}__count", rows["count"])
        if rows["cells_per_ul"].notna().any():
            columns.setdefault(f"{pop}__cells_per_ul", rows["cells_per_ul"])
        columns[f"{pop}__pct_of_{denom}"] = 100 * rows["frac"]
        if (rows["status"] == "not_evaluable").any():
            columns[f"{pop}__flags_of_{denom}"] = rows["flags"].where(rows["status"] == "not_evaluable")
    wide = samples.join(pd.DataFrame(columns, index=samples.index))
    wide.columns = pd.Index(shorten([str(c) for c in wide.columns]))
    return wide.reset_index()


def shorten(names: Sequence[str], longest: int = _LONGEST) -> list[str]:
    """The names, none longer than `longest`, none twice: cut ones end in ``_2``, ``_3``, ... where they would meet."""
    taken: set[str] = set()
    result = []
    for name in names:
        short, number = name[:longest], 1
        while short in taken:
            number += 1
            short = f"{name[: longest - len(str(number)) - 1]}_{number}"
        taken.add(short)
        result.append(short)
    return result


def defuse(text: str) -> str:
    """Text that no spreadsheet runs: an apostrophe before what looks like a formula. Numbers stay numbers."""
    dangerous = _FORMULA.search(text) is not None and not re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text)
    return f"'{text}" if dangerous else text


def to_spreadsheet_csv(populations: pd.DataFrame) -> bytes:
    """The wide table as CSV that spreadsheets open as it is: UTF-8 with BOM, blank for missing."""
    wide = widen(populations)
    for name in wide.columns:
        if wide[name].dtype == "string":
            wide[name] = wide[name].map(defuse, na_action="ignore")
    wide.columns = pd.Index([defuse(str(c)) for c in wide.columns])
    return b"\xef\xbb\xbf" + str(wide.to_csv(index=False, lineterminator="\r\n")).encode("utf-8")
