"""What the sheets hold once read: subjects, counts, treatments, bleeding; and the course of a subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Subject:
    """A treated subject; days count from the first infusion, which is day 0."""

    subject_id: str
    first_infusion_date: date | None
    infusion_days: tuple[int, ...]
    last_observation_day: int | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """One platelet count.

    Parameters
    ----------
    value
        In 10^9/L, exact; the bound where `qualifier` is ``<`` or ``<=``.
    unit_given
        The unit as the sheet wrote it.
    predose
        Taken before dosing on its day; None where the sheet does not say.
    """

    subject_id: str
    day: int
    value: Decimal
    qualifier: str
    unit_given: str
    predose: bool | None
    clumped: bool
    line: int

    @property
    def order(self) -> tuple[int, Decimal, bool, bool, bool, str]:
        """Sorts by day, value, then all else that may differ: the order of the sheet plays no part."""
        return (
            self.day,
            self.value,
            not self.qualifier,
            self.clumped,
            self.predose is False,
            f"{self.qualifier}{self.unit_given}",
        )


@dataclass(frozen=True, slots=True)
class Treatment:
    """One row of the treatments: what was given, from which day to which, and why."""

    subject_id: str
    day: int
    end_day: int | None
    kind: str
    role: str
    change: str | None


@dataclass(frozen=True, slots=True)
class Bleeding:
    """One bleeding assessment; grade 0 is one that found none."""

    subject_id: str
    day: int
    grade: Decimal


@dataclass(frozen=True, slots=True)
class Course:
    """All that is known of one subject, in time order.

    `treatments` and `bleeding` are None where no such sheet was given, which is not the same as an empty one.
    """

    subject: Subject
    counts: tuple[Count, ...]
    treatments: tuple[Treatment, ...] | None
    bleeding: tuple[Bleeding, ...] | None
