"""Mistakes put into the sheets on purpose, so that the program can show that it sees them.

Each function takes sheets and returns the changed sheets with a line of truth: what was done to what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from immunoprofile.errors import InputError
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.trial import Trial

Sheets = dict[str, list[Row]]
_COUNT = "platelets_1e9_per_l"
EARLY_DAYS = (28, 34)
"""Two counts at response level six days apart; confirmation asks for seven."""


def apply_faults(trial: Trial, sheets: Mapping[str, list[Row]]) -> tuple[Sheets, list[Row]]:
    """The sheets with the scenario's faults in them, and what was done as rows of item and what.

    Raises
    ------
    InputError
        The cohort is too small for a fault.
    """
    changed, notes = dict(sheets), list[Row]()
    for i, fault in enumerate(trial.scenario.faults):
        if fault in _IN_SHEETS:
            changed, more = _IN_SHEETS[fault](dict(changed), trial, i)
            notes += more
    return changed, notes


def _swap_samples(sheets: Sheets, trial: Trial, turn: int) -> tuple[Sheets, list[Row]]:
    patients = [r for r in sheets["samples"] if r["subject_id"] and r["panel"] == trial.panels[0].id]
    last = max(int(r["day"]) for r in patients)
    of_last = [r for r in patients if int(r["day"]) == last]
    pair = of_last[turn : turn + 2] if turn + 2 <= len(of_last) else of_last[-2:]
    if len(pair) < 2:
        raise InputError(
            "swapped_samples needs two subjects with a sample at the last visit",
            where="n_subjects",
            remedy="Simulate four subjects or more.",
            code="SIMULATE-OPTION",
        )
    files = {pair[0]["sample_id"]: pair[1]["file"], pair[1]["sample_id"]: pair[0]["file"]}
    sheets["samples"] = [{**r, "file": files.get(r["sample_id"], r["file"])} for r in sheets["samples"]]
    return sheets, [_note(item, f"points to {file}") for item, file in files.items()]


def _mix_units(sheets: Sheets, trial: Trial, turn: int) -> tuple[Sheets, list[Row]]:
    subject_id = _subject_of(trial, turn)

    def per_microlitre(row: Row) -> Row:
        count = row[_COUNT]
        return {**row, _COUNT: f"{count}000"} if row["subject_id"] == subject_id else row

    sheets["platelets"] = [per_microlitre(r) for r in sheets["platelets"]]
    return sheets, [_note(subject_id, "platelets are per microlitre in a column of 10^9/L")]


def _subject_of(trial: Trial, turn: int) -> str:
    return trial.subjects[turn % len(trial.subjects)].subject_id


def _drop_baseline(sheets: Sheets, trial: Trial, turn: int) -> tuple[Sheets, list[Row]]:
    subject_id = _subject_of(trial, turn)
    sheets["platelets"] = [r for r in sheets["platelets"] if r["subject_id"] != subject_id or int(r["day"]) > 0]
    return sheets, [_note(subject_id, "no platelet count before treatment")]


def _confirm_early(sheets: Sheets, trial: Trial, turn: int) -> tuple[Sheets, list[Row]]:
    """A non-responder, best without rescue or spike, is at response level on days 28 and 34 only."""
    pairs = [(s, c) for s, c in zip(trial.subjects, trial.courses, strict=True) if not s.responder]
    if not pairs:
        raise InputError(
            "early_confirmation needs a subject who does not respond", where="n_subjects",
            remedy="Simulate more subjects, or lower share_responders.", code="SIMULATE-OPTION",
        )  # fmt: skip
    quiet_ones = [x for x in pairs if x[0].rescue == "none" and not x[0].has_spike and x[0].number > turn]
    subject, course = [*quiet_ones, pairs[-1]][0]
    shown = {"subject_id": subject.subject_id, _COUNT: str(math.ceil(course.threshold * 1.3))}
    kept = [r for r in sheets["platelets"] if r["subject_id"] != subject.subject_id or int(r["day"]) != EARLY_DAYS[0]]
    added = [{**shown, "day": str(day), "predose": "FALSE", "clumped": "FALSE"} for day in EARLY_DAYS]
    calm = {"subject_id": subject.subject_id, "scale": "WHO", "grade": "0"}
    quiet = [
        r
        for r in sheets["bleeding"]
        if r["subject_id"] != subject.subject_id or not EARLY_DAYS[0] - 3 <= int(r["day"]) <= EARLY_DAYS[1]
    ]
    sheets["platelets"] = sorted([*kept, *added], key=_place)
    sheets["bleeding"] = sorted([*quiet, *({**calm, "day": str(day)} for day in EARLY_DAYS)], key=_place)
    return sheets, [_note(subject.subject_id, "response level on days 28 and 34 only: not confirmed")]


def _place(row: Row) -> tuple[str, int]:
    return row["subject_id"], int(row["day"])


def _note(item: str, what: str) -> Row:
    return {"item": item, "what": what}


_IN_SHEETS: Mapping[str, Callable[[Sheets, Trial, int], tuple[Sheets, list[Row]]]] = {
    "swapped_samples": _swap_samples,
    "unit_mix": _mix_units,
    "no_baseline": _drop_baseline,
    "early_confirmation": _confirm_early,
}
"""The faults of sheets; the others befall tubes (`visits.faults_of`)."""
