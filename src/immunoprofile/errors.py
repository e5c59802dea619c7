"""Everything that can go wrong on purpose, drawn once.

::

    ImmunoprofileError
    ├── InputError                  what was given cannot be used
    │   ├── FcsError                an FCS file
    │   │   ├── FcsFormatError      its bytes contradict the standard or each other
    │   │   ├── FcsTruncatedError   it ends before its data does
    │   │   ├── FcsUnsupportedError it is valid but of a kind that is not read here
    │   │   ├── FcsLimitError       it declares more than any real file needs
    │   │   └── FcsAccessError      missing, no permission, or not a regular file
    │   ├── PanelMismatchError      a template asks for a marker that the file lacks
    │   ├── StudyError              study.toml or one of its sheets
    │   ├── SpilloverError          a spillover matrix
    │   ├── TemplateSyntaxError     a template is not TOML or XML, or has the wrong shape
    │   └── TemplateInvalidError    a template has the right shape and makes no sense
    ├── AnalysisError               an analysis that would mislead
    │   ├── PairingError            before and after do not pair
    │   └── InsufficientDataError   too few subjects for the question
    └── OutputError                 disk full, locked, or it would overwrite

Each error carries one or more `Problem` values; the message is built from them here and nowhere else:
``file: place: what is wrong. What to do.``
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath

# C0, DEL, C1, bidirectional overrides and zero-width characters: text from files must not drive a terminal.
_UNSAFE = {
    *range(0x20),
    *range(0x7F, 0xA0),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x206A),
    0xFEFF,
}


def printable(text: object, limit: int = 200) -> str:
    """Text from a file made safe to print: control characters as escapes, cut at `limit` characters."""
    safe = str(text)[: limit + 1]
    # Nearly all text is plain, and is asked about cell by cell; Python calls none of the unsafe characters printable.
    if not safe.isprintable():
        safe = "".join(_escape(c) if ord(c) in _UNSAFE else c for c in safe)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def closest(name: str, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean "CD4+"? Known: "CD3+", "CD4+".`` for a name that was not found."""
    names = list(dict.fromkeys(known))
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    hint = f'Did you mean "{printable(folded[near[0]])}"? ' if near else ""
    shown = ", ".join(f'"{printable(n)}"' for n in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{hint}Known: {shown}{more}." if names else f"{hint}Nothing is known by a name here."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what to do about it.

    Parameters
    ----------
    what
        The sentence that says what is wrong, without a full stop.
    path, where
        File, and place in it (``row 12``, ``gate[3].parent``, ``byte 58``).
    expected, found
        What should stand there and what does, for programs.
    remedy
        What a person can do, a whole sentence.
    code
        Stable, for programs; documented.
    """

    what: str
    path: str | None = None
    where: str | None = None
    expected: str | None = None
    found: str | None = None
    remedy: str | None = None
    code: str = "INPUT"

    def __str__(self) -> str:
        places = [printable(p, 400) for p in (self.path, self.where) if p]
        sentence = ": ".join([*places, self.what.rstrip(".")]) + "."
        return f"{sentence} {self.remedy}" if self.remedy else sentence


class ImmunoprofileError(Exception):
    """The root: whatever the program refuses on purpose is one of these."""

    default_code = "ERROR"

    def __init__(
        self,
        what: str,
        *,
        path: str | PathLike[str] | None = None,
        where: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        remedy: str | None = None,
        code: str | None = None,
    ) -> None:
        file = None if path is None else fspath(path)
        problem = Problem(what, file, where, expected, found, remedy, code or self.default_code)
        self.problems: tuple[Problem, ...] = (problem,)
        super().__init__(str(problem))

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ImmunoprofileError:
        """One error that reports several problems at once, in their order."""
        if not problems:
            raise ValueError("an error needs at least one problem")
        error = cls(problems[0].what)
        error.problems = tuple(problems)
        error.args = ("\n".join(str(p) for p in problems),)
        return error

    @property
    def path(self) -> str | None:
        """The file concerned (of the first problem)."""
        return self.problems[0].path

    @property
    def where(self) -> str | None:
        """The place in the file (of the first problem)."""
        return self.problems[0].where

    @property
    def expected(self) -> str | None:
        """What should stand there."""
        return self.problems[0].expected

    @property
    def found(self) -> str | None:
        """What stands there."""
        return self.problems[0].found

    @property
    def remedy(self) -> str | None:
        """What a person can do."""
        return self.problems[0].remedy

    @property
    def code(self) -> str:
        """The stable code of the first problem."""
        return self.problems[0].code

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.problems))


def _rebuild(kind: type[ImmunoprofileError], problems: tuple[Problem, ...]) -> ImmunoprofileError:
    """Unpickle an error in another process with all its problems."""
    return kind.of(problems)


class InputError(ImmunoprofileError):
    """What was given cannot be used."""

    default_code = "INPUT"


class FcsError(InputError):
    """An FCS file cannot be read with certainty."""

    default_code = "FCS"


class FcsFormatError(FcsError):
    """The bytes of an FCS file contradict the standard or each other."""

    default_code = "FCS-FORMAT"


class FcsTruncatedError(FcsError):
    """An FCS file ends before its data does."""

    default_code = "FCS-TRUNCATED"


class FcsUnsupportedError(FcsError):
    """An FCS file is valid but of a kind that this call does not read."""

    default_code = "FCS-UNSUPPORTED"


class FcsLimitError(FcsError):
    """An FCS file declares more than any real file needs."""

    default_code = "FCS-LIMIT"


class FcsAccessError(FcsError):
    """An FCS file is missing, may not be read, or is not a regular file."""

    default_code = "FCS-ACCESS"


class PanelMismatchError(InputError):
    """A template asks for a marker or detector that the file lacks."""

    default_code = "PANEL-MISMATCH"


class StudyError(InputError):
    """study.toml, or one of its sheets, cannot be used."""

    default_code = "STUDY"


class SpilloverError(InputError):
    """A spillover matrix cannot be used."""

    default_code = "SPILLOVER"


class TemplateSyntaxError(InputError):
    """A template is not TOML or XML, or has the wrong shape."""

    default_code = "TEMPLATE-SYNTAX"


class TemplateInvalidError(InputError):
    """A template has the right shape and makes no sense."""

    default_code = "TEMPLATE-INVALID"


class AnalysisError(ImmunoprofileError):
    """An analysis that would mislead is refused."""

    default_code = "ANALYSIS"


class PairingError(AnalysisError):
    """Before and after do not pair."""

    default_code = "PAIRING"


class InsufficientDataError(AnalysisError):
    """Too few subjects for the question."""

    default_code = "INSUFFICIENT-DATA"


class OutputError(ImmunoprofileError):
    """A result cannot be written: disk full, locked, or it would overwrite."""

    default_code = "OUTPUT"
