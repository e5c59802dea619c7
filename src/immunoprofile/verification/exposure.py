"""What files would give away: persons, times, places, machines, in FCS keywords, sheets, results and file names.

Nothing is left out on a guess: every keyword that is not known to be harmless is listed, and so is every file that
could not be looked into. Ids are names, unless they belong to results that were written under codes and have the form
of a code. The list itself holds what it found.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from immunoprofile.cohort.coded import coded_folder_of
from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.cohort.lock import LOCK
from immunoprofile.cohort.store import SUFFIX, WORK, open_kept
from immunoprofile.errors import FcsError, Problem, printable
from immunoprofile.fcs import read_fcs_datasets
from immunoprofile.study.sheet import read_sheet
from immunoprofile.verification.exposed import Exposed, Names, kind_of_column, look_at_frame
from immunoprofile.verification.keywords import kind_of_keyword
from immunoprofile.verification.manifest import MANIFEST
from immunoprofile.verification.traces import traces_of

_TEXT = {
    ".json", ".jsonl", ".toml", ".lock", ".txt", ".md", ".html", ".svg", ".xml", ".wsp", ".log", ".tsv", ".r",
    ".py", ".sas",
}  # fmt: skip
_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".dta": lambda file: pd.read_stata(file, convert_categoricals=False),
    ".xpt": lambda file: pd.read_sas(file, format="xport", encoding="utf-8"),
}
_TABLES = {".csv", SUFFIX, *_READERS}
"""Looked at first: the ids in them are looked for in all other files."""
_WRITING = re.compile(rb"[ -~\x80-\xff\t]{4,}")
_MAX_TEXT = 200_000_000
_OF_THE_RUN = re.compile(r'"(?:time|written)":\s*"(\d{4}-\d\d-\d\d)[^"]*"|<td>written</td><td[^>]*>(\d{4}-\d\d-\d\d)')
"""When a run wrote its journal, its manifest and its report."""
_ASKED_BY = ("item_kind", "rule_id")
"""Columns that say whether another is looked at."""
_DATED = (JOURNAL, MANIFEST, "report.html")


@dataclass
class _Scan:
    """What is known so far: the ids that stand in tables, and which folders hold codes."""

    ids: set[str] = field(default_factory=set)
    names: Names = field(default_factory=lambda: Names(()))
    coded: dict[Path, bool] = field(default_factory=dict)

    def is_coded(self, file: Path) -> bool:
        """Does a file belong to results under codes?"""
        folder = file.absolute().parent
        if folder not in self.coded:
            self.coded[folder] = coded_folder_of(folder) is not None
        return self.coded[folder]

    def frame(self, frame: pd.DataFrame, file: Path, name: str, shown: str) -> list[Exposed]:
        """What a table gives away; the ids in it are remembered."""
        return look_at_frame(frame, name, shown, coded=self.is_coded(file), names=self.ids)


def scan_files(paths: Iterable[Path]) -> list[Exposed]:
    """What files and folders would give away, in the order of their paths.

    Notes
    -----
    Links are named and not followed, pipes and devices never opened. A file that cannot be read is listed as unread:
    what is in it is not known.
    """
    files = [(f, str(f.relative_to(path)) if path.is_dir() else str(f)) for path in paths for f in _files(path)]
    scan = _Scan()
    tables = {shown: _of_file(file, shown, scan) for file, shown in files if file.suffix.lower() in _TABLES}
    scan.names = Names(scan.ids)
    found: list[Exposed] = []
    for file, shown in files:
        found += _of_name(file, shown, scan.names)
        found += tables[shown] if shown in tables else _of_file(file, shown, scan)
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, below, names in os.walk(path):
        below.sort()
        links = [n for n in below if (Path(folder) / n).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*names, *links]))


def _of_name(file: Path, shown: str, names: Names) -> list[Exposed]:
    called = names.of_file(file.name)
    if called is not None:
        return [Exposed(shown, "file name", "person", called)]
    return [Exposed(shown, "file name", t.kind, t.value, t.n) for t in traces_of(file.name)]


def _of_file(file: Path, shown: str, scan: _Scan) -> list[Exposed]:
    try:
        mode = file.lstat().st_mode
    except OSError as problem:
        return [_unread(shown, f"cannot be read ({problem.strerror})")]
    if stat.S_ISLNK(mode):
        return [_unread(shown, "is a link, which was not followed")]
    if not stat.S_ISREG(mode):
        return [_unread(shown, "is no regular file, and was not opened")]
    return _of_content(file, shown, scan)


def _of_content(file: Path, shown: str, scan: _Scan) -> list[Exposed]:
    kind = file.suffix.lower()
    if kind in {".fcs", ".lmd"} or _begins_as_fcs(file):
        called = [] if scan.names.of_file(file.name) else [Exposed(shown, "file name", "text", file.name)]
        return [*called, *_of_fcs(file, shown)]
    if kind in _READERS:
        return _of_table(file, shown, scan)
    if kind == ".csv":
        return [*_of_sheet(file, shown, scan), *_of_text(file, shown)]
    if kind == SUFFIX:
        return _of_kept(file, shown, scan)
    if file.name == LOCK or (file.name == "files.json" and file.parent.name == WORK):
        return _of_own_json(file, shown)
    if kind in _TEXT or file.name.startswith("."):
        return _of_text(file, shown, scan.names)
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


def _of_sheet(file: Path, shown: str, scan: _Scan) -> list[Exposed]:
    problems: list[Problem] = []
    frame = read_sheet(file, problems, may_be_empty=True)
    if frame is not None:
        return scan.frame(frame, file, file.stem, shown)
    return [_unread(shown, f"cannot be read as a table: {p.what}") for p in problems if p.code != "SHEET-EMPTY"]


def _of_table(file: Path, shown: str, scan: _Scan) -> list[Exposed]:
    try:
        frame = _READERS[file.suffix.lower()](file)
    except StopIteration:
        return []  # A transport file without rows.
    except Exception as problem:
        return [_unread(shown, f"cannot be read as the table it is called ({printable(problem, 60)})")]
    return [*scan.frame(frame, file, file.stem, shown), *_of_traces("\n".join(_words(frame)), shown)]


def _words(frame: pd.DataFrame) -> list[str]:
    """What a table says in words, each once a column."""
    texts = (frame[c] for c in frame.columns if frame[c].dtype in ("string", "object"))
    return [str(v) for text in texts for v in text.dropna().unique()]


def _of_kept(file: Path, shown: str, scan: _Scan) -> list[Exposed]:
    """Kept results of samples: their tables, each looked at as the table that it becomes a part of; not the bytes."""
    held = open_kept(file) if file.parts[-3:-1] == (WORK, "samples") else None
    if held is None:
        return [_unread(shown, "is no whole result of samples"), *_of_text(file, shown)]
    found = []
    words = [str(fact) for sample in held.header["samples"] for fact in sample["facts"].values()]
    for name, batch in held.tables.items():
        frame = batch.to_pandas()
        asked = [c for c in frame.columns if c in _ASKED_BY or kind_of_column(name, c) is not None]
        found += scan.frame(frame[asked], file, name, shown)
        words += _words(frame)
    return [*found, *_of_traces("\n".join(words), shown)]


def _of_own_json(file: Path, shown: str) -> list[Exposed]:
    """Who holds a folder, and where the FCS files of a run lie: JSON whose every key or value is one."""
    try:
        found = json.loads(file.read_bytes() or b"{}")
        values = [str(found["host"])] if file.name == LOCK and found else list(map(str, found))
    except (OSError, ValueError, KeyError, TypeError):
        return _of_text(file, shown)
    place, kind = ("host of a run", "machine") if file.name == LOCK else ("path of a file", "place")
    return [Exposed(shown, place, kind, values[0], len(values), len(set(values)))] if values else []


def _of_text(file: Path, shown: str, names: Names | None = None) -> list[Exposed]:
    if file.stat().st_size > _MAX_TEXT:
        return [_unread(shown, "is larger than 200 MB, and was not looked into")]
    try:
        # Only what can be read: bytes between it look like anything.
        text = b"\n".join(_WRITING.findall(file.read_bytes())).decode("utf-8", errors="replace")
    except OSError as problem:
        return [_unread(shown, f"cannot be read ({problem.strerror})")]
    found = [] if names is None else names.in_text(text)
    told = [Exposed(shown, "ids in the text", "person", found[0], len(found), len(found))] if found else []
    days = ["".join(m) for m in _OF_THE_RUN.findall(text)] if file.name in _DATED else []
    if days:
        told.append(Exposed(shown, "day of the run", "time", days[0], len(days), len(set(days))))
        text = _OF_THE_RUN.sub("", text)
    return [*told, *_of_traces(text, shown)]


def _of_traces(text: str, shown: str) -> list[Exposed]:
    return [Exposed(shown, "in the text", t.kind, t.value, t.n, t.n_values) for t in traces_of(text)]
