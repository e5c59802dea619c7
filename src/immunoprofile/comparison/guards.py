"""What this room refuses, and says so: each refusal is an error with a remedy, never a number.

Cells as replicates and mixed denominators are refused where tables are read (`change`, `readings`,
`selection`), too few subjects where tests begin (`answer`), change against baseline in `correlation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from immunoprofile.errors import AnalysisError, PairingError, Problem, printable


def check_unpaired(first: Iterable[str], second: Iterable[str]) -> None:
    """Refuse a comparison of two groups that share subjects.

    Raises
    ------
    PairingError
    """
    both = sorted(set(first) & set(second))
    if both:
        listed = ", ".join(printable(s) for s in both[:3])
        raise PairingError(
            f"{len(both)} subjects are in both groups (the first: {listed})",
            where="groups",
            remedy="Samples of one subject are paired: compare changes instead.",
            code="UNPAIRED-ON-PAIRS",
        )


def check_one_denominator(denominators: Iterable[str]) -> None:
    """Refuse a contrast whose fractions have different denominators.

    Raises
    ------
    PairingError
    """
    names = sorted(set(denominators))
    if len(names) > 1:
        raise PairingError(
            f"fractions of {' and of '.join(printable(n) for n in names)} cannot stand in one contrast",
            where="column denom_id",
            expected="one denominator",
            found=", ".join(printable(n) for n in names),
            remedy="Name the denominator.",
            code="MIXED-DENOMINATORS",
        )


def check_before_response(
    sample_days: Mapping[str, float], onset_days: Mapping[str, float], *, landmark_day: float | None = None
) -> None:
    """Refuse a predictor that was measured when the response was already there.

    Parameters
    ----------
    sample_days
        Subject to the day of the sample that the predictor comes from.
    onset_days
        Subject to the day of onset of response; responders only.
    landmark_day
        With a landmark, samples after it are refused and responses by then must have been left out.

    Raises
    ------
    AnalysisError
        All such subjects.
    """

    def late(subject: str) -> bool:
        onset, day = onset_days.get(subject, math.inf), sample_days[subject]
        if landmark_day is not None:
            return day > landmark_day or onset <= landmark_day
        return day > 0 and day >= onset

    problems = [
        Problem(
            f"predictor of day {sample_days[s]:g} against a response of day {onset_days.get(s, math.nan):g}",
            where=f"subject {printable(s)}",
            remedy="Use the baseline, or a landmark: subjects without response by a day, values up to it.",
            code="PREDICTOR-AFTER-RESPONSE",
        )
        for s in sorted(sample_days)
        if late(s)
    ]
    if problems:
        raise AnalysisError.of(problems)


def check_held_out(fitted_on: Sequence[str], scored: Sequence[str]) -> None:
    """Refuse an area under the curve of subjects whom the score was chosen or fitted on.

    Raises
    ------
    AnalysisError
    """
    seen = sorted(set(fitted_on) & set(scored))
    if seen:
        raise AnalysisError(
            f"{len(seen)} subjects were used to choose or fit the score that is judged on them",
            where="prediction",
            remedy="Use predict_response(), which selects and fits inside every fold.",
            code="NOT-HELD-OUT",
        )
