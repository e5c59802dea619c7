"""Every sample to population tables, in the order of the sheet: what is left to do where a run is not finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from immunoprofile.cohort.checks import bridge_controls, spillover_controls, with_checks
from immunoprofile.cohort.cuts import Cuts, settle_samples
from immunoprofile.cohort.described import find_references
from immunoprofile.cohort.fmo import fmo_controls, with_fmo
from immunoprofile.cohort.hands import Hands
from immunoprofile.cohort.results import Results
from immunoprofile.cohort.sample import Profiled, Tabling
from immunoprofile.cohort.samples import do_samples, tasks_of
from immunoprofile.cohort.store import join_tables
from immunoprofile.cohort.task import Setting, Work
from immunoprofile.columns import (
    CHECKS_UNANSWERED,
    FAILURES,
    GATES_RESOLVED,
    INTENSITIES,
    POPULATIONS,
    SAMPLE_STATES,
    SAMPLES_QC,
)
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate
from immunoprofile.platelets import check_subjects, check_treatments
from immunoprofile.platelets.sheets import by_subject
from immunoprofile.populations import Reference, default_settings
from immunoprofile.provenance import digest_of_file
from immunoprofile.quality import load_quality_rules
from immunoprofile.study import Overrides, Sample, Study
from immunoprofile.tables import build_frame


def list_tabling(references: Mapping[str, Reference], *, counts_only: bool = False) -> Tabling:
    """What the tables of a list of samples need beside events."""
    return Tabling(default_settings(), references, None, load_quality_rules(), counts_only=counts_only)


def profile_list(
    samples: Sequence[Sample],
    template: GatingTemplate,
    tabling: Tabling,
    hands: Hands,
    strictness: Strictness,
    moved: Overrides,
    inputs: Mapping[str, str],
) -> Results:
    """The tables of `profile_samples`, not yet written."""
    work = [(s, template) for s in samples]
    settled = settle_samples(samples, template, jobs=hands.jobs, strictness=strictness, place=hands.place)
    cuts = Cuts(dict.fromkeys({s.panel or "" for s in samples}, settled), overrides=moved)
    setting = Setting("", strictness, tabling.settings, tabling.rules, tabling.counts_only)
    found = _run(work, tabling, setting, hands, cuts)
    results = _collect(found, "", samples, inputs, {f"template {template.id}": template.digest})
    if tabling.counts_only:
        results = replace(results, intensities=None, counts_only=True)
    return with_checks(results, work, found, tabling.rules)


def profile_study(
    study: Study,
    templates: Mapping[str, GatingTemplate],
    settle: Callable[[], Cuts],
    hands: Hands,
    *,
    strictness: Strictness = Strictness.REPORT,
) -> Results:
    """The tables of `profile_cohort`, not yet written.

    Parameters
    ----------
    settle
        Settles the automatic gates; asked once the sheets are seen to fit.
    """
    work = [(s, templates[s.panel or ""]) for s in study.samples if s.control is None]
    tabling = study_tabling(study, templates, [s for s, _ in work])
    setting = Setting(study.id, strictness, tabling.settings, tabling.rules)
    quiet = replace(hands, progress=None)
    cuts = settle()
    found = _run(work, tabling, setting, hands, cuts)
    controls = fmo_controls(study.samples, templates)
    beside = _run(controls, tabling, setting, quiet, cuts)
    inputs = {name: digest_of_file(path) for name, path in study.inputs.items()} | dict(cuts.inputs)
    digests = {f"template {name}": t.digest for name, t in templates.items()} | dict(study.tables.digests)
    results = _collect(found, study.id, [s for s, _ in work], inputs, digests)
    results = with_fmo(results, work, controls, beside)
    bridges = bridge_controls(study.samples, templates)
    bridged = _run(bridges, tabling, setting, quiet, cuts)
    singles = spillover_controls(study.samples)
    return with_checks(results, work, found, tabling.rules, bridges, bridged, singles)


def study_tabling(study: Study, templates: Mapping[str, GatingTemplate], samples: Sequence[Sample]) -> Tabling:
    """What the tables of a study's samples need beside events."""
    treatments = None
    if study.treatments is not None:
        subjects, _ = check_subjects(study.subjects)
        treatments = by_subject(check_treatments(study.treatments, subjects)[0], lambda t: t.subject_id)
    references = find_references(samples, templates, str(study.inputs["samples"]))
    return Tabling(study.tables, references, treatments, study.quality)


def _run(work: Work, tabling: Tabling, setting: Setting, hands: Hands, cuts: Cuts) -> list[Profiled]:
    return do_samples(tasks_of(work, tabling, cuts), setting, hands)


_OF_SAMPLES = tuple(
    t.name for t in (POPULATIONS, INTENSITIES, SAMPLE_STATES, SAMPLES_QC, CHECKS_UNANSWERED, GATES_RESOLVED)
)


def _collect(
    found: Sequence[Profiled],
    study_id: str,
    samples: Sequence[Sample],
    inputs: Mapping[str, str],
    plan: Mapping[str, str],
) -> Results:
    # Samples by id, not by path: a manifest names no folder of the machine it was made on.
    files = {f"fcs {s.sample_id}": p.fcs_sha256 for s, p in zip(samples, found, strict=True) if p.fcs_sha256}
    files |= {
        f"spillover {s.sample_id}": digest_of_file(s.spillover)
        for s in samples
        if s.spillover is not None and s.spillover.is_file()
    }
    return Results(
        study_id=study_id,
        folder=None,
        **join_tables(_OF_SAMPLES, (p.tables for p in found)),
        failures=build_frame(FAILURES, [p.failure for p in found if p.failure is not None]),
        n_samples=len(found),
        inputs={**inputs, **files},
        plan=dict(plan),
    )
