"""Flags that end a run with an exit code of their own, where that is asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from immunoprofile.cli.console import complain
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.cohort import Results

_NOTICED = ("warn", "fail")


def outcome_with_flags(results: Results, *, fail_on_flag: bool) -> Outcome:
    """How a run ended: failures before flags, and flags only where they were asked about; they are listed then."""
    flags = count_flags(results) if fail_on_flag else {}
    if flags:
        listed = ", ".join(f"{printable(code, 60)} ({samples})" for code, samples in sorted(flags.items()))
        complain(f"Flags, with the number of samples that carry them: {listed}.")
    if not results.failures.empty:
        return Outcome.PARTIAL
    return Outcome.FLAGGED if flags else Outcome.DONE


def count_flags(results: Results) -> dict[str, int]:
    """Samples that carry each flag: of a row of `populations`, or of a check that warned or failed."""
    rows = results.populations[["sample_id", "flags"]].dropna().drop_duplicates()
    found = {
        (str(sample), code)
        for sample, text in zip(rows["sample_id"], rows["flags"], strict=True)
        for code in str(text).split(";")
    }
    checks = results.samples_qc[results.samples_qc["level"].isin(_NOTICED)][["sample_id", "flag"]].dropna()
    found |= {(str(sample), str(code)) for sample, code in zip(checks["sample_id"], checks["flag"], strict=True)}
    return dict(Counter(code for _, code in found if code))
