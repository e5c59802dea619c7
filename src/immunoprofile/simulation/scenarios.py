"""What may be wrong or different in a simulated cohort: named, with the truth written beside.

``trial`` is the clean cohort of the demonstration. The others exist to show that the program notices;
``adversarial`` has all of it at once, each fault with another subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from immunoprofile.errors import InputError, closest, printable

Fault = Literal[
    "swapped_samples", "wrong_spillover", "unit_mix", "no_baseline", "early_confirmation", "aged_blood", "clog", "drift"
]
AGED_HOURS = 72.0
AGED_DEAD_FACTOR = 12.0
"""Blood that waited three days: its age, and the odds of dead cells relative to fresh blood [A]."""


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
        Odds of dead cells relative to fresh blood, and the age of the blood, of every sample.
    faults
        Mistakes of a lab or a data manager; the k-th concerns the k-th subject where it concerns one.
    changes
        Parameters that are other than in the plain cohort.
    """

    name: str
    meaning: str
    effects: bool = True
    missing_share: float = 0.0
    dead_factor: float = 1.0
    hours_to_stain: float = 4.0
    faults: tuple[Fault, ...] = ()
    changes: Mapping[str, float] = field(default_factory=dict)


_DEPLETED = {"share_rituximab_depleted": 0.7}
_RESCUED = {"share_rescue_non_responders": 0.7, "share_spike": 0.3}

_ALL = (
    Scenario("trial", "clean cohort; one visit missed, one count reported as <10"),
    Scenario("null", "no cell changes under treatment, in nobody", effects=False),
    Scenario("missing_visits", "a fifth of later visits missed at random", missing_share=0.2),
    Scenario(
        "aged_blood", "blood stained after three days", dead_factor=AGED_DEAD_FACTOR, hours_to_stain=AGED_HOURS
    ),
    Scenario("swapped_samples", "last files of two subjects exchanged", faults=("swapped_samples",)),
    Scenario("wrong_spillover", "one subject's later files carry the transpose", faults=("wrong_spillover",)),
    Scenario("unit_mix", "one subject's platelets written per microlitre", faults=("unit_mix",)),
    Scenario("no_baseline", "one subject without a count before treatment", faults=("no_baseline",)),
    Scenario("early_confirmation", "response level twice, six days apart", faults=("early_confirmation",)),
    Scenario("clog", "the cytometer clogged during one subject's later files", faults=("clog",)),
    Scenario("drift", "the light drifted during one subject's later files", faults=("drift",)),
    Scenario("depleted_b", "most who had rituximab have no B cells yet", changes=_DEPLETED),
    Scenario("transfusion_spikes", "most non-responders rescued, isolated high counts", changes=_RESCUED),
    Scenario(
        "adversarial",
        "all of it at once: each fault with a subject of its own, depleted B cells, rescue, missed visits",
        missing_share=0.1,
        faults=(
            "unit_mix", "wrong_spillover", "aged_blood", "clog", "drift", "swapped_samples", "early_confirmation",
        ),
        changes={**_DEPLETED, "share_rescue_non_responders": 0.5, "share_spike": 0.3},
    ),
)  # fmt: skip
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
