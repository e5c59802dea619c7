"""Noticing: what was odd while a file was read, where it stands, and what strictness makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from immunoprofile.errors import FcsError, FcsFormatError, printable
from immunoprofile.fcs.catalogue import ERRORS, FINDINGS, Severity

_HEADER_DATA = 26  # where HEADER places DATA
_LISTED_PER_CODE = 20  # a file with a million duplicates must not become a million findings


class Strictness(Enum):
    """What a reader does with a file that departs from the standard."""

    REPORT = "report"
    """Read what can be read with certainty, and list every departure as a finding."""
    STRICT = "strict"
    """Refuse at the first finding that is a warning or worse."""
    SALVAGE = "salvage"
    """As REPORT, and keep the whole events of a file that was cut short."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity of a file: a stable code, how much it weighs, where it is, and a sentence about it."""

    code: str
    severity: Severity
    where: str
    message: str


def quote(text: bytes | str) -> str:
    """Text from a file in quotes, safe to print and at most 60 characters long."""
    shown = text.decode("latin-1") if isinstance(text, bytes) else text
    return f'"{printable(shown, 60)}"'


@dataclass(slots=True)
class Inspection:
    """What is noticed while one data set of one file is read.

    Parameters
    ----------
    path
        The file, as it will stand in messages.
    strictness
        Decides whether a finding stops the reading.
    dataset
        Number of the data set, from 1; named in places from the second on.
    text, text_begin
        TEXT once it is read, and its first byte: so that an error about a keyword can say at which byte it stands.
    """

    path: str
    strictness: Strictness
    dataset: int = 1
    text: bytes = b""
    text_begin: int = 0
    _findings: list[Finding] = field(default_factory=list)
    _listed: dict[str, int] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, in the order in which the file was read."""
        return tuple(self._findings)

    @property
    def n_noted(self) -> int:
        """How often something was noted, those that are not listed among it."""
        return sum(self._listed.values())

    def note(self, code: str, where: str, message: str) -> None:
        """Keep a finding; under STRICT refuse the file where it is a warning or worse."""
        severity = FINDINGS[code][0]
        if self.strictness is Strictness.STRICT and severity != "info":
            raise FcsFormatError(
                message,
                path=self.path,
                where=self._place(self._at_byte(where)),
                remedy="Read with strictness REPORT to keep the events beside this finding.",
                code=code,
            )
        count = self._listed[code] = self._listed.get(code, 0) + 1
        if count < _LISTED_PER_CODE:
            self._findings.append(Finding(code, severity, self._place(where), message))
        elif count == _LISTED_PER_CODE:
            more = "more findings of this kind follow and are not listed"
            self._findings.append(Finding(code, severity, self._place(where), more))

    def error(
        self, code: str, where: str, what: str, *, expected: str | None = None, found: str | None = None
    ) -> FcsError:
        """The error of a code, to be raised: class and remedy come from the catalogue."""
        kind, _, remedy = ERRORS[code]
        return kind(
            what,
            path=self.path,
            where=self._place(self._at_byte(where)),
            expected=expected,
            found=None if found is None else printable(found),
            remedy=remedy,
            code=code,
        )

    def _at_byte(self, where: str) -> str:
        """A place with the byte at which it stands, counted from the first byte of the data set."""
        if where.startswith(("byte ", "file", "channel ")):
            return where
        if where == "DATA":
            return f"byte {_HEADER_DATA}, {where}"
        key = where.strip('"').encode("utf-8", "replace").upper()
        delimiter = self.text[:1]
        found = self.text.upper().find(delimiter + key + delimiter) + 1 if delimiter else 0
        return f"byte {self.text_begin + found}, {where}"

    def _place(self, where: str) -> str:
        return where if self.dataset == 1 else f"data set {self.dataset}: {where}"
