"""Traces of persons, times and places in any text: dates, mail addresses, paths, this run's user and machine."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_ROOTS = "home|Users|root|mnt|media|data|srv|tmp|work|var|opt|nfs|net|Volumes|scratch"
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    # Begun once a word and not once a letter: a picture in a page is a word of a million letters.
    ("person", re.compile(r"(?<![\w.+-])[\w.+-]{2,}@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")),
    ("time", re.compile(r"(?<!\d)(?<!\d\.)(?:19|20)\d\d[-/._]?(?:0[1-9]|1[0-2])[-/._]?(?:0[1-9]|[12]\d|3[01])(?!\d)")),
    ("time", re.compile(r"(?<!\d)(?:0?[1-9]|[12]\d|3[01])[-/._](?:0?[1-9]|1[0-2])[-/._](?:19|20)\d\d(?!\d)")),
    ("time", re.compile(rf"(?<!\d){_DAY}[-/. ]?(?:{_MONTHS})[a-z]*[-/. ,]*(?:19|20)\d\d", re.IGNORECASE)),
    ("place", re.compile(rf"(?<![\w:/.<~])/(?:{_ROOTS})/[^\s\"',;<>|]+")),
    ("place", re.compile(r"\b[A-Za-z]:\\{1,2}[^\s\"',;<>|]+")),
    ("place", re.compile(r"\\\\[\w.-]+\\[^\s\"',;<>|]+")),
)
"""Dates written year first, day first or with the month's name; addresses; absolute paths of three systems."""


_NO_TRACE = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16,}(?![0-9A-Za-z])|www\.w3\.org/\d{4}/\d\d/\d\d")
"""Among a thousand digests some hold the digits of a date, and the names of XML's vocabularies hold one."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found in a text: the first of its pattern, how many there are, and how many different ones."""

    kind: str
    value: str
    n: int
    n_values: int = 1


def traces_of(text: str) -> Iterator[Trace]:
    """The first trace of each pattern in a text, with how often the pattern is found."""
    plain = _NO_TRACE.sub("", text)
    for kind, pattern in (*_PATTERNS, *_of_this_machine()):
        found = pattern.findall(plain)
        if found:
            yield Trace(kind, found[0], len(found), len(set(found)))


@cache
def _of_this_machine() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The names of who runs this, and where; short ones would be found in any text."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    named = (("person", user), ("machine", socket.gethostname()))
    usual = {"root", "user", "admin", "localhost"}
    return tuple(
        (kind, re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"))
        for kind, name in named
        if len(name) > 3 and name not in usual
    )
