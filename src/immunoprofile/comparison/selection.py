"""Who answers which question: the subjects of one population, with their changes, labels and strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from immunoprofile.comparison.checks import need_columns, numbers, refuse
from immunoprofile.comparison.relabeling import Bools, Floats
from immunoprofile.comparison.shares import Shifts
from immunoprofile.errors import InputError, PairingError, Problem, printable
from immunoprofile.provenance import digest_of_value

CHANGE_NEEDED = (
    "subject_id", "pop_id", "denom_id", "measure", "window", "baseline_value", "post_value", "delta",
    "include_primary",
)  # fmt: skip
"""Columns of a change table that the questions need."""

_SHIFTS = ("delta_log_frac", "delta_log_cells", "delta_log_denom_cells")

_CARRIED = frozenset({"LOW_EVENTS", "LOW_PARENT", "ZERO_COUNTS"})
"""Flags of change rows that a statistic has to show."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What is compared: a population, its denominator and the measure."""

    pop_id: str
    denom_id: str
    measure: str


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The subjects that answer one question, in order of their names.

    Parameters
    ----------
    group : (n,)
        True for responders; None for a question about all.
    n_missing
        Subjects of the change table or the response table that are left out.
    shifts : (n, 3)
        Changes of log fraction, log cells/uL and log cells/uL of the denominator; NaN where unknown.
    note
        Why subjects were left out: each reason with how many it took.
    """

    key: Key
    window: str
    subjects: tuple[str, ...]
    baseline: Floats
    post: Floats
    delta: Floats
    group: Bools | None
    strata: tuple[str, ...] | None
    n_missing: int
    flags: frozenset[str]
    shifts: Floats
    note: str = ""

    def without(self, left_out: int) -> Selection:
        """The same question with one subject left out."""
        kept = [i for i in range(len(self.subjects)) if i != left_out]
        return replace(
            self,
            subjects=tuple(self.subjects[i] for i in kept),
            baseline=self.baseline[kept],
            post=self.post[kept],
            delta=self.delta[kept],
            shifts=self.shifts[kept],
            group=None if self.group is None else self.group[kept],
            strata=None if self.strata is None else tuple(self.strata[i] for i in kept),
        )

    @property
    def moved(self) -> Shifts:
        """Mean shifts of fraction, cells/uL and denominator; of a contrast, responders minus non-responders."""
        known = np.isfinite(self.shifts).all(axis=1)
        groups = [known] if self.group is None else [known & self.group, known & ~self.group]
        if not all(g.any() for g in groups):
            return Shifts(np.nan, np.nan, np.nan)
        means = [self.shifts[g].mean(axis=0) for g in groups]
        total = means[0] if len(means) == 1 else means[0] - means[1]
        return Shifts(*(float(x) for x in total))

    @property
    def digest(self) -> str:
        """SHA-256 of the values, labels and strata used."""
        return digest_of_value(
            {
                "key": [self.key.pop_id, self.key.denom_id, self.key.measure, self.window],
                "subjects": list(self.subjects),
                "values": np.column_stack([self.baseline, self.post, self.delta]).tolist(),
                "responder": None if self.group is None else self.group.tolist(),
                "strata": None if self.strata is None else list(self.strata),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A change table, the response of each subject (NA where unknown) and the strata, checked."""

    change: pd.DataFrame
    responder: dict[str, bool | None] | None
    strata: dict[str, str] | None

    @property
    def keys(self) -> list[Key]:
        """Everything that could be compared, sorted."""
        columns = self.change[["pop_id", "denom_id", "measure"]].drop_duplicates()
        return sorted(Key(*row) for row in columns.itertuples(index=False))

    @property
    def window(self) -> str:
        """The window that all rows share."""
        return str(self.change["window"].iloc[0])

    def select(self, key: Key, *, grouped: bool) -> Selection:
        """The evaluable subjects of a population; with `grouped` those of known response only."""
        rows = self.change[
            (self.change["pop_id"] == key.pop_id)
            & (self.change["denom_id"] == key.denom_id)
            & (self.change["measure"] == key.measure)
        ]
        known = self.responder or {}
        missing = rows[~rows["usable"]]
        used = rows[rows["usable"] & (rows["subject_id"].map(lambda s: known.get(s) is not None) | (not grouped))]
        subjects = tuple(used["subject_id"])
        flags = {code for text in used["flags"] for code in text.split(";")} & _CARRIED
        return Selection(
            key=key,
            window=self.window,
            subjects=subjects,
            baseline=numbers(used, "baseline_value"),
            post=numbers(used, "post_value"),
            delta=numbers(used, "delta"),
            group=np.array([known.get(s) is True for s in subjects], dtype=np.bool_) if grouped else None,
            strata=self._strata(subjects),
            n_missing=len(set(rows["subject_id"]) | set(known)) - len(subjects),
            flags=frozenset(flags),
            shifts=np.column_stack([_optional(used, c) for c in _SHIFTS]),
            note=_left_out(missing, self._elsewhere(set(rows["subject_id"]), grouped=grouped)),
        )

    def _elsewhere(self, seen: set[str], *, grouped: bool) -> dict[str, int]:
        """Reasons that no row of the change table tells, and how many subjects each took."""
        known = self.responder or {}
        unknown = {s for s in known if known[s] is None} if grouped else set()
        return {
            "response not evaluable": len(unknown),
            "not in the response table": len(seen - set(known)) if grouped else 0,
            "without any sample of it": len(set(known) - seen - unknown),
        }

    def _strata(self, subjects: Sequence[str]) -> tuple[str, ...] | None:
        return None if self.strata is None else tuple(self.strata[s] for s in subjects)


def _optional(frame: pd.DataFrame, column: str) -> Floats:
    return numbers(frame, column) if column in frame.columns else np.full(len(frame), np.nan)


def _left_out(missing: pd.DataFrame, elsewhere: Mapping[str, int]) -> str:
    """``left out: 2 no_window, 1 response not evaluable``; empty where nobody was."""
    reasons = (
        missing["exclude_reason"] if "exclude_reason" in missing.columns else pd.Series(["unknown"] * len(missing))
    )
    counts = reasons.astype("string").fillna("unknown").str.replace(";", " and ").value_counts().sort_index()
    told = [f"{n} {reason}" for reason, n in counts.items()]
    told += [f"{n} {reason}" for reason, n in elsewhere.items() if n]
    return f"left out: {', '.join(told)}" if told else ""


def check_evidence(
    change: pd.DataFrame,
    responder: dict[str, bool | None] | None,
    strata: Mapping[str, Any] | None,
) -> Evidence:
    """A change table ready for the questions.

    Raises
    ------
    InputError
        Columns are missing, the table is empty, or a subject has no stratum.
    PairingError
        Several rows of a subject for one population, several windows, or no subject in both tables.
    """
    need_columns(change, CHANGE_NEEDED, "change")
    if change.empty:
        raise InputError("the change table has no rows", remedy="Pair baseline and window first.", code="CHANGE-EMPTY")
    frame = change.assign(**{c: change[c].astype("string") for c in CHANGE_NEEDED[:5]})
    _check_subjects(frame)
    _check_overlap(set(frame["subject_id"]), responder)
    included = frame["include_primary"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    flags = frame["flags"].astype("string").fillna("") if "flags" in frame.columns else ""
    finite = np.isfinite(numbers(frame, "delta"))
    checked = frame.assign(usable=included & finite, flags=flags).sort_values("subject_id", kind="stable")
    known = None if strata is None else _check_strata(checked, strata)
    return Evidence(checked, responder, known)


def _check_subjects(frame: pd.DataFrame) -> None:
    if frame["window"].nunique() > 1:
        raise PairingError(
            "the change table holds several windows", where="column window",
            found=", ".join(printable(w) for w in frame["window"].unique()),
            remedy="Name one window before looking; run each other one by itself.", code="PAIR-WINDOWS",
        )  # fmt: skip
    twice = frame[frame.duplicated(["subject_id", "pop_id", "denom_id", "measure"])]
    problems = [
        Problem(
            f"has several rows of {printable(row['pop_id'])} of {printable(row['denom_id'])}",
            where=f"subject {printable(row['subject_id'])}",
            remedy="Give one change a subject; cells or repeats are not subjects.",
            code="PAIR-DUPLICATE",
        )
        for _, row in twice.iterrows()
    ]
    refuse(problems, PairingError)


def _check_overlap(subjects: set[str], responder: dict[str, bool | None] | None) -> None:
    if responder is not None and not subjects & set(responder):
        raise PairingError(
            "no subject of the change table has a response", where="column subject_id",
            expected=", ".join(printable(s) for s in sorted(subjects)[:3]),
            found=", ".join(printable(s) for s in list(responder)[:3]),
            remedy="Name subjects alike in both tables, leading zeros included.", code="PAIR-SUBJECTS",
        )  # fmt: skip


def _check_strata(frame: pd.DataFrame, strata: Mapping[str, Any]) -> dict[str, str]:
    known = {str(s): str(v) for s, v in strata.items() if not (pd.api.types.is_scalar(v) and pd.isna(v))}
    problems = [
        Problem(
            "has no stratum",
            where=f"subject {printable(s)}",
            remedy="Give every analysed subject a stratum, or analyse without strata.",
            code="STRATUM-MISSING",
        )
        for s in dict.fromkeys(frame["subject_id"][frame["usable"]])
        if s not in known
    ]
    refuse(problems, InputError)
    return known
