"""What a run would do, found out without doing it: nothing is written, and no file is read but for its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immunoprofile.cohort.checks import bridge_controls
from immunoprofile.cohort.cuts import Cuts
from immunoprofile.cohort.described import find_references
from immunoprofile.cohort.finished import Basis, read_finished
from immunoprofile.cohort.fmo import fmo_controls
from immunoprofile.cohort.primary import check_primary
from immunoprofile.cohort.profile import (
    list_basis,
    list_samples,
    study_basis,
    study_templates,
)
from immunoprofile.cohort.results import prepare_folder
from immunoprofile.cohort.sample import Tabling
from immunoprofile.cohort.samples import tasks_of
from immunoprofile.cohort.tabling import list_tabling, study_tabling
from immunoprofile.cohort.task import Setting, Task, Work
from immunoprofile.cohort.thawed import code_thawed, thaw_study
from immunoprofile.cohort.workplace import Workplace, state_of, view_workplace
from immunoprofile.errors import FcsError
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate, load_template
from immunoprofile.gating.automatic import has_automatic_gates
from immunoprofile.platelets import load_rule
from immunoprofile.study import Sample, Study
from immunoprofile.study.deidentify import deidentify_study, mark_of


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would find, by sample_id in the order of the sheet.

    Attributes
    ----------
    finished
        The results are there and rest on the same: nothing would be done.
    done
        Kept from an earlier run.
    to_do
        Would be read and gated; a file that was moved is among them, and is known again once it is read.
    unsettled
        Automatic gates come first: only when they are settled shows whether anything changed for these.
    missing
        There is no such file.
    """

    finished: bool
    done: tuple[str, ...]
    to_do: tuple[str, ...]
    unsettled: tuple[str, ...]
    missing: tuple[str, ...]


def foresee_study(
    study: Study, out: Path, *, whole: bool = True, force: bool = False, strictness: Strictness = Strictness.REPORT,
    key: bytes | None = None,
) -> Forecast:  # fmt: skip
    """What `run_study` would do, or `profile_cohort` where not `whole`.

    Raises
    ------
    InputError, OutputError
        As those would, before they begin.
    """
    templates = study_templates(study)
    rules = [load_rule(r) for r in (study.rule, *study.also)] if whole else []
    if whole:
        check_primary(study, templates)
    thawed = thaw_study(study, templates)
    if key is not None:
        study, thawed = deidentify_study(study, key), code_thawed(thawed, study, key)
    prepare_folder(out, force=force, mark=None if key is None else mark_of(key))
    samples = [(s, templates[s.panel or ""]) for s in study.samples if s.control is None]
    tabling = study_tabling(study, templates, [s for s, _ in samples])
    basis = study_basis(
        study, templates, thawed, verb="run" if whole else "profile", strictness=strictness, rules=rules
    )
    work = [*samples, *fmo_controls(study.samples, templates), *bridge_controls(study.samples, templates)]
    setting = Setting(study.id, strictness, tabling.settings, tabling.rules)
    return _foresee(out, basis, work, tabling, setting, Cuts(overrides=study.overridden))


def foresee_samples(
    samples: Sequence[Sample], template: str, out: Path, *, force: bool = False,
    strictness: Strictness = Strictness.REPORT, overrides: Path | None = None, counts_only: bool = False,
    key: bytes | None = None,
) -> Forecast:  # fmt: skip
    """What `profile_samples` would do."""
    loaded = load_template(template)
    samples, moved = list_samples(samples, loaded, overrides, key)
    basis = list_basis(samples, loaded, overrides, moved, strictness, counts_only=counts_only)
    prepare_folder(out, force=force, mark=None if key is None else mark_of(key))
    references = find_references(samples, {s.panel or "": loaded for s in samples})
    tabling = list_tabling(references, counts_only=counts_only)
    setting = Setting("", strictness, tabling.settings, tabling.rules, counts_only)
    return _foresee(out, basis, [(s, loaded) for s in samples], tabling, setting, Cuts(overrides=moved))


def _foresee(out: Path, basis: Basis, work: Work, tabling: Tabling, setting: Setting, cuts: Cuts) -> Forecast:
    place = view_workplace(out)
    key = basis.key(place)
    finished = key is not None and read_finished(out, key) is not None
    groups: dict[str, list[str]] = {"done": [], "to_do": [], "unsettled": [], "missing": []}
    automatic: Mapping[GatingTemplate, bool] = {t: has_automatic_gates(t) for _, t in work}
    for task, (_, template) in zip(tasks_of(work, tabling, cuts), work, strict=True):
        group = "done" if finished else _group(task, setting.digest, place, automatic[template])
        groups[group].append(task.sample.sample_id)
    return Forecast(finished, *(tuple(groups[g]) for g in ("done", "to_do", "unsettled", "missing")))


def _group(task: Task, setting: str, place: Workplace, automatic: bool) -> str:
    try:
        now = state_of(task.sample.file)
    except (OSError, FcsError):
        return "missing"
    known = place.known(task.sample.file)
    if known is None or not known.same(now):
        return "to_do"
    if automatic:
        return "unsettled"
    names = place.store.names_for(task.sample.sample_id)
    return "done" if place.store.has(task.key(setting, known.sha256), names) else "to_do"
