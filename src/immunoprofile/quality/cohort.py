"""Every rule that needs more than one sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import pandas as pd

from immunoprofile.gating import GatingTemplate
from immunoprofile.quality.bridge import Reading, Run, check_runs, lot_of
from immunoprofile.quality.draws import Cohort, Draw, SampleFacts, gather_draws
from immunoprofile.quality.exchanges import sample_swaps
from immunoprofile.quality.judge import Answer, Checks, Measured, join_checks, judge, judge_all
from immunoprofile.quality.preparation import residual_spill, spillover_differences
from immunoprofile.quality.profiles import delta_checks, in_order
from immunoprofile.quality.ruleset import Rule, RuleSet, load_quality_rules
from immunoprofile.quality.tubes import cd3_across_tubes, identical_data
from immunoprofile.spillover import Spillover

_BRIDGE = ("bridge_control", "bridge_2_2s", "lot_change")
_HALF = 0.5
_NO_MATRIX = "no spillover matrix is in use"


def check_cohort(
    populations: pd.DataFrame,
    samples: Iterable[SampleFacts],
    *,
    templates: Iterable[GatingTemplate] = (),
    rules: RuleSet | None = None,
) -> Checks:
    """Apply the rules that compare samples: tubes of a draw, visits of a subject, subjects, equal data.

    Parameters
    ----------
    populations
        Columns of `columns.POPULATIONS`.
    samples
        Rows of the sample sheet; those without rows in `populations` are not asked.
    templates
        Tell which population has which role; without them the tubes of a draw are not compared.
    """
    rules = rules or load_quality_rules()
    cohort = gather_draws(populations, samples, templates)
    measures: dict[str, Callable[[Rule], dict[str, Answer]]] = {
        "identical_data": lambda _: identical_data(cohort),
        "cd3_across_tubes": lambda _: cd3_across_tubes(cohort),
        "delta_check": lambda _: delta_checks(cohort, rules.variation),
        "sample_swap": lambda rule: sample_swaps(cohort, rules.variation, rule),
    }
    answers = {name: measures[name](rule) for name in measures if (rule := rules.find(name)) is not None}
    return _judged(rules, [d.sample_id for d in cohort.draws], answers)


def _judged(rules: RuleSet, sample_ids: Sequence[str], answers: Mapping[str, Mapping[str, Answer]]) -> Checks:
    samples = {
        name: {rule: _given(found[name]) for rule, found in answers.items() if name in found} for name in sample_ids
    }
    return judge_all(rules, samples)


def _given(answer: Answer) -> Callable[[Rule], Answer]:
    return lambda _: answer


def check_bridges(
    bridges: pd.DataFrame,
    controls: Iterable[SampleFacts],
    patients: Iterable[SampleFacts] = (),
    *,
    intensities: pd.DataFrame | None = None,
    rules: RuleSet | None = None,
) -> Checks:
    """Follow bridging controls over the runs, and name the patients' samples of the runs in which one failed.

    Parameters
    ----------
    bridges
        Rows of `columns.POPULATIONS` of the controls.
    controls
        Their rows of the sample sheet, one control material a subject_id (or none): its runs go by day, then by place
        in the sheet; ``note`` may name the lot.
    patients
        Samples of the study; those of a failed run's batch and panel get the control's row for the failed item.
    intensities
        Rows of `columns.INTENSITIES` of the controls; medians above zero are followed as well.
    """
    rules = rules or load_quality_rules()
    rule = rules.find("bridge_control")
    if rule is None:
        return join_checks([])
    cohort = gather_draws(bridges, controls, ())
    medians = _medians(intensities)
    answers: dict[str, dict[str, Answer]] = {name: {} for name in _BRIDGE}
    for draws in _series(cohort):
        runs = [Run(d.sample_id, lot_of(d.sample.note), (*_fractions(d), *medians.get(d.sample_id, ()))) for d in draws]
        panel = draws[0].sample.panel
        # What is declared of a panel stands before what is declared of all.
        ordered = sorted(rules.centres, key=lambda c: c.panel is not None)
        declared = {c.item: c for c in ordered if c.panel in (None, panel)}
        for name, found in zip(_BRIDGE, check_runs(runs, rule, declared), strict=True):
            answers[name] |= found
    names = [d.sample_id for d in cohort.draws]
    passed_on = _passed_on(cohort, answers, list(patients), rules)
    return join_checks([_judged(rules, names, answers), _judged(rules, list(passed_on), _by_rule(passed_on))])


def _series(cohort: Cohort) -> list[list[Draw]]:
    """The runs of each control material and panel in their order."""

    def key(draw: Draw) -> tuple[str, str]:
        return draw.sample.subject_id or "", draw.sample.panel or ""

    ordered = sorted(cohort.draws, key=key)
    return [in_order(list(group)) for _, group in groupby(ordered, key)]


def _fractions(draw: Draw) -> list[Reading]:
    found = []
    for pop, denom in sorted(draw.evaluable):
        count, total = draw.counts[pop], draw.counts[denom]
        value = math.log((count + _HALF) / (total + 2 * _HALF))
        found.append(Reading(draw.sample_id, f"{pop}/{denom}", value, 1 / (count + _HALF)))
    return found


def _medians(intensities: pd.DataFrame | None) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {}
    if intensities is not None:
        for row in intensities[intensities["median_fi"] > 0].itertuples():
            reading = Reading(str(row.sample_id), f"{row.pop_id}:{row.marker}", math.log(row.median_fi))
            found.setdefault(reading.sample_id, []).append(reading)
    return found


def _passed_on(
    cohort: Cohort, answers: Mapping[str, Mapping[str, Answer]], patients: Sequence[SampleFacts], rules: RuleSet
) -> dict[str, dict[str, list[Measured]]]:
    """Patients' samples to rule to what failed in the control of their run."""
    found: dict[str, dict[str, list[Measured]]] = {}
    for draw in cohort.draws:
        run = (draw.sample.batch, draw.sample.panel)
        for name in ("bridge_control", "bridge_2_2s"):
            rule, answer = rules.find(name), answers[name].get(draw.sample_id, "")
            if rule is None or isinstance(answer, str | Measured) or run[0] is None:
                continue
            failed = [m for m in answer if judge(rule, m.value)[0] == "fail"]
            noted = [Measured(m.value, m.item, f"bridging control {draw.sample_id}: {m.note}") for m in failed]
            for patient in patients:
                if noted and (patient.batch, patient.panel) == run:
                    found.setdefault(patient.sample_id, {}).setdefault(name, []).extend(noted)
    return found


def _by_rule(found: Mapping[str, Mapping[str, list[Measured]]]) -> dict[str, dict[str, Answer]]:
    names = ("bridge_control", "bridge_2_2s")
    # Of two controls in one run the one that lies farther out speaks for an item.
    return {
        name: {sample: _farthest(rules[name]) for sample, rules in found.items() if name in rules} for name in names
    }


def _farthest(measured: Sequence[Measured]) -> list[Measured]:
    kept: dict[str, Measured] = {}
    for m in measured:
        if m.item not in kept or abs(m.value) > abs(kept[m.item].value):
            kept[m.item] = m
    return list(kept.values())


def check_matrices(matrices: Mapping[str, Mapping[str, Spillover]], rules: RuleSet | None = None) -> Checks:
    """Judge the matrices in use for the samples of each panel against their median.

    Parameters
    ----------
    matrices
        Panel to sample to the matrix in use.
    """
    rules = rules or load_quality_rules()
    found = {name: answer for used in matrices.values() for name, answer in spillover_differences(used).items()}
    return _judged(rules, list(found), {"spillover_differs": found})


def check_residual_spill(
    stained: Mapping[str, str], rules: RuleSet, fitted: Spillover | None = None, used: Spillover | None = None
) -> Checks:
    """Judge what single stains keep in other detectors after compensation.

    Parameters
    ----------
    stained
        Sample of each single stain to its detector; to the reason why it says nothing where `fitted` is None.
    fitted
        The matrix that the single stains give.
    used
        The matrix in use for the samples of their panel.
    """
    if fitted is None or used is None:
        found: Mapping[str, Answer] = {name: why if fitted is None else _NO_MATRIX for name, why in stained.items()}
    else:
        left = residual_spill(fitted, used)
        found = {
            name: left.get(d, "its detector, or one of the matrix in use, is not known to both")
            for name, d in stained.items()
        }
    return _judged(rules, list(stained), {"residual_spill": found})
