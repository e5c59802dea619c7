"""One run at a time in a results folder: a lock that dies with its owner."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from immunoprofile.errors import OutputError, printable

LOCK = ".lock"
_TRIES = 3
_LOOK_S = 0.01


@contextlib.contextmanager
def hold_folder(folder: Path, *, signed: bool = True) -> Iterator[None]:
    """Hold a results folder for the length of a ``with``; made where it does not exist.

    Parameters
    ----------
    signed
        Say in the file which process on which machine holds it.

    Raises
    ------
    OutputError
        Another run holds it (``OUTPUT-LOCKED``: who, as far as it said), or it cannot be made.

    Notes
    -----
    The lock is the kernel's (``flock``): however its owner ends, it is free again, and the file that stays behind means
    nothing. Temporary files that an owner left are removed once the lock is held: nobody else can be writing them.
    """
    handle = _open(folder)
    try:
        if not _take(handle):
            raise _in_use(folder, handle)
        _sign(handle, signed=signed)
        remove_stale(folder)
        yield
    finally:
        os.close(handle)


def refuse_held(folder: Path) -> None:
    """Refuse a folder that another run holds, before anything large is imported or read.

    Nothing is made or held: whether the folder is still free when work begins, `hold_folder` says.

    Raises
    ------
    OutputError
        Another run holds it.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        # There is none, or `hold_folder` says better what is wrong with it.
        return
    try:
        if not _take(handle, fcntl.LOCK_SH):
            raise _in_use(folder, handle)
    finally:
        os.close(handle)


def _take(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file; False where somebody else has it for longer than a look (`refuse_held`) takes."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOOK_S)
        else:
            return True
    return False


def _in_use(folder: Path, handle: int) -> OutputError:
    return OutputError(
        f"is in use by another run ({_owner(handle)})",
        path=folder,
        code="OUTPUT-LOCKED",
        remedy="Wait for it to end, or give another folder with --out.",
    )


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as problem:
        raise OutputError(
            f"cannot be used as results folder ({problem.strerror})",
            path=folder,
            code="OUTPUT-FOLDER",
            remedy="Give another folder with --out, or mend its permissions.",
        ) from problem


def _sign(handle: int, *, signed: bool) -> None:
    # Who holds it is a courtesy to the second run; a full disk must not keep the first from working.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        if signed:
            os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)


def _owner(handle: int) -> str:
    try:
        found = json.loads(os.pread(handle, 1000, 0))
        return f"process {int(found['pid'])} on {printable(found['host'], 60)}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which does not say what it is"


def remove_stale(folder: Path) -> None:
    """Remove temporary files that a run left behind when it was killed."""
    for temporary in folder.rglob(".*.tmp"):
        with contextlib.suppress(OSError):
            temporary.unlink()
