"""The zoo: files of every rule of the FCS standard and of every way known to break it, each with its truth.

A *valid* file must be read exactly, without a warning; a *broken* one exactly, with a finding that names what is
broken; a *malformed* one must be refused. Files are the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from immunoprofile.errors import FcsError
from immunoprofile.fcs import Events, read_fcs_datasets
from immunoprofile.selftest.blueprint import Blueprint, Event

Kind = Literal["valid", "broken", "malformed"]

# 10**(f1*x/R)*f2 in two libraries: a few operations, each within an ulp or two.
_LINEAR_RTOL = 1e-12


@dataclass(frozen=True, slots=True)
class ZooFile:
    """One file and what a reader must make of it.

    Parameters
    ----------
    rule
        The rule that it shows.
    truth
        Events of each data set as stored, bits that do not count left out; none for a malformed file.
    codes
        Findings that a broken file must give; codes of the refusal of a malformed one.
    linear
        Scale values of the first data set, where the file is about them.
    keywords
        Keywords that must come back verbatim, of the first data set.
    spillover
        Matrix of the first data set, row by row; empty where it must have none, None where it does not matter.
    """

    name: str
    rule: str
    kind: Kind
    raw: bytes = field(repr=False)
    truth: tuple[tuple[Event, ...], ...] = ()
    codes: tuple[str, ...] = ()
    linear: tuple[Event, ...] | None = None
    keywords: Mapping[str, str] = field(default_factory=dict)
    spillover: tuple[float, ...] | None = None

    @property
    def sha256(self) -> str:
        """Digest of the bytes."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a file: events of each data set, scale values, keywords, what it said."""

    sets: tuple[tuple[Event, ...], ...]
    linear: tuple[Event, ...]
    keywords: Mapping[str, str]
    said: tuple[str, ...]
    spillover: tuple[float, ...] | None = None


Result = Literal["right", "wrong", "silently wrong", "refused", "crashed"]
Reader = Callable[[Path], Reading]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reader fared with one file: the result, and the codes it gave."""

    name: str
    rule: str
    kind: Kind
    sha256: str
    result: Result
    codes: tuple[str, ...]

    @property
    def as_it_should(self) -> bool:
        """True where a valid or broken file was read right, and a malformed one refused."""
        return self.result == ("refused" if self.kind == "malformed" else "right")


def build_zoo() -> tuple[ZooFile, ...]:
    """Every file of the zoo, in a fixed order."""
    from immunoprofile.selftest.zoo_broken import broken_files
    from immunoprofile.selftest.zoo_malformed import malformed_files
    from immunoprofile.selftest.zoo_valid import valid_files

    files = (*valid_files(), *broken_files(), *malformed_files())
    names = [f.name for f in files]
    if len(set(names)) < len(names):
        raise ValueError(f"two files of the zoo share a name: {next(n for n in names if names.count(n) > 1)}")
    return files


def write_zoo(folder: Path) -> None:
    """Write every file as ``NAME.fcs``, for other readers."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in build_zoo():
        (folder / f"{file.name}.fcs").write_bytes(file.raw)


def walk_zoo(folder: Path, read: Reader | None = None) -> Iterator[Outcome]:
    """Read every file with our reader, or another, and judge it.

    Parameters
    ----------
    folder
        An empty folder for the files; each is removed once it is read.
    """
    reading = read_with_ours if read is None else read
    for file in build_zoo():
        path = folder / "zoo.fcs"
        path.write_bytes(file.raw)
        yield judge(file, path, reading)
        path.unlink()


def render_outcomes(outcomes: Iterable[Outcome]) -> str:
    """Outcomes as CSV: what is committed beside the tests, and compared."""
    lines = ["name,rule,kind,sha256,result,codes"]
    lines += [f"{o.name},{o.rule},{o.kind},{o.sha256},{o.result},{' '.join(o.codes)}" for o in outcomes]
    return "\n".join(lines) + "\n"


def judge(file: ZooFile, path: Path, read: Reader) -> Outcome:
    """What a reader makes of one file, which lies at `path`.

    Notes
    -----
    Refused is an `FcsError`; any other exception is a crash. A reader of other make turns its own errors into
    FcsError. A broken file that is read right without a word counts as right for a reader without findings; ours
    must name the finding.
    """
    try:
        reading = read(path)
    except FcsError as error:
        return _outcome(file, "refused", (error.code,))
    except Exception as error:  # whatever else escapes is what this looks for
        return _outcome(file, "crashed", (type(error).__name__,))
    if file.kind != "malformed" and agrees(file, reading):
        return _outcome(file, "right", reading.said)
    return _outcome(file, "wrong" if reading.said else "silently wrong", reading.said)


def _outcome(file: ZooFile, result: Result, codes: Sequence[str]) -> Outcome:
    return Outcome(file.name, file.rule, file.kind, file.sha256, result, tuple(dict.fromkeys(codes)))


def agrees(file: ZooFile, reading: Reading) -> bool:
    """True where events, scale values, keywords and spillover are the file's own."""
    same_events = len(reading.sets) == len(file.truth) and all(map(_same_events, file.truth, reading.sets))
    same_linear = file.linear is None or _near(file.linear, reading.linear)
    same_keywords = all(reading.keywords.get(k) == v for k, v in file.keywords.items())
    same_spillover = file.spillover is None or (reading.spillover or ()) == file.spillover
    return same_events and same_linear and same_keywords and same_spillover


def _same_events(truth: Sequence[Event], found: Sequence[Event]) -> bool:
    """Equal in every bit; NaN equals NaN, 0.0 does not equal -0.0."""
    return len(truth) == len(found) and all(
        len(a) == len(b) and all(map(_same_number, a, b)) for a, b in zip(truth, found, strict=True)
    )


def _same_number(a: float, b: object) -> bool:
    if not isinstance(b, int | float):
        return False  # another reader may give anything
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b and struct.pack("<d", a) == struct.pack("<d", b)


def _near(truth: Sequence[Event], found: Sequence[Event]) -> bool:
    return np.shape(truth) == np.shape(found) and bool(np.allclose(truth, found, rtol=_LINEAR_RTOL, atol=0))


def read_with_ours(path: Path) -> Reading:
    """The reading of the reader under test: each column in its own type, so that no number is rounded."""
    sets = read_fcs_datasets(path)
    first = sets[0]
    matrix = None if first.spillover is None else tuple(first.spillover.matrix.ravel().tolist())
    said = tuple(f.code for s in sets for f in s.findings if f.severity != "info")
    return Reading(tuple(_events_of(s) for s in sets), _linear_of(first), first.keywords, said, matrix)


def _events_of(events: Events) -> tuple[Event, ...]:
    return tuple(zip(*(events.column(i).tolist() for i in range(events.n_channels)), strict=True))


def _linear_of(events: Events) -> tuple[Event, ...]:
    try:
        return tuple(map(tuple, events.linear().tolist()))
    except FcsError as error:
        if error.code != "FCS-INT-EXACT":
            raise
        return ()


def chain(*plans: Blueprint) -> bytes:
    """Data sets one after the other, each with its ``$NEXTDATA``."""
    from dataclasses import replace

    parts: list[bytes] = []
    for plan in plans[:-1]:
        size = len(replace(plan, keywords={**plan.keywords, "$NEXTDATA": "0" * 9}).raw)
        parts.append(replace(plan, keywords={**plan.keywords, "$NEXTDATA": f"{size:09d}"}).raw)
    return b"".join([*parts, plans[-1].raw])


def main() -> None:
    """Write the outcomes of the zoo with our reader to standard output, as CSV."""
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(render_outcomes(walk_zoo(Path(folder))))
