"""The main job: a study to population tables, response, change and association."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort.primary import check_primary
from immunoprofile.cohort.profile import Progress, profile_study, study_options, study_templates
from immunoprofile.cohort.results import Results, prepare_folder, write_results
from immunoprofile.cohort.sample import describe_failure
from immunoprofile.columns import CHANGE, FAILURES
from immunoprofile.comparison import associate, paired_change
from immunoprofile.errors import AnalysisError
from immunoprofile.fcs import Strictness
from immunoprofile.platelets import Rule, classify_response, explain_response, load_rule
from immunoprofile.provenance import digest_of_value
from immunoprofile.study import Study
from immunoprofile.tables import build_frame, sort_frame


def run_study(
    study: Study,
    out: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
    strictness: Strictness = Strictness.REPORT,
) -> Results:
    """Everything the verb ``run`` does but the report.

    Parameters and errors as in `cohort.profile_cohort`, and

    Raises
    ------
    StudyError
        A primary endpoint that no template reports: nothing was done.

    Notes
    -----
    The digests of templates, response rule and analysis plan are taken before the response is derived.
    """
    folder = Path(out)
    templates = study_templates(study)
    check_primary(study, templates)
    # Read once, so that the digest is that of the rule which judged.
    rule = load_rule(study.rule)
    prepare_folder(folder, force=force)
    results = profile_study(study, templates, jobs=jobs, progress=progress, strictness=strictness)
    digests = {"analysis": digest_of_value(study_options(study)), "response rule": rule.sha256}
    results = _answered(replace(results, plan=results.plan | digests), study, rule)
    return write_results(results, folder, options=study_options(study))


def _answered(results: Results, study: Study, rule: Rule) -> Results:
    clinical: dict[str, Any] = {
        "rule": rule,
        "treatments": study.treatments,
        "bleeding": study.bleeding,
        "data_cutoff_day": study.data_cutoff_day,
    }
    response = classify_response(study.platelets, study.subjects, **clinical)
    counts = explain_response(study.platelets, study.subjects, **clinical)
    own = response[response["definition_id"] == rule.id]
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
        change = _change(results.populations, study, own)
        primary = [{"pop_id": p.pop_id, "denom_id": p.denom_id, "measure": p.measure} for p in study.analysis.primary]
        association = associate(change, own, primary=primary, strata=_strata(study), seed=study.analysis.seed)
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


def _change(populations: pd.DataFrame, study: Study, response: pd.DataFrame) -> pd.DataFrame:
    rescue = {
        str(r.subject_id): int(r.first_rescue_day) for r in response.itertuples() if not pd.isna(r.first_rescue_day)
    }
    measures = dict.fromkeys(p.measure for p in study.analysis.primary)
    parts = [
        paired_change(
            populations,
            baseline=study.baseline,
            window=study.window,
            measure=m,
            first_rescue_day=rescue,
            panels=tuple(study.panels),
        )
        for m in measures
    ]
    return sort_frame(CHANGE, pd.concat(parts)) if parts else build_frame(CHANGE, [])


def _strata(study: Study) -> Mapping[str, str] | None:
    """Subject to stratum: the declared columns of the subjects sheet, joined."""
    if not study.analysis.strata:
        return None
    columns = study.subjects[list(study.analysis.strata)].astype("string").fillna("NA")
    return dict(zip(study.subjects["subject_id"].astype(str), columns.agg(" / ".join, axis=1), strict=True))


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
