"""Does samples: each once, kept by what it rests on, and found again by that."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from immunoprofile.cohort.made import Made
from immunoprofile.cohort.memory import keep_freed_memory
from immunoprofile.cohort.sample import Plans, Profiled, profile_sample
from immunoprofile.cohort.store import MOST, Entry, Kept, Store
from immunoprofile.cohort.task import Done, Setting, Task, failed
from immunoprofile.cohort.workplace import FileState, at_rest, digested, state_of
from immunoprofile.errors import FcsAccessError, FcsError, ImmunoprofileError, OutputError
from immunoprofile.fcs import FcsFile, RemoteFile, access_error, digest_of_fcs
from immunoprofile.populations import PICTURES, picture_name
from immunoprofile.provenance import write_bytes
from immunoprofile.spillover import Spillover

_MOST_BYTES = 128_000_000
"""Of files that are done together: more would save little, and a stop lose more."""

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that pauses on its way, and gives its result at its end."""


class _Begun:
    """Work that was begun, and its result once it came to its end."""

    __slots__ = ("_done", "_steps")

    def __init__(self, steps: Steps[Done]) -> None:
        self._steps = steps
        self._done: Done | None = None
        self.go_on()

    def go_on(self) -> None:
        """As far as the next pause."""
        if self._done is not None:
            return
        try:
            next(self._steps)
        except StopIteration as end:
            self._done = end.value

    def end(self) -> Done:
        """Go on to the end."""
        while self._done is None:
            self.go_on()
        return self._done


@dataclass(frozen=True)
class Worker:
    """Does tasks, in whatever process or on whatever machine it finds itself.

    Parameters
    ----------
    private
        Errors name no folder, since others than who started the run may read them: a cluster keeps them in its logs.
    begun_anew
        No result is kept from an earlier run, so that a file's digest is not needed before it is gated.
    """

    setting: Setting
    folder: Path | None
    threads: int
    private: bool = False
    begun_anew: bool = False

    def __repr__(self) -> str:
        """Short, and without its folder."""
        return "Worker()"

    def __call__(self, tasks: Sequence[Task]) -> list[Done]:
        """Some samples in their order: what is wrong with one becomes its failure."""
        try:
            return [done for few in _in_handfuls(tasks) for done in self._keep(self._together(few))]
        except OutputError as error:
            if not self.private:
                raise
            # Without a cause: that has the folder's name too.
            raise _without_folders(error) from None

    def _together(self, few: Sequence[Task]) -> list[Done]:
        """All opened before the first is gated, and all gated before the first is tabulated (`profile_sample`)."""
        store = None if self.folder is None else Store(self.folder)
        begun = [_Begun(self._twice(task, store)) for task in few]
        for one in begun:
            one.go_on()
        return [one.end() for one in begun]

    def _keep(self, done: Sequence[Done]) -> Iterator[Done]:
        """The same once they are kept, all new ones in one file: where the tables are goes back, not the tables."""
        new = [] if self.folder is None else [_entry(d.key, d.profiled) for d in done if d.key is not None]
        kept = iter([] if self.folder is None else Store(self.folder).save(new))
        for one in done:
            profiled = replace(one.profiled, tables=next(kept)) if new and one.key is not None else one.profiled
            yield replace(one, profiled=self._drawn(profiled), key=None)

    def _twice(self, task: Task, store: Store | None) -> Steps[Done]:
        try:
            return (yield from self._once(task, store))
        except FcsError as problem:
            if problem.code != "FCS-CHANGED":
                return failed(task, problem)
        try:
            # A file that is being copied may be whole by now.
            return (yield from self._once(task, store))
        except FcsError as problem:
            return failed(task, problem)

    def _once(self, task: Task, store: Store | None) -> Steps[Done]:
        done = (yield from self._in_one_walk(task)) if self.begun_anew else None
        return (yield from self._by_key(task, store)) if done is None else done

    def _in_one_walk(self, task: Task) -> Steps[Done | None]:
        """The same as `_by_key`, reading the file once for its digest and its gates; None where that cannot be."""
        file = task.sample.file
        if isinstance(file, RemoteFile) or task.sample.spillover or task.known or task.pinned is not None:
            return None
        try:
            state = at_rest(file, state_of(file))
        except OSError:
            return None
        profiled = yield from self._profile(task)
        if profiled.failure is not None or profiled.fcs_sha256 is None:
            return None
        check_same(file, state)
        state = replace(state, sha256=profiled.fcs_sha256)
        return Done(profiled, state, key=task.key(self.setting.digest, state.sha256))

    def _by_key(self, task: Task, store: Store | None) -> Steps[Done]:
        try:
            state, key = self._key(task)
        except (OSError, ImmunoprofileError):
            # Reading says better what is wrong with the file.
            tried = yield from self._profile(task)
            if tried.failure is not None:
                return Done(tried)
            # It can be read after all: what was wrong has passed, or the system says that it has not.
            state, key = self._key(task)
        if task.pinned not in (None, state.sha256):
            how = "is not the one that automatic gates were found in" if task.pinned else _UNREAD
            raise _changed(task.sample.file, how)
        kept = None if store is None else store.load(key, task.kept_in)
        if kept is not None:
            return Done(_unpacked(task.sample.sample_id, *kept), state, kept=True)
        profiled = yield from self._profile(task, state.sha256)
        check_same(task.sample.file, state)
        if not self._has_key(task, state, key):
            raise _changed(task.sample.file, "is compensated by a matrix that changed while it was worked on")
        return Done(profiled, state, key=None if profiled.failure is not None else key)

    def _key(self, task: Task) -> tuple[FileState, str]:
        try:
            state = digested(task.sample.file, task.known)
            return state, task.key(self.setting.digest, state.sha256)
        except OSError as problem:
            raise access_error(task.sample.file, problem) from problem

    def _has_key(self, task: Task, state: FileState, key: str) -> bool:
        """Does a result still rest on what its key was made of? All but the matrix's file is in memory."""
        try:
            return task.sample.spillover is None or task.key(self.setting.digest, state.sha256) == key
        except OSError:
            return False

    def _drawn(self, profiled: Profiled) -> Profiled:
        """The result without its pictures: they are written here, and need not go back."""
        if profiled.pictures is not None and self.folder is not None:
            _write_if_new(self.folder / PICTURES / picture_name(profiled.sample_id), profiled.pictures)
        return replace(profiled, pictures=None)

    def _profile(self, task: Task, fcs_sha256: str | None = None) -> Steps[Profiled]:
        keep_freed_memory()
        return profile_sample(
            task.sample,
            task.template,
            self.setting.study_id,
            _plans(),
            threads=self.threads,
            strictness=self.setting.strictness,
            tabling=replace(self.setting.tabling(task), fcs_sha256=fcs_sha256),
            settled=task.settled,
        )


def _in_handfuls(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """A few small files at a time, and a large one alone."""
    few: list[Task] = []
    total = 0
    for task in tasks:
        size = _size(task.sample.file)
        if few and (len(few) == MOST or total + size > _MOST_BYTES):
            yield few
            few, total = [], 0
        few.append(task)
        total += size
    if few:
        yield few


def _size(file: FcsFile) -> int:
    """Bytes of a file; a remote one, which is waited for longer than it is worked on, is large."""
    try:
        return _MOST_BYTES if isinstance(file, RemoteFile) else file.stat().st_size
    except OSError:
        return 0


def _without_folders(error: OutputError) -> ImmunoprofileError:
    """The same error, with the last name alone of what could not be written."""
    return OutputError.of([p if p.path is None else replace(p, path=Path(p.path).name) for p in error.problems])


def _write_if_new(path: Path, content: bytes) -> None:
    try:
        same = path.read_bytes() == content
    except OSError:
        same = False
    if not same:
        write_bytes(path, content)


_MADE = Plans()
_LOCK = threading.Lock()


def _plans() -> Plans:
    """The plans of this process."""
    with _LOCK:
        return _MADE


def check_same(file: FcsFile, before: FileState) -> None:
    """Refuse a file that is not as it was.

    Raises
    ------
    FcsAccessError
        It changed, or is gone (``FCS-CHANGED``).
    """
    try:
        # A remote file was read from a copy, which this process may have had to make twice.
        remote = isinstance(file, RemoteFile)
        same = digest_of_fcs(file) == before.sha256 if remote else before.same(state_of(file))
    except (OSError, FcsError):
        same = False
    if not same:
        raise _changed(file, "changed while it was worked on")


_UNREAD = "could not be read, or went on changing, when automatic gates were found, and has no part in them"


def _changed(file: FcsFile, how: str) -> FcsAccessError:
    return FcsAccessError(
        f"file {how}",
        path=file,
        where="file",
        remedy="Copy the file again from the cytometer, and run the same command again.",
        code="FCS-CHANGED",
    )


def _entry(key: str, profiled: Profiled) -> Entry:
    """What is kept of a sample; floats come back bit for bit."""
    assert isinstance(profiled.tables, Made)
    matrix = None if profiled.spillover is None else _packed(profiled.spillover)
    drawn = None if profiled.pictures is None else profiled.pictures.decode()
    facts = {"fcs_sha256": profiled.fcs_sha256, "spillover": matrix, "pictures": drawn}
    return Entry(key, profiled.sample_id, facts, profiled.tables)


@lru_cache(maxsize=16)
def _packed(used: Spillover) -> str:
    """A matrix as JSON; files of one day have one."""
    return json.dumps([used.detectors, used.fluorochromes, used.matrix.tolist()])


def _unpacked(sample_id: str, facts: Mapping[str, Any], tables: Kept) -> Profiled:
    matrix = None if facts["spillover"] is None else json.loads(facts["spillover"])
    used = None if matrix is None else Spillover(tuple(matrix[0]), np.array(matrix[2]), tuple(matrix[1]))
    drawn = facts.get("pictures")
    return Profiled(
        sample_id,
        tables,
        fcs_sha256=facts["fcs_sha256"],
        spillover=used,
        pictures=None if drawn is None else str(drawn).encode(),
    )
