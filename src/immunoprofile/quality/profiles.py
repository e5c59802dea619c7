"""A sample against its own subject: the change since the visit before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from immunoprofile.quality.draws import Cohort, Draw
from immunoprofile.quality.judge import Answer, Measured
from immunoprofile.quality.ruleset import Variation

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
