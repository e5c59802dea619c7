"""Treatments before a draw, and what they do to the rows of its sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from immunoprofile.columns import SAMPLE_STATES
from immunoprofile.populations.settings import State


class Given(Protocol):
    """One treatment as the treatments sheet tells it (`platelets.records.Treatment`)."""

    @property
    def day(self) -> int: ...
    @property
    def end_day(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def change(self) -> str | None: ...


# Given once unless an end day says otherwise; the others go on until they end or are stopped.
_SINGLE = frozenset({"rituximab", "ivig", "anti_d", "splenectomy", "platelet_transfusion", "anti_cd38", "other"})


@dataclass(frozen=True, slots=True)
class Holding:
    """A state that holds on the day of a draw, and the days since its treatment (0 while it goes on)."""

    state: State
    days_since: int


def states_at(day: int | None, treatments: Iterable[Given] | None, states: Iterable[State]) -> tuple[Holding, ...]:
    """The states that hold on a day, in the order in which they are declared.

    Parameters
    ----------
    day
        Of the draw, since the first infusion; None where it is unknown: then nothing is known to hold.
    treatments
        Those of the subject, in any order; None where no such sheet was given.

    Notes
    -----
    A treatment without an end day is one day long if it is of a kind that is given once (rituximab, IVIG, surgery), and
    goes on until a row that stops it, or for ever, if it is taken daily (steroids, TPO receptor agonists). One that
    begins after the draw does not count; several of one kind count from the latest.
    """
    if day is None or not treatments:
        return ()
    listed = list(treatments)
    held = []
    for state in states:
        since = _days_since(day, [t for t in listed if t.kind == state.kind])
        if since is not None and state.from_day <= since and (state.to_day is None or since <= state.to_day):
            held.append(Holding(state, since))
    return tuple(held)


def _days_since(day: int, treatments: Sequence[Given]) -> int | None:
    """Days from the last day of these treatments to the draw; None where none began by then."""
    ends = [min(_last_day(t, treatments), day) for t in treatments if t.day <= day and t.change != "stop"]
    return day - max(ends) if ends else _since_stop(day, treatments)


def _since_stop(day: int, treatments: Sequence[Given]) -> int | None:
    """A stop without a start tells that the treatment went on until then."""
    stops = [t.day for t in treatments if t.change == "stop" and t.day <= day]
    return day - max(stops) if stops else None


def _last_day(treatment: Given, treatments: Sequence[Given]) -> int:
    if treatment.end_day is not None:
        return treatment.end_day
    if treatment.kind in _SINGLE:
        return treatment.day
    stops = [t.day for t in treatments if t.change == "stop" and t.day >= treatment.day]
    return min(stops, default=_FOR_EVER)


_FOR_EVER = 10**9


def describe_states(sample_id: str, held: Iterable[Holding]) -> list[Mapping[str, Any]]:
    """Rows of `columns.SAMPLE_STATES`: what holds for a sample, what it does and who says so."""
    names = set(SAMPLE_STATES.names)
    return [
        {"sample_id": sample_id, "state_id": h.state.id, "days_since": h.days_since}
        | {name: value for name, value in h.state.model_dump().items() if name in names}
        for h in held
    ]
