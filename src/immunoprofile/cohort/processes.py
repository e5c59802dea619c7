"""Processes that do tasks and may die: each has a pipe of its own, so that one that dies takes nothing of others along.

The pool of the standard library shares one queue among its workers, whose lock a dead one may hold for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Generic, TypeVar

from immunoprofile.cohort.schedule import NO_MEMORY

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


class WorkerDied(Exception):  # noqa: N818 -- what happened, and no mistake of anybody's
    """A worker ended before its task did."""


@dataclass
class _Hand(Generic[TaskT, ResultT]):
    """A worker process, and the number of the task that it has."""

    process: ForkServerProcess
    pipe: Connection
    number: int = -1

    def begin(self, number: int, task: TaskT) -> None:
        """Give it a task; whether it lives to do it shows later."""
        self.number = number
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def result(self) -> ResultT:
        """The result of its task.

        Raises
        ------
        WorkerDied
            There is none, and will be none.
        Exception
            What the task raised.
        """
        try:
            is_done, found = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise WorkerDied(_ended(self.process.exitcode)) from None
        if is_done:
            return found  # type: ignore[no-any-return]
        raise found

    def end(self) -> None:
        """Let it go: without a pipe it has nothing to wait for."""
        self.pipe.close()
        self.process.join()


def _ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"


class Shift(Generic[TaskT, ResultT]):
    """Does tasks in processes, and gives their results in order.

    Parameters
    ----------
    give_up
        The result of a task whose worker ended twice, or that twice found no memory.
    window
        Tasks begun before the first of them is given; no more are held.
    """

    def __init__(
        self,
        work: Callable[[tuple[TaskT, ...]], list[ResultT]],
        give_up: Callable[[TaskT, str], ResultT],
        n_workers: int,
        window: int,
        tasks: deque[TaskT],
    ) -> None:
        self._work, self._give_up, self._n_workers, self._window = work, give_up, max(1, n_workers), window
        self._tasks = dict(enumerate(tasks))
        self._n_tasks = len(tasks)
        self._waiting = deque(range(self._n_tasks))
        self._suspects: deque[int] = deque()
        self._results: dict[int, ResultT] = {}
        self._idle: list[_Hand[TaskT, ResultT]] = []
        self._busy: list[_Hand[TaskT, ResultT]] = []

    def results(self) -> Iterator[ResultT]:
        """Results in order; on an interrupt nothing new is begun, and what runs is waited for."""
        try:
            for given in range(self._n_tasks):
                while given not in self._results:
                    self._fill(given)
                    self._take()
                del self._tasks[given]
                yield self._results.pop(given)
        finally:
            for hand in self._busy:
                with contextlib.suppress(Exception):
                    hand.result()
            for hand in (*self._busy, *self._idle):
                hand.end()

    def _fill(self, given: int) -> None:
        """Begin what may be begun: a suspect only when nobody else works."""
        if self._suspects:
            if not self._busy:
                self._begin(self._suspects[0])
            return
        while self._waiting and len(self._busy) < self._n_workers and self._waiting[0] < given + self._window:
            self._begin(self._waiting.popleft())

    def _begin(self, number: int) -> None:
        hand = self._idle.pop() if self._idle else _hire(self._work)
        self._busy.append(hand)
        hand.begin(number, self._tasks[number])

    def _take(self) -> None:
        """Wait for a worker, and take what it did."""
        ready = wait([h.pipe for h in self._busy])
        hand = next(h for h in self._busy if h.pipe in ready)
        self._busy.remove(hand)
        number, is_second = hand.number, list(self._suspects)[:1] == [hand.number]
        try:
            self._results[number] = hand.result()
            self._idle.append(hand)
        except (WorkerDied, MemoryError) as problem:
            # A worker that found no memory may never find enough.
            hand.end()
            if not is_second:
                self._suspects.append(number)
                return
            why = NO_MEMORY if isinstance(problem, MemoryError) else str(problem)
            self._results[number] = self._give_up(self._tasks[number], why)
        except BaseException:
            hand.end()
            raise
        if is_second:
            self._suspects.popleft()


def _hire(work: Callable[[tuple[Any, ...]], list[Any]]) -> _Hand[Any, Any]:
    # Not forked from here: a fork of a process with threads may hang. A server without threads has the libraries in
    # memory and forks workers in no time, a dead one's replacement too.
    context: ForkServerContext = get_context("forkserver")
    context.set_forkserver_preload(["immunoprofile.cohort.worker"])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return _Hand(process, ours)


def _serve(pipe: Connection, work: Callable[[tuple[Any, ...]], list[Any]]) -> None:
    """In a worker: tasks from the pipe, one at a time, and results into it, until it is closed."""
    _begin_worker()
    answer: tuple[bool, Any]
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, work((task,))[0]
        except Exception as problem:
            problem.add_note(traceback.format_exc())
            answer = False, problem
        with contextlib.suppress(OSError):
            # Nobody waits for it where its owner was interrupted.
            pipe.send(answer)


def _begin_worker() -> None:
    """An interrupt is its owner's to handle, and a worker ends when its owner does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    owner = parent_process()
    if owner is not None:
        threading.Thread(target=_end_with, args=(owner.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
