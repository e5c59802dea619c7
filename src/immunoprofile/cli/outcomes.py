"""How a run can end, as exit codes: the one place that maps errors to them."""

from __future__ import annotations

from enum import IntEnum

from immunoprofile.errors import ImmunoprofileError, OutputError


class Outcome(IntEnum):
    """Exit codes; other programs rely on them."""

    DONE = 0
    BUG = 1
    REFUSED = 2
    """Arguments, study, sheet or template are wrong, or a folder is taken or locked: nothing was done."""
    PARTIAL = 3
    """Finished, but some files, samples or subjects failed; they are listed."""
    FLAGGED = 4
    """Finished without failures, and ``--fail-on-flag`` found a flag; they are listed."""
    TEST_FAILED = 5
    """A template does not do what its tests say."""
    UNFINISHED = 6
    """Could not finish (disk full, no permission): mend that and run again."""
    DIFFERENT = 7
    """What was verified, run again or tested is not what it should be; the differences are listed."""
    INTERRUPTED = 130


_TAKEN = frozenset({"OUTPUT-EXISTS", "OUTPUT-LOCKED"})
"""Codes of an `OutputError` that is found before anything is done."""


def outcome_of(error: ImmunoprofileError) -> Outcome:
    """The exit code of an error that ends a run."""
    unfinished = isinstance(error, OutputError) and error.code not in _TAKEN
    return Outcome.UNFINISHED if unfinished else Outcome.REFUSED
