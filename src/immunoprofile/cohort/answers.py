"""A study's tables to its answers: the plan of study.toml, and what its sheets know of the subjects."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from immunoprofile.cohort.overrides import overridden
from immunoprofile.cohort.placement import found_in_data, place_gates
from immunoprofile.comparison import Facts, Plan, answer_plan, read_facts
from immunoprofile.gating import GatingTemplate
from immunoprofile.study import Study


def compare_study(
    populations: pd.DataFrame,
    study: Study,
    templates: Mapping[str, GatingTemplate],
    response: pd.DataFrame,
    counts: pd.DataFrame,
    definition: str,
    *,
    jobs: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `change` and `association` of a study.

    Parameters
    ----------
    response, counts
        Tables `response` (all definitions) and `response_counts`.
    definition
        The definition that decides; the others are sensitivity analyses.

    Raises
    ------
    AnalysisError, InputError
        As `comparison.answer_plan`.
    """
    placements = place_primaries(populations, study, templates, jobs=jobs)
    plan, facts = study_plan(study, definition), study_facts(study, response, counts)
    return answer_plan(populations, plan, facts, placements=placements)


def place_primaries(
    populations: pd.DataFrame, study: Study, templates: Mapping[str, GatingTemplate], *, jobs: int = 1
) -> dict[tuple[str, str], dict[str, pd.DataFrame]] | str:
    """The primary populations counted again with every threshold moved within its tolerance; or why not."""
    visits = populations[populations["visit"].isin([study.baseline, *study.window])]
    work = [
        (s, templates[s.panel])
        for s in study.samples
        if s.control is None and s.panel is not None and s.panel in templates
    ]
    found = {}
    for primary in study.analysis.primary:
        if primary.measure != "logit_frac":
            continue
        if any(t.id_of(p) == primary.pop_id and found_in_data(t, p) for t in templates.values() for p in t.paths):
            return "gates of this population are found in the data, each sample has its own"
        own = [(s, overridden(t, s, study.overridden)) for s, t in work]
        found[primary.pop_id, primary.denom_id] = place_gates(own, visits, primary.pop_id, primary.denom_id, jobs=jobs)
    return found


def study_plan(study: Study, definition: str) -> Plan:
    """The analysis plan of a study."""
    analysis = study.analysis
    return Plan(
        baseline=study.baseline,
        window=study.window,
        primary=tuple(p.model_dump() for p in analysis.primary),
        secondary=tuple(p.model_dump() for p in analysis.secondary),
        ratios=tuple(r.model_dump() for r in analysis.ratios),
        partitions=analysis.partitions,
        panels=tuple(study.panels),
        definition=definition,
        seed=analysis.seed,
        landmark_day=analysis.landmark_day,
        response_day=analysis.response_day,
        recent_rituximab_days=analysis.recent_rituximab_days,
        infusions=analysis.planned_infusions,
    )


def study_facts(study: Study, response: pd.DataFrame, counts: pd.DataFrame) -> Facts:
    """What the sheets of a study know of its subjects and samples."""
    return read_facts(
        study.subjects,
        study.treatments,
        response=response,
        counts=counts,
        strata=_strata(study),
        batches={s.sample_id: s.batch for s in study.samples if s.batch is not None} or None,
    )


def _strata(study: Study) -> Mapping[str, str] | None:
    """Subject to stratum: the declared columns of the subjects sheet, joined."""
    if not study.analysis.strata:
        return None
    columns = study.subjects[list(study.analysis.strata)].astype("string").fillna("NA")
    return dict(zip(study.subjects["subject_id"].astype(str), columns.agg(" / ".join, axis=1), strict=True))
