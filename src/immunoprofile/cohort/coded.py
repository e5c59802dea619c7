"""Whose names a folder holds: those of persons, or codes under one key; and what may therefore be written into it.

A run notes in the journal where it begins whether it writes codes, with the mark of their key (`study.deidentify`).
A folder holds one or the other: names beside codes would tell whose they are, and so would the same sample under the
codes of two keys. A manifest says the same, and is asked where no journal does: verbs that note nothing leave none,
and one may be lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.cohort.lock import LOCK
from immunoprofile.errors import OutputError

_MANIFEST = "manifest.json"
_BEGUN = b'"run-started"'


def marks_of_folder(folder: Path) -> set[str | None]:
    """The marks of the keys that a folder was written with; None among them for a run with names, empty for no run.

    Raises
    ------
    OSError
        Journal or manifest cannot be read.
    """
    marks = set(_of_journal(folder / JOURNAL)) if (folder / JOURNAL).is_file() else set()
    if not marks and (folder / _MANIFEST).is_file():
        return {_mark_in(_object((folder / _MANIFEST).read_bytes()).get("options"))}
    return marks


def _of_journal(path: Path) -> Iterator[str | None]:
    with path.open("rb") as stream:
        for line in stream:
            # A journal of a million samples is looked through without reading each line as JSON.
            if _BEGUN in line and (entry := _object(line)).get("event") == "run-started":
                yield _mark_in(entry)


def _object(text: bytes) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _mark_in(entry: object) -> str | None:
    said = entry.get("deidentified") if isinstance(entry, dict) else None
    return str(said) if said else None


def coded_folder_of(path: Path) -> tuple[Path, str] | None:
    """The nearest folder at or above a path that was written under codes, and the mark of its key; None without one."""
    place = path.resolve()
    for folder in (place, *place.parents):
        try:
            marks = [m for m in marks_of_folder(folder) if m is not None]
        except OSError:
            continue
        if marks:
            return folder, min(marks)
    return None


def refuse_names_among_codes(out: Path, made_of: Path | None = None) -> None:
    """Refuse a place, file or folder, in results under codes: what is written there would bring names.

    Parameters
    ----------
    made_of
        The results folder that all of it is made of: one under codes of the same key brings none.

    Raises
    ------
    OutputError
        It lies in such results.
    """
    there = coded_folder_of(out)
    if there is None:
        return
    source = None if made_of is None else coded_folder_of(made_of)
    if source is None or source[1] != there[1]:
        raise _taken(there[0], "holds de-identified results, and names would be written beside them", _ELSEWHERE)


_ELSEWHERE = "Give another place with --out."
_KEYED = "Give another folder with --out, or --deidentify KEYFILE where the verb takes it."


def refuse_other_names(folder: Path, mark: str | None) -> None:
    """Refuse a folder for a run whose names, or codes, are not those that it holds.

    Parameters
    ----------
    mark
        Of the key under which the run writes codes; None for a run with names.

    Raises
    ------
    OutputError
        It holds the others, or codes under another key; or it lies in results under codes; or, for a run under codes,
        it holds anything else.
    """
    if mark is None:
        there = coded_folder_of(folder)
        if there is not None:
            raise _taken(there[0], "holds de-identified results, and this run would write names beside them", _KEYED)
        return
    try:
        # Listed before the marks are read: a run that begins here meanwhile, its journal still empty, is no other file.
        held = [p for p in folder.iterdir() if not _is_of_one_that_begins(p)] if folder.is_dir() else []
        marks = marks_of_folder(folder)
        other = bool(held) and not marks
    except OSError:
        # What cannot be read may be names.
        marks, other = {None}, False
    if None in marks:
        what = "holds results with names, which a de-identified run beside them would not hide"
        raise _taken(folder, what, "Give a new folder with --out.")
    if other:
        what = "holds other files, and a de-identified run does not hide what they say"
        raise _taken(folder, what, "Give a new folder with --out.")
    if marks - {mark}:
        what = "was written with another key, and the codes of two keys side by side would tell more than either"
        raise _taken(folder, what, "Give the key of this folder, or another folder with --out, or remove this one.")


def _is_of_one_that_begins(path: Path) -> bool:
    return path.name == LOCK or (path.name == JOURNAL and path.stat().st_size == 0)


def _taken(folder: Path, what: str, remedy: str) -> OutputError:
    return OutputError(what, path=folder, code="OUTPUT-EXISTS", remedy=remedy)
