"""Can the primary question be asked at all? Known before the first file is opened, so refused before it is."""

from __future__ import annotations

from collections.abc import Mapping

from immunoprofile.cohort.described import describe_sample
from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.gating import GatingTemplate
from immunoprofile.populations import references_of
from immunoprofile.study import Study


def check_primary(study: Study, templates: Mapping[str, GatingTemplate]) -> None:
    """Refuse endpoints that no template reports, or whose measure cannot be computed from these samples.

    A concentration has no denominator: whatever its denom_id says is not looked at.

    Raises
    ------
    StudyError
        All of them, each with what there is instead.
    """
    reported = {
        (t.id_of(path), t.id_of(top)) for t in templates.values() for path, tops in t.reported().items() for top in tops
    }
    problems = _check_parts(study, {pop for pop, _ in reported})
    endpoints = [(f"analysis.primary[{i}]", p) for i, p in enumerate(study.analysis.primary)]
    endpoints += [(f"analysis.secondary[{i}]", p) for i, p in enumerate(study.analysis.secondary)]
    for where, primary in endpoints:
        wanted = f"{primary.pop_id} of {primary.denom_id}"
        if primary.measure == "log_cells_per_ul":
            problems += _check_concentration(study, templates, primary.pop_id, where)
            continue
        if (primary.pop_id, primary.denom_id) not in reported:
            hint = closest(wanted, sorted(f"{p} of {d}" for p, d in reported))
            what = f'no template of this study reports "{printable(wanted)}"'
            problems.append(Problem(what, str(study.path), where, remedy=hint, code="PRIMARY-UNKNOWN"))
        if primary.measure != "logit_frac":
            what = f'measure "{primary.measure}" is not computed from FCS files'
            hint = (
                "Use logit_frac or log_cells_per_ul; the verb compare takes other measures from tables that hold them."
            )
            problems.append(Problem(what, str(study.path), where, remedy=hint, code="PRIMARY-MEASURE"))
    if problems:
        raise StudyError.of(problems)


def _check_parts(study: Study, known: set[str]) -> list[Problem]:
    """Populations of ratios and partitions that no template reports."""
    analysis = study.analysis
    named = [(f"analysis.ratios[{i}]", p) for i, r in enumerate(analysis.ratios) for p in (r.numerator, r.denominator)]
    named += [(f"analysis.partitions.{name}", p) for name, parts in analysis.partitions.items() for p in parts]
    return [
        Problem(
            f'no template of this study reports "{printable(pop)}"', str(study.path), where,
            remedy=closest(pop, sorted(known)), code="PLAN-POPULATION",
        )
        for where, pop in named
        if pop not in known
    ]  # fmt: skip


def _check_concentration(
    study: Study, templates: Mapping[str, GatingTemplate], pop_id: str, where: str
) -> list[Problem]:
    """Is there one subject at least whose concentrations can be compared?"""
    panels = {name for name, t in templates.items() if any(t.id_of(path) == pop_id for path in t.reported())}
    if not panels:
        known = sorted({t.id_of(path) for t in templates.values() for path in t.reported()})
        what = f'no template of this study reports "{printable(pop_id)}"'
        return [Problem(what, str(study.path), where, remedy=closest(pop_id, known), code="PRIMARY-UNKNOWN")]
    counted = {
        (s.subject_id, s.visit)
        for s in study.samples
        if s.control is None and s.panel in panels and references_of(describe_sample(s, "", ""), templates[s.panel])
    }
    if any((who, study.baseline) in counted and visit in study.window for who, visit in counted):
        return []
    what = 'measure "log_cells_per_ul" is not known at baseline and in the window of any subject'
    remedy = (
        'Give beads_added and sample_volume_ul (and gate the beads, role = "beads"), lymph_abs_1e9_per_l or '
        "wbc_1e9_per_l in the samples sheet; or use logit_frac."
    )
    return [Problem(what, str(study.path), where, remedy=remedy, code="PRIMARY-MEASURE")]
