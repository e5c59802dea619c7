"""Who takes part: dose, true response, history, and what makes each person different from the mean.

Doses and the number of responders follow the published trial in proportion: with 18 subjects 3, 3 and 12 by
dose and 0, 2 and 6 responders among them; with 8 subjects 1, 1 and 6, and 4 responders.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

import numpy as np

from immunoprofile.simulation import parameters as p
from immunoprofile.simulation.panel import MARKERS
from immunoprofile.simulation.streams import Purpose, open_stream

TrueResponse = Literal["CR", "R", "NR"]
RescueKind = Literal["none", "platelet_transfusion", "ivig"]

_FIRST_ENROLMENT = datetime.date(2030, 1, 7)
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
    deviations : (N_PARTS,)
        The person's own standard normal deviations, one for each part of the tree of cells.
    treg_z, rise_z
        Standard normal deviations of the change of regulatory T cells and of the platelet rise; correlated.
    marker_shift : (14,)
        Log shift of the brightness of each marker.
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


def draw_subjects(seed: int, n_subjects: int) -> tuple[Subject, ...]:
    """All subjects of a cohort, in order of enrolment (lowest dose first)."""
    rng = open_stream(seed, Purpose.COHORT)
    doses = allocate_doses(n_subjects)
    responses = _allocate_responses(rng, doses)
    non_responders = [i for i, r in enumerate(responses) if r == "NR"]
    responders = [i for i, r in enumerate(responses) if r != "NR"]
    rituximab = _choose(rng, range(n_subjects), p.SHARE_RITUXIMAB * n_subjects)
    rescued = _choose(rng, non_responders, p.SHARE_RESCUE_NON_RESPONDERS * len(non_responders))
    later = _choose(rng, responders, p.SHARE_RESCUE_RESPONDERS * len(responders))
    unrescued = [i for i in non_responders if i not in rescued]
    members = {
        "had_rituximab": rituximab,
        "b_depleted": rituximab[: int(p.SHARE_RITUXIMAB_DEPLETED * len(rituximab))],
        "had_splenectomy": _choose(rng, range(n_subjects), p.SHARE_SPLENECTOMY * n_subjects),
        "had_tpo_ra": _choose(rng, range(n_subjects), p.SHARE_TPO_RA * n_subjects),
        "on_steroids": _choose(rng, range(n_subjects), p.SHARE_STEROIDS * n_subjects),
        "has_spike": _choose(rng, unrescued, p.SHARE_SPIKE * len(non_responders)),
    }
    kinds: tuple[RescueKind, ...] = ("platelet_transfusion", "ivig")
    rescue: dict[int, RescueKind] = {i: kinds[k % 2] for k, i in enumerate([*rescued, *later])}
    return tuple(
        _draw_one(
            seed,
            i + 1,
            doses[i],
            responses[i],
            rescue.get(i, "none"),
            {k: i in m for k, m in members.items()},
        )
        for i in range(n_subjects)
    )


def allocate_doses(n_subjects: int) -> list[float]:
    """Dose of each subject in order of enrolment: a sixth each at the lower two, the rest at the highest."""
    lower = round(n_subjects * p.SHARE_PER_LOWER_DOSE)
    return [p.DOSES[0]] * lower + [p.DOSES[1]] * lower + [p.DOSES[2]] * (n_subjects - 2 * lower)


def _allocate_responses(rng: np.random.Generator, doses: list[float]) -> list[TrueResponse]:
    n_responders = round(len(doses) * p.SHARE_RESPONDERS)
    middle = [i for i, dose in enumerate(doses) if dose == p.DOSES[1]]
    highest = [i for i, dose in enumerate(doses) if dose == p.DOSES[2]]
    chosen = _choose(rng, middle, p.SHARE_RESPONDERS_MIDDLE_DOSE * len(middle))[:n_responders]
    chosen += _choose(rng, highest, n_responders - len(chosen))
    complete = _choose(rng, chosen, p.SHARE_COMPLETE * len(chosen))
    return ["CR" if i in complete else "R" if i in chosen else "NR" for i in range(len(doses))]


def _choose(rng: np.random.Generator, among: range | list[int], n: float) -> list[int]:
    """`n` (rounded) of these, in random order; the order is drawn whatever `n` is."""
    order = rng.permutation(np.array(among, dtype=int))
    return [int(i) for i in order[: round(n)]]


def _draw_one(
    seed: int, number: int, dose: float, response: TrueResponse, rescue: RescueKind, history: dict[str, bool]
) -> Subject:
    rng = open_stream(seed, Purpose.SUBJECT, number)
    treg_z = float(rng.standard_normal())
    rise_z = p.LINK * treg_z + float(np.sqrt(1 - p.LINK**2) * rng.standard_normal())
    return Subject(
        subject_id=f"SIM-{number:03d}",
        number=number,
        dose=dose,
        response=response,
        first_infusion=_FIRST_ENROLMENT + datetime.timedelta(days=21 * (number - 1)),
        rescue=rescue,
        deviations=tuple(rng.standard_normal(p.N_PARTS).tolist()),
        treg_z=treg_z,
        rise_z=rise_z,
        marker_shift=tuple((p.MARKER_SHIFT_SUBJECT * rng.standard_normal(len(MARKERS))).tolist()),
        **history,
    )
