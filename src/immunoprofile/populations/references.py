"""Reference ranges from the literature, to stand beside a value: each with its method, people and source.

They are never a verdict. Ranges of one population differ between methods by more than most treatments move it (central
memory CD4+ T cells: 2-8 % by one laboratory's definition, a third of CD4+ by another's), so a value is compared with
the subject's own baseline, and a range only says where other people's values lay.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REFERENCE_RANGES = Path(__file__).parent / "reference_ranges.csv"
RANGES_VERSION = "1"
"""Raised when a range is added or corrected."""


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """Where the values of other people lay.

    Parameters
    ----------
    cl_id, of_cl_id
        Cell Ontology ids of the population and its denominator; the latter None for concentrations.
    unit
        ``frac`` (0..1) or ``cells_per_ul``.
    interval
        What the limits are: ``95 %`` of healthy people, or a ``laboratory``'s own range.
    age_from, age_to, sex, n
        Of the people; None where the source does not say, or it holds for both sexes.
    """

    cl_id: str
    of_cl_id: str | None
    population: str
    unit: str
    low: float
    high: float
    interval: str
    method: str
    ancestry: str
    age_from: int | None
    age_to: int | None
    sex: str | None
    n: int | None
    source: str

    def describe(self) -> str:
        """The range in words, with percent for fractions."""
        percent = self.unit == "frac"
        low, high = (100 * v if percent else v for v in (self.low, self.high))
        people = ", ".join(
            filter(None, [self.ancestry, self._ages(), self.sex or "", "" if self.n is None else f"n = {self.n}"])
        )
        return f"{low:g}-{high:g} {'%' if percent else 'cells/uL'} ({people}; {self.method}; {self.source})"

    def _ages(self) -> str:
        if self.age_from is None:
            return ""
        return f"{self.age_from} y and older" if self.age_to is None else f"{self.age_from}-{self.age_to} y"


@cache
def load_ranges(path: Path = REFERENCE_RANGES) -> tuple[ReferenceRange, ...]:
    """Every range, in the order of the file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(_range(row) for row in csv.DictReader(stream))


def _range(row: dict[str, str]) -> ReferenceRange:
    def whole(name: str) -> int | None:
        return int(row[name]) if row[name] else None

    return ReferenceRange(
        cl_id=row["cl_id"],
        of_cl_id=row["of_cl_id"] or None,
        population=row["population"],
        unit=row["unit"],
        low=float(row["low"]),
        high=float(row["high"]),
        interval=row["interval"],
        method=row["method"],
        ancestry=row["ancestry"],
        age_from=whole("age_from"),
        age_to=whole("age_to"),
        sex=row["sex"] or None,
        n=whole("n"),
        source=row["source"],
    )


def find_ranges(
    cl_id: str | None,
    of_cl_id: str | None = None,
    *,
    sex: str | None = None,
    age: float | None = None,
    ranges: Iterable[ReferenceRange] | None = None,
) -> tuple[ReferenceRange, ...]:
    """The ranges that a value may stand beside: all of them, since none is the right one.

    Parameters
    ----------
    cl_id
        Cell Ontology id of the population; without one nothing is found.
    of_cl_id
        That of the denominator for a fraction; None for a concentration. A range with another denominator is never
        given.
    sex, age
        Leave out ranges of the other sex or of other ages, where both are known.
    """
    listed = load_ranges() if ranges is None else ranges
    return tuple(
        r
        for r in listed
        if cl_id is not None
        and r.cl_id == cl_id
        and r.of_cl_id == of_cl_id
        and (sex is None or r.sex is None or r.sex == sex)
        and (age is None or _covers(r, age))
    )


def _covers(found: ReferenceRange, age: float) -> bool:
    # An upper age of 59 covers those who are 59 years old, until their next birthday.
    old_enough = found.age_from is None or age >= found.age_from
    return old_enough and (found.age_to is None or age < found.age_to + 1)
