"""The sample sheet: which file is which subject's sample of which visit, and how it was prepared."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from os import PathLike
from pathlib import Path

import pandas as pd

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.fcs import FcsFile, locate_file
from immunoprofile.platelets import cells
from immunoprofile.platelets.cells import Row
from immunoprofile.platelets.records import Subject
from immunoprofile.platelets.sheets import claim_id, report_unknown_subject
from immunoprofile.populations import default_settings
from immunoprofile.study.sheet import read_sheet

_CONTROL = re.compile(r"unstained|bridge|(fmo|single):.*\S.*")
_AMOUNTS = (
    "wbc_1e9_per_l",
    "lymph_abs_1e9_per_l",
    "beads_added",
    "sample_volume_ul",
    "hours_to_stain",
    "viability_frac",
)
_STUDY_COLUMNS = ("sample_id", "file", "subject_id", "visit", ("day", "collection_date"), "panel")


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of samples.csv.

    Parameters
    ----------
    file
        The FCS file, joined to the folder that the sheet's paths are relative to, or its URL; it need not exist.
    subject_id, visit, day, panel
        None where the sheet may leave them out: controls, and sheets outside a study.
    dataset
        Which of the file's data sets, counted from 1; None for the only one.
    spillover
        File of a matrix that replaces the one in the FCS file.
    control
        ``fmo:MARKER``, ``single:MARKER``, ``unstained`` or ``bridge``; None for a patient's sample.
    line
        Line in the sheet.
    """

    sample_id: str
    file: FcsFile
    subject_id: str | None = None
    visit: str | None = None
    day: int | None = None
    panel: str | None = None
    batch: str | None = None
    dataset: int | None = None
    spillover: Path | None = None
    control: str | None = None
    collection_date: date | None = None
    wbc_1e9_per_l: float | None = None
    lymph_abs_1e9_per_l: float | None = None
    beads_added: float | None = None
    sample_volume_ul: float | None = None
    hours_to_stain: float | None = None
    viability_frac: float | None = None
    note: str | None = None
    line: int = 0


def load_samples(path: str | PathLike[str]) -> tuple[Sample, ...]:
    """Load a sample sheet that stands alone: only sample_id and file are required.

    Files are relative to the sheet.

    Raises
    ------
    StudyError
        The sheet cannot be read, or rows are wrong: all problems at once.
    """
    file, problems = Path(path), list[Problem]()
    frame = read_sheet(file, problems)
    samples = () if frame is None else check_samples(frame, str(file), file.parent, problems)
    if problems:
        raise StudyError.of(problems)
    return samples


def check_samples(
    frame: pd.DataFrame,
    path: str,
    folder: Path,
    problems: list[Problem],
    *,
    subjects: Mapping[str, Subject] | None = None,
    panels: Collection[str] | None = None,
) -> tuple[Sample, ...]:
    """The samples of a sheet; what is wrong is added to the problems.

    Parameters
    ----------
    folder
        What the sheet's paths are relative to.
    subjects, panels
        Those of the study; None for a sheet that stands alone.
    """
    required = ("sample_id", "file") if panels is None else _STUDY_COLUMNS
    if not cells.check_columns(frame, required, path, problems):
        return ()
    rows = cells.read_rows(frame, path, problems)
    samples = [_sample(row, folder, panels is not None, subjects) for row in rows]
    _check_unique(rows)
    if panels is not None:
        _check_panels(rows, panels)
    return tuple(s for s in samples if s is not None)


def _sample(row: Row, folder: Path, in_study: bool, subjects: Mapping[str, Subject] | None) -> Sample | None:
    """The sample of a row; None where its name or file is missing, which is then among the problems."""
    control = _control(row)
    patient = in_study and control is None
    name, file = cells.text(row, "sample_id", required=True), cells.text(row, "file", required=True)
    spillover = cells.text(row, "spillover")
    subject = _subject(row, subjects, required=patient)
    if name is None or file is None:
        return None
    amounts = {column: _amount(row, column) for column in _AMOUNTS}
    _check_amounts(row, amounts)
    return Sample(
        sample_id=name,
        file=locate_file(file, folder),
        subject_id=subject,
        visit=cells.text(row, "visit", required=patient),
        day=_day(row, (subjects or {}).get(subject or ""), required=patient),
        panel=cells.text(row, "panel", required=in_study),
        batch=cells.text(row, "batch"),
        dataset=cells.integer(row, "dataset", minimum=1),
        spillover=None if spillover is None else folder / spillover,
        control=control,
        collection_date=cells.calendar_date(row, "collection_date"),
        note=row.cells.get("note"),
        line=row.line,
        **amounts,
    )


def _control(row: Row) -> str | None:
    value = cells.text(row, "control")
    if value is not None and not _CONTROL.fullmatch(value):
        what = f'"{printable(value, 60)}" is not a kind of control'
        row.report(what, "control", "Write fmo:MARKER, single:MARKER, unstained or bridge.", "SHEET-WORD")
    return value


def _subject(row: Row, subjects: Mapping[str, Subject] | None, *, required: bool) -> str | None:
    name = cells.text(row, "subject_id", required=required)
    if name is not None and subjects is not None and name not in subjects:
        report_unknown_subject(row, name, subjects)
    return name


def _day(row: Row, subject: Subject | None, *, required: bool) -> int | None:
    """The day of the draw; from the collection date only where the subject's first infusion can be known."""
    if subject is None:
        return cells.integer(row, "day")
    return cells.day_of(row, subject.first_infusion_date, dated="collection_date", required=required)


def _amount(row: Row, column: str) -> float | None:
    number = cells.decimal(row, column, minimum=0)
    if number is not None and column == "viability_frac" and number > 1:
        row.report(f"{printable(number)} is above 1", column, "Write a fraction, not percent.", "SHEET-NUMBER")
    return None if number is None else float(number)


_OTHER_UNITS = {
    "wbc_1e9_per_l": "It may be per microlitre or a percentage.",
    "lymph_abs_1e9_per_l": "It may be per microlitre or a percentage.",
    "beads_added": "It may be in thousands, or per millilitre.",
    "sample_volume_ul": "It may be in millilitres.",
}


def _check_amounts(row: Row, amounts: Mapping[str, float | None]) -> None:
    """Amounts that look like another unit are refused, never converted; so are amounts that need each other."""
    limits = default_settings()
    for column, hint in _OTHER_UNITS.items():
        value = amounts[column]
        least, most = (limits.thresholds.get(f"{column}_{end}") for end in ("min", "max"))
        low = value is not None and least is not None and value < least.value
        if low or (value is not None and most is not None and value > most.value):
            what = f"{value:g} looks like another unit"
            row.report(what, column, f"{hint} Write it in the unit of the column's name.", "SHEET-UNIT")
    beads, volume = amounts["beads_added"], amounts["sample_volume_ul"]
    if beads is not None and volume is None:
        remedy = "Add the microlitres of blood that were stained, or clear beads_added."
        row.report("beads_added needs sample_volume_ul", "sample_volume_ul", remedy, "SHEET-BLANK")
    lymphocytes, leukocytes = amounts["lymph_abs_1e9_per_l"], amounts["wbc_1e9_per_l"]
    if lymphocytes is not None and leukocytes is not None and lymphocytes > leukocytes:
        what = f"{lymphocytes:g} lymphocytes are more than {leukocytes:g} leukocytes"
        row.report(what, "lymph_abs_1e9_per_l", "One of them may be in another unit or a percentage.", "SHEET-UNIT")


def _check_unique(rows: Sequence[Row]) -> None:
    """Each sample_id once; each file once a panel; one patient's sample a subject, visit and panel."""
    names: dict[str, tuple[str, int]] = {}
    draws: dict[tuple[str, ...], int] = {}
    files: dict[tuple[str, ...], int] = {}
    for row in rows:
        if "sample_id" in row.cells:
            claim_id(row, "sample_id", row.cells["sample_id"], names)
        draw = tuple(row.cells.get(c, "") for c in ("subject_id", "visit", "panel"))
        if draw[0] and draw[1] and "control" not in row.cells:
            shown = "subject {}, visit {}".format(*map(printable, draw))
            _claim(row, draw, draws, f"{shown} has this panel", "visit", "Keep one, or name the visits apart.")
        data = tuple(row.cells.get(c, "") for c in ("file", "dataset", "panel"))
        if data[0]:
            shown = f'file "{printable(data[0])}" is used'
            _claim(row, data, files, shown, "file", "Name each sample's own file.")


def _claim(
    row: Row, key: tuple[str, ...], taken: dict[tuple[str, ...], int], what: str, column: str, remedy: str
) -> None:
    line = taken.setdefault(key, row.line)
    if line != row.line:
        row.report(f"{what} already in row {line}", column, remedy, "SHEET-DUPLICATE")


def _check_panels(rows: Sequence[Row], panels: Collection[str]) -> None:
    for row in rows:
        panel = row.cells.get("panel")
        if panel is not None and panel not in panels:
            what = f'panel "{printable(panel)}" is not declared in the study'
            row.report(what, "panel", closest(panel, panels), "STUDY-PANEL")
