"""Where a result comes from: digests, versions, the manifest; and the one safe way to put bytes on disk.

A file is either wholly there or not at all: bytes go to a temporary file in the same folder, are synced, and
are renamed over the target.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

from immunoprofile.errors import OutputError

NUMERICS_VERSION = 4
"""Raised whenever a count or an estimate can change for the same input."""

# O_NONBLOCK keeps a pipe without a writer from blocking open(); O_BINARY matters on Windows only.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

_LIBRARIES = ("numpy", "pandas", "numba", "scipy", "pyarrow", "pydantic", "lxml")


def digest_of_bytes(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in chunks.

    Raises
    ------
    OSError
        It cannot be read, or is a folder, pipe or device: those are not waited for.
    """
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file that is no larger than `limit` bytes.

    Raises
    ------
    OSError
        It cannot be read, is larger, or is a folder, pipe or device: those are not waited for.
    """
    with open_regular(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit / 1e6:g} MB", os.fspath(path))
    return content


def check_regular(path: str | os.PathLike[str], limit: int) -> None:
    """Refuse a path before somebody else's code opens it.

    Raises
    ------
    OSError
        It cannot be opened, is larger than `limit` bytes, or is a folder, pipe or device.
    """
    with open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit / 1e6:g} MB", os.fspath(path))


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """A file to read from.

    Raises
    ------
    OSError
        It cannot be opened, or is a folder, pipe or device: those are not waited for.
    """
    handle = os.open(path, _READING)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))
    return os.fdopen(handle, "rb")


def digest_of_value(value: Any) -> str:
    """SHA-256 of a JSON-like value's canonical form (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True)
    return digest_of_bytes(text.encode())


def versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that carry its numbers."""
    found = {"immunoprofile": _version("immunoprofile"), "python": platform.python_version()}
    found.update({name: _version(name) for name in _LIBRARIES})
    return found


@cache
def _version(name: str) -> str:
    from importlib import metadata  # it brings the parser of e-mail, and gating a file asks for no version

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    OutputError
        The folder cannot be written or the disk is full; the old file, if any, is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as problem:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise OutputError(
            f"cannot be written ({problem.strerror or problem})",
            path=path,
            remedy="Make room or check the folder's permissions, then run the same command again.",
            code="OUTPUT-WRITE",
        ) from problem


def _sync_folder(folder: Path) -> None:
    """Have the system put a folder's entries on disk: without it a rename may be lost with the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def time_now() -> str:
    """The time in UTC as ISO text, or what SOURCE_DATE_EPOCH says it is."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


def refuse_existing(*paths: Path, remedy: str) -> None:
    """Refuse to write over files; called for all of them before the first is written.

    Raises
    ------
    OutputError
        One of them exists, be it as a link that leads nowhere.
    """
    for path in paths:
        if path.exists() or path.is_symlink():
            raise existing_file_error(path, remedy)


def existing_file_error(path: Path, remedy: str) -> OutputError:
    """The error of `refuse_existing`, for who finds out only while writing."""
    return OutputError("exists already and is not overwritten", path=path, code="OUTPUT-EXISTS", remedy=remedy)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value, indented, keys in the order given, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


_SEAL = re.compile(rb'<meta name="sha256" content="([0-9a-f]{64})">')
UNSEALED = "0" * 64
"""What stands in a page where its digest will: the digest is that of the page with this in its place."""


def seal_page(text: str) -> str:
    """A page of HTML with its own SHA-256 in its element ``<meta name="sha256">``."""
    return text.replace(UNSEALED, digest_of_bytes(text.encode()), 1)


def is_sealed(content: bytes) -> bool | None:
    """Has a page the bytes that it was written with? None where it carries no digest of its own."""
    found = _SEAL.search(content)
    if found is None:
        return None
    start, end = found.span(1)
    return digest_of_bytes(content[:start] + UNSEALED.encode() + content[end:]) == found.group(1).decode()


def build_manifest(
    *,
    inputs: Mapping[str, str],
    outputs: Iterable[Path],
    folder: Path,
    options: Mapping[str, Any],
    plan: Mapping[str, str],
    times: Mapping[str, str],
) -> dict[str, Any]:
    """The manifest of a results folder: what went in, what came out, under which plan and versions.

    Parameters
    ----------
    inputs
        Path as named in the study to SHA-256.
    outputs
        Files written, below `folder`; their digests are taken here.
    plan
        Digests of template, gates and analysis plan, taken before any response was joined.
    times
        ISO time stamps; the only place in a results folder where they stand.
    """
    written = {p.relative_to(folder).as_posix(): digest_of_file(p) for p in sorted(outputs)}
    return {
        "program": "immunoprofile",
        "numerics_version": NUMERICS_VERSION,
        "versions": versions(),
        "platform": {"system": platform.system(), "machine": platform.machine(), "python": sys.version},
        "options": dict(options),
        "plan": dict(plan),
        "inputs": dict(sorted(inputs.items())),
        "outputs": written,
        "times": dict(times),
    }
