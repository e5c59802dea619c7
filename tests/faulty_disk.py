"""A disk that fails, writes half, or takes the process with it, at the k-th call on files below one folder.

Counted are open, read, write, sync, close, rename, mkdir, chmod, unlink and stat, as this process makes them. Used as
a context; one thread at a time.
"""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import immunoprofile.fcs.source

OF_WRITES = ("short", "torn")
KINDS = ("EIO", "ENOSPC", "EACCES", "EINTR", *OF_WRITES)
"""An error of that number; a write of which half is done and told; one of which half is done and that fails."""


class Disk:
    """Fails at one call, or kills the process there; counts them all.

    Parameters
    ----------
    kind
        One of KINDS; ``kill`` (a write is half done), ``power`` (what was not synced is half lost besides), or ``act``
        (nothing fails, but `act` is called first).
    at
        The call that fails, from 1; 0 for none. Of OF_WRITES, the write.
    """

    def __init__(self, root: Path, kind: str = "EIO", at: int = 0) -> None:
        self.root, self.kind, self.at = str(root), kind, at
        self.calls: list[str] = []
        self.n_writes = 0
        self.failed: str | None = None
        self.tell: Path | None = None
        """Where a process that is killed leaves the name of the call."""
        self.act: Callable[[], object] = lambda: None
        self._paths: dict[int, str] = {}
        self._synced: dict[str, int] = {}
        self._real: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Disk:
        for name in ("replace", "rename", "mkdir", "chmod", "unlink", "stat"):
            self._wrap(os, name, self._on_path(name))
        for name in ("fsync", "fstat", "close"):
            self._wrap(os, name, self._on_handle(name))
        self._wrap(os, "open", self._open)
        self._wrap(os, "fdopen", self._fdopen)
        self._wrap(io, "open", self._io_open)
        self._wrap(immunoprofile.fcs.source, "FileIO", lambda _, handle, mode: self._raw(handle, mode))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for module, name, real in reversed(self._real):
            setattr(module, name, real)
        self._real = []

    def _wrap(self, module: Any, name: str, wrapper: Callable[..., Any]) -> None:
        real = getattr(module, name)
        self._real.append((module, name, real))
        setattr(module, name, lambda *args, **options: wrapper(real, *args, **options))

    def is_below(self, path: object) -> bool:
        """Is this a path below the folder?"""
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root)

    def count(self, what: str, path: object, half: Callable[[], Any] | None = None) -> Any:
        """One call: None where it may go on, else what became of it; `half` does half of a write."""
        if not self._real:
            return None
        self.calls.append(f"{what} {Path(str(path)).name}")
        self.n_writes += half is not None
        if self.kind in OF_WRITES and half is None:
            return None
        if (self.n_writes if self.kind in OF_WRITES else len(self.calls)) != self.at:
            return None
        self.failed = self.calls[-1]
        if self.kind == "act":
            self.act()
            return None
        done = half() if half is not None and self.kind in {"short", "torn", "kill", "power"} else None
        if self.kind in {"kill", "power"}:
            self._leave_word()
            if self.kind == "power":
                self._lose_unsynced()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "short":
            return done
        number = getattr(errno, self.kind if self.kind.startswith("E") else "ENOSPC")
        raise OSError(number, os.strerror(number), str(path))

    def _leave_word(self) -> None:
        target, self.at = self.tell, 0
        if target is not None:
            target.write_text(self.calls[-1])

    def _lose_unsynced(self) -> None:
        for path, synced in self._synced.items():
            if Path(path).exists():
                size = Path(path).stat().st_size
                os.truncate(path, synced + max(0, size - synced) // 2)

    def _on_path(self, name: str) -> Callable[..., Any]:
        def call(real: Callable[..., Any], path: Any, *rest: Any, **options: Any) -> Any:
            if self.is_below(path):
                self.count(name, path)
                if name in {"replace", "rename"}:
                    self._synced.pop(os.fspath(path), None)
            return real(path, *rest, **options)

        return call

    def _on_handle(self, name: str) -> Callable[..., Any]:
        def call(real: Callable[..., Any], handle: int) -> Any:
            path = self._paths.get(handle)
            if path is None:
                return real(handle)
            if name == "close":
                # As Linux has it: closed, whatever it says.
                del self._paths[handle]
                real(handle)
                return self.count(name, path)
            self.count(name, path)
            done = real(handle)
            if name == "fsync":
                self._synced.pop(path, None)
            return done

        return call

    def _open(self, real: Callable[..., Any], path: Any, *rest: Any, **options: Any) -> int:
        below = self.is_below(path)
        if below:
            self.count("open", path)
        handle: int = real(path, *rest, **options)
        self._paths.pop(handle, None)
        if below:
            self._paths[handle] = os.fspath(path)
        return handle

    def _fdopen(self, real: Callable[..., Any], handle: int, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if handle not in self._paths:
            return real(handle, mode, *rest, **options)
        return _buffered(self._raw(handle, mode), mode, -1, {})

    def _raw(self, handle: int, mode: str) -> io.FileIO:
        path = self._paths.get(handle)
        return io.FileIO(handle, mode.replace("b", "")) if path is None else _Watched(self, path, handle, mode)

    def _io_open(self, real: Callable[..., Any], file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **o: Any):
        if not self.is_below(file):
            return real(file, mode, buffering, *rest, **o)
        self.count("open", file)
        names = dict(zip(("encoding", "errors", "newline"), rest, strict=False))
        return _buffered(_Watched(self, os.fspath(file), os.fspath(file), mode), mode, buffering, names | o)

    def opened(self, handle: int, path: str) -> None:
        """A handle belongs to a file below the folder."""
        self._paths[handle] = path

    def closing(self, handle: int) -> None:
        """A handle is about to be closed."""
        self._paths.pop(handle, None)

    def written(self, path: str, before: int) -> None:
        """Bytes were put behind `before` of a file and are not synced yet."""
        self._synced.setdefault(path, before)


def _buffered(raw: io.FileIO, mode: str, buffering: int, text: dict[str, Any]) -> Any:
    if buffering == 0:
        return raw
    stream = io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)
    return stream if "b" in mode else io.TextIOWrapper(stream, **text)


class _Watched(io.FileIO):
    """A file each of whose reads and writes is counted."""

    def __init__(self, disk: Disk, path: str, file: int | str, mode: str) -> None:
        self._disk, self._path = disk, path
        super().__init__(file, mode.replace("b", "").replace("t", ""))
        disk.opened(self.fileno(), path)

    def readinto(self, buffer: Any, /) -> int | None:
        self._disk.count("read", self._path)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._disk.count("read", self._path)
        return super().readall()

    def write(self, data: Any, /) -> int:
        whole = bytes(data)
        self._disk.written(self._path, os.fstat(self.fileno()).st_size)
        done = self._disk.count("write", self._path, lambda: super(_Watched, self).write(whole[: len(whole) // 2]))
        return super().write(whole) if done is None else int(done)

    def close(self) -> None:
        if not self.closed:
            self._disk.closing(self.fileno())
            super().close()
            self._disk.count("close", self._path)
