"""overrides.csv: which gates stand elsewhere in which samples, who says so, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import pandas as pd

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.gating.overrides import Override
from immunoprofile.platelets import cells
from immunoprofile.study.samples import Sample
from immunoprofile.study.sheet import read_sheet

_REQUIRED = ("sample_id", "gate", "who", "date", "reason")
Overrides = Mapping[str, tuple[Override, ...]]
"""Sample id to the rows of that sample, in the order of the sheet."""


def load_overrides(path: str | PathLike[str], samples: Iterable[Sample]) -> dict[str, tuple[Override, ...]]:
    """Load a sheet of overrides that stands alone.

    Raises
    ------
    StudyError
        It cannot be read, or rows are wrong: all problems at once.
    """
    file, problems = Path(path), list[Problem]()
    frame = read_sheet(file, problems, may_be_empty=True)
    found = {} if frame is None else check_overrides(frame, str(file), samples, problems)
    if problems:
        raise StudyError.of(problems)
    return found


def check_overrides(
    frame: pd.DataFrame, path: str, samples: Iterable[Sample], problems: list[Problem]
) -> dict[str, tuple[Override, ...]]:
    """The rows by sample; whether the gates exist is known once the templates are.

    Parameters
    ----------
    samples
        Those that may be named; none at all: their sheet could not be read, and any name passes.
    problems
        What is wrong is added here.
    """
    if not cells.check_columns(frame, [*_REQUIRED, ("dx", "dy", "geometry")], path, problems):
        return {}
    known = [s.sample_id for s in samples]
    found: dict[str, list[Override]] = {}
    for row in cells.read_rows(frame, path, problems):
        texts = {column: cells.text(row, column, required=True) for column in _REQUIRED}
        name = texts["sample_id"]
        if name is not None and known and name not in known:
            what = f'sample "{printable(name)}" is not among the samples'
            row.report(what, "sample_id", closest(name, known), "SHEET-SAMPLE")
        dx, dy, geometry = cells.decimal(row, "dx"), cells.decimal(row, "dy"), cells.text(row, "geometry")
        when = cells.calendar_date(row, "date")
        moved = "dx" in row.cells or "dy" in row.cells
        if moved == ("geometry" in row.cells):
            what = "gives a move and a geometry" if moved else "gives neither a move nor a geometry"
            row.report(what, "geometry", "Give dx or dy, or a geometry, and not both.", "OVERRIDE-WHAT")
        if name is not None:
            found.setdefault(name, []).append(
                Override(
                    path,
                    f"row {row.line}",
                    texts["gate"] or "",
                    None if dx is None else float(dx),
                    None if dy is None else float(dy),
                    geometry,
                    texts["who"] or "",
                    "" if when is None else when.isoformat(),
                    texts["reason"] or "",
                )
            )
    return {name: tuple(rows) for name, rows in found.items()}
