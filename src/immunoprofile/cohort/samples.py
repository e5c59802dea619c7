"""Samples through any number of workers: each is done once, kept by what it rests on, and found again by that."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from immunoprofile.cohort.cuts import Cuts
from immunoprofile.cohort.described import describe_failure
from immunoprofile.cohort.hands import Hands
from immunoprofile.cohort.keys import digest_of_inputs
from immunoprofile.cohort.memory import keep_freed_memory
from immunoprofile.cohort.sample import Plans, Profiled, Tabling, profile_sample
from immunoprofile.cohort.schedule import Crew, do_tasks
from immunoprofile.cohort.store import Kept, Made, Store
from immunoprofile.cohort.workplace import FileState, Workplace, at_rest, digested, state_of
from immunoprofile.errors import FcsAccessError, FcsError, ImmunoprofileError, OutputError
from immunoprofile.fcs import FcsFile, RemoteFile, Strictness, access_error, digest_of_fcs
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.automatic import Resolved
from immunoprofile.populations import PICTURES, Given, Reference, TableSettings, picture_name
from immunoprofile.provenance import digest_of_file, write_bytes
from immunoprofile.quality import RuleSet
from immunoprofile.spillover import Spillover
from immunoprofile.study import Sample
from immunoprofile.study.deidentify import withhold

Work = Sequence[tuple[Sample, GatingTemplate]]
"""Samples and the templates that gate them."""


@dataclass(frozen=True)
class Setting:
    """What is alike for all samples of a run."""

    study_id: str
    strictness: Strictness
    settings: TableSettings
    rules: RuleSet
    counts_only: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of all of it."""
        return digest_of_inputs(
            study_id=self.study_id, strictness=self.strictness, settings=self.settings, rules=self.rules,
            counts_only=self.counts_only,
        )  # fmt: skip

    def tabling(self, task: Task) -> Tabling:
        """What the tables of one sample need beside its events."""
        own = task.sample.sample_id
        references = {} if task.reference is None else {own: task.reference}
        treatments = None if task.treatments is None else {task.sample.subject_id or "": task.treatments}
        return Tabling(self.settings, references, treatments, self.rules, counts_only=self.counts_only)


@dataclass(frozen=True)
class Task:
    """One sample to be done: what it is, and all that its result rests on."""

    sample: Sample
    template: GatingTemplate
    settled: Resolved | None = None
    reference: Reference | None = None
    treatments: Sequence[Given] | None = None
    known: FileState | None = None
    pinned: str | None = None
    """SHA-256 of the bytes that its gates were settled from; None where they rest on no file."""

    def __repr__(self) -> str:
        """Short, and without its file: a cluster writes what failed into the logs of its workers."""
        return f"Task({self.sample.sample_id!r})"

    def key(self, setting_digest: str, fcs_sha256: str) -> str:
        """The digest of all that the result rests on: where the file lies and what it is called are not part of it."""
        sample = self.sample
        matrix = None if sample.spillover is None else digest_of_file(sample.spillover)
        return digest_of_inputs(
            setting=setting_digest,
            sample=replace(sample, file=Path(), spillover=None, line=0),
            matrix=matrix,
            # Not its digest: gates that were settled or moved for one sample keep the digest of what was declared.
            template=_digest_of_template(self.template),
            settled=self.settled,
            reference=self.reference,
            treatments=self.treatments,
            fcs_sha256=fcs_sha256,
        )


@dataclass(frozen=True)
class Done:
    """A sample's result, the state of its file, and whether it was kept from an earlier run."""

    profiled: Profiled
    state: FileState | None = None
    kept: bool = False


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

    def __call__(self, task: Task) -> Done:
        """One sample: what is wrong with it becomes its failure."""
        try:
            return self._twice(task)
        except OutputError as error:
            if not self.private:
                raise
            # Without a cause: that has the folder's name too.
            raise _without_folders(error) from None

    def _twice(self, task: Task) -> Done:
        try:
            return self._once(task)
        except FcsError as problem:
            if problem.code != "FCS-CHANGED":
                return _failed(task, problem)
        try:
            # A file that is being copied may be whole by now.
            return self._once(task)
        except FcsError as problem:
            return _failed(task, problem)

    def _once(self, task: Task) -> Done:
        done = self._in_one_walk(task) if self.begun_anew else None
        return self._by_key(task) if done is None else done

    def _in_one_walk(self, task: Task) -> Done | None:
        """The same as `_by_key`, reading the file once for its digest and its gates; None where that cannot be."""
        file = task.sample.file
        if isinstance(file, RemoteFile) or task.sample.spillover or task.known or task.pinned is not None:
            return None
        try:
            state = at_rest(file, state_of(file))
        except OSError:
            return None
        profiled = self._profile(task)
        if profiled.failure is not None or profiled.fcs_sha256 is None:
            return None
        check_same(file, state)
        state = replace(state, sha256=profiled.fcs_sha256)
        return self._kept(profiled, state, task.key(self.setting.digest, state.sha256))

    def _by_key(self, task: Task) -> Done:
        try:
            state, key = self._key(task)
        except (OSError, ImmunoprofileError):
            # Reading says better what is wrong with the file.
            tried = self._profile(task)
            if tried.failure is not None:
                return Done(tried)
            # It can be read after all: what was wrong has passed, or the system says that it has not.
            state, key = self._key(task)
        if task.pinned not in (None, state.sha256):
            how = "is not the one that automatic gates were found in" if task.pinned else _UNREAD
            raise _changed(task.sample.file, how)
        store = None if self.folder is None else Store(self.folder)
        kept = None if store is None else store.load(key)
        if kept is not None:
            return Done(self._drawn(_unpacked(task.sample.sample_id, *kept)), state, kept=True)
        profiled = self._profile(task, state.sha256)
        check_same(task.sample.file, state)
        if not self._has_key(task, state, key):
            raise _changed(task.sample.file, "is compensated by a matrix that changed while it was worked on")
        return self._kept(profiled, state, key)

    def _kept(self, profiled: Profiled, state: FileState, key: str) -> Done:
        if self.folder is not None and isinstance(profiled.tables, Made) and profiled.failure is None:
            # What goes back is small: where the tables are, not the tables.
            kept = Store(self.folder).save(key, _facts(profiled), profiled.tables)
            profiled = replace(profiled, tables=kept)
        return Done(self._drawn(profiled), state)

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

    def _profile(self, task: Task, fcs_sha256: str | None = None) -> Profiled:
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


@lru_cache(maxsize=64)
def _digest_of_template(template: GatingTemplate) -> str:
    """Digest of a template with its gates as they are, settled or moved; many samples have the same."""
    return digest_of_inputs(template=template)


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


def _failed(task: Task, problem: ImmunoprofileError) -> Done:
    sample = task.sample
    failure = describe_failure(sample.sample_id, "sample", "read", problem, sample.file)
    return Done(Profiled(sample.sample_id, failure=failure))


def _facts(profiled: Profiled) -> dict[str, Any]:
    """What is kept of a result beside its tables, as JSON has it; floats come back bit for bit."""
    used = profiled.spillover
    matrix = None if used is None else [list(used.detectors), list(used.fluorochromes), used.matrix.tolist()]
    drawn = None if profiled.pictures is None else profiled.pictures.decode()
    return {"fcs_sha256": profiled.fcs_sha256, "spillover": matrix, "pictures": drawn}


def _unpacked(sample_id: str, facts: Mapping[str, Any], tables: Kept) -> Profiled:
    matrix = facts["spillover"]
    used = None if matrix is None else Spillover(tuple(matrix[0]), np.array(matrix[2]), tuple(matrix[1]))
    drawn = facts.get("pictures")
    return Profiled(
        sample_id,
        tables,
        fcs_sha256=facts["fcs_sha256"],
        spillover=used,
        pictures=None if drawn is None else str(drawn).encode(),
    )


def tasks_of(work: Work, tabling: Tabling, cuts: Cuts) -> list[Task]:
    """A task for each sample, with its gates as they were settled and moved."""
    return [
        Task(
            sample,
            template,
            cuts.of(sample),
            tabling.references.get(sample.sample_id),
            tabling.given(sample),
        )
        for sample, template in cuts.apply(work)
    ]


def do_samples(tasks: Sequence[Task], setting: Setting, hands: Hands) -> list[Profiled]:
    """The results of all samples, in their order.

    Raises
    ------
    OutputError
        Results cannot be kept: what was done until then is kept, and the same command goes on from there.
    """
    # A cohort keeps the cores busy with files; one large file alone is walked by several threads.
    threads = hands.jobs if len(tasks) == 1 else 1
    place = hands.place
    # Workers on other machines work elsewhere: no path may be relative.
    private = hands.executor is not None and place is not None and place.private
    folder = None if place is None else place.folder.absolute()
    worker = Worker(setting, folder, threads, private, begun_anew=place is None or place.begun_anew)
    crew = Crew(worker, _give_up, hands.n_workers, hands.workers, hands.executor)
    if place is not None:
        tasks = [_known(t, place) for t in tasks]
    if hands.executor is not None:
        tasks = [replace(t, sample=_anywhere(t.sample)) for t in tasks]
    results: list[Profiled] = []
    matrices: dict[Spillover, Spillover] = {}
    for number, (task, result) in enumerate(zip(tasks, do_tasks(crew, tasks), strict=True), start=1):
        done = _without_words(result) if place is not None and place.private else result
        results.append(_sharing(done.profiled, matrices))
        if place is not None:
            _note(place, task, done)
        _tell(hands, number, len(tasks), done)
    return results


def _known(task: Task, place: Workplace) -> Task:
    """A task with what is known of its file."""
    file = task.sample.file
    return replace(task, known=place.known(file), pinned=None if task.settled is None else place.pinned(file))


def _without_words(done: Done) -> Done:
    """The same, without the message of its failure: it names a file."""
    failure = done.profiled.failure
    return done if failure is None else replace(done, profiled=replace(done.profiled, failure=withhold(failure)))


def _anywhere(sample: Sample) -> Sample:
    matrix = sample.spillover
    return replace(sample, file=sample.file.absolute(), spillover=None if matrix is None else matrix.absolute())


def _tell(hands: Hands, number: int, total: int, done: Done) -> None:
    profiled = done.profiled
    if hands.progress is not None:
        hands.progress(number, total, profiled.sample_id)
    if hands.log is not None:
        failure = profiled.failure
        state = "failed" if failure is not None else "kept" if done.kept else "done"
        facts = {} if failure is None else {k: failure[k] for k in ("stage", "code", "message")}
        hands.log({"sample_id": profiled.sample_id, "state": state, "number": number, "total": total} | facts)


def _sharing(profiled: Profiled, matrices: dict[Spillover, Spillover]) -> Profiled:
    """The same result with the one copy of its matrix: files of one day have one matrix."""
    used = profiled.spillover
    return profiled if used is None else replace(profiled, spillover=matrices.setdefault(used, used))


def _note(place: Workplace, task: Task, done: Done) -> None:
    failure = done.profiled.failure
    if done.state is not None:
        place.remember(task.sample.file, done.state)
    if failure is not None:
        place.journal.note("sample-failed", sample_id=task.sample.sample_id, code=failure["code"])
    elif not done.kept:
        place.journal.note("sample-done", sample_id=task.sample.sample_id, fcs_sha256=done.profiled.fcs_sha256)


def _give_up(task: Task, why: str) -> Done:
    problem = ImmunoprofileError(
        f"its worker died twice ({why})",
        path=task.sample.file,
        where="worker",
        remedy="Look at the memory of the machine; read the file alone with the verb inspect.",
        code="WORKER-DIED",
    )
    return _failed(task, problem)
