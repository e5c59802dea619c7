"""The main job: a study to population tables, response, change and association."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunoprofile.cohort.declared import JOINED, LOCKED, Declaration, declare, first_declared, mark_post_hoc
from immunoprofile.cohort.described import describe_failure
from immunoprofile.cohort.finished import do_once
from immunoprofile.cohort.hands import Hands, Progress
from immunoprofile.cohort.primary import check_primary
from immunoprofile.cohort.profile import (
    count_jobs,
    run_options,
    study_basis,
    study_options,
    study_templates,
)
from immunoprofile.cohort.results import Results, prepare_folder
from immunoprofile.cohort.thawed import code_thawed, thaw_study
from immunoprofile.cohort.workplace import Workplace, open_workplace, state_of
from immunoprofile.columns import FAILURES, GATES_RESOLVED
from immunoprofile.errors import AnalysisError, FcsError, OutputError
from immunoprofile.fcs import Strictness, digest_of_fcs
from immunoprofile.gating import GatingTemplate
from immunoprofile.platelets import Rule, judge_platelets, load_rule
from immunoprofile.provenance import digest_of_bytes, digest_of_value
from immunoprofile.study import Sample, Study
from immunoprofile.study.deidentify import deidentify_study, mark_of, read_key
from immunoprofile.tables import build_frame, sort_frame, to_csv

if TYPE_CHECKING:
    from immunoprofile.cohort.cuts import Cuts
    from immunoprofile.cohort.schedule import Workers


def run_study(  # noqa: PLR0913 -- every option of a run, all but the first with a default
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
    """Everything the verb ``run`` does but the report.

    Parameters and errors as in `cohort.profile_cohort`, and those of `run_by_hands`.
    """
    hands = Hands(count_jobs(jobs), workers, executor, progress=progress)
    key = None if deidentify is None else read_key(deidentify, out)
    return run_by_hands(study, out, hands, force=force, strictness=strictness, key=key)


def run_by_hands(
    study: Study,
    out: str | os.PathLike[str],
    hands: Hands,
    *,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
    declared: Declaration | None = None,
    key: bytes | None = None,
) -> Results:
    """`run_study` with all that can be said of who does the samples.

    Parameters
    ----------
    declared
        What was declared first, where that was in another folder; else what the journal of this one holds.
    key
        Leave names out of all that is written: codes under this key stand for them.

    Raises
    ------
    StudyError
        A primary endpoint that no template reports: nothing was done.

    Notes
    -----
    The digests of templates, gates, response rule and analysis plan are noted in the journal before the response is
    derived; answers that rest on a plan of later are marked (`cohort.declared`).
    """
    folder = Path(out)
    templates = study_templates(study)
    check_primary(study, templates)
    # Read once, so that the digest is that of the rule which judged.
    rules = [load_rule(r) for r in (study.rule, *study.also)]
    thawed = thaw_study(study, templates)
    if key is not None:
        study, thawed = deidentify_study(study, key), code_thawed(thawed, study, key)
    mark = None if key is None else mark_of(key)
    prepare_folder(folder, force=force, mark=mark)
    with open_workplace(folder, mark=mark, study_id=study.id) as place:

        def work() -> Results:
            from immunoprofile.cohort.answers import compare_study
            from immunoprofile.cohort.cuts import settle_study
            from immunoprofile.cohort.tabling import profile_study

            @cache
            def settle() -> Cuts:
                return settle_study(study, templates, thawed, jobs=hands.jobs, strictness=strictness, place=place)

            results = profile_study(study, templates, settle, replace(hands, place=place), strictness=strictness)
            now = declare(study, templates, rules, thawed.inputs)
            first = declared or first_declared(folder) or now
            results = replace(results, plan=results.plan | _locked(results, study, rules, first))
            place.journal.note(LOCKED, **now.facts(), digests=results.plan)
            place.journal.sync()
            place.journal.note(JOINED)
            compare = partial(compare_study, cuts=settle(), strictness=strictness, jobs=hands.jobs)
            results = _answered(results, study, rules, templates, compare)
            if results.association is None:
                return results
            gated = set(results.populations["sample_id"])
            _refuse_changed(place, [s for s in study.samples if s.sample_id in gated])
            return replace(results, association=mark_post_hoc(results.association, now, first, templates))

        basis = study_basis(study, templates, thawed, verb="run", strictness=strictness, rules=rules)
        return do_once(basis, place, work, study_options(study) | run_options(strictness, key))


def _refuse_changed(place: Workplace, samples: Sequence[Sample]) -> None:
    """Placements read the files again: refuse the answers where one is not what was gated.

    Raises
    ------
    OutputError
        A file changed since, or is gone (``OUTPUT-INPUT``). What was gated is kept; its sample is done anew next time.
    """
    for sample in samples:
        known = place.known(sample.file)
        try:
            # Another machine of a cluster may know a file by other numbers: what counts is its bytes.
            same = known is None or known.same(state_of(sample.file)) or digest_of_fcs(sample.file) == known.sha256
        except (OSError, FcsError):
            same = False
        if not same:
            raise OutputError(
                "changed after it was gated, and answers would rest on both",
                path=str(sample.file),
                remedy="Wait until it is copied whole, then run the same command again: what was done is kept.",
                code="OUTPUT-INPUT",
            )


def _locked(results: Results, study: Study, rules: Sequence[Rule], first: Declaration) -> dict[str, str]:
    """Digests of what is asked and of where the gates lie, before any response is derived."""
    gates = digest_of_bytes(to_csv(GATES_RESOLVED, results.gates_resolved).encode())
    digests = {"analysis": digest_of_value(study_options(study)), "first declared": first.digest, "gates": gates}
    digests["response rule"] = rules[0].sha256
    return digests | {f"response rule {r.id}": r.sha256 for r in rules[1:]}


def _answered(
    results: Results,
    study: Study,
    rules: Sequence[Rule],
    templates: Mapping[str, GatingTemplate],
    compare: Callable[..., tuple[pd.DataFrame, pd.DataFrame]],
) -> Results:
    response, counts = judge_platelets(
        study.platelets,
        study.subjects,
        rules[0],
        study.treatments,
        study.bleeding,
        also=rules[1:],
        data_cutoff_day=study.data_cutoff_day,
    )
    own = response[response["definition_id"] == rules[0].id]
    results = replace(
        results, response=response, response_counts=counts, failures=_with_failures(results.failures, _no_baseline(own))
    )
    if results.populations.empty:
        failure = AnalysisError(
            "no sample could be gated, so nothing can be compared",
            remedy="Mend what the other failures name, then run the same command again.",
            code="NO-SAMPLES",
        )
        return replace(results, failures=_with_failures(results.failures, [_of_study(study, failure)]))
    try:
        change, association = compare(results.populations, study, templates, response, counts, rules[0].id)
    except AnalysisError as problem:
        # The tables stand, whatever keeps them from being compared: too many samples failed, say.
        return replace(results, failures=_with_failures(results.failures, [_of_study(study, problem)]))
    change = _name_failed_samples(change, results.failures, study)
    return replace(results, change=change, association=association)


def _of_study(study: Study, problem: AnalysisError) -> dict[str, Any]:
    return describe_failure(study.id, "study", "compare", problem)


def _name_failed_samples(change: pd.DataFrame, failures: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Say of a subject without a sample at a visit that there was one, and that it failed."""
    failed = set(failures.loc[failures["item_kind"] == "sample", "item_id"])
    lost = [s for s in study.samples if s.sample_id in failed]
    at = {
        "no_baseline": {s.subject_id for s in lost if s.visit == study.baseline},
        "no_window": {s.subject_id for s in lost if s.visit in study.window},
    }
    reasons = [
        None if pd.isna(text) else ";".join(f"{r}_failed" if subject in at.get(r, ()) else r for r in text.split(";"))
        for subject, text in zip(change["subject_id"], change["exclude_reason"], strict=True)
    ]
    return change.assign(exclude_reason=pd.array(reasons, dtype="string"))


def _no_baseline(response: pd.DataFrame) -> list[dict[str, str]]:
    """The subjects without a baseline count, as failures."""
    lost = response[response["reason"].fillna("").str.split(";").map(lambda reasons: "no_baseline" in reasons)]
    return [
        {
            "item_id": subject,
            "item_kind": "subject",
            "stage": "respond",
            "code": "NO-BASELINE",
            "message": f"subject {subject}: no eligible platelet count before the first infusion (days -14 to 0). "
            "Add the count to the platelets sheet; until then the response is not evaluable.",
        }
        for subject in lost["subject_id"]
    ]


def _with_failures(failures: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return sort_frame(FAILURES, pd.concat([failures, build_frame(FAILURES, rows)])) if rows else failures
