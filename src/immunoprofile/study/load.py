"""study.toml and its sheets become one checked value; every problem of every file is reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import pandas as pd

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.platelets import Rule, cells, check_courses, load_rule, looks_like_path
from immunoprofile.platelets.records import Subject
from immunoprofile.platelets.settings import read_settings
from immunoprofile.populations import TableSettings, default_settings, load_settings
from immunoprofile.study.plan import Analysis, StudyPlan
from immunoprofile.study.samples import Sample, check_samples
from immunoprofile.study.sheet import read_sheet

_SHEETS = ("samples", "subjects", "platelets", "treatments", "bleeding", "overrides")
_MAY_BE_EMPTY = {"treatments", "bleeding", "overrides"}
# What a study must have beyond what the platelets room needs: without them NE and NR cannot be told apart.
_SUBJECT_COLUMNS = ("infusion_days", ("arm", "dose"), "last_observation_day", "end_reason")
_OVERRIDE_COLUMNS = ("sample_id", "gate", "who", "date", "reason")


@dataclass(frozen=True, slots=True)
class PanelChoice:
    """The template that gates a panel's samples: an id, or the path of a template file."""

    template: str


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A checked study.

    Parameters
    ----------
    path, folder
        study.toml, and the folder that its paths are relative to.
    samples
        In the order of the sheet; their files need not exist.
    subjects, platelets, treatments, bleeding, overrides
        The sheets as text, blank cells missing, indexed by their line in the file; None where there is none.
        `classify_response` takes them as they are.
    panels
        By name, in the order of study.toml: where two panels give one population the first is used.
    baseline, window
        The visit before treatment and those after it.
    rule
        Id or path of the response definition.
    data_cutoff_day
        Last day of the data; counts after it are ignored. None: no cutoff.
    tables
        Interval, thresholds and treatment states of the population tables.
    inputs
        Every file read, by its name in study.toml; ``study`` is study.toml.
    """

    id: str
    path: Path
    folder: Path
    samples: tuple[Sample, ...]
    subjects: pd.DataFrame
    platelets: pd.DataFrame
    treatments: pd.DataFrame | None
    bleeding: pd.DataFrame | None
    overrides: pd.DataFrame | None
    panels: dict[str, PanelChoice]
    baseline: str
    window: tuple[str, ...]
    rule: str
    data_cutoff_day: int | None
    analysis: Analysis
    inputs: dict[str, Path]
    tables: TableSettings = field(default_factory=default_settings)


def load_study(path: str | PathLike[str]) -> Study:
    """Load study.toml and its sheets, and check them against each other.

    Raises
    ------
    StudyError
        study.toml is wrong (its problems), or anything in its sheets is (all problems of all sheets).

    Notes
    -----
    FCS files are not looked at. A subject without a baseline count or sample is in order.
    """
    file = Path(path)
    plan, _ = read_settings(file, StudyPlan)
    problems: list[Problem] = []
    inputs = {"study": file} | _sheet_paths(plan, file.parent)
    frames = {n: read_sheet(p, problems, may_be_empty=n in _MAY_BE_EMPTY) for n, p in inputs.items() if n != "study"}
    panels = {name: _panel(name, p.template, file, problems) for name, p in plan.panels.items()}
    tables = _table_settings(plan, file.parent, problems)
    rule = _resolved(plan.response.rule, file.parent)
    subjects = _check_clinical(frames, inputs, plan, _load_rule(rule, problems), problems)
    samples = _check_samples(frames["samples"], inputs, plan, subjects, problems)
    _check_overrides(frames.get("overrides"), inputs, samples, problems)
    if problems:
        raise StudyError.of(list(dict.fromkeys(problems)))
    if looks_like_path(rule):
        inputs["rule"] = Path(rule)
    return replace(_study(plan, file, samples, frames, panels, rule, inputs), tables=tables)


def _study(
    plan: StudyPlan,
    file: Path,
    samples: tuple[Sample, ...],
    frames: dict[str, pd.DataFrame | None],
    panels: dict[str, PanelChoice],
    rule: str,
    inputs: dict[str, Path],
) -> Study:
    return Study(
        id=plan.study.id,
        path=file,
        folder=file.parent,
        samples=samples,
        subjects=frames["subjects"],
        platelets=frames["platelets"],
        treatments=frames.get("treatments"),
        bleeding=frames.get("bleeding"),
        overrides=frames.get("overrides"),
        panels=panels,
        baseline=plan.visits.baseline,
        window=plan.visits.window,
        rule=rule,
        data_cutoff_day=plan.response.data_cutoff_day,
        analysis=plan.analysis,
        inputs=inputs,
    )


def _sheet_paths(plan: StudyPlan, folder: Path) -> dict[str, Path]:
    named = {name: getattr(plan.study, name) for name in _SHEETS}
    return {name: folder / sheet for name, sheet in named.items() if sheet is not None}


def _resolved(name: str, folder: Path) -> str:
    """An id as it is, a path joined to the study's folder."""
    return str(folder / name) if looks_like_path(name) else name


def _panel(name: str, template: str, file: Path, problems: list[Problem]) -> PanelChoice:
    resolved = _resolved(template, file.parent)
    if looks_like_path(template) and not Path(resolved).is_file():
        what, place = f'template "{printable(template)}" does not exist', f"panels.{printable(name)}.template"
        remedy = "Check the path, which is relative to study.toml."
        problems.append(Problem(what, str(file), place, found=template, remedy=remedy, code="STUDY-TEMPLATE"))
    return PanelChoice(resolved)


def _table_settings(plan: StudyPlan, folder: Path, problems: list[Problem]) -> TableSettings:
    own = {name: getattr(plan.tables, name) for name in ("thresholds", "states")}
    try:
        return load_settings(
            interval=plan.tables.interval, **{n: None if p is None else folder / p for n, p in own.items()}
        )
    except StudyError as error:
        problems.extend(error.problems)
        return default_settings()


def _load_rule(rule: str, problems: list[Problem]) -> Rule | None:
    try:
        return load_rule(rule)
    except StudyError as error:
        problems.extend(error.problems)
        return None


def _check_clinical(
    frames: dict[str, pd.DataFrame | None],
    inputs: dict[str, Path],
    plan: StudyPlan,
    rule: Rule | None,
    problems: list[Problem],
) -> dict[str, Subject] | None:
    """The subjects by their id; None where their sheet cannot be read."""
    subjects = frames["subjects"]
    if subjects is None:
        return None
    paths = {name: str(path) for name, path in inputs.items()}
    cells.check_columns(subjects, [*_SUBJECT_COLUMNS, *plan.analysis.strata], paths["subjects"], problems)
    courses, found = check_courses(
        frames["platelets"], subjects, frames.get("treatments"), frames.get("bleeding"), rule, paths=paths
    )
    problems += found
    return {c.subject.subject_id: c.subject for c in courses}


def _check_samples(
    frame: pd.DataFrame | None,
    inputs: dict[str, Path],
    plan: StudyPlan,
    subjects: dict[str, Subject] | None,
    problems: list[Problem],
) -> tuple[Sample, ...]:
    if frame is None:
        return ()
    folder, sheet = inputs["study"].parent, str(inputs["samples"])
    samples = check_samples(frame, sheet, folder, problems, subjects=subjects, panels=plan.panels)
    visits = {s.visit for s in samples if s.visit is not None and s.control is None}
    asked = [("visits.baseline", plan.visits.baseline)] + [("visits.window", v) for v in plan.visits.window]
    for place, visit in asked:
        if samples and visit not in visits:
            what = f'no sample has the visit "{printable(visit)}"'
            remedy = closest(visit, sorted(visits))
            problems.append(Problem(what, str(inputs["study"]), place, found=visit, remedy=remedy, code="STUDY-VISIT"))
    return samples


def _check_overrides(
    frame: pd.DataFrame | None, inputs: dict[str, Path], samples: Iterable[Sample], problems: list[Problem]
) -> None:
    if frame is None or not cells.check_columns(frame, _OVERRIDE_COLUMNS, str(inputs["overrides"]), problems):
        return
    known = [s.sample_id for s in samples]
    for row in cells.read_rows(frame, str(inputs["overrides"]), problems):
        for column in _OVERRIDE_COLUMNS:
            cells.text(row, column, required=True)
        name = row.cells.get("sample_id")
        if name is not None and known and name not in known:
            what = f'sample "{printable(name)}" is not among the samples'
            row.report(what, "sample_id", closest(name, known), "SHEET-SAMPLE")
