"""The journal of a results folder, looked through: its chain, its form, and what it says of the manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from immunoprofile.cohort.declared import JOINED, LOCKED
from immunoprofile.cohort.journal import FINISHED, JOURNAL, check_journal
from immunoprofile.errors import printable

_EVENTS = {"run-started", "sample-done", "sample-failed", LOCKED, JOINED, "run-stopped", FINISHED}


@dataclass(frozen=True, slots=True)
class History:
    """What a journal shows.

    Parameters
    ----------
    broken
        Sentences about lines that are not as they were written.
    manifest_differs
        A sentence where the journal has another digest of the manifest than its bytes.
    unseen
        What a journal without certain lines cannot prove.
    """

    n_lines: int = 0
    broken: tuple[str, ...] = ()
    manifest_differs: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def check_history(folder: Path, manifest_sha256: str) -> History:
    """Look through the journal of a results folder.

    Notes
    -----
    A line of which a crash left a part is in order as long as another line follows it; every other line must be as
    this program writes it, to the byte. Only the time of the very last line is beyond proof: no line follows it.
    """
    path = folder / JOURNAL
    if path.is_symlink() or not path.is_file():
        return History(unseen=("the journal: there is none",))
    content = path.read_bytes()
    lines = content.split(b"\n")
    try:
        broken = [f"line {b.line} {b.what}" for b in check_journal(folder)]
    except RecursionError:
        return History(broken=("a line of it is nested as deeply as no line of ours",))
    entries = [(n, _entry(line)) for n, line in enumerate(lines, start=1) if line]
    broken += [f"line {n} is not as this program writes it" for n in _odd(lines)]
    if not content.endswith(b"\n") or not entries or entries[-1][1] is None:
        broken.append("its last line is torn or missing, though the run finished")
        return History(len(entries), tuple(broken))
    return _of_manifest(len(entries), broken, [e for _, e in entries if e is not None], manifest_sha256)


def _of_manifest(n_lines: int, broken: list[str], entries: list[dict[str, Any]], sha256: str) -> History:
    if entries[-1].get("event") != FINISHED:
        return History(n_lines, (*broken, "it does not end with a run that finished"))
    noted = entries[-1].get("manifest_sha256")
    if noted is None:
        return History(n_lines, (*broken, "its last line holds no digest of the manifest"))
    if noted != sha256:
        what = f"has other bytes (SHA-256 {sha256[:12]}, the journal says {printable(noted)[:12]})"
        return History(n_lines, tuple(broken), (what,))
    return History(n_lines, tuple(broken))


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _odd(lines: list[bytes]) -> list[int]:
    """Lines that are JSON and not ours: an event that is none, no time, or bytes that this program does not write."""
    found = ((number, line, _entry(line)) for number, line in enumerate(lines, start=1) if line)
    return [number for number, line, entry in found if entry is not None and not _is_ours(line, entry)]


def _is_ours(line: bytes, entry: dict[str, Any]) -> bool:
    names = list(entry)
    if names[:2] != ["time", "event"] or names[-1] != "prev" or str(entry["event"]) not in _EVENTS:
        return False
    try:
        moment = datetime.fromisoformat(entry["time"])
    except (ValueError, TypeError):
        return False
    return moment.isoformat(timespec="seconds") == entry["time"] and _written(entry) == line


def _written(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
