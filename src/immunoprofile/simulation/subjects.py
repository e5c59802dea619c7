"""Who takes part: dose, true response, history, and what makes each person different from the mean.

Doses and the number of responders follow the published trial in proportion: with 18 subjects 3, 3 and 12 by
dose and 0, 2 and 6 responders among them; with 8 subjects 1, 1 and 6, and 4 responders.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

import numpy as np

from immunoprofile.simulation.parameters import Parameters
from immunoprofile.simulation.streams import Purpose, open_stream

TrueResponse = Literal["CR", "R", "NR"]
RescueKind = Literal["none", "platelet_transfusion", "ivig"]

FIRST_MARKERS = (
    "CD45RA", "CD4", "CD8", "CD3", "CD127", "CD45", "CD27", "CD38", "CCR7", "IgD", "CD25", "CD19",
    "CD16+56", "Viability",
)  # fmt: skip
"""Markers whose shifts are drawn with the subject, in this order; each other marker has a stream of its own."""

FIRST_ENROLMENT = datetime.date(2030, 1, 7)
"""In the future, so that nobody takes a simulated subject for a real one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One simulated person, with the truth that the analysis must find.

    Parameters
    ----------
    subject_id, number
        Name in the sheets; number from 1, the key of the subject's random streams.
    dose
        10^6 cells per kg, each of four weekly infusions.
    response
        True best response by platelets.
    deviations : (n_parts,)
        The person's own standard normal deviations, one for each part of the tree of cells.
    treg_z, rise_z
        Standard normal deviations of the change of regulatory T cells and of the platelet rise; correlated.
    marker_shift : (14,)
        Log shift of the brightness of each of `FIRST_MARKERS`; `visits.shifts_of` gives those of any panel.
    rescue
        Kind of rescue that this subject is to receive.
    has_spike
        One isolated count at response level, not confirmed.
    """

    subject_id: str
    number: int
    dose: float
    response: TrueResponse
    first_infusion: datetime.date
    had_rituximab: bool
    b_depleted: bool
    had_splenectomy: bool
    had_tpo_ra: bool
    on_steroids: bool
    rescue: RescueKind
    has_spike: bool
    deviations: tuple[float, ...]
    treg_z: float
    rise_z: float
    marker_shift: tuple[float, ...]

    @property
    def responder(self) -> bool:
        """True for CR and R."""
        return self.response != "NR"


def draw_subjects(p: Parameters, seed: int, n_subjects: int) -> tuple[Subject, ...]:
    """All subjects of a cohort, in order of enrolment (lowest dose first)."""
    rng = open_stream(seed, Purpose.COHORT)
    doses = allocate_doses(p, n_subjects)
    responses = _allocate_responses(p, rng, doses)
    non_responders = [i for i, r in enumerate(responses) if r == "NR"]
    responders = [i for i, r in enumerate(responses) if r != "NR"]
    rituximab = _choose(rng, range(n_subjects), p.share_rituximab * n_subjects)
    rescued = _choose(rng, non_responders, p.share_rescue_non_responders * len(non_responders))
    later = _choose(rng, responders, p.share_rescue_responders * len(responders))
    unrescued = [i for i in non_responders if i not in rescued]
    members = {
        "had_rituximab": rituximab,
        "b_depleted": rituximab[: int(p.share_rituximab_depleted * len(rituximab))],
        "had_splenectomy": _choose(rng, range(n_subjects), p.share_splenectomy * n_subjects),
        "had_tpo_ra": _choose(rng, range(n_subjects), p.share_tpo_ra * n_subjects),
        "on_steroids": _choose(rng, range(n_subjects), p.share_steroids * n_subjects),
        "has_spike": _choose(rng, unrescued, p.share_spike * len(non_responders)),
    }
    kinds: tuple[RescueKind, ...] = ("platelet_transfusion", "ivig")
    rescue: dict[int, RescueKind] = {i: kinds[k % 2] for k, i in enumerate([*rescued, *later])}
    return tuple(
        _draw_one(
            p,
            seed,
            i + 1,
            doses[i],
            responses[i],
            rescue.get(i, "none"),
            {k: i in m for k, m in members.items()},
        )
        for i in range(n_subjects)
    )


def allocate_doses(p: Parameters, n_subjects: int) -> list[float]:
    """Dose of each subject in order of enrolment: a sixth each at the lower two, the rest at the highest."""
    lower = round(n_subjects * p.share_per_lower_dose)
    return [p.doses[0]] * lower + [p.doses[1]] * lower + [p.doses[2]] * (n_subjects - 2 * lower)


def _allocate_responses(p: Parameters, rng: np.random.Generator, doses: list[float]) -> list[TrueResponse]:
    n_responders = round(len(doses) * p.share_responders)
    middle = [i for i, dose in enumerate(doses) if dose == p.doses[1]]
    highest = [i for i, dose in enumerate(doses) if dose == p.doses[2]]
    chosen = _choose(rng, middle, p.share_responders_middle_dose * len(middle))[:n_responders]
    chosen += _choose(rng, highest, n_responders - len(chosen))
    complete = _choose(rng, chosen, p.share_complete * len(chosen))
    return ["CR" if i in complete else "R" if i in chosen else "NR" for i in range(len(doses))]


def _choose(rng: np.random.Generator, among: range | list[int], n: float) -> list[int]:
    """`n` (rounded) of these, in random order; the order is drawn whatever `n` is."""
    order = rng.permutation(np.array(among, dtype=int))
    return [int(i) for i in order[: round(n)]]


def _draw_one(
    p: Parameters,
    seed: int,
    number: int,
    dose: float,
    response: TrueResponse,
    rescue: RescueKind,
    history: dict[str, bool],
) -> Subject:
    rng = open_stream(seed, Purpose.SUBJECT, number)
    treg_z = float(rng.standard_normal())
    rise_z = p.link * treg_z + float(np.sqrt(1 - p.link**2) * rng.standard_normal())
    return Subject(
        subject_id=f"SIM-{number:03d}",
        number=number,
        dose=dose,
        response=response,
        first_infusion=FIRST_ENROLMENT + datetime.timedelta(days=21 * (number - 1)),
        rescue=rescue,
        deviations=tuple(rng.standard_normal(len(p.part_names)).tolist()),
        treg_z=treg_z,
        rise_z=rise_z,
        marker_shift=tuple((p.marker_shift_subject * rng.standard_normal(len(FIRST_MARKERS))).tolist()),
        **history,
    )
