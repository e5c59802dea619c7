"""Many tasks through any executor: a bounded window in flight, results in their order, workers that may die."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Literal, TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
Workers = Literal["threads", "processes"]

_WINDOW = 4
"""Tasks in flight for each worker: enough that none waits, few enough that a million tasks are never all held."""


@dataclass(frozen=True)
class Pace:
    """How many tasks go in one handful: what takes about `seconds`, and no more than `most`, however fast they are.

    Parameters
    ----------
    ahead
        Handfuls in flight for each worker.
    """

    seconds: float
    most: int
    ahead: int


HERE = Pace(0.2, 16, 2)
"""In our own threads: a few quick samples cost less together than one by one, and an interrupt still ends soon."""

_AWAY = Pace(10.0, 256, _WINDOW)
"""On a cluster: its scheduler spends about a millisecond a handful, so this leaves it idle."""

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
        Does a few tasks and gives their results in order; must not raise for what is wrong with a task itself.
    give_up
        The result of a task whose worker died twice.
    n_workers
        Tasks at a time.
    executor
        Used instead of one of our own; it is left open.
    """

    work: Callable[[tuple[TaskT, ...]], list[ResultT]]
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
        yield from _on_cluster(crew, crew.executor, waiting)
    elif crew.workers == "processes":
        from immunoprofile.cohort.processes import Shift

        yield from Shift(crew.work, crew.give_up, crew.n_workers, _WINDOW * crew.n_workers, waiting).results()
    else:
        yield from _in_threads(crew, waiting)


def _in_threads(crew: Crew[TaskT, ResultT], waiting: deque[TaskT]) -> Iterator[ResultT]:
    while waiting:
        with ThreadPoolExecutor(crew.n_workers) as executor:
            flight = _Flight(crew, executor, waiting, HERE)
            try:
                while flight.goes_on():
                    yield from flight.land()
            except MemoryError:
                pass
            finally:
                flight.cancel()
        # Nobody else works any more: what came to its end is taken, the rest is done one by one.
        for tasks, found in flight.landed():
            yield from (_alone(crew, task) for task in tasks) if found is None else found


def _alone(crew: Crew[TaskT, ResultT], task: TaskT) -> ResultT:
    try:
        return crew.work((task,))[0]
    except MemoryError:
        return crew.give_up(task, NO_MEMORY)


@dataclass(frozen=True)
class Handful(Generic[TaskT, ResultT]):
    """Does several tasks as one task of an executor, and says how long they took."""

    work: Callable[[tuple[TaskT, ...]], list[ResultT]]

    def __repr__(self) -> str:
        """By this a cluster calls its tasks, in its logs and on its pages."""
        return "samples"

    def __call__(self, tasks: tuple[TaskT, ...]) -> tuple[list[ResultT], float]:
        """Their results in order, and seconds."""
        start = time.perf_counter()
        return self.work(tasks), time.perf_counter() - start


class _Flight(Generic[TaskT, ResultT]):
    """Tasks on their way through an executor, in handfuls whose size follows how long the last one took."""

    def __init__(self, crew: Crew[TaskT, ResultT], executor: Executor, waiting: deque[TaskT], pace: Pace) -> None:
        self._handful, self._n_workers = Handful(crew.work), max(1, crew.n_workers)
        self._executor, self._waiting, self._pace = executor, waiting, pace
        # How long a task takes is not known yet.
        self._size, self._most = 1, self._n_workers
        self._begun: deque[tuple[tuple[TaskT, ...], Future[tuple[list[ResultT], float]]]] = deque()

    def goes_on(self) -> bool:
        """Begin what may be begun; is anything in flight?"""
        while self._waiting and len(self._begun) < self._most:
            tasks = tuple(islice(self._waiting, self._size))
            self._begun.append((tasks, self._executor.submit(self._handful, tasks)))
            # Only now: what could not be begun is waiting still.
            for _ in tasks:
                self._waiting.popleft()
        return bool(self._begun)

    def first(self) -> tuple[TaskT, ...]:
        """The tasks of the handful that was begun first."""
        return self._begun[0][0]

    def land(self) -> list[ResultT]:
        """Results of the handful that was begun first. What it raised is raised here, and it stays in flight."""
        tasks, future = self._begun[0]
        found, seconds = future.result()
        self._begun.popleft()
        self._most = self._pace.ahead * self._n_workers
        self._size = handful_size(self._pace, seconds / len(tasks), len(self._waiting), self._n_workers)
        return found

    def drop(self) -> None:
        """Have the handful that was begun first no more."""
        self._begun.popleft()

    def landed(self) -> Iterator[tuple[tuple[TaskT, ...], list[ResultT] | None]]:
        """What is in flight once nothing runs: tasks with their results, None where they have none."""
        while self._begun:
            tasks, future = self._begun.popleft()
            failed = future.cancelled() or isinstance(future.exception(), MemoryError)
            yield tasks, None if failed else future.result()[0]

    def cancel(self) -> None:
        """Let nothing begin that has not."""
        for _, future in self._begun:
            future.cancel()


def _on_cluster(crew: Crew[TaskT, ResultT], executor: Executor, waiting: deque[TaskT]) -> Iterator[ResultT]:
    """Results in order, through an executor of others: the rest goes on while what was lost is done again."""
    flight = _Flight(crew, executor, waiting, _AWAY)
    try:
        while flight.goes_on():
            tasks = flight.first()
            try:
                found: Iterable[ResultT] = flight.land()
            except Exception as problem:
                if not _is_lost(problem):
                    raise
                flight.drop()
                found = (_again(crew, executor, task) for task in tasks)
            yield from found
    finally:
        flight.cancel()


def handful_size(pace: Pace, seconds: float, n_left: int, n_workers: int) -> int:
    """Tasks in the next handful: enough handfuls are left that no worker idles at the end.

    Parameters
    ----------
    seconds
        What one task of the last handful took.
    """
    share = n_left if n_workers == 1 else n_left // (2 * n_workers)
    return max(1, min(int(pace.seconds / max(seconds, 1e-9)), share, pace.most))


def _again(crew: Crew[TaskT, ResultT], executor: Executor, task: TaskT) -> ResultT:
    """A task of a cluster whose worker was lost, once more and alone."""
    try:
        return executor.submit(crew.work, (task,)).result()[0]
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
