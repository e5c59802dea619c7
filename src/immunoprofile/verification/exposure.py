"""What files would give away: persons, times, places, machines, in FCS keywords, sheets, results and file names.

Nothing is left out on a guess: every keyword that is not known to be harmless is listed, and so is every file that
could not be looked into. The list itself holds what it found.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from immunoprofile.columns import TABLES
from immunoprofile.errors import FcsError, ImmunoprofileError, printable
from immunoprofile.fcs import read_fcs_datasets
from immunoprofile.study.sheet import read_sheet
from immunoprofile.verification.traces import traces_of

_HARMLESS = re.compile(
    r"\$(?:(?:BEGIN|END)(?:ANALYSIS|DATA|STEXT)|ABRT|BYTEORD|COMP|CSMODE|CYT|DATATYPE|DFC[0-9]+TO[0-9]+|LOST|MODE|NEXTDATA"
    r"|PAR|SPILLOVER|TIMESTEP|TOT|TR|UNICODE|VOL|FLOWRATE"
    r"|P[0-9]+(?:ANALYTE|B|CALIBRATION|D|DATATYPE|DET|E|F|FEATURE|G|L|N|O|P|R|S|T|TAG|TYPE|V))"
    r"|SPILL|SPILLOVER|P[0-9]+(?:BS|MS|DISPLAY)|FJ_\$?(?:P[0-9]+[A-Z]+|TIMESTEP)|FSC ASF|LASER[0-9]+(?:NAME|DELAY|ASF)"
    r"|THRESHOLD|AUTOBS|APPLY COMPENSATION|WINDOW EXTENSION"
)
"""Keywords that describe the instrument's channels and the file's own layout; every other is listed."""

_PERSON = re.compile(
    r"\$(?:SRC|SMNO|OP|EXP|LAST_MODIFIER|CARRIERID|PLATEID|LOCATIONID|WELLID)|@.*"
    r"|.*(?:PATIENT|SUBJECT|DONOR|SAMPLE ?ID|NAME|USER|OPERATOR|BIRTH|DOB|SEX|GENDER|MRN|TECHNICIAN|INVESTIGATOR).*"
)
_TIME = re.compile(r"\$(?:DATE|BTIM|ETIM|BEGINDATETIME|ENDDATETIME|LAST_MODIFIED)|.*(?:DATE|TIME).*")
_MACHINE = re.compile(r"\$(?:CYTSN|SYS|INST)|.*(?:CYTNUM|SERIAL|HOST|COMPUTER|SYSTEM|VERSION|GUID).*")
_PLACE = re.compile(r"\$FIL|FIL|.*(?:PATH|FILE|FOLDER).*")
_KINDS = (("place", _PLACE), ("time", _TIME), ("machine", _MACHINE), ("person", _PERSON))

_SHEET_COLUMNS = {
    "sample_id": "person", "subject_id": "person", "file": "place", "spillover": "place", "note": "text",
    "collection_date": "time", "first_infusion_date": "time", "date": "time", "end_date": "time", "who": "person",
    "reason": "text", "message": "text",
}  # fmt: skip
"""Columns of this program's sheets and tables that name someone, a time or a place, or may say anything."""

_TEXT = {
    ".json", ".jsonl", ".toml", ".lock", ".txt", ".md", ".html", ".svg", ".xml", ".wsp", ".log", ".tsv", ".r",
    ".result",
}  # fmt: skip
"""Files that are text, or hold their text as it is, as the kept results of samples do."""
_WRITING = re.compile(rb"[ -~\x80-\xff\t]{4,}")
_OWN_COLUMNS = {c.name for t in TABLES.values() for c in t.columns}
_MAX_TEXT = 200_000_000


@dataclass(frozen=True, slots=True)
class Exposed:
    """One thing that a file gives away.

    Parameters
    ----------
    path
        As it was asked for, or below the folder that was.
    where
        Keyword, column or line.
    kind
        ``person``, ``time``, ``place``, ``machine``, ``text`` (which may say anything) or ``unread``.
    value
        What stands there; the first, where it stands `n` times.
    """

    path: str
    where: str
    kind: str
    value: str
    n: int = 1


def scan_files(paths: Iterable[Path]) -> list[Exposed]:
    """What files and folders would give away, in the order of their paths.

    Notes
    -----
    Links are named and not followed, pipes and devices never opened. A file that cannot be read is listed as unread:
    what is in it is not known.
    """
    found: list[Exposed] = []
    for path in paths:
        for file in _files(path):
            shown = str(file.relative_to(path)) if path.is_dir() else str(file)
            found += _of_file(file, shown)
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, below, names in os.walk(path):
        below.sort()
        links = [n for n in below if (Path(folder) / n).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*names, *links]))


def _of_file(file: Path, shown: str) -> list[Exposed]:
    named = [Exposed(shown, "file name", t.kind, t.value, t.n) for t in traces_of(file.name)]
    try:
        mode = file.lstat().st_mode
    except OSError as problem:
        return [*named, _unread(shown, f"cannot be read ({problem.strerror})")]
    if stat.S_ISLNK(mode):
        return [*named, _unread(shown, "is a link, which was not followed")]
    if not stat.S_ISREG(mode):
        return [*named, _unread(shown, "is no regular file, and was not opened")]
    return [*named, *_of_content(file, shown)]


def _of_content(file: Path, shown: str) -> list[Exposed]:
    kind = file.suffix.lower()
    if kind in {".fcs", ".lmd"} or _begins_as_fcs(file):
        return [Exposed(shown, "file name", "text", file.name), *_of_fcs(file, shown)]
    if kind == ".parquet":
        return _of_parquet(file, shown)
    if kind == ".csv":
        return [*_of_columns(file, shown), *_of_text(file, shown)]
    if kind in _TEXT or file.name.startswith("."):
        return _of_text(file, shown)
    return [_unread(shown, "is of a kind that is not looked into")]


def _unread(shown: str, why: str) -> Exposed:
    return Exposed(shown, "file", "unread", why)


def _begins_as_fcs(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(3) == b"FCS"
    except OSError:
        return False


def _of_fcs(file: Path, shown: str) -> list[Exposed]:
    try:
        sets = read_fcs_datasets(file)
    except FcsError as problem:
        return [_unread(shown, f"cannot be read as FCS: {problem.problems[0].what}"), *_of_text(file, shown)]
    found = []
    for number, events in enumerate(sets, start=1):
        place = "" if len(sets) == 1 else f"data set {number}, "
        for key, value in sorted(events.keywords.items()):
            kind = kind_of_keyword(key, value)
            if kind is not None and value.strip():
                found.append(Exposed(shown, f"{place}{printable(key)}", kind, value))
    return found


def kind_of_keyword(key: str, value: str = "") -> str | None:
    """What a keyword of an FCS file may give away; None where it describes the file or its channels only."""
    name = key.upper()
    if _HARMLESS.fullmatch(name):
        traces = list(traces_of(value)) if not re.fullmatch(r"SPILL|\$?SPILLOVER|\$COMP", name) else []
        return traces[0].kind if traces else None
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(name)), "text")


def _of_columns(file: Path, shown: str) -> list[Exposed]:
    """The columns of a sheet or table that name somebody by their nature, whatever stands in them."""
    frame = read_sheet(file, [], may_be_empty=True)
    return [] if frame is None else _of_frame(frame, shown)


def _of_frame(frame: pd.DataFrame, shown: str) -> list[Exposed]:
    found = []
    for column in frame.columns:
        kind = _SHEET_COLUMNS.get(str(column), _kind_of_column(str(column)))
        values = frame[column].dropna()
        if kind is not None and len(values):
            found.append(Exposed(shown, f"column {printable(column)}", kind, str(values.iloc[0]), len(values)))
    return found


def _kind_of_column(name: str) -> str | None:
    """A column of ours is harmless unless it holds samples; another is judged like a keyword of that name."""
    if name in _OWN_COLUMNS:
        return "person" if "sample_id" in name else None
    kind = kind_of_keyword(name.replace("_", " "))
    return kind if kind in {"person", "time", "machine", "place"} else None


def _of_text(file: Path, shown: str) -> list[Exposed]:
    if file.stat().st_size > _MAX_TEXT:
        return [_unread(shown, "is larger than 200 MB, and was not looked into")]
    try:
        # Only what can be read: bytes between it look like anything.
        text = b"\n".join(_WRITING.findall(file.read_bytes())).decode("utf-8", errors="replace")
    except OSError as problem:
        return [_unread(shown, f"cannot be read ({problem.strerror})")]
    return [Exposed(shown, "text", t.kind, t.value, t.n) for t in traces_of(text)]


def _of_parquet(file: Path, shown: str) -> list[Exposed]:
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError, ImmunoprofileError) as problem:
        return [_unread(shown, f"cannot be read as Parquet ({printable(problem, 60)})")]
    words = [
        str(v) for c in frame.columns if frame[c].dtype in {"string", "object"} for v in frame[c].dropna().unique()
    ]
    traces = traces_of("\n".join(words))
    return [*_of_frame(frame, shown), *(Exposed(shown, "text", t.kind, t.value, t.n) for t in traces)]
