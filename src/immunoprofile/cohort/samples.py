"""All samples through any number of workers, in the order of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from immunoprofile.cohort.cuts import Cuts
from immunoprofile.cohort.hands import Hands
from immunoprofile.cohort.sample import Profiled, Tabling
from immunoprofile.cohort.schedule import Crew, do_tasks
from immunoprofile.cohort.task import Done, Setting, Task, Work, failed
from immunoprofile.cohort.worker import Worker
from immunoprofile.cohort.workplace import Workplace
from immunoprofile.errors import ImmunoprofileError
from immunoprofile.spillover import Spillover
from immunoprofile.study import Sample
from immunoprofile.study.deidentify import withhold


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
    """A task with what is known of its file and of its result."""
    file, pinned = task.sample.file, None
    if task.settled is not None:
        pinned = place.pinned(file)
    return replace(task, known=place.known(file), pinned=pinned, kept_in=place.store.names_for(task.sample.sample_id))


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
    return failed(task, problem)
