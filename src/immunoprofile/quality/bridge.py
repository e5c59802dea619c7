"""A control that every run measures: does it stay where its first runs put it, and does a new lot move it?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import ndtri, stdtr

from immunoprofile.quality.judge import Answer, Measured
from immunoprofile.quality.ruleset import Centre, Rule

_LOT = re.compile(r"\blots?\b\s*[:=#]?\s*([A-Za-z0-9][\w./-]*)", re.IGNORECASE)

_SMALLEST = 1e-300
"""Probability below which a quantile would be infinite."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One population's fraction, or one intensity, of the control in one run.

    Parameters
    ----------
    item
        ``pop_id/denom_id`` of a fraction, ``pop_id:marker`` of an intensity.
    value
        Logarithm.
    counting
        Variance of the logarithm from counting.
    """

    sample_id: str
    item: str
    value: float
    counting: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement of the control, in the order of measurement."""

    sample_id: str
    lot: str | None
    readings: tuple[Reading, ...]

    def find(self, item: str) -> Reading | None:
        """The reading of an item."""
        return next((r for r in self.readings if r.item == item), None)


def lot_of(note: str | None) -> str | None:
    """The lot that a note of the sample sheet names: ``lot A12``, ``lot: A12``, ``lot=A12``."""
    found = None if note is None else _LOT.search(note)
    return None if found is None else found[1]


def score(value: float, counting: float, earlier: Sequence[Reading], min_cv: float) -> float:
    """How far a value lies from earlier ones, in standard deviations of a normal distribution.

    Notes
    -----
    The centre and standard deviation of n earlier values are themselves uncertain: (value - mean) over
    SD sqrt(1 + 1 / n) follows Student's t with n - 1 degrees of freedom, and its probability is given as the normal
    quantile. So 2 and 3 keep the meaning they have in Westgard's rules, whatever n. An SD below the smallest one that
    is believed (`min_cv` and counting) is raised to it, which only makes the score smaller.
    """
    values = np.array([r.value for r in earlier])
    spread = float(values.std(ddof=1))
    least = math.sqrt(min_cv**2 + counting)
    ratio = (value - float(values.mean())) / (max(spread, least) * math.sqrt(1 + 1 / values.size))
    tail = max(float(stdtr(values.size - 1, -abs(ratio))), _SMALLEST)
    return math.copysign(float(-ndtri(tail)), ratio)


def check_runs(
    runs: Sequence[Run], rule: Rule, declared: Mapping[str, Centre] = MappingProxyType({})
) -> tuple[dict[str, Answer], dict[str, Answer], dict[str, Answer]]:
    """Levey-Jennings scores of a control's runs, pairs of runs (2-2s), and changes of lot.

    Parameters
    ----------
    runs
        Of one control and panel, in the order of measurement.
    rule
        `bridge_control`: `centre_runs` make centre and SD, `min_runs` are needed.
    declared
        Item to the centre that the laboratory declares; such items are judged from the first run on.

    Returns
    -------
    Answers of `bridge_control`, `bridge_2_2s` and `lot_change`, by sample.
    """
    n_centre, least = int(rule.settings["centre_runs"]), int(rule.settings["min_runs"])
    centre = runs[:n_centre]
    single: dict[str, Answer] = {}
    pairs: dict[str, Answer] = {}
    lots: dict[str, Answer] = {}
    before: Mapping[str, float] = {}
    for number, run in enumerate(runs):
        scores = {} if number < n_centre else _scores(run, centre, least, rule)
        scores |= {r.item: declared[r.item].score(r.value) for r in run.readings if r.item in declared}
        found = [Measured(s, item, _note(run, item, centre, declared)) for item, s in scores.items()]
        single[run.sample_id] = found or (
            f"one of the first {n_centre} runs, which make the centre"
            if number < n_centre
            else f"fewer than {least} earlier runs have the same populations"
        )
        pairs[run.sample_id] = _two_of_two(scores, before)
        lots[run.sample_id] = _lot_change(runs, number, least, rule)
        before = scores
    return single, pairs, lots


def _scores(run: Run, earlier: Iterable[Run], least: int, rule: Rule) -> dict[str, float]:
    found = {}
    for reading in run.readings:
        same = [r for e in earlier if (r := e.find(reading.item)) is not None]
        if len(same) >= max(least, 2):
            found[reading.item] = score(reading.value, reading.counting, same, rule.settings["min_cv"])
    return found


def _note(run: Run, item: str, centre: Sequence[Run], declared: Mapping[str, Centre]) -> str:
    reading = run.find(item)
    assert reading is not None
    if item in declared:
        known = declared[item]
        return f"{math.exp(reading.value):.4g}; declared centre {known.centre:.4g}, CV {known.cv:g} ({known.source})"
    values = [r.value for e in centre if (r := e.find(item)) is not None]
    return f"{math.exp(reading.value):.4g}; centre {math.exp(float(np.mean(values))):.4g} of {len(values)} runs"


def _two_of_two(scores: Mapping[str, float], before: Mapping[str, float]) -> Answer:
    found = [
        Measured(math.copysign(min(abs(s), abs(before[item])), s) if s * before[item] > 0 else 0.0, item)
        for item, s in scores.items()
        if item in before
    ]
    return found or "not two runs behind those that make the centre"


def _lot_change(runs: Sequence[Run], number: int, least: int, rule: Rule) -> Answer:
    lot, earlier = runs[number].lot, runs[number - 1].lot if number else None
    if lot is None or earlier is None:
        return "no lot in the note of this run or of the one before"
    if lot == earlier:
        return "the lot is that of the run before"
    # Back to the change before: only runs of the lot that ended now.
    same: list[Run] = []
    for run in reversed(runs[:number]):
        if run.lot != earlier:
            break
        same.append(run)
    scores = _scores(runs[number], same, least, rule)
    note = f"lot {earlier} to {lot}"
    return [Measured(s, item, note) for item, s in scores.items()] or f"fewer than {least} runs of lot {earlier}"
