"""A results folder while a run works in it: what is known of its files, what is kept, what is written down.

`.work/files.json` remembers the digest of each FCS file by path, size, times and inode, as build tools do, so that
going on with a large run reads no file twice. Whoever doubts it removes the folder `.work`, or asks the verb
``verify``, which reads every byte.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from immunoprofile.cohort.coded import refuse_other_names
from immunoprofile.cohort.journal import FINISHED, Journal
from immunoprofile.cohort.lock import hold_folder, remove_stale
from immunoprofile.cohort.results import MANIFEST
from immunoprofile.cohort.store import WORK, Store
from immunoprofile.errors import OutputError
from immunoprofile.fcs import FcsFile, RemoteFile, digest_of_fcs, version_of
from immunoprofile.provenance import digest_of_file, digest_of_value, write_json

_FILES = "files.json"
_TICK_NS = 20_000_000
"""Longer than the clock of a kernel's file systems ticks (10 ms at most): within it, two changes may carry one time."""
_TRIES = 5
"""A file that is being written is not waited for."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when its bytes were digested.

    Parameters
    ----------
    changed_ns
        When the system last saw it change: a program can set `modified_ns` back, and not this.
    """

    size: int
    modified_ns: int
    inode: int
    changed_ns: int
    sha256: str = ""

    def same(self, other: FileState) -> bool:
        """Is it the same file, unchanged, as far as the system says?"""
        return replace(self, sha256="") == replace(other, sha256="")


def state_of(path: FcsFile) -> FileState:
    """What the system, or the store of a remote file, says of it; without a digest.

    Raises
    ------
    OSError, FcsError
        It cannot be looked at.
    """
    if isinstance(path, RemoteFile):
        size, version = version_of(path)
        # A store that does not tell versions apart: never the same again, so that its bytes are digested anew.
        number = secrets.randbits(60) if version is None else int(digest_of_value(version)[:15], 16)
        return FileState(size, 0, number, 0)
    facts = path.stat()
    return FileState(facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns)


def digested(path: FcsFile, known: FileState | None) -> FileState:
    """A file's state with its digest, which is read anew only where the file is not as it was known."""
    now = state_of(path)
    if known is not None and known.sha256 and known.same(now):
        return known
    return replace(at_rest(path, now), sha256=digest_of_fcs(path))


def at_rest(path: FcsFile, now: FileState) -> FileState:
    """The state of a file whose last change is a tick old, so that the next one carries another time.

    Raises
    ------
    OSError, FcsError
        It cannot be looked at.
    """
    for _ in range(_TRIES):
        age = time.time_ns() - now.changed_ns
        if not 0 <= age < _TICK_NS:
            break
        time.sleep((_TICK_NS - age) / 1e9)
        now = state_of(path)
    return now


@dataclass
class Workplace:
    """What a run has at hand in its folder; only the process that holds the folder's lock writes here.

    Attributes
    ----------
    private
        Nothing is written that says where files lie, when they were made, or on which machine: `files` is not kept.
    begun_anew
        No result was kept here when the run began, so that none need be looked for.
    """

    folder: Path
    store: Store
    journal: Journal
    files: dict[str, FileState] = field(default_factory=dict)
    private: bool = False
    begun_anew: bool = False
    _pinned: dict[str, str] = field(default_factory=dict)

    def known(self, path: FcsFile) -> FileState | None:
        """The remembered state of a file."""
        return self.files.get(_name(path))

    def remember(self, path: FcsFile, state: FileState) -> None:
        """Remember a file's state; written with `keep_files`."""
        self.files[_name(path)] = state

    def pin(self, path: FcsFile, sha256: str) -> None:
        """From here on a file must have these bytes in this run; none will do where the digest is empty."""
        self._pinned[_name(path)] = sha256

    def pinned(self, path: FcsFile) -> str | None:
        """SHA-256 that a file must have in this run; None where any will do."""
        return self._pinned.get(_name(path))

    def keep_files(self) -> None:
        """Write down what is known of the files.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        if self.private:
            return
        listed = {p: [s.size, s.modified_ns, s.inode, s.changed_ns, s.sha256] for p, s in sorted(self.files.items())}
        write_json(self.folder / WORK / _FILES, listed)


def _name(path: FcsFile) -> str:
    """What a file is called in files.json; a URL, which may hold secrets, by its digest."""
    return digest_of_value(path.url) if isinstance(path, RemoteFile) else str(path.absolute())


def view_workplace(folder: Path) -> Workplace:
    """What lies in a results folder, to look at: nothing is locked and nothing is written."""
    store = Store(folder)
    return Workplace(folder, store, Journal(folder), _read_files(folder / WORK / _FILES), begun_anew=store.is_new())


@contextlib.contextmanager
def open_workplace(folder: Path, *, mark: str | None = None, **facts: Any) -> Iterator[Workplace]:
    """Work in a results folder: locked against other runs, journal begun, and ended whatever happens.

    Parameters
    ----------
    mark
        Of the key, where codes are written for names: noted in the journal as ``deidentified``, and nothing is
        written that says where files lie (`Workplace.private`).
    facts
        What the journal says of the run beside.

    Raises
    ------
    OutputError
        Another run holds the folder, or it cannot be written or read, or holds other names (`cohort.coded`).
    """
    with _named(folder), hold_folder(folder, signed=mark is None):
        # Once more: another run may have begun here meanwhile.
        refuse_other_names(folder, mark)
        place = replace(view_workplace(folder), private=mark is not None)
        with place.journal.held_open():
            place.journal.note("run-started", **facts, **({} if mark is None else {"deidentified": mark}))
            try:
                yield place
            except BaseException as problem:
                # Best effort: the disk may be what failed.
                with contextlib.suppress(Exception):
                    place.journal.note("run-stopped", why=type(problem).__name__)
                with contextlib.suppress(Exception):
                    place.keep_files()
                raise
            # What a worker was writing when it died; nobody writes any more.
            remove_stale(folder)
            place.keep_files()
            place.journal.note(FINISHED, manifest_sha256=_digest_of_manifest(folder))
            place.journal.sync()


@contextlib.contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Whatever the system says of a file while a run works becomes one of our errors.

    Raises
    ------
    OutputError
        With the file's name, or the folder's where the system names none.
    """
    try:
        yield
    except OSError as problem:
        raise OutputError(
            f"cannot be used ({problem.strerror or problem})",
            path=problem.filename if isinstance(problem.filename, str) else folder,
            remedy="Look at the disk and its permissions, then run the same command again.",
            code="OUTPUT-ACCESS",
        ) from problem


def _digest_of_manifest(folder: Path) -> str | None:
    """So that a manifest which is changed later shows: it digests all else, and itself is digested here."""
    path = folder / MANIFEST
    return digest_of_file(path) if path.is_file() else None


def _read_files(path: Path) -> dict[str, FileState]:
    try:
        listed: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {str(p): FileState(int(s[0]), int(s[1]), int(s[2]), int(s[3]), str(s[4])) for p, s in listed.items()}
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return {}
