"""A sample against its own subject: the change since the visit before, and whether it is another subject's profile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from immunoprofile.quality.draws import Cohort, Draw
from immunoprofile.quality.judge import Answer, Measured
from immunoprofile.quality.ruleset import Rule, Variation

MIN_EVENTS = 20
"""A population that is not told from none (domain.md 5) has no profile."""
MOST = 16.0
"""A population adds at most this much to a squared distance (4 SD): a depletion is no other subject."""
_HALF = 0.5


def in_order(draws: Sequence[Draw]) -> list[Draw]:
    """Draws by day; those without one in the order of the sheet, behind."""
    return sorted(draws, key=lambda d: (d.sample.day is None, d.sample.day or 0))


def delta_checks(cohort: Cohort, variation: Sequence[Variation]) -> dict[str, Answer]:
    """Change of each population since the subject's visit before, in standard deviations, for each sample.

    Notes
    -----
    ln(x2 / x1) over its standard deviation sqrt(2 (ln(1 + CVa^2) + ln(1 + CVi^2)) + 1 / k1 + 1 / k2): within-subject
    biology, assay and counting on log scale, half an event added to every count. The reference change value is this
    standard deviation times the quantile that the rule's limits name.

    References
    ----------
    Fraser CG, Harris EK. Generation and application of data on biological variation in clinical chemistry. Crit Rev
    Clin Lab Sci 1989;27:409-437.
    Fokkema MR et al. Reference change values for brain natriuretic peptides revisited. Clin Chem 2006;52:1602-1603.
    """
    answers: dict[str, Answer] = {d.sample_id: "the sheet gives no subject" for d in cohort.draws}
    for draws in cohort.by("subject_id", "panel").values():
        ordered = in_order(draws)
        answers[ordered[0].sample_id] = "the subject has no earlier visit with this panel"
        for before, now in pairwise(ordered):
            found = [m for v in variation if (m := _delta(before, now, v)) is not None]
            answers[now.sample_id] = found or "no population of known variation is evaluable at both visits"
    return answers


def _delta(before: Draw, now: Draw, variation: Variation) -> Measured | None:
    one, two = (d.pair(variation.pop_id, variation.denom_id) for d in (before, now))
    if one is None or two is None:
        return None
    logs = [math.log((k + _HALF) / (n + _HALF)) for k, n in (one, two)]
    counting = sum(1 / (k + _HALF) for k, _ in (one, two))
    deviation = math.sqrt(2 * variation.log_sd**2 + counting)
    change = logs[1] - logs[0]
    note = (
        f"of {variation.denom_id} x {math.exp(change):.2f} since {before.sample_id}; "
        f"reference change at 95 % x {math.exp(-1.96 * deviation):.2f} to x {math.exp(1.96 * deviation):.2f}"
    )
    return Measured(change / deviation, variation.pop_id, note)


def sample_swaps(cohort: Cohort, variation: Sequence[Variation], rule: Rule) -> dict[str, Answer]:
    """How much closer each sample's profile is to another subject's than to its own subject's other visits.

    Notes
    -----
    A squared distance sums ((ln x - centre) / SD)^2 over the stable populations, each at most 16, with the centre the
    median of a subject's (other) visits and SD^2 = s^2 (1 + 1 / visits) + 1 / k of biology, assay and counting. The
    difference of own and nearest other distance counts only where the own distance is improbable (chi-square, upper
    quantile by the rule's settings); otherwise the value is 0.
    """
    answers: dict[str, Answer] = {d.sample_id: "the sheet gives no subject" for d in cohort.draws}
    stable = [v for v in variation if v.stable]
    for (_,), draws in cohort.by("panel").items():
        subjects: dict[str, list[Draw]] = {}
        for draw in draws:
            if draw.sample.subject_id is not None:
                subjects.setdefault(draw.sample.subject_id, []).append(draw)
        profiles = {d.sample_id: _profile(d, stable) for group in subjects.values() for d in group}
        centres = {name: _centre([profiles[d.sample_id] for d in group]) for name, group in subjects.items()}
        for name, group in subjects.items():
            for draw in group:
                own = [profiles[d.sample_id] for d in group if d is not draw]
                others = {n: c for n, c in centres.items() if n != name}
                answers[draw.sample_id] = _swap(profiles[draw.sample_id], own, others, stable, rule)
    return answers


def _profile(draw: Draw, stable: Sequence[Variation]) -> NDArray[np.float64]:
    """(2, n) logarithms of the fractions, and 1 / count; NaN where not known."""
    found = np.full((2, len(stable)), np.nan)
    for i, v in enumerate(stable):
        pair = draw.pair(v.pop_id, v.denom_id)
        if pair is not None and pair[0] >= MIN_EVENTS:
            found[:, i] = math.log(pair[0] / pair[1]), 1 / pair[0]
    return found


Centre = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Median of a subject's visits, and how many visits have each population."""


def _swap(
    profile: NDArray[np.float64],
    own_visits: Sequence[NDArray[np.float64]],
    others: Mapping[str, Centre],
    stable: Sequence[Variation],
    rule: Rule,
) -> Answer:
    if not own_visits or not others:
        return "the subject has no other visit with this panel" if not own_visits else "no other subject has this panel"
    variances = np.array([v.log_sd**2 for v in stable])
    centre = _centre(own_visits)
    known = ~np.isnan(profile[0]) & ~np.isnan(centre[0])
    if known.sum() < rule.settings["min_populations"]:
        return f"fewer than {rule.settings['min_populations']:g} stable populations are evaluable"
    own = _distance(profile, centre, variances, known)
    distances = {name: _distance(profile, found, variances, known) for name, found in others.items()}
    nearest = min(distances, key=lambda n: (distances[n], n))
    if math.isinf(distances[nearest]):
        return "no other subject has the same populations"
    improbable = own > stats.chi2.ppf(rule.settings["own_quantile"], int(known.sum()))
    note = f"own {own:.1f}, {nearest} {distances[nearest]:.1f}, of {int(known.sum())} populations"
    return Measured(max(own - distances[nearest], 0.0) if improbable else 0.0, note=note)


def _centre(visits: Sequence[NDArray[np.float64]]) -> Centre:
    logs = np.array([v[0] for v in visits])
    counts = (~np.isnan(logs)).sum(axis=0).astype(np.float64)
    centre = np.full(logs.shape[1], np.nan)
    some = counts > 0
    centre[some] = np.nanmedian(logs[:, some], axis=0)
    return centre, counts


def _distance(
    profile: NDArray[np.float64], centre: Centre, variances: NDArray[np.float64], known: NDArray[np.bool_]
) -> float:
    logs, counts = centre
    if np.isnan(logs[known]).any():
        return math.inf
    spread = variances[known] * (1 + 1 / counts[known]) + profile[1, known]
    return float(np.minimum((profile[0, known] - logs[known]) ** 2 / spread, MOST).sum())
