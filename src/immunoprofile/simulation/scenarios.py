"""What may be wrong or different in a simulated cohort: named, one at a time, with the truth written beside.

``trial`` is the clean cohort of the demonstration. The others exist to show that the program notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from immunoprofile.errors import InputError, closest, printable

Fault = Literal["none", "swapped_samples", "wrong_spillover", "unit_mix", "no_baseline", "early_confirmation"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a cohort departs from the plain one.

    Parameters
    ----------
    effects
        False: no cell changes under treatment, in nobody.
    missing_share
        Share of samples after baseline that were not drawn, at random, besides the one of the plain cohort.
    dead_factor, hours_to_stain
        Odds of dead cells relative to fresh blood, and the age of the blood.
    fault
        One mistake of a lab or a data manager.
    """

    name: str
    meaning: str
    effects: bool = True
    missing_share: float = 0.0
    dead_factor: float = 1.0
    hours_to_stain: float = 4.0
    fault: Fault = "none"


_ALL = (
    Scenario("trial", "clean cohort; one visit missed, one count reported as <10"),
    Scenario("null", "no cell changes under treatment, in nobody", effects=False),
    Scenario("missing_visits", "a fifth of later visits missed at random", missing_share=0.2),
    Scenario("aged_blood", "blood stained after three days", dead_factor=12.0, hours_to_stain=72.0),
    Scenario("swapped_samples", "last files of two subjects exchanged", fault="swapped_samples"),
    Scenario("wrong_spillover", "one subject's later files carry the transpose", fault="wrong_spillover"),
    Scenario("unit_mix", "one subject's platelets written per microlitre", fault="unit_mix"),
    Scenario("no_baseline", "one subject without a count before treatment", fault="no_baseline"),
    Scenario("early_confirmation", "response level twice, six days apart", fault="early_confirmation"),
)
SCENARIOS = MappingProxyType({s.name: s for s in _ALL})
"""Every scenario by its name."""


def find_scenario(name: str) -> Scenario:
    """The scenario of this name.

    Raises
    ------
    InputError
        There is none; the known ones are listed.
    """
    if name not in SCENARIOS:
        raise InputError(
            f'no scenario is called "{printable(name)}"',
            where="scenario",
            found=name,
            expected=", ".join(SCENARIOS),
            remedy=closest(name, SCENARIOS),
            code="SIMULATE-SCENARIO",
        )
    return SCENARIOS[name]
