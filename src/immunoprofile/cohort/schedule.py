"""Many tasks through any executor: a bounded window in flight, results in their order, workers that may die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
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

    def open(self, n_workers: int) -> Executor:
        """A new executor of so many workers."""
        if self.workers == "threads":
            return ThreadPoolExecutor(n_workers)
        # Not forked from here: a fork of a process with threads may hang. A server without threads has the libraries
        # in memory and forks workers in no time, a dead one's replacement too.
        context = get_context("forkserver")
        context.set_forkserver_preload(["immunoprofile.cohort"])
        return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_begin_worker)


def _begin_worker() -> None:
    """In a worker process: an interrupt is its owner's to handle, and it ends when its owner does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    owner = parent_process()
    if owner is not None:
        threading.Thread(target=_end_with, args=(owner.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def do_tasks(crew: Crew[TaskT, ResultT], tasks: Iterable[TaskT]) -> Iterator[ResultT]:
    """The results of tasks in their order, each as soon as it and those before it are there.

    Notes
    -----
    A worker that dies takes its executor's other tasks with it: the executor is replaced, and what was in flight is
    done again one at a time, so that the task which killed it is found; that one is given up at its second death. On
    an interrupt nothing new is begun, and what runs is waited for.
    """
    waiting = deque(tasks)
    if crew.executor is not None:
        yield from _in_chunks(crew, crew.executor, waiting)
        return
    while waiting:
        with crew.open(crew.n_workers) as executor:
            try:
                yield from _through(crew, executor, waiting)
                return
            except BrokenExecutor:
                suspects = deque(waiting.popleft() for _ in range(min(len(waiting), _in_flight(crew))))
        yield from _one_by_one(crew, suspects)


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
                if type(problem).__name__ not in _LOST:
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
        if type(problem).__name__ not in _LOST:
            raise
        return crew.give_up(task, type(problem).__name__)


def _one_by_one(crew: Crew[TaskT, ResultT], suspects: deque[TaskT]) -> Iterator[ResultT]:
    """Tasks one at a time: whoever breaks the executor now is the one that did."""
    while suspects:
        with crew.open(1) as executor:
            try:
                while suspects:
                    result = executor.submit(crew.work, suspects[0]).result()
                    suspects.popleft()
                    yield result
            except BrokenExecutor as problem:
                lost = crew.give_up(suspects.popleft(), str(problem) or type(problem).__name__)
            else:
                return
        yield lost
