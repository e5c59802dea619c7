"""Is a sample another subject's? Exchanges and moves of samples that would make the subjects' visits agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from immunoprofile.quality.draws import Cohort, Draw
from immunoprofile.quality.judge import Answer, Measured
from immunoprofile.quality.ruleset import Rule, Variation

Floats = NDArray[np.float64]
MIN_EVENTS = 20
"""A population that is not told from none (domain.md 5) has no profile."""
MOST = 16.0
"""A population adds at most this much to a squared distance (4 SD): a depletion is no other subject."""
_MIN_VISITS = 2
"""A subject of one visit is no goal of a move: too little is known of its own variation."""
_NOBODY = -1


def sample_swaps(cohort: Cohort, variation: Sequence[Variation], rule: Rule) -> dict[str, Answer]:
    """How much better the visits of two subjects agree once this sample is given to the other, for each sample.

    Notes
    -----
    A squared distance sums ((ln x - centre) / SD)^2 over the stable populations, each at most 16. The centre is the
    median of a subject's other visits; SD^2 adds biology and assay of the sample and of the centre (s^2 (1 + 1 /
    visits)) and the counting of both. An exchange of two samples gains what the two distances lose by it; the sum of
    the two must be improbable (chi-square, `pair_quantile`). A move of one sample to another subject gains what its
    own distance loses, less `move_cost`, since nobody answers for it by coming back; its own distance must be
    improbable by itself (`own_quantile`). Gains compare the same populations before and after.

    The best way above the rule's limit is taken and the rest asked again, so that one wrong sample does not put its
    subject's other visits under suspicion. Exchanges between the same two subjects that gain almost as much (within
    `tie`) are named with it, because nothing tells them apart: of two subjects with two visits each, all four samples.
    """
    answers: dict[str, Answer] = {d.sample_id: "the sheet gives no subject" for d in cohort.draws}
    stable = [v for v in variation if v.stable]
    for draws in cohort.by("panel").values():
        listed = [d for d in draws if d.sample.subject_id is not None]
        answers |= _ask_panel(listed, _profiles(listed, stable), rule)
    return answers


@dataclass(frozen=True, slots=True, eq=False)
class _Profiles:
    """What samples look like; NaN where it is not known.

    Parameters
    ----------
    logs, counting : (samples, populations)
        Logarithms of the fractions, and their variance from counting.
    variance : (populations,)
        Variance of biology and assay.
    """

    logs: Floats
    counting: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    """Each sample among its subject's other visits, (samples, populations): centre, its variance, squared distance."""

    centres: Floats
    spreads: Floats
    squares: Floats

    @property
    def known(self) -> NDArray[np.int64]:
        """(samples,) populations that could be compared."""
        return np.asarray((~np.isnan(self.squares)).sum(axis=1), dtype=np.int64)

    @property
    def distances(self) -> Floats:
        """(samples,) squared distances."""
        return np.asarray(np.nansum(self.squares, axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Way:
    """Sample `i` goes to the subject numbered `goal`, and sample `j` comes back; nobody does where `j` is None."""

    gain: float
    i: int
    goal: int
    j: int | None


def _profiles(draws: Sequence[Draw], stable: Sequence[Variation]) -> _Profiles:
    logs, counting = np.full((2, len(draws), len(stable)), np.nan)
    for i, draw in enumerate(draws):
        for k, v in enumerate(stable):
            pair = draw.pair(v.pop_id, v.denom_id)
            if pair is not None and pair[0] >= MIN_EVENTS:
                logs[i, k], counting[i, k] = math.log(pair[0] / pair[1]), 1 / pair[0]
    return _Profiles(logs, counting, np.array([v.log_sd**2 for v in stable]))


def _ask_panel(draws: Sequence[Draw], profiles: _Profiles, rule: Rule) -> dict[str, Answer]:
    names = list(dict.fromkeys(str(d.sample.subject_id) for d in draws))
    owner = np.array([names.index(str(d.sample.subject_id)) for d in draws], dtype=np.int64)
    standing = _stand(profiles, owner)
    answers = {d.sample_id: _before(standing, i, owner, len(names), rule) for i, d in enumerate(draws)}
    asked = np.array([not isinstance(answers[d.sample_id], str) for d in draws])
    accused: set[int] = set()
    while ways := [w for w in _ways(profiles, standing, owner, asked, rule) if w.gain > rule.warn[1]]:
        best = max(ways, key=lambda w: (w.gain, -w.i))
        for way in _with_ties(best, ways, owner, rule):
            for i, other in ((way.i, way.j), (way.j, way.i)):
                if i is not None and i not in accused:
                    accused.add(i)
                    note = _note(draws, names, way, other, standing, i)
                    answers[draws[i].sample_id] = Measured(way.gain, note=note)
        _carry_out(best, owner)
        asked[list(accused)] = False
        standing = _stand(profiles, owner)
    return answers


def _before(standing: _Standing, i: int, owner: NDArray[np.int64], n_subjects: int, rule: Rule) -> Answer:
    """Why a sample cannot be asked; nothing gained where it can."""
    if (owner == owner[i]).sum() < 2:
        return "the subject has no other visit with this panel"
    if n_subjects < 2:
        return "no other subject has this panel"
    known = int(standing.known[i])
    if known < rule.settings["min_populations"]:
        return f"fewer than {rule.settings['min_populations']:g} stable populations are evaluable"
    return Measured(0.0, note=f"own {standing.distances[i]:.1f} of {known} populations")


def _stand(profiles: _Profiles, owner: NDArray[np.int64]) -> _Standing:
    shape = profiles.logs.shape
    centres, spreads, squares = np.full((3, *shape), np.nan)
    for i in np.flatnonzero(owner != _NOBODY).tolist():
        others = owner == owner[i]
        others[i] = False
        centres[i], spreads[i] = _centre(profiles, others)
        squares[i] = _squares(profiles, i, centres[i], spreads[i])
    return _Standing(centres, spreads, squares)


def _centre(profiles: _Profiles, among: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Median of some samples' logarithms and its variance (as of a mean), NaN where none has the population."""
    logs, counting = profiles.logs[among], profiles.counting[among]
    counts = (~np.isnan(logs)).sum(axis=0)
    centre, spread = np.full((2, logs.shape[1]), np.nan)
    some = counts > 0
    if some.any():
        centre[some] = np.nanmedian(logs[:, some], axis=0)
        spread[some] = profiles.variance[some] / counts[some] + np.nansum(counting[:, some], axis=0) / counts[some] ** 2
    return centre, spread


def _squares(profiles: _Profiles, i: int, centre: Floats, spread: Floats) -> Floats:
    """Squared distance of a sample from one centre or several, population by population."""
    apart = (profiles.logs[i] - centre) ** 2 / (profiles.variance + profiles.counting[i] + spread)
    return np.asarray(np.minimum(apart, MOST), dtype=np.float64)


def _ways(
    profiles: _Profiles, standing: _Standing, owner: NDArray[np.int64], asked: NDArray[np.bool_], rule: Rule
) -> Iterator[_Way]:
    """Every exchange and move of improbable samples, with what it gains."""
    distances, known = standing.distances, standing.known
    asked = asked & (known >= rule.settings["min_populations"]) & (owner != _NOBODY)
    for i in np.flatnonzero(asked).tolist():
        others = np.flatnonzero(asked & (owner != owner[i]) & (np.arange(owner.size) > i))
        unlikely = chdtrc(known[i] + known[others], distances[i] + distances[others])
        for j in others[unlikely < 1 - rule.settings["pair_quantile"]].tolist():
            there = _squares(profiles, i, standing.centres[j], standing.spreads[j])
            back = _squares(profiles, j, standing.centres[i], standing.spreads[i])
            gains = [_gain(standing.squares[i], there, rule), _gain(standing.squares[j], back, rule)]
            yield _Way(sum(gains), i, int(owner[j]), j)
        if chdtrc(known[i], distances[i]) < 1 - rule.settings["own_quantile"]:
            yield from _moves(profiles, standing, owner, i, rule)


def _moves(profiles: _Profiles, standing: _Standing, owner: NDArray[np.int64], i: int, rule: Rule) -> Iterator[_Way]:
    for goal in sorted(set(owner.tolist()) - {_NOBODY, int(owner[i])}):
        among = owner == goal
        if among.sum() >= _MIN_VISITS:
            there = _squares(profiles, i, *_centre(profiles, among))
            yield _Way(_gain(standing.squares[i], there, rule) - rule.settings["move_cost"], i, int(goal), None)


def _gain(before: Floats, after: Floats, rule: Rule) -> float:
    """What a distance loses, over the populations known on both sides; minus infinity where these are too few."""
    both = ~np.isnan(before) & ~np.isnan(after)
    return float((before[both] - after[both]).sum()) if both.sum() >= rule.settings["min_populations"] else -math.inf


def _with_ties(best: _Way, ways: Sequence[_Way], owner: NDArray[np.int64], rule: Rule) -> list[_Way]:
    """The best way, and the exchanges between the same two subjects that nothing tells from it."""
    pair = {int(owner[best.i]), best.goal}
    near = [w for w in ways if w.j is not None and best.gain - w.gain <= rule.settings["tie"] and w is not best]
    return [best, *(w for w in near if best.j is not None and {int(owner[w.i]), w.goal} == pair)]


def _carry_out(way: _Way, owner: NDArray[np.int64]) -> None:
    if way.j is None:
        owner[way.i] = _NOBODY
    else:
        owner[way.i], owner[way.j] = owner[way.j], owner[way.i]


def _note(
    draws: Sequence[Draw], names: Sequence[str], way: _Way, other: int | None, standing: _Standing, i: int
) -> str:
    own = f"own {standing.distances[i]:.1f} of {int(standing.known[i])} populations"
    goal = f"moved to {names[way.goal]}" if other is None else f"exchanged with {draws[other].sample_id}"
    return f"{own}; {goal}"
