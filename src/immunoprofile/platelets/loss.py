"""How a response ends: two low counts, bleeding or rescue; it may come again, and each time is an episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immunoprofile.platelets.confirmation import Pair, later_pair
from immunoprofile.platelets.levels import JudgedCount, Level
from immunoprofile.platelets.rule import ConfirmedRule


@dataclass(frozen=True, slots=True)
class Break:
    """Something that ends a response on its day, whatever the counts: bleeding or rescue."""

    day: int
    reason: str


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a response.

    Parameters
    ----------
    day
        None where it is only pending: the last count is low and no second one has confirmed it.
    count
        The first low count; None where a break ended the response.
    """

    day: int | None
    reason: str
    count: JudgedCount | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """A confirmed response and its end, if it has one."""

    pair: Pair
    loss: Loss | None

    def end(self, last_day: int) -> int:
        """The day it was lost, or the last day on which it was seen."""
        return self.loss.day if self.loss is not None and self.loss.day is not None else last_day


def find_loss(
    counts: Sequence[JudgedCount], level: Level, onset: int, breaks: Sequence[Break], rule: ConfirmedRule
) -> Loss | None:
    """The end of a response at a level that began on a day; None where it goes on.

    Parameters
    ----------
    counts
        Eligible counts in time order.
    breaks
        Bleeding and rescue in time order; those by the day of onset play no part.

    Notes
    -----
    Two consecutive counts below the level, far enough apart, lose it at the first; so does a break, on its day.
    On a tie the break is named. A low count that is the last one is pending.
    """
    low = _two_low([c for c in counts if c.day > onset], level, rule.loss.days_apart)
    broken = next((b for b in breaks if b.day > onset), None)
    if broken is not None and (low is None or low.day is None or broken.day <= low.day):
        return Loss(broken.day, broken.reason)
    return low


def _two_low(after: Sequence[JudgedCount], level: Level, days_apart: int) -> Loss | None:
    first_low: JudgedCount | None = None
    for count in after:
        if count.reaches(level):
            first_low = None
        elif first_low is None:
            first_low = count
        elif count.day - first_low.day >= days_apart:
            return Loss(first_low.day, "counts", first_low)
    return None if first_low is None else Loss(None, "loss_pending", first_low)


def follow_episodes(
    counts: Sequence[JudgedCount], first: Pair, breaks: Sequence[Break], rule: ConfirmedRule
) -> tuple[Episode, ...]:
    """The response from its onset on, each time it was lost and regained.

    Notes
    -----
    Regained is a new confirmed response after the loss, however late it begins.
    """
    episodes: list[Episode] = []
    pair: Pair | None = first
    while pair is not None:
        loss = find_loss(counts, Level.R, pair.onset.day, breaks, rule)
        episodes.append(Episode(pair, loss))
        ended = None if loss is None else loss.day
        pair = None if ended is None else later_pair(counts, Level.R, rule.confirmation, ended)
    return tuple(episodes)
