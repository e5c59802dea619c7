"""A study's tables to its answers: the plan of study.toml, and what its sheets know of the subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from immunoprofile.cohort.cuts import Cuts, settle_study
from immunoprofile.cohort.placement import Work, found_in_data, lost_input, place_gates, place_otherwise
from immunoprofile.comparison import Facts, Plan, answer_plan, parents_of, read_facts
from immunoprofile.errors import FcsError, StudyError
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.gates import Pool
from immunoprofile.study import Study

RULES: Mapping[str, Pool | None] = {
    "gates fixed": None,
    "gates pooled by subject": "subject",
    "gates pooled by batch": "batch",
}
"""Other rules for automatic gates (analysis plan, 1.13), and the pool that each means; None: the fallback stands."""


def compare_study(  # noqa: PLR0913 -- a table of the run, and all that it was made with
    populations: pd.DataFrame,
    study: Study,
    templates: Mapping[str, GatingTemplate],
    response: pd.DataFrame,
    counts: pd.DataFrame,
    definition: str,
    *,
    cuts: Cuts,
    strictness: Strictness = Strictness.REPORT,
    jobs: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `change` and `association` of a study.

    Parameters
    ----------
    populations
        The table of the run, gated with `cuts` and read with `strictness`.
    response, counts
        Tables `response` (all definitions) and `response_counts`.
    definition
        The definition that decides; the others are sensitivity analyses.

    Raises
    ------
    AnalysisError, InputError
        As `comparison.answer_plan`.
    """
    placements = place_primaries(populations, study, templates, cuts=cuts, strictness=strictness, jobs=jobs)
    plan, facts = study_plan(study, definition), study_facts(study, response, counts)
    if study.analysis.hierarchy:
        plan = replace(plan, hierarchy=parents_of(populations))
    return answer_plan(populations, plan, facts, placements=placements)


def place_primaries(
    populations: pd.DataFrame,
    study: Study,
    templates: Mapping[str, GatingTemplate],
    *,
    cuts: Cuts,
    strictness: Strictness = Strictness.REPORT,
    jobs: int = 1,
) -> dict[tuple[str, str], dict[str, pd.DataFrame]]:
    """The primary populations counted again with every threshold moved within its tolerance.

    Gates that are found in the data are moved from where they were found, and counted as well where they would lie if
    they were fixed (at the fallback of the template), pooled by subject, or pooled by batch.

    Parameters
    ----------
    cuts
        The gates of the run.
    """
    visits = populations[populations["visit"].isin([study.baseline, *study.window])]
    endpoints = [p for p in study.analysis.primary if p.measure == "logit_frac"]
    found_there = [
        p
        for p in endpoints
        if any(_reports(t, p.pop_id) and found_in_data(t, t.find(p.pop_id)) for t in templates.values())
    ]
    work = _work(study, templates)
    settled = cuts.apply(work)
    others = {}
    if found_there:
        gated = set(populations["sample_id"])
        read = tuple(s for s in study.samples if s.control is not None or s.sample_id in gated)
        others = _by_other_rules(replace(study, samples=read), templates, work, strictness, jobs)
    placed = {}
    for p in endpoints:
        tables = place_gates(
            settled, visits, p.pop_id, p.denom_id, strictness=strictness, rules=study.quality, jobs=jobs
        )
        if p in found_there:
            again = place_otherwise(
                others, visits, p.pop_id, p.denom_id, strictness=strictness, rules=study.quality, jobs=jobs
            )
            tables |= {name: again.get(name, visits.iloc[:0]) for name in RULES}
        placed[p.pop_id, p.denom_id] = tables
    return placed


def _reports(template: GatingTemplate, pop_id: str) -> bool:
    return any(g.id == pop_id for g in template.gates)


def _work(study: Study, templates: Mapping[str, GatingTemplate]) -> Work:
    """Patients' samples with the templates of their panels."""
    return [
        (s, templates[s.panel])
        for s in study.samples
        if s.control is None and s.panel is not None and s.panel in templates
    ]


def _by_other_rules(
    study: Study, templates: Mapping[str, GatingTemplate], work: Work, strictness: Strictness, jobs: int
) -> dict[str, Work]:
    """The samples with the gates that other rules give, by the name of the rule.

    Parameters
    ----------
    study
        With those patients' samples alone that the run could read.
    """
    others: dict[str, Work] = {}
    for name, pool in RULES.items():
        ruled = {panel: _ruled(t, pool) for panel, t in templates.items()}
        try:
            cuts = settle_study(study, ruled, jobs=jobs, strictness=strictness)
            others[name] = cuts.apply([(s, ruled[str(s.panel)]) for s, _ in work])
        except StudyError:
            # An override moves a gate that this rule does not give that shape; the row says so.
            others[name] = []
        except FcsError as problem:
            lost = {p.path for p in problem.problems} & {str(s.file) for s in study.samples if s.control is None}
            if lost:
                raise lost_input(problem, min(map(str, lost))) from problem
            # A control that cannot be read; it is among the failures.
            others[name] = []
    if all(s.batch is None for s, _ in work):
        # Without batches each sample would be its own pool, which is another rule than the name says.
        others["gates pooled by batch"] = []
    return others


def _ruled(template: GatingTemplate, pool: Pool | None) -> GatingTemplate:
    """The template with every automatic gate pooled otherwise, or without its rules."""
    return replace(
        template,
        gates=tuple(
            g if g.auto is None else replace(g, auto=None if pool is None else replace(g.auto, pool=pool))
            for g in template.gates
        ),
    )


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
        predict=analysis.predict,
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
