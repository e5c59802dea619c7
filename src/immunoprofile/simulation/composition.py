"""What share of the cells each kind has, in one subject at one visit: baseline, person, day and treatment.

Splits form a tree (tube > lymphocytes > CD4+ > regulatory ...). In every split the log share of each
sibling is baseline + subject + visit + effect, and the siblings are closed to 1. A ratio of the effect is
therefore a ratio of odds against the siblings; for a rare population it is the ratio of fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from immunoprofile.simulation import parameters as p
from immunoprofile.simulation.cells import LABELS
from immunoprofile.simulation.parameters import Part
from immunoprofile.simulation.subjects import Subject


def effect_share(day: int) -> float:
    """Share of the peak effect on a day since the first infusion: 0 before it, 1 at week 8."""
    return float(np.interp(day, p.EFFECT_DAYS, p.EFFECT_SHAPE))


def expected_shares(
    subject: Subject, day: int, *, with_effects: bool, visit_noise: Sequence[float], dead_factor: float = 1.0
) -> dict[str, float]:
    """The probability of each label for an event of one file, in the order of `LABELS`.

    Parameters
    ----------
    subject
        Carries the subject's own deviations, response and heterogeneity.
    day
        Days since the first infusion; sets how much of the effect is reached.
    with_effects
        False leaves every ratio at 1: the null cohort.
    visit_noise : (N_PARTS,)
        Standard normal deviations of this visit, one a part.
    dead_factor
        Multiplies the odds of dead cells: blood that waited.
    """
    shares: dict[str, float] = {"": 1.0}
    start = 0
    for parent, parts in p.SPLITS:
        here = slice(start, start + len(parts))
        logs = np.array([np.log(_baseline(part, subject)) for part in parts])
        logs += [part.between for part in parts] * np.asarray(subject.deviations[here])
        logs += [part.within for part in parts] * np.asarray(visit_noise[here])
        if with_effects:
            logs += [effect_share(day) * log_effect(part, subject) for part in parts]
        logs += [np.log(dead_factor) if part.name == "dead" else 0.0 for part in parts]
        odds = np.exp(logs - logs.max())
        whole = shares.pop(parent)
        shares |= {part.name: whole * float(s) for part, s in zip(parts, odds / odds.sum(), strict=True)}
        start = here.stop
    return {label: shares[label] for label in LABELS}


def log_effect(part: Part, subject: Subject) -> float:
    """Log ratio at the peak of the effect for this subject, its own heterogeneity included."""
    own = p.TREG_HETEROGENEITY * subject.treg_z if part.name == "treg" else 0.0
    return float(np.log(part.responder if subject.responder else part.other)) + own


def treg_log_ratio(subject: Subject) -> float:
    """The true log odds ratio of regulatory T cells to baseline at the peak of the effect."""
    return log_effect(p.CD4[1], subject)


def fraction_of(shares: Mapping[str, float], members: frozenset[str], denominator: frozenset[str]) -> float:
    """Expected fraction of one set of labels in another."""
    return sum(shares[m] for m in sorted(members)) / sum(shares[d] for d in sorted(denominator))


def _baseline(part: Part, subject: Subject) -> float:
    return p.DEPLETED_B_SHARE if part.name == "b" and subject.b_depleted else part.share
