"""Samples against each other: tubes of one draw, and data that stand under two names."""

from __future__ import annotations

from collections.abc import Iterable

from immunoprofile.quality.draws import Cohort, Draw
from immunoprofile.quality.judge import Answer, Measured

MIN_LYMPHOCYTES = 500
"""Fewer lymphocytes give no share that could be compared: its 95 % interval is 8 points wide."""
_MIN_EVENTS = 1000
"""Samples of fewer events may agree in all counts by chance."""
_MIN_POPULATIONS = 4


def cd3_across_tubes(cohort: Cohort) -> dict[str, Answer]:
    """Spread of T cells of lymphocytes among the tubes of each draw, for each of its samples."""
    answers: dict[str, Answer] = {d.sample_id: "the sheet gives no subject and visit" for d in cohort.draws}
    for draws in cohort.by("subject_id", "visit").values():
        shares = {d.sample_id: s for d in draws if (s := _t_share(d)) is not None}
        for draw in draws:
            answers[draw.sample_id] = _spread(draw.sample_id, shares)
    return answers


def _t_share(draw: Draw) -> float | None:
    t, lymphocytes = draw.of_role("t"), draw.of_role("lymphocytes")
    return t / lymphocytes if t is not None and lymphocytes is not None and lymphocytes >= MIN_LYMPHOCYTES else None


def _spread(sample_id: str, shares: dict[str, float]) -> Answer:
    if sample_id not in shares:
        return f"no T cells of at least {MIN_LYMPHOCYTES} lymphocytes"
    if len(shares) < 2:
        return "one tube of this draw tells T cells of lymphocytes"
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    note = f"{low} {100 * shares[low]:.1f} %, {high} {100 * shares[high]:.1f} %"
    return Measured(shares[high] - shares[low], note=note)


def identical_data(cohort: Cohort) -> dict[str, Answer]:
    """How many samples of another subject or visit hold the same data as each sample.

    Notes
    -----
    The same when the FCS file is the same byte for byte, or when the same template counts the same number of events in
    every population (of files of 1,000 events and 4 populations at least): a copy with other keywords.
    """
    by_file: dict[tuple[str, int | None], list[Draw]] = {}
    by_counts: dict[tuple[object, ...], list[Draw]] = {}
    for draw in cohort.draws:
        if draw.fcs_sha256 is not None:
            by_file.setdefault((draw.fcs_sha256, draw.sample.dataset), []).append(draw)
        if max(draw.counts.values(), default=0) >= _MIN_EVENTS and len(draw.counts) >= _MIN_POPULATIONS:
            by_counts.setdefault((draw.template_sha256, *sorted(draw.counts.items())), []).append(draw)
    twins: dict[str, set[str]] = {d.sample_id: set() for d in cohort.draws}
    for group in (*by_file.values(), *by_counts.values()):
        for draw in group:
            twins[draw.sample_id] |= set(_others(draw, group))
    return {name: Measured(len(found), note=", ".join(sorted(found))) for name, found in twins.items()}


def _others(draw: Draw, group: Iterable[Draw]) -> list[str]:
    """Samples of the group that are not of this draw: one file may serve two panels of one draw."""
    own = (draw.sample.subject_id, draw.sample.visit)
    return [
        d.sample_id for d in group if d is not draw and (None in own or (d.sample.subject_id, d.sample.visit) != own)
    ]
