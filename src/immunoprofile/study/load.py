"""study.toml and its sheets become one checked value; every problem of every file is reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import pandas as pd

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.platelets import Rule, cells, check_courses, check_definitions, load_rule, looks_like_path
from immunoprofile.platelets.records import Subject
from immunoprofile.platelets.settings import read_settings
from immunoprofile.populations import TableSettings, default_settings, load_settings
from immunoprofile.quality import RuleSet, load_quality_rules
from immunoprofile.study.plan import Analysis, Panel, StudyPlan
from immunoprofile.study.samples import Sample, check_samples
from immunoprofile.study.sheet import read_sheet

_SHEETS = ("samples", "subjects", "platelets", "treatments", "bleeding", "overrides")
_MAY_BE_EMPTY = {"treatments", "bleeding", "overrides"}
# What a study must have beyond what the platelets room needs: without them NE and NR cannot be told apart.
_SUBJECT_COLUMNS = ("infusion_days", ("arm", "dose"), "last_observation_day", "end_reason")
_OVERRIDE_COLUMNS = ("sample_id", "gate", "who", "date", "reason")


@dataclass(frozen=True, slots=True)
class PanelChoice:
    """The template that gates a panel's samples: an id, or the path of a template file.

    `frozen` is the folder of gates that `gates freeze` wrote, and that are applied as they stand.
    """

    template: str
    frozen: Path | None = None


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
    quality
        What is checked, and where each level begins.
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
    also: tuple[str, ...]
    data_cutoff_day: int | None
    analysis: Analysis
    inputs: dict[str, Path]
    tables: TableSettings = field(default_factory=default_settings)
    quality: RuleSet = field(default_factory=load_quality_rules)


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
    panels = {name: _panel(name, p, file, problems) for name, p in plan.panels.items()}
    tables = _table_settings(plan, file.parent, problems)
    quality = _quality_rules(plan, file.parent, problems)
    rules = tuple(_resolved(r, file.parent) for r in _rules(plan))
    subjects = _check_clinical(frames, inputs, plan, _load_rules(rules, file, problems), problems)
    samples = _check_samples(frames["samples"], inputs, plan, subjects, problems)
    _check_overrides(frames.get("overrides"), inputs, samples, problems)
    if problems:
        raise StudyError.of(list(dict.fromkeys(problems)))
    inputs |= {f"rule {Path(r).name}" if i else "rule": Path(r) for i, r in enumerate(rules) if looks_like_path(r)}
    if plan.quality.rules is not None:
        inputs["quality rules"] = file.parent / plan.quality.rules
    return replace(_study(plan, file, samples, frames, panels, rules, inputs), tables=tables, quality=quality)


def _study(
    plan: StudyPlan,
    file: Path,
    samples: tuple[Sample, ...],
    frames: dict[str, pd.DataFrame | None],
    panels: dict[str, PanelChoice],
    rules: tuple[str, ...],
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
        rule=rules[0],
        also=rules[1:],
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


def _panel(name: str, panel: Panel, file: Path, problems: list[Problem]) -> PanelChoice:
    template = panel.template
    resolved = _resolved(template, file.parent)
    if looks_like_path(template) and not Path(resolved).is_file():
        what, place = f'template "{printable(template)}" does not exist', f"panels.{printable(name)}.template"
        remedy = "Check the path, which is relative to study.toml."
        problems.append(Problem(what, str(file), place, found=template, remedy=remedy, code="STUDY-TEMPLATE"))
    frozen = None if panel.frozen is None else file.parent / panel.frozen
    if frozen is not None and not frozen.is_dir():
        what, place = f'folder "{printable(panel.frozen)}" does not exist', f"panels.{printable(name)}.frozen"
        remedy = "Write it with `immunoprofile gates freeze`, or take the key out."
        problems.append(Problem(what, str(file), place, found=panel.frozen, remedy=remedy, code="STUDY-FROZEN"))
    return PanelChoice(resolved, frozen)


def _table_settings(plan: StudyPlan, folder: Path, problems: list[Problem]) -> TableSettings:
    own = {name: getattr(plan.tables, name) for name in ("thresholds", "states")}
    try:
        return load_settings(
            interval=plan.tables.interval, **{n: None if p is None else folder / p for n, p in own.items()}
        )
    except StudyError as error:
        problems.extend(error.problems)
        return default_settings()


def _quality_rules(plan: StudyPlan, folder: Path, problems: list[Problem]) -> RuleSet:
    own = plan.quality.rules
    try:
        return load_quality_rules(None if own is None else folder / own)
    except StudyError as error:
        problems.extend(error.problems)
        return load_quality_rules()


def _rules(plan: StudyPlan) -> tuple[str, ...]:
    """The study's definition, then those beside it; one that is named twice once."""
    return tuple(dict.fromkeys((plan.response.rule, *plan.response.also)))


def _load_rules(rules: tuple[str, ...], file: Path, problems: list[Problem]) -> Rule | None:
    """The study's own rule; the problems of every rule, and of definitions that share an id."""
    loaded: list[Rule] = []
    before = len(problems)
    for rule in rules:
        try:
            loaded.append(load_rule(rule))
        except StudyError as error:
            problems.extend(error.problems)
    if len(problems) > before:
        return None
    try:
        check_definitions(loaded)
    except StudyError as error:
        problems.extend(replace(p, path=str(file), where="response.also") for p in error.problems)
    return loaded[0]


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
