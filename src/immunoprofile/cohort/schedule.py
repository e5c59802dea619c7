"""Many tasks through any executor: a bounded window in flight, results in their order, workers that may die."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
Workers = Literal["threads", "processes"]

_WINDOW = 4
"""Tasks in flight for each worker: enough that none waits, few enough that a million tasks are never all held."""

_CHUNK_SECONDS = 10.0
"""Work in one task of a cluster: its scheduler spends about a millisecond a task, so this leaves it idle."""

_MOST = 256
"""Samples in a chunk, however fast: a chunk that is lost is done again."""

NO_MEMORY = "not enough memory"
"""Why a task was given up that found none, alone too."""

_LOST = ("KilledWorker", "CancelledError", "WorkerProcessDied")
"""Names of the errors with which an executor of a cluster gives a task up; the class is not ours to import."""


@dataclass(frozen=True)
class Crew(Generic[TaskT, ResultT]):
    """Who does the tasks, and how.

    Parameters
    ----------
    work
        Does one task; must not raise for what is wrong with the task itself.
    give_up
        The result of a task whose worker died twice.
    n_workers
        Tasks at a time.
    executor
        Used instead of one of our own; it is left open.
    """

    work: Callable[[TaskT], ResultT]
    give_up: Callable[[TaskT, str], ResultT]
    n_workers: int = 1
    workers: Workers = "threads"
    executor: Executor | None = None


def do_tasks(crew: Crew[TaskT, ResultT], tasks: Iterable[TaskT]) -> Iterator[ResultT]:
    """The results of tasks in their order, each as soon as it and those before it are there.

    Notes
    -----
    A task whose worker dies is done once more when nobody else works, and given up when that worker dies too. One that
    finds no memory is as one whose worker died: alone it may find enough. On an interrupt nothing new is begun, and
    what runs is waited for.
    """
    waiting = deque(tasks)
    if crew.executor is not None:
        yield from _in_chunks(crew, crew.executor, waiting)
    elif crew.workers == "processes":
        from immunoprofile.cohort.processes import Shift

        yield from Shift(crew.work, crew.give_up, crew.n_workers, _in_flight(crew), waiting).results()
    else:
        yield from _in_threads(crew, waiting)


def _in_threads(crew: Crew[TaskT, ResultT], waiting: deque[TaskT]) -> Iterator[ResultT]:
    while waiting:
        with ThreadPoolExecutor(crew.n_workers) as executor:
            try:
                yield from _through(crew, executor, waiting)
            except MemoryError:
                suspects = [waiting.popleft() for _ in range(min(len(waiting), _in_flight(crew)))]
            else:
                return
        for task in suspects:
            # What was done already is found where it was kept.
            yield _alone(crew, task)


def _alone(crew: Crew[TaskT, ResultT], task: TaskT) -> ResultT:
    try:
        return crew.work(task)
    except MemoryError:
        return crew.give_up(task, NO_MEMORY)


def _in_flight(crew: Crew[Any, Any]) -> int:
    return _WINDOW * max(1, crew.n_workers)


def _through(crew: Crew[TaskT, ResultT], executor: Executor, waiting: deque[TaskT]) -> Iterator[ResultT]:
    """Results in order; `waiting` loses a task only when its result was given."""
    flight: deque[Future[ResultT]] = deque()
    try:
        while waiting:
            while len(flight) < min(len(waiting), _in_flight(crew)):
                flight.append(executor.submit(crew.work, waiting[len(flight)]))
            result = flight.popleft().result()
            waiting.popleft()
            yield result
    finally:
        for future in flight:
            future.cancel()


@dataclass(frozen=True)
class Chunk(Generic[TaskT, ResultT]):
    """Does several tasks as one task of an executor, and says how long they took."""

    work: Callable[[TaskT], ResultT]

    def __repr__(self) -> str:
        """By this a cluster calls its tasks, in its logs and on its pages."""
        return "samples"

    def __call__(self, tasks: tuple[TaskT, ...]) -> tuple[list[ResultT], float]:
        """Their results in order, and seconds."""
        start = time.perf_counter()
        results = [self.work(task) for task in tasks]
        return results, time.perf_counter() - start


def _in_chunks(crew: Crew[TaskT, ResultT], executor: Executor, waiting: deque[TaskT]) -> Iterator[ResultT]:
    """Results in order, through an executor of others: in chunks, whose size follows how long the last ones took."""
    flight: deque[tuple[tuple[TaskT, ...], Future[tuple[list[ResultT], float]]]] = deque()
    chunk, size = Chunk(crew.work), 1
    try:
        while waiting or flight:
            while waiting and len(flight) < _in_flight(crew):
                tasks = tuple(waiting.popleft() for _ in range(min(size, len(waiting))))
                flight.append((tasks, executor.submit(chunk, tasks)))
            tasks, future = flight.popleft()
            try:
                results, seconds = future.result()
            except Exception as problem:
                if not _is_lost(problem):
                    raise
                yield from (_again(crew, executor, task) for task in tasks)
                continue
            size = chunk_size(seconds / len(tasks), len(waiting), crew.n_workers)
            yield from results
    finally:
        for _, future in flight:
            future.cancel()


def chunk_size(seconds: float, n_left: int, n_workers: int) -> int:
    """Tasks in the next chunk: about ten seconds of them, and enough chunks left that no worker idles at the end.

    Parameters
    ----------
    seconds
        What one task of the last chunk took.
    """
    share = n_left // (2 * max(1, n_workers))
    return max(1, min(int(_CHUNK_SECONDS / max(seconds, 1e-9)), share, _MOST))


def _again(crew: Crew[TaskT, ResultT], executor: Executor, task: TaskT) -> ResultT:
    """A task of a cluster whose worker was lost, once more and alone."""
    try:
        return executor.submit(crew.work, task).result()
    except Exception as problem:
        if not _is_lost(problem):
            raise
        return crew.give_up(task, _why(problem))


def _is_lost(problem: Exception) -> bool:
    """Did an executor of a cluster lose the worker of a task, or the worker find no memory?"""
    return isinstance(problem, MemoryError) or type(problem).__name__ in _LOST


def _why(problem: Exception) -> str:
    if isinstance(problem, MemoryError):
        return NO_MEMORY
    return type(problem).__name__
