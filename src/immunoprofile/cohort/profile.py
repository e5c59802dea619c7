"""The first half of the work: every sample to population tables, unless that was done.

What gates is imported only where something is left to do (`tabling`): a run that is finished needs no compiler.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunoprofile.cohort.described import find_references
from immunoprofile.cohort.finished import Basis, do_once
from immunoprofile.cohort.hands import Hands, Progress
from immunoprofile.cohort.overrides import refuse_wrong_overrides
from immunoprofile.cohort.results import Results, prepare_folder
from immunoprofile.cohort.thawed import Thawed, code_thawed, thaw_study
from immunoprofile.cohort.workplace import open_workplace
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate, load_template
from immunoprofile.platelets import Rule
from immunoprofile.populations import default_settings
from immunoprofile.provenance import digest_of_file
from immunoprofile.quality import load_quality_rules
from immunoprofile.study import Overrides, Sample, Study, load_overrides
from immunoprofile.study.deidentify import (
    deidentify_overrides,
    deidentify_samples,
    deidentify_study,
    mark_of,
    read_key,
)

if TYPE_CHECKING:
    from immunoprofile.cohort.cuts import Cuts
    from immunoprofile.cohort.schedule import Workers


def profile_cohort(  # noqa: PLR0913 -- every option of a run, all but the first with a default
    study: Study,
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    workers: Workers = "threads",
    executor: Executor | None = None,
    progress: Progress | None = None,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
    deidentify: str | os.PathLike[str] | None = None,
) -> Results:
    """Gate every sample of a study and write its population tables.

    Parameters
    ----------
    out
        Results folder: empty, new, or with earlier results of this program.
    jobs
        Samples at a time; the machine's cores where None. The result does not depend on it.
    executor
        Runs the samples instead: any executor of `concurrent.futures`, a cluster's too, whose workers see the files and
        the results folder. It is left open.
    workers
        Threads: the kernels let other threads run, and no file is held in memory. Processes: a file that kills its
        worker costs that sample only.
    progress
        Called with (done, total, sample_id) after each sample.
    strictness
        What reading does with files that depart from the standard.
    deidentify
        A key file (`study.deidentify`): names are left out of all that is written, codes under this key stand for them.

    Raises
    ------
    InputError
        A template cannot be used: nothing was done.
    OutputError
        The folder cannot be written, is in use by another run, or holds other files. What was done is kept: the same
        call goes on from there.

    Notes
    -----
    A sample that was done before from the same bytes, template, options and version is not done again.
    """
    folder, hands = Path(out), Hands(count_jobs(jobs), workers, executor, progress=progress)
    templates = study_templates(study)
    thawed = thaw_study(study, templates)
    key = None if deidentify is None else read_key(deidentify, out)
    if key is not None:
        study, thawed = deidentify_study(study, key), code_thawed(thawed, study, key)
    mark = None if key is None else mark_of(key)
    prepare_folder(folder, force=force, mark=mark)
    with open_workplace(folder, mark=mark, study_id=study.id) as place:

        def work() -> Results:
            from immunoprofile.cohort.cuts import settle_study
            from immunoprofile.cohort.tabling import profile_study

            def settle() -> Cuts:
                return settle_study(study, templates, thawed, jobs=hands.jobs, strictness=strictness, place=place)

            return profile_study(study, templates, settle, replace(hands, place=place), strictness=strictness)

        basis = study_basis(study, templates, thawed, verb="profile", strictness=strictness)
        return do_once(basis, place, work, study_options(study) | run_options(strictness, key))


def profile_samples(  # noqa: PLR0913 -- every option of a run, all but the first with a default
    samples: Sequence[Sample],
    template: str | os.PathLike[str],
    out: str | os.PathLike[str],
    hands: Hands | None = None,
    *,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
    overrides: str | os.PathLike[str] | None = None,
    counts_only: bool = False,
    key: bytes | None = None,
) -> Results:
    """Gate a list of samples with one template and write the population tables (verb ``profile``).

    Parameters and errors as in `profile_cohort`, and

    Parameters
    ----------
    hands
        Who does the samples, and who is told; one at a time where None.
    overrides
        A sheet of gates that stand elsewhere in single samples.
    counts_only
        Leave intensities and pictures out: counts, fractions, concentrations and checks alone.
    key
        Leave names out of all that is written: codes under this key stand for them.
    """
    folder = Path(out)
    loaded = load_template(template)
    samples, moved = list_samples(samples, loaded, overrides, key)
    basis = list_basis(samples, loaded, overrides, moved, strictness, counts_only=counts_only)
    mark = None if key is None else mark_of(key)
    prepare_folder(folder, force=force, mark=mark)
    references = find_references(samples, {s.panel or "": loaded for s in samples})
    inputs = {} if overrides is None else {"overrides": digest_of_file(overrides)}
    with open_workplace(folder, mark=mark, template=loaded.id) as place:
        used = replace(hands or Hands(), place=place)

        def work() -> Results:
            from immunoprofile.cohort.tabling import list_tabling, profile_list

            tabling = list_tabling(references, counts_only=counts_only)
            return profile_list(samples, loaded, tabling, used, strictness, moved, inputs)

        options = {"template": loaded.id} | run_options(strictness, key)
        return do_once(basis, place, work, options | ({"counts_only": True} if counts_only else {}))


def list_samples(
    samples: Sequence[Sample], template: GatingTemplate, overrides: str | os.PathLike[str] | None, key: bytes | None
) -> tuple[Sequence[Sample], Overrides]:
    """The samples and the gates that stand elsewhere in them; under codes where there is a key.

    Raises
    ------
    StudyError
        The overrides do not fit.
    """
    moved: Overrides = {} if overrides is None else load_overrides(overrides, samples)
    refuse_wrong_overrides([(s, template) for s in samples], moved)
    if key is None:
        return samples, moved
    return deidentify_samples(samples, key), deidentify_overrides(moved, samples, key)


def list_basis(
    samples: Sequence[Sample],
    template: GatingTemplate,
    overrides: str | os.PathLike[str] | None,
    moved: Overrides,
    strictness: Strictness,
    *,
    counts_only: bool = False,
) -> Basis:
    """All that the results of a list of samples rest on."""
    return Basis.of(
        samples, verb="profile", template=template, overridden=moved, strictness=strictness, tables=default_settings(),
        quality=load_quality_rules(), inputs={} if overrides is None else {"overrides": digest_of_file(overrides)},
        counts_only=counts_only,
    )  # fmt: skip


def study_basis(
    study: Study,
    templates: Mapping[str, GatingTemplate],
    thawed: Thawed,
    *,
    verb: str,
    strictness: Strictness,
    rules: Sequence[Rule] = (),
) -> Basis:
    """All that the results of a study rest on; the response rules where there is a response."""
    return Basis.of(
        study.samples, verb=verb, inputs={name: digest_of_file(path) for name, path in study.inputs.items()},
        options=study_options(study), templates=templates, frozen=thawed.inputs, tables=study.tables,
        quality=study.quality, overridden=study.overridden, strictness=strictness,
        rules=[r.sha256 for r in rules],
    )  # fmt: skip


def study_templates(study: Study) -> dict[str, GatingTemplate]:
    """The template of each panel of a study.

    Raises
    ------
    InputError
        A template cannot be used, or an override does not fit it.
    """
    templates = {name: load_template(choice.template) for name, choice in study.panels.items()}
    refuse_wrong_overrides([(s, templates[s.panel or ""]) for s in study.samples if s.panel], study.overridden)
    return templates


def run_options(strictness: Strictness, key: bytes | None) -> dict[str, str]:
    """What was asked beside the study, for the manifest; of a key the mark that tells it from others."""
    return {"strictness": strictness.value} | ({} if key is None else {"deidentified": mark_of(key)})


def study_options(study: Study) -> dict[str, Any]:
    """The choices of a study that decide its numbers, for the manifest."""
    return {
        "study_id": study.id,
        # By name: no path of the machine is part of a result.
        "panels": {name: Path(choice.template).name for name, choice in study.panels.items()},
        "baseline": study.baseline,
        "window": list(study.window),
        "rule": Path(study.rule).name,
        "also": [Path(rule).name for rule in study.also],
        "data_cutoff_day": study.data_cutoff_day,
        "primary": [{"pop_id": p.pop_id, "denom_id": p.denom_id, "measure": p.measure} for p in study.analysis.primary],
        "strata": list(study.analysis.strata),
        "seed": study.analysis.seed,
        "analysis": study.analysis.model_dump(mode="json"),
    }


def count_jobs(jobs: int | None) -> int:
    """Samples at a time: as asked, else one for each core."""
    return max(1, jobs if jobs is not None else (os.cpu_count() or 1))
