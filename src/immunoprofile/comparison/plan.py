"""What was decided before looking, and what is known of the subjects beside their cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from immunoprofile.comparison.checks import need_columns, numbers
from immunoprofile.comparison.responders import read_responders
from immunoprofile.errors import InputError, StudyError
from immunoprofile.platelets import check_subjects, check_treatments

LANDMARK_DAY = 28
"""Last day of a covariate in the landmark analysis: the end of dosing at week 4 (analysis plan, 1.9)."""

RESPONSE_DAY = 84
"""Day to which response is judged: the assessment window of IWG 2009 as the rule file sets it (week 12)."""

RECENT_RITUXIMAB_DAYS = 183
"""Rituximab this near before the first infusion is recent: B cells stay depleted for about six months."""

PLANNED_INFUSIONS = 4
"""Infusions of the protocol (trial NCT04014166)."""

_CHANGES = frozenset({"start", "increase", "decrease", "stop"})


@dataclass(frozen=True, slots=True)
class Plan:
    """The analysis plan.

    Parameters
    ----------
    baseline, window
        Visit before treatment; visits after it whose mean is compared.
    primary, secondary
        Mappings of pop_id, denom_id and measure; secondary ones are key secondaries, adjusted by Holm.
    ratios
        Mappings of numerator and denominator (pop_ids of one tube): exploratory log-ratios.
    partitions
        Name of a closed whole to the pop_ids of its parts.
    panels
        Order of panels where several give one population.
    strata
        Columns of the subjects sheet within which labels move.
    sensitivity
        False leaves out the sensitivity analyses, which the plan always asks for.
    hierarchy
        Population to its parent population: asks for Meinshausen's hierarchy over the exploratory family.
    predict
        Asks how well response can be predicted from the baseline of all populations; never done unasked.
    """

    baseline: str
    window: tuple[str, ...]
    primary: tuple[Mapping[str, str], ...]
    secondary: tuple[Mapping[str, str], ...] = ()
    ratios: tuple[Mapping[str, str], ...] = ()
    partitions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    measure: str = "logit_frac"
    panels: tuple[str, ...] | None = None
    definition: str | None = None
    seed: int = 0
    landmark_day: int = LANDMARK_DAY
    response_day: int = RESPONSE_DAY
    recent_rituximab_days: int = RECENT_RITUXIMAB_DAYS
    infusions: int = PLANNED_INFUSIONS
    sensitivity: bool = True
    hierarchy: Mapping[str, str] | None = None
    predict: bool = False


@dataclass(frozen=True, slots=True)
class Medicine:
    """One treatment beside the study's: days from and to, what, why, and whether it was changed."""

    day: int
    end_day: int | None
    kind: str
    role: str
    change: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of the subjects beside their cells; None where nobody said.

    Parameters
    ----------
    response, counts
        Tables `response` (all definitions) and `response_counts`.
    medicines
        Subject to treatments; a subject without any has an empty tuple.
    n_infusions, dose
        Subject to number of infusions, and to dose where it is a number.
    strata, batches
        Subject to stratum; sample_id to batch.
    """

    response: pd.DataFrame | None = None
    counts: pd.DataFrame | None = None
    medicines: Mapping[str, tuple[Medicine, ...]] | None = None
    n_infusions: Mapping[str, int] | None = None
    dose: Mapping[str, float] | None = None
    strata: Mapping[str, str] | None = None
    batches: Mapping[str, str] | None = None

    def responders(self, definition: str | None) -> tuple[dict[str, bool | None] | None, str | None]:
        """Who responded under a definition, and its name; None without a response table."""
        return (None, definition) if self.response is None else read_responders(self.response, definition)

    def own_response(self, definition: str | None) -> pd.DataFrame:
        """The rows of one definition by subject; empty where there is no response table."""
        if self.response is None:
            return pd.DataFrame()
        rows = self.response
        if "definition_id" in rows.columns and definition is not None:
            rows = rows[(rows["definition_id"] == definition).fillna(False)]
        return rows.assign(subject_id=rows["subject_id"].astype(str)).set_index("subject_id")

    def first_rescue(self, definition: str | None) -> dict[str, float] | None:
        """Subject to day of the first rescue; None where nobody recorded rescue."""
        own = self.own_response(definition)
        if "first_rescue_day" not in own.columns:
            return None
        return {str(s): float(d) for s, d in own["first_rescue_day"].items() if not pd.isna(d)}


def read_facts(
    subjects: pd.DataFrame | None,
    treatments: pd.DataFrame | None,
    *,
    response: pd.DataFrame | None = None,
    counts: pd.DataFrame | None = None,
    strata: Mapping[str, str] | None = None,
    batches: Mapping[str, str] | None = None,
) -> Facts:
    """Facts from the sheets of a study.

    Raises
    ------
    StudyError
        A sheet has problems: all of them.
    """
    if subjects is None:
        if treatments is not None:
            raise InputError(
                "treatments are given without the subjects", where="treatments",
                remedy="Give the subjects sheet as well: days count from the first infusion.", code="FACTS-SUBJECTS",
            )  # fmt: skip
        return Facts(response, counts, strata=strata, batches=batches)
    known, problems = check_subjects(subjects, "subjects")
    medicines: dict[str, tuple[Medicine, ...]] | None = None
    if treatments is not None:
        rows, found = check_treatments(treatments, known, "treatments")
        problems = problems + found
        given: dict[str, list[Medicine]] = {name: [] for name in known}
        for t in rows:
            given[t.subject_id].append(Medicine(t.day, t.end_day, t.kind, t.role, t.change))
        medicines = {name: tuple(listed) for name, listed in given.items()}
    if problems:
        raise StudyError.of(problems)
    infusions = {name: len(s.infusion_days) for name, s in known.items() if s.infusion_days}
    return Facts(response, counts, medicines, infusions or None, _doses(subjects), strata, batches)


def recent_rituximab(facts: Facts, days: int) -> set[str] | None:
    """Subjects with rituximab within so many days before the first infusion; None where nobody recorded it."""
    if facts.medicines is None:
        return None
    return {
        s for s, given in facts.medicines.items() for m in given
        if m.kind == "rituximab" and m.day < 0 and (m.day if m.end_day is None else min(m.end_day, 0)) >= -days
    }  # fmt: skip


def unstable_concomitants(facts: Facts, last_day: float) -> set[str] | None:
    """Subjects whose concomitant treatment was started, changed or stopped from day 0 to a day."""
    if facts.medicines is None:
        return None

    def changed(m: Medicine) -> bool:
        started = m.change in _CHANGES and 0 <= m.day <= last_day
        ended = m.end_day is not None and 0 <= m.end_day <= last_day
        return m.role == "concomitant" and (started or ended)

    return {s for s, given in facts.medicines.items() if any(changed(m) for m in given)}


def _doses(subjects: pd.DataFrame) -> dict[str, float] | None:
    if "dose" not in subjects.columns:
        return None
    need_columns(subjects, ("subject_id", "dose"), "subjects")
    try:
        values = numbers(subjects, "dose")
    except InputError:
        # Doses in words have no order that could be taken for granted.
        return None
    known: dict[str, Any] = dict(zip(subjects["subject_id"].astype(str), values, strict=True))
    return {s: float(d) for s, d in known.items() if math.isfinite(d)} or None
