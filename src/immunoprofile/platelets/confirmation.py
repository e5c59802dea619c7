"""A response needs two counts: the first is its onset, the second, days later, confirms it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immunoprofile.platelets.criteria import Confirmation
from immunoprofile.platelets.levels import JudgedCount, Level


@dataclass(frozen=True, slots=True)
class Pair:
    """Onset and confirmation of a response."""

    onset: JudgedCount
    confirmed: JudgedCount

    @property
    def gap(self) -> int:
        """Days between the two."""
        return self.confirmed.day - self.onset.day


def first_pair(counts: Sequence[JudgedCount], level: Level, confirmation: Confirmation) -> Pair | None:
    """The earliest confirmed response at a level or better among eligible counts in time order.

    Notes
    -----
    The onset lies in the rule's onset days, the confirming count by its last day. See `later_pair` for
    responses without those limits.
    """
    first, last = confirmation.onset_days
    return _pair(counts, level, confirmation, (first, last), confirmation.confirmed_until_day)


def later_pair(counts: Sequence[JudgedCount], level: Level, confirmation: Confirmation, after: int) -> Pair | None:
    """The earliest confirmed response at a level or better that begins after a day, however late."""
    return _pair(counts, level, confirmation, (after + 1, None), None)


def _pair(
    counts: Sequence[JudgedCount],
    level: Level,
    confirmation: Confirmation,
    onset: tuple[int, int | None],
    until: int | None,
) -> Pair | None:
    first, last = onset
    for i, count in enumerate(counts):
        if count.day < first or not count.reaches(level):
            continue
        if last is not None and count.day > last:
            return None
        second = _confirming(counts[i + 1 :], count.day, level, confirmation, until)
        if second is not None:
            return Pair(count, second)
    return None


def _confirming(
    later: Sequence[JudgedCount], day: int, level: Level, confirmation: Confirmation, until: int | None
) -> JudgedCount | None:
    for count in later:
        if until is not None and count.day > until:
            return None
        if not count.reaches(level):
            if confirmation.strict_between:
                return None
        elif count.day - day >= confirmation.days_apart:
            return count
    return None


def awaits_confirmation(counts: Sequence[JudgedCount], level: Level, confirmation: Confirmation) -> bool:
    """Is there a qualifying count that no later one speaks about, for or against?

    Notes
    -----
    A count is spoken against by a count that is late enough to confirm it and does not, and, where nothing
    below the level may lie between, by any later count below the level.
    """
    first, last = confirmation.onset_days
    until = confirmation.confirmed_until_day
    return any(
        first <= c.day <= last
        and c.reaches(level)
        and not any(_speaks_about(c, later, level, confirmation) for later in counts[i + 1 :] if later.day <= until)
        for i, c in enumerate(counts)
    )


def _speaks_about(count: JudgedCount, later: JudgedCount, level: Level, confirmation: Confirmation) -> bool:
    if later.day - count.day >= confirmation.days_apart:
        return True
    return confirmation.strict_between and not later.reaches(level)
