"""Opening: a regular file, never a pipe that hangs; and noticing that it changed under our hands."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from immunoprofile.errors import FcsError, FcsTruncatedError
from immunoprofile.fcs.findings import Inspection, Strictness
from immunoprofile.fcs.remote import FcsFile, RemoteFile, open_copy
from immunoprofile.provenance import digest_of_file

# O_NONBLOCK keeps a FIFO without a writer from blocking open(); O_BINARY matters on Windows only.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

_PIECE = 262_144
"""Bytes digested at a time: they stay in a core's cache."""

_CODES = {errno.ENOENT: "FCS-MISSING", errno.ENOTDIR: "FCS-MISSING", errno.EACCES: "FCS-PERMISSION"}
_SENTENCES = {"FCS-MISSING": "file does not exist", "FCS-PERMISSION": "no permission to read this file"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was when it was first opened: what it must still be when its DATA is read.

    A remote file has no inode; the digest of its bytes stands for it.

    Parameters
    ----------
    changed_ns
        When the system last saw it change, which no program can set back as it can `modified_ns`.
    """

    path: FcsFile
    size: int
    modified_ns: int
    inode: int
    changed_ns: int = 0

    @classmethod
    def of(cls, path: FcsFile, facts: os.stat_result) -> Source:
        """A file of this machine as the system describes it."""
        return cls(path, facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns)


def open_source(path: FcsFile) -> tuple[FileIO, Source]:
    """Open a regular file for reading, unbuffered; of a remote file the copy on this machine.

    Raises
    ------
    FcsAccessError
        Missing, not permitted, or a folder, pipe, socket or device.
    """
    if isinstance(path, RemoteFile):
        copy, size, sha256 = open_copy(path)
        return copy, Source(path, size, 0, int(sha256, 16))
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as problem:
        raise access_error(path, problem) from problem
    try:
        facts = os.fstat(handle)
    except OSError as problem:
        os.close(handle)
        raise access_error(path, problem) from problem
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise _inspection(path).error("FCS-NOT-REGULAR", "file", "is a folder, pipe or device, not a file")
    return FileIO(handle, "rb"), Source.of(path, facts)


def digest_of_fcs(path: FcsFile) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal.

    Raises
    ------
    FcsError, OSError
        It cannot be read.
    """
    if not isinstance(path, RemoteFile):
        return digest_of_file(path)
    copy, _, sha256 = open_copy(path)
    copy.close()
    return sha256


def reopen_source(source: Source) -> FileIO:
    """Open a file again that was opened before.

    Raises
    ------
    FcsAccessError, FcsTruncatedError
        It is gone, shrank or changed since (code ``FCS-CHANGED``).
    """
    stream, now = open_source(source.path)
    try:
        _check_same(source, now)
    except FcsError:
        stream.close()
        raise
    return stream


def check_unchanged(stream: FileIO, source: Source) -> None:
    """Raise FcsAccessError or FcsTruncatedError where the open file is no longer as it was."""
    if isinstance(source.path, RemoteFile):
        # Nobody but this process has its copy.
        return
    try:
        facts = os.fstat(stream.fileno())
    except OSError as problem:
        raise access_error(source.path, problem) from problem
    _check_same(source, Source.of(source.path, facts))


def _check_same(before: Source, now: Source) -> None:
    if now.size < before.size:
        raise _shrank(before.path, "DATA", f"file shrank from {before.size:,} to {now.size:,} bytes while in use")
    if now != before:
        raise _inspection(before.path).error("FCS-CHANGED", "DATA", "file changed since it was opened")


def read_at(stream: FileIO, source: Source, offset: int, size: int) -> bytes:
    """Bytes of a file from `offset`; fewer than `size` only where it ends, none before or beyond it.

    Raises
    ------
    FcsAccessError
        The system cannot read them.
    """
    if not 0 <= offset < source.size:
        return b""
    target = bytearray(max(0, min(size, source.size - offset)))
    return bytes(memoryview(target)[: _fill(stream, source, offset, memoryview(target))])


def read_exactly(stream: FileIO, source: Source, offset: int, target: memoryview) -> None:
    """Fill `target` (bytes) from `offset`.

    Raises
    ------
    FcsTruncatedError
        The file ends before, though it did not when it was opened (code ``FCS-CHANGED``).
    FcsAccessError
        The system cannot read them.
    """
    if _fill(stream, source, offset, target) < len(target):
        raise _shrank(source.path, f"byte {offset}", "file shrank while it was read")


class PassingDigest:
    """SHA-256 of a file whose bytes pass by in their order; those that nobody asks for are read here."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._n_passed = 0
        self.sha256: str | None = None
        """Of the whole file, in hexadecimal; None until its last byte passed."""

    def read_up_to(self, stream: FileIO, source: Source, end: int) -> None:
        """Digest what lies between the last bytes that passed and byte `end`."""
        buffer = memoryview(bytearray(min(_PIECE, end - self._n_passed)))
        while self._n_passed < end:
            piece = buffer[: min(_PIECE, end - self._n_passed)]
            read_exactly(stream, source, self._n_passed, piece)
            self.take(piece)

    def take(self, piece: memoryview) -> None:
        """Digest the next bytes of the file."""
        self._hash.update(piece)
        self._n_passed += len(piece)

    def end(self, stream: FileIO, source: Source) -> None:
        """Digest what is left of the file.

        Raises
        ------
        FcsAccessError, FcsTruncatedError
            It changed while its bytes passed.
        """
        self.read_up_to(stream, source, source.size)
        check_unchanged(stream, source)
        self.sha256 = self._hash.hexdigest()


def _shrank(path: FcsFile, where: str, what: str) -> FcsTruncatedError:
    """A change that cost bytes: the same code as any change, and the class of files that are cut short."""
    remedy = "Copy the file again from the cytometer, and read it when the copy is complete."
    return FcsTruncatedError(what, path=path, where=where, remedy=remedy, code="FCS-CHANGED")


def _fill(stream: FileIO, source: Source, offset: int, target: memoryview) -> int:
    done = 0
    try:
        stream.seek(offset)
        while done < len(target):
            count = stream.readinto(target[done:])
            if not count:
                break
            done += count
    except OSError as problem:
        raise access_error(source.path, problem) from problem
    return done


def access_error(path: FcsFile, problem: Exception) -> FcsError:
    """The error for what the system said when a file was opened or read."""
    number = problem.errno if isinstance(problem, OSError) else None
    code = _CODES.get(number or 0, "FCS-ACCESS")
    said = getattr(problem, "strerror", None) or str(problem)
    what = _SENTENCES.get(code, f"cannot be read ({said})")
    if code == "FCS-MISSING" and isinstance(path, Path) and not path.parent.exists():
        what += ", nor does its folder"
    return _inspection(path).error(code, "file", what)


def _inspection(path: FcsFile) -> Inspection:
    return Inspection(str(path), Strictness.REPORT)
