"""What happened in a results folder, line by line: append-only, each line chained to the one before.

`journal.jsonl` is the audit trail: one JSON object a line, ``prev`` the SHA-256 of the line before. It holds times, so
it is no part of what must come out equal; `check_journal` says whether a line was changed or taken away.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from immunoprofile.errors import OutputError
from immunoprofile.provenance import digest_of_bytes, time_now

JOURNAL = "journal.jsonl"
FINISHED = "run-finished"
_START = "0" * 64
_TAIL = 1 << 16
"""Bytes read from the end of a journal at first: a journal of a million samples is not read whole to go on with it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A line of a journal that does not follow from the one before."""

    line: int
    what: str


class Journal:
    """Appends events to the journal of a folder; one writer at a time (`lock.hold_folder`)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._held: FileIO | None = None
        self._look()

    def _look(self) -> None:
        content = _end(self._path)
        whole = [line for line, _ in _lines(content)]
        self._previous = digest_of_bytes(whole[-1]) if whole else _START
        # A torn line stays where it is, a line of its own: nothing is ever taken out of a journal.
        self._torn = bool(content) and not content.endswith(b"\n")

    def note(self, event: str, **facts: Any) -> None:
        """Append one event with its facts.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        entry = {"time": time_now(), "event": event, **facts, "prev": self._previous}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            self._append((b"\n" if self._torn else b"") + line + b"\n")
        except OSError as problem:
            self._look()
            raise OutputError(
                f"cannot be written ({problem.strerror or problem})",
                path=self._path,
                remedy="Make room or check the folder's permissions, then run the same command again.",
                code="OUTPUT-WRITE",
            ) from problem
        except BaseException:
            # An interrupt: whether the line is there, the file says.
            self._look()
            raise
        self._torn = False
        self._previous = digest_of_bytes(line)

    @contextlib.contextmanager
    def held_open(self) -> Iterator[None]:
        """Open the file once for all events of a run, not for each of its samples.

        Raises
        ------
        OSError
            It cannot be opened or closed.
        """
        self._held = self._path.open("ab", buffering=0)
        try:
            yield
        finally:
            held, self._held = self._held, None
            held.close()

    def _append(self, data: bytes) -> None:
        if self._held is not None and not self._is_there(self._held):
            # Somebody took the file away: what is written goes where it is looked for, and the chain shows the gap.
            self._held.close()
            self._held = self._path.open("ab", buffering=0)
        with contextlib.nullcontext(self._held) if self._held else self._path.open("ab", buffering=0) as stream:
            if stream.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_there(self, held: FileIO) -> bool:
        """Is this still the file that lies under the journal's name?"""
        try:
            return os.path.samestat(os.fstat(held.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def sync(self) -> None:
        """Have the system put what was noted on disk."""
        if self._path.is_file():
            handle = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """What a journal says, from its first line to its last; torn lines are passed over."""
    path = folder / JOURNAL
    if path.is_file():
        with path.open("rb") as stream:
            for line in stream:
                yield from (entry for _, entry in _lines(line.removesuffix(b"\n")))


def finished_manifest(folder: Path) -> str | None:
    """SHA-256 that the manifest had when the last run in a folder was finished; None where none is noted."""
    ended = [e for _, e in _lines(_end(folder / JOURNAL)) if e["event"] == FINISHED]
    found = ended[-1].get("manifest_sha256") if ended else None
    return None if found is None else str(found)


def _end(path: Path) -> bytes:
    """The last lines of a journal, the newest end of a run among them; all of it where it is short."""
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        length = _TAIL
        while True:
            stream.seek(max(0, size - length))
            content = stream.read()
            # The first line of a part may be half a line, and a half is no JSON.
            if length >= size or any(e["event"] == FINISHED for _, e in _lines(content)):
                return content
            length *= 8


def _lines(content: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The whole lines of a journal and what they say; torn ones are passed over."""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "prev" in entry and "event" in entry:
            yield line, entry


def check_journal(folder: Path) -> list[Broken]:
    """Lines that do not follow from the line before: something was changed, or taken away between them.

    Notes
    -----
    A torn line, as a crash leaves it, is no break: the chain goes over it. The end of a journal can be cut off without
    a trace in the journal itself; the manifest of the last run says how it ended.
    """
    broken = []
    previous = _START
    content = (folder / JOURNAL).read_bytes()
    places = {line: n for n, line in reversed(list(enumerate(content.split(b"\n"), start=1)))}
    for line, entry in _lines(content):
        if entry["prev"] != previous:
            broken.append(Broken(places[line], "does not follow from the line before it"))
        previous = digest_of_bytes(line)
    return broken
