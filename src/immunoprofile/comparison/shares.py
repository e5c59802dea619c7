"""Numerator or denominator: what moved when a fraction moved.

The change of the logarithm of a fraction is that of the population's concentration minus that of its
denominator's. Where the denominator went the other way, and far enough, the fraction moved because of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DENOMINATOR_DRIVEN = "DENOMINATOR_DRIVEN"
"""Flag: the denominator's own shift has the opposite sign and exceeds half of the fraction's (analysis plan, 1.1)."""

IDENTITY_OFF = "IDENTITY_OFF"
"""Flag: concentrations and fractions of the same samples do not tell the same story."""

_TOLERANCE = 0.03
"""Disagreement of the identity that rounding explains: four concentrations of three digits, 0.5 % each, and slack."""


@dataclass(frozen=True, slots=True)
class Shifts:
    """Changes of the logarithms of a fraction, of its population's cells/uL and of its denominator's.

    NaN where unknown; `fraction` is known without concentrations.
    """

    fraction: float
    cells: float
    denominator: float

    @property
    def known(self) -> bool:
        """Are all three known?"""
        return all(math.isfinite(x) for x in (self.fraction, self.cells, self.denominator))

    @property
    def flags(self) -> frozenset[str]:
        """What the three say together; nothing where one is unknown."""
        if not self.known:
            return frozenset()
        found = set()
        if self.denominator * self.fraction < 0 and abs(self.denominator) > abs(self.fraction) / 2.0:
            found.add(DENOMINATOR_DRIVEN)
        if abs(self.fraction - (self.cells - self.denominator)) > _TOLERANCE:
            found.add(IDENTITY_OFF)
        return frozenset(found)

    @property
    def words(self) -> str:
        """The three numbers in one clause; empty where one is unknown."""
        if not self.known:
            return ""
        return (
            f"mean change of logarithms: fraction {self.fraction:+.3f} = cells/uL {self.cells:+.3f} "
            f"- denominator {self.denominator:+.3f}"
        )
