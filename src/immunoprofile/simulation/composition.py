"""What share of the events each kind has, in one subject at one visit: baseline, person, day and treatment.

Splits form a tree (tube > lymphocytes > CD4+ > regulatory ...): the trial's own, then those of the panel. In every
split the log share of each sibling is baseline + subject + visit + effect, and the siblings are closed to 1. A
ratio of the effect is therefore a ratio of odds against the siblings; for a rare population it is the ratio of
fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from immunoprofile.errors import InputError, Problem, closest, printable
from immunoprofile.simulation.cells import BEAD, DEAD
from immunoprofile.simulation.panel import Panel
from immunoprofile.simulation.parameters import Parameters, Part, Split, check_tree
from immunoprofile.simulation.subjects import Subject

NO_NOISE: Mapping[str, tuple[float, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BloodCount:
    """Lymphocytes and leukocytes of the draw, 10^9/L, and the beads in its tube (None: no beads)."""

    lymph_abs_1e9_per_l: float
    wbc_1e9_per_l: float
    beads_added: int | None
    sample_volume_ul: float


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The splits of one panel's events, down to the kinds that it draws."""

    parameters: Parameters
    panel: Panel
    splits: tuple[Split, ...]


def build_tree(parameters: Parameters, panel: Panel) -> Tree:
    """The splits of one panel's events: those of the trial with the panel's own tube shares, then the panel's.

    Raises
    ------
    InputError
        The tree does not end in the kinds that the panel draws.
    """
    root, *others = parameters.split
    splits = (_tube_split(root, panel), *others, *panel.splits)
    try:
        check_tree(splits)
    except ValueError as error:
        raise _tree_error(panel, str(error)) from error
    parents = {split.parent for split in splits}
    leaves = {part.name for split in splits for part in split.parts} - parents
    if leaves != set(panel.labels):
        differing = ", ".join(sorted(leaves ^ set(panel.labels)))
        raise _tree_error(panel, f"the tree of cells and the kinds that are drawn differ in {differing}")
    return Tree(parameters, panel, splits)


def _tree_error(panel: Panel, what: str) -> InputError:
    remedy = "Let the splits of the trial and of the panel end in kinds of cells."
    return InputError(what, where=f"panel {panel.id}", remedy=remedy, code="SIMULATE-DATA")


def _tube_split(root: Split, panel: Panel) -> Split:
    if panel.tube is None:
        return root
    known = {part.name: part for part in root.parts}
    parts = tuple(
        known[name].model_copy(update={"share": share})
        if name in known
        else Part(name=name, share=share, between=0.0, within=0.0)
        for name, share in panel.tube.items()
    )
    return Split(parent=root.parent, parts=parts)


def close_tree(splits: Sequence[Split], weigh: Callable[[Part], float]) -> dict[str, float]:
    """Share of each leaf; `weigh` gives the log weight of a part, and the parts of a split are closed to 1."""
    shares: dict[str, float] = {"": 1.0}
    for split in splits:
        logs = np.array([weigh(part) for part in split.parts])
        odds = np.exp(logs - logs.max())
        whole = shares.pop(split.parent)
        shares |= {part.name: whole * float(s) for part, s in zip(split.parts, odds / odds.sum(), strict=True)}
    return shares


def effect_share(parameters: Parameters, day: int) -> float:
    """Share of the peak effect on a day since the first infusion: 0 before it, 1 at week 8."""
    return float(np.interp(day, parameters.effect_days, parameters.effect_shape))


def expected_shares(
    tree: Tree,
    subject: Subject,
    day: int,
    *,
    with_effects: bool,
    visit_noise: Sequence[float],
    panel_noise: Mapping[str, tuple[float, float]] = NO_NOISE,
    dead_factor: float = 1.0,
) -> dict[str, float]:
    """The probability of each label for an event of one file, in the order of the panel's labels.

    Parameters
    ----------
    subject
        Carries the subject's own deviations, response and heterogeneity.
    day
        Days since the first infusion; sets how much of the effect is reached.
    with_effects
        False leaves every ratio at 1: the null cohort.
    visit_noise : (n_parts,)
        Standard normal deviations of this visit, one for each part of the trial's tree.
    panel_noise
        Deviations of subject and visit for the parts of the panel's own splits; 0 where none is given.
    dead_factor
        Multiplies the odds of dead cells: blood that waited.
    """
    parameters = tree.parameters
    noise = {**panel_noise, **_pair_noise(parameters, subject.deviations, visit_noise)}
    reached = effect_share(parameters, day) if with_effects else None

    def weigh(part: Part) -> float:
        between, within = noise.get(part.varies_with or part.name, (0.0, 0.0))
        log = _log(_baseline(parameters, part, subject)) + part.between * between + part.within * within
        if reached is not None:
            log += reached * log_effect(parameters, part, subject)
        return log + (float(np.log(dead_factor)) if part.name == DEAD else 0.0)

    shares = close_tree(tree.splits, weigh)
    return {label: shares[label] for label in tree.panel.labels}


def _pair_noise(
    parameters: Parameters, between: Sequence[float], within: Sequence[float]
) -> dict[str, tuple[float, float]]:
    return dict(zip(parameters.part_names, zip(between, within, strict=True), strict=True))


def _log(share: float) -> float:
    return float(np.log(share)) if share > 0 else -np.inf


def log_effect(parameters: Parameters, part: Part, subject: Subject) -> float:
    """Log ratio at the peak of the effect for this subject, its own heterogeneity included."""
    own = parameters.treg_heterogeneity * subject.treg_z if part.name == "treg" else 0.0
    return float(np.log(part.responder if subject.responder else part.other)) + own


def treg_log_ratio(parameters: Parameters, subject: Subject) -> float:
    """The true log odds ratio of regulatory T cells to baseline at the peak of the effect."""
    return log_effect(parameters, parameters.part("treg"), subject)


def _baseline(parameters: Parameters, part: Part, subject: Subject) -> float:
    return parameters.depleted_b_share if part.name == "b" and subject.b_depleted else part.share


def fit_blood(shares: Mapping[str, float], panel: Panel, blood: BloodCount) -> dict[str, float]:
    """The shares of a tube of whole blood: lymphocytes among leukocytes as counted, beads for its volume."""
    lymph = frozenset(panel.lymphocytes)
    others = panel.labels_of("leukocytes") - lymph - {DEAD}
    n_lymph, n_others = (sum(shares[name] for name in sorted(names)) for names in (lymph, others))
    both, wanted = n_lymph + n_others, blood.lymph_abs_1e9_per_l / blood.wbc_1e9_per_l
    factor = {**dict.fromkeys(lymph, wanted * both / n_lymph), **dict.fromkeys(others, (1 - wanted) * both / n_others)}
    fitted = {name: share * factor.get(name, 1.0) for name, share in shares.items()}
    if BEAD in fitted and blood.beads_added is not None:
        counted = blood.lymph_abs_1e9_per_l * 1000 * blood.sample_volume_ul
        fitted[BEAD] = wanted * both * blood.beads_added / counted
    total = sum(fitted.values())
    return {name: share / total for name, share in fitted.items()}


def compose(tree: Tree, fractions: Mapping[str, float]) -> dict[str, float]:
    """The shares of a mean donor before treatment, with some parts at the fractions that the caller wants.

    Parameters
    ----------
    fractions
        Part to its fraction of the part that holds it; the siblings that are not named share the rest as they
        usually do.

    Raises
    ------
    InputError
        A part that the tree does not have, a fraction outside 0..1, or siblings that add up to more than 1: all at
        once.
    """
    splits = tree.splits
    _check_fractions(splits, fractions)
    weights: dict[str, float] = {}
    for split in splits:
        rest = sum(part.share for part in split.parts if part.name not in fractions)
        left = max(1.0 - sum(fractions.get(part.name, 0.0) for part in split.parts), 0.0)
        scale = left / rest if rest > 0 else 0.0
        weights |= {part.name: fractions.get(part.name, part.share * scale) for part in split.parts}
    shares = close_tree(splits, lambda part: _log(weights[part.name]))
    return {label: shares[label] for label in tree.panel.labels}


def _check_fractions(splits: Sequence[Split], fractions: Mapping[str, float]) -> None:
    names = {part.name for split in splits for part in split.parts}
    problems = [
        _problem(f'no part of the blood is called "{printable(n)}"', closest(n, names))
        for n in fractions
        if n not in names
    ]
    problems += [
        _problem(f"{printable(name)} is {value:g}", "Give a fraction from 0 to 1.")
        for name, value in fractions.items()
        if not 0 <= value <= 1
    ]
    for split in splits:
        named = [part.name for part in split.parts if part.name in fractions]
        total = sum(fractions[name] for name in named)
        closed = bool(named) and not any(part.share for part in split.parts if part.name not in fractions)
        if total > 1 + _CLOSURE or (closed and abs(total - 1) > _CLOSURE):
            what = f"{', '.join(named)} together are {total:g}"
            problems.append(_problem(what, "They share one parent: let them add up to 1, or leave one out."))
    if problems:
        raise InputError.of(problems)


_CLOSURE = 1e-9
"""Rounding of a sum of a few fractions written in decimals."""


def _problem(what: str, remedy: str) -> Problem:
    return Problem(what, where="composition", remedy=remedy, code="SIMULATE-OPTION")


def fraction_of(shares: Mapping[str, float], members: frozenset[str], denominator: frozenset[str]) -> float:
    """Expected fraction of one set of labels in another; NaN where the denominator holds nothing."""
    whole = sum(shares[d] for d in sorted(denominator))
    return sum(shares[m] for m in sorted(members)) / whole if whole > 0 else float("nan")
