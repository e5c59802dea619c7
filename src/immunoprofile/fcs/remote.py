"""Files by URL: their bytes are copied once to this machine, digested on the way, and read from the copy.

An FCS file is walked several times (digest, gates, survey, histograms): from a store that would be several times the
traffic, and the store might give other bytes the second time. Copies have no name in any folder: they are gone when
the process is, however it ends. fsspec is imported, and a store is asked, only when a URL is met.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from dataclasses import dataclass, field
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from immunoprofile.errors import FcsError, OutputError, printable
from immunoprofile.fcs.findings import Inspection, Strictness

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
SCHEMES = (
    "abfs", "abfss", "az", "gcs", "gs", "hdfs", "http", "https", "local", "memory", "s3", "sftp", "webhdfs",
)  # fmt: skip
"""Schemes that name a store of files. fsspec knows others that unpack archives, follow references or chain stores."""

_PACKAGES = {
    "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko",
    "http": "aiohttp", "https": "aiohttp", "hdfs": "pyarrow", "webhdfs": "requests",
}  # fmt: skip
_VERSION = ("ETag", "etag", "generation", "md5Hash", "content_md5", "LastModified", "last_modified", "mtime", "created")
"""What stores call that by which they tell one version of a file from the next."""

_CHUNK = 1 << 20
_KEPT_BYTES = 1 << 30
"""Copies held at a time, the newest always among them; what went is copied again when it is wanted again."""


@dataclass(frozen=True)
class RemoteFile(os.PathLike[str]):
    """An FCS file by its URL; as text without user, password and query, which may hold secrets."""

    url: str = field(repr=False)

    @cached_property
    def _shown(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def name(self) -> str:
        """The last part of it."""
        return self._shown.rstrip("/").rpartition("/")[2]

    def absolute(self) -> RemoteFile:
        """Itself: it is the same from every folder."""
        return self

    def __fspath__(self) -> str:
        return self._shown

    def __str__(self) -> str:
        return self._shown


FcsFile = Path | RemoteFile


def locate_file(text: str | os.PathLike[str], folder: Path | None = None) -> FcsFile:
    """What a path or URL names; a path is relative to `folder`. ``file:///`` is a path like any other."""
    if isinstance(text, RemoteFile):
        return text
    if not isinstance(text, str) or _URL.match(text) is None:
        return Path(text) if folder is None else folder / text
    if text.lower().startswith("file:///"):
        return Path(unquote(text[len("file://") :]))
    return RemoteFile(text)


def version_of(file: RemoteFile) -> tuple[int, str | None]:
    """Size of a remote file, and what its store calls this version of it; nothing is copied.

    Returns
    -------
    tuple
        -1 where the store does not tell the size; None where it does not tell versions apart.

    Raises
    ------
    FcsError
        As `open_copy`.
    """
    facts = _facts(file, *_store_of(file))
    told = [f"{name}={facts[name]}" for name in _VERSION if facts.get(name)]
    return _size(facts), "; ".join(told) or None


def open_copy(file: RemoteFile) -> tuple[FileIO, int, str]:
    """A handle on a copy of a remote file, its size and its SHA-256; copied now unless this process has one.

    Raises
    ------
    FcsError
        The scheme is not known or its package is not installed, the store does not answer (``FCS-URL``); there is no
        such file (``FCS-MISSING``) or no permission (``FCS-PERMISSION``); fewer or more bytes came than it has
        (``FCS-URL-SHORT``).
    OutputError
        There is no room for the copy.
    """
    return _COPIES.open(file)


@dataclass(frozen=True)
class _Copy:
    stream: IO[bytes]
    size: int
    sha256: str


class _Handle(FileIO):
    """A handle with a place of its own: a file without a name cannot be opened again."""

    def __init__(self, copy: _Copy) -> None:
        super().__init__(os.dup(copy.stream.fileno()), "rb")
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence != os.SEEK_SET:
            raise ValueError("only places from the start are known here")
        self._at = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        count = os.preadv(self.fileno(), [buffer], self._at)
        self._at += count
        return count


class _Copies:
    """The copies of this process, the one that was used last behind the others."""

    def __init__(self) -> None:
        self._held: dict[RemoteFile, _Copy] = {}
        # A lock is there for as long as somebody holds it or waits for it.
        self._coming: WeakValueDictionary[RemoteFile, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()

    def open(self, file: RemoteFile) -> tuple[FileIO, int, str]:
        with self._lock:
            coming = self._coming.setdefault(file, threading.Lock())
        with coming:
            # Others copy other files meanwhile; who wants the same one waits for it.
            with self._lock:
                held = self._held.pop(file, None)
                if held is not None:
                    return self._handle(file, held)
            new = _fetch(file)
            with self._lock:
                return self._handle(file, new)

    def _handle(self, file: RemoteFile, copy: _Copy) -> tuple[FileIO, int, str]:
        self._held[file] = copy
        handle = _Handle(copy)
        self._drop_oldest()
        return handle, copy.size, copy.sha256

    def _drop_oldest(self) -> None:
        while len(self._held) > 1 and sum(c.size for c in self._held.values()) > _KEPT_BYTES:
            self._held.pop(next(iter(self._held))).stream.close()


_COPIES = _Copies()


def _fetch(file: RemoteFile) -> _Copy:
    store, path = _store_of(file)
    size = _size(_facts(file, store, path))
    target, digest, came = _room(), hashlib.sha256(), 0
    try:
        with store.open(path, "rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                came += len(chunk)
                _write(target, chunk)
    except OutputError:
        target.close()
        raise
    except Exception as problem:
        target.close()
        raise _refusal(file, problem) from None
    if came != size >= 0:
        target.close()
        raise _error(file, "FCS-URL-SHORT", f"{came:,} bytes came, the store declares {size:,}")
    return _Copy(target, came, digest.hexdigest())


def _room() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as problem:
        raise _no_room(problem) from problem


def _write(target: IO[bytes], chunk: bytes) -> None:
    left = memoryview(chunk)
    try:
        while left:
            left = left[target.write(left) :]
    except OSError as problem:
        raise _no_room(problem) from problem


def _no_room(problem: OSError) -> OutputError:
    return OutputError(
        f"copies of remote files cannot be written ({problem.strerror or problem})",
        path=tempfile.gettempdir(),
        remedy="Make room there or name another folder in TMPDIR, then run the same command again.",
        code="OUTPUT-WRITE",
    )


def _store_of(file: RemoteFile) -> tuple[Any, str]:
    """The store of a URL and the path in it."""
    scheme = urlsplit(file.url).scheme.lower()
    if "::" in file.url:
        raise _error(file, "FCS-URL", "is a chain of stores, which is not read")
    if scheme not in SCHEMES:
        raise _error(file, "FCS-URL", f'"{printable(scheme, 20)}" is no scheme that is read')
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise _error(file, "FCS-URL", "reading by URL needs fsspec: install immunoprofile[url]") from None
    try:
        store, path = url_to_fs(file.url)
    except ImportError:
        what = f"{scheme}:// needs the package {_PACKAGES.get(scheme, 'of its store')}, which is not installed"
        raise _error(file, "FCS-URL", what) from None
    except Exception as problem:
        raise _refusal(file, problem) from None
    return store, path


def _facts(file: RemoteFile, store: Any, path: str) -> dict[str, Any]:
    try:
        facts = dict(store.info(path))
    except Exception as problem:
        raise _refusal(file, problem) from None
    if facts.get("type", "file") != "file":
        raise _error(file, "FCS-NOT-REGULAR", "is a folder, pipe or device, not a file")
    return facts


def _size(facts: dict[str, Any]) -> int:
    size = facts.get("size")
    return -1 if size is None else int(size)


_DENIED = (401, 403)


def _refusal(file: RemoteFile, problem: Exception) -> FcsError:
    """The error for what a store answered; its own words may repeat a secret of the URL, so they are left out."""
    if isinstance(problem, FileNotFoundError) and isinstance(problem.__cause__, Exception) and _is_http(file):
        # Whatever went wrong over HTTP, a refused connection too, comes as a file that was not found.
        problem = problem.__cause__
    status = getattr(problem, "status", None)
    if isinstance(problem, FileNotFoundError) or status == 404:
        return _error(file, "FCS-MISSING", "its store has no such file")
    if isinstance(problem, PermissionError) or status in _DENIED or type(problem).__name__ == "NoCredentialsError":
        return _error(file, "FCS-PERMISSION", "its store gives no permission to read this file")
    said = getattr(problem, "strerror", None) or (f"HTTP {status}" if status else type(problem).__name__)
    return _error(file, "FCS-URL", f"its store cannot be asked ({printable(said, 80)})")


def _is_http(file: RemoteFile) -> bool:
    return str(file).startswith(("http://", "https://"))


def _error(file: RemoteFile, code: str, what: str) -> FcsError:
    return Inspection(str(file), Strictness.REPORT).error(code, "file", what)
