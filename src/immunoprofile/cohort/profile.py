"""The first half of the work: every sample to population tables, in the order of the sheet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort.checks import bridge_controls, with_checks
from immunoprofile.cohort.cuts import NO_CUTS, Cuts, settle_samples, settle_study
from immunoprofile.cohort.fmo import fmo_controls, with_fmo
from immunoprofile.cohort.results import Results, prepare_folder, write_results
from immunoprofile.cohort.sample import Plans, Profiled, Tabling, describe_sample, profile_sample
from immunoprofile.columns import FAILURES, GATES_RESOLVED, INTENSITIES, POPULATIONS, SAMPLE_STATES, SAMPLES_QC, TABLES
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate, load_template
from immunoprofile.platelets import check_subjects, check_treatments
from immunoprofile.platelets.sheets import by_subject
from immunoprofile.populations import Given, TableSettings, choose_references, default_settings
from immunoprofile.provenance import digest_of_file
from immunoprofile.quality import RuleSet, load_quality_rules
from immunoprofile.study import Sample, Study
from immunoprofile.tables import build_frame, join_frames

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What is alike for all samples of a run."""

    study_id: str
    strictness: Strictness
    tabling: Tabling


def profile_cohort(
    study: Study,
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
) -> Results:
    """Gate every sample of a study and write its population tables.

    Parameters
    ----------
    out
        Results folder: empty, new, or with earlier results of this program.
    jobs
        Samples at a time; the machine's cores where None. The result does not depend on it.
    executor
        Runs the samples instead, with whatever parallelism it has; it must share memory (threads).
    progress
        Called with (done, total, sample_id) after each sample.
    strictness
        What reading does with files that depart from the standard.

    Raises
    ------
    InputError
        A template cannot be used: nothing was done.
    OutputError
        The folder cannot be written, or holds other files.
    """
    folder = Path(out)
    templates = study_templates(study)
    prepare_folder(folder, force=force)
    results = profile_study(study, templates, jobs=jobs, executor=executor, progress=progress, strictness=strictness)
    return write_results(results, folder, options=study_options(study))


def profile_samples(
    samples: Sequence[Sample],
    template: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
) -> Results:
    """Gate a list of samples with one template and write the population tables (verb ``profile``).

    Parameters and errors as in `profile_cohort`.
    """
    folder = Path(out)
    loaded = load_template(template)
    prepare_folder(folder, force=force)
    tabling = _tabling(
        samples, {s.panel or "": loaded for s in samples}, default_settings(), None, None, load_quality_rules()
    )
    setting = _Setting("", strictness, tabling)
    settled = settle_samples(samples, loaded, jobs=_cores(jobs), strictness=strictness)
    cuts = Cuts(dict.fromkeys({s.panel or "" for s in samples}, settled))
    found = _run([(s, loaded) for s in samples], setting, _cores(jobs), None, progress, cuts)
    results = _collect(found, "", samples, {}, {f"template {loaded.id}": loaded.digest})
    results = with_checks(results, [(s, loaded) for s in samples], found, tabling.rules)
    return write_results(results, folder, options={"template": loaded.id})


def study_templates(study: Study) -> dict[str, GatingTemplate]:
    """The template of each panel of a study."""
    return {name: load_template(choice.template) for name, choice in study.panels.items()}


def profile_study(
    study: Study,
    templates: Mapping[str, GatingTemplate],
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    strictness: Strictness = Strictness.REPORT,
) -> Results:
    """As `profile_cohort`, in memory only."""
    work = [(s, templates[s.panel or ""]) for s in study.samples if s.control is None]
    controls = fmo_controls(study.samples, templates)
    setting = _Setting(study.id, strictness, _study_tabling(study, templates, [s for s, _ in work]))
    cuts = settle_study(study, templates, jobs=_cores(jobs), strictness=strictness)
    found = _run(work, setting, _cores(jobs), executor, progress, cuts)
    beside = _run(controls, setting, _cores(jobs), executor, None, cuts) if controls else []
    inputs = {name: digest_of_file(path) for name, path in study.inputs.items()} | dict(cuts.inputs)
    digests = {f"template {name}": t.digest for name, t in templates.items()} | dict(study.tables.digests)
    results = _collect(found, study.id, [s for s, _ in work], inputs, digests)
    results = with_fmo(results, work, controls, beside)
    bridges = bridge_controls(study.samples, templates)
    bridged = _run(bridges, setting, _cores(jobs), executor, None, cuts) if bridges else []
    singles = [s for s in study.samples if str(s.control).startswith("single:")]
    return with_checks(results, work, found, setting.tabling.rules, bridges, bridged, singles)


def _study_tabling(study: Study, templates: Mapping[str, GatingTemplate], samples: Sequence[Sample]) -> Tabling:
    treatments = None
    if study.treatments is not None:
        subjects, _ = check_subjects(study.subjects)
        treatments = by_subject(check_treatments(study.treatments, subjects)[0], lambda t: t.subject_id)
    return _tabling(samples, templates, study.tables, treatments, str(study.inputs["samples"]), study.quality)


def _tabling(
    samples: Sequence[Sample],
    templates: Mapping[str, GatingTemplate],
    settings: TableSettings,
    treatments: Mapping[str, Sequence[Given]] | None,
    sheet: str | None,
    rules: RuleSet,
) -> Tabling:
    """What tables need beside events; refuses samples whose concentrations would mix methods within a subject."""
    described = [describe_sample(s, "", "") for s in samples]
    return Tabling(settings, choose_references(described, templates, sheet), treatments, rules)


def study_options(study: Study) -> dict[str, Any]:
    """The choices of a study that decide its numbers, for the manifest."""
    return {
        "study_id": study.id,
        "panels": {name: choice.template for name, choice in study.panels.items()},
        "baseline": study.baseline,
        "window": list(study.window),
        "rule": study.rule,
        "also": list(study.also),
        "data_cutoff_day": study.data_cutoff_day,
        "primary": [{"pop_id": p.pop_id, "denom_id": p.denom_id, "measure": p.measure} for p in study.analysis.primary],
        "strata": list(study.analysis.strata),
        "seed": study.analysis.seed,
    }


def _cores(jobs: int | None) -> int:
    return max(1, jobs if jobs is not None else (os.cpu_count() or 1))


def _run(
    work: Sequence[tuple[Sample, GatingTemplate]],
    setting: _Setting,
    jobs: int,
    executor: Executor | None,
    progress: Progress | None,
    cuts: Cuts = NO_CUTS,
) -> list[Profiled]:
    plans = Plans()
    # A cohort keeps the cores busy with files; one large file alone is walked by several threads.
    threads = jobs if len(work) == 1 else 1
    if executor is not None:
        return _gather(executor, work, setting, plans, threads, progress, cuts)
    with ThreadPoolExecutor(jobs) as pool:
        return _gather(pool, work, setting, plans, threads, progress, cuts)


def _gather(
    pool: Executor,
    work: Sequence[tuple[Sample, GatingTemplate]],
    setting: _Setting,
    plans: Plans,
    threads: int,
    progress: Progress | None,
    cuts: Cuts,
) -> list[Profiled]:
    """Results in the order of the sheet, whatever the order in which they finish."""
    waiting: list[Future[Profiled]] = [
        pool.submit(
            profile_sample,
            sample,
            template,
            setting.study_id,
            plans,
            threads=threads,
            strictness=setting.strictness,
            tabling=setting.tabling,
            settled=cuts.of(sample),
        )
        for sample, template in cuts.apply(work)
    ]
    try:
        done = []
        for number, future in enumerate(waiting, start=1):
            done.append(future.result())
            if progress is not None:
                progress(number, len(waiting), done[-1].sample_id)
        return done
    except BaseException:
        for future in waiting:
            future.cancel()
        raise


def _collect(
    found: Sequence[Profiled],
    study_id: str,
    samples: Sequence[Sample],
    inputs: Mapping[str, str],
    plan: Mapping[str, str],
) -> Results:
    # Samples by id, not by path: a manifest names no folder of the machine it was made on.
    files = {f"fcs {s.sample_id}": p.fcs_sha256 for s, p in zip(samples, found, strict=True) if p.fcs_sha256}
    return Results(
        study_id=study_id,
        folder=None,
        populations=_joined(POPULATIONS.name, (p.tables for p in found)),
        intensities=_joined(INTENSITIES.name, (p.tables for p in found)),
        sample_states=_joined(SAMPLE_STATES.name, (p.tables for p in found)),
        samples_qc=_joined(SAMPLES_QC.name, (p.tables for p in found)),
        checks_unanswered=_joined("checks_unanswered", (p.tables for p in found)),
        gates_resolved=_joined(GATES_RESOLVED.name, (p.tables for p in found)),
        failures=build_frame(FAILURES, [p.failure for p in found if p.failure is not None]),
        n_samples=len(found),
        inputs={**inputs, **files},
        plan=dict(plan),
    )


def _joined(name: str, tables: Iterable[Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    return join_frames(TABLES[name], (t[name] for t in tables if name in t))
