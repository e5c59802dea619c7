"""Tasks through executors: order, window, workers that die, interrupts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from immunoprofile.cohort.schedule import HERE, Crew, Pace, do_tasks, handful_size


class Each:
    """Work on a handful from work on one; a class, so that it goes to processes too."""

    def __init__(self, work):
        self.work = work

    def __call__(self, tasks):
        return [self.work(task) for task in tasks]


def _double(task):
    return 2 * task


def _slowest_first(task):
    time.sleep(0.02 if task % 4 == 0 else 0)
    return task


def _die_of_three(task):
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def _die_once(task):
    number, marker = task
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _lost(task, why):
    return ("lost", task)


def _lost_number(task, why):
    return ("lost", task[0])


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_tasks__come_out_in_their_order(n_workers):
    assert list(do_tasks(Crew(Each(_slowest_first), _lost, n_workers), range(40))) == list(range(40))


def test_tasks__none_gives_none():
    assert list(do_tasks(Crew(Each(_double), _lost), [])) == []


class _Watched(Executor):
    """A pool that counts what is in flight."""

    def __init__(self):
        self.pool, self.now, self.most, self.lock = ThreadPoolExecutor(2), 0, 0, threading.Lock()

    def submit(self, fn, /, *args):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        future = self.pool.submit(fn, *args)
        future.add_done_callback(lambda _: self._done())
        return future

    def _done(self):
        with self.lock:
            self.now -= 1


def test_tasks__are_never_all_in_flight():
    watched = _Watched()
    assert list(do_tasks(Crew(Each(_slowest_first), _lost, 2, executor=watched), range(300))) == list(range(300))
    assert watched.most <= 8


def test_error__of_the_work_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        list(do_tasks(Crew(Each(lambda t: 1 // t), _lost), [1, 0]))


def test_worker__that_dies_sinks_its_own_task_only():
    found = list(do_tasks(Crew(Each(_die_of_three), _lost, 2, "processes"), range(6)))
    assert found == [*range(3), ("lost", 3), *range(4, 6)]


def test_worker__that_dies_is_told_by_its_signal():
    crew = Crew(Each(_die_of_three), lambda task, why: (task, why), 2, "processes")
    assert list(do_tasks(crew, [3])) == [(3, "SIGKILL")]


def _divide(task):
    return 1 // task


def test_error__of_the_work_in_a_process_comes_with_its_place():
    with pytest.raises(ZeroDivisionError) as caught:
        list(do_tasks(Crew(Each(_divide), _lost, 2, "processes"), [1, 0]))
    assert "in _divide" in "".join(caught.value.__notes__)


def _write(task):
    time.sleep(0.2)
    task.touch()
    return task


def test_interrupt__waits_for_what_processes_have_in_hand(tmp_path):
    results = do_tasks(Crew(Each(_write), _lost, 2, "processes"), [tmp_path / str(n) for n in range(50)])
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    written = len(list(tmp_path.iterdir()))
    assert 2 <= written < 10
    assert multiprocessing.active_children() == []
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) == written


def test_worker__that_dies_once_has_its_task_done_again(tmp_path):
    tasks = [(n, tmp_path / "died") for n in range(6)]
    assert list(do_tasks(Crew(Each(_die_once), _lost_number, 2, "processes"), tasks)) == list(range(6))


class KilledWorker(Exception):  # noqa: N818
    """As a cluster's executor names it."""


class _Losing(Executor):
    """Loses the first worker of each of some tasks, or every one; a task may come alone or in a chunk."""

    def __init__(self, tasks, times):
        self.left = dict.fromkeys(tasks, times)

    def submit(self, fn, /, task):
        future: Future = Future()
        lost = [t for t in (task if isinstance(task, tuple) else (task,)) if self.left.get(t, 0) > 0]
        if lost:
            for t in lost:
                self.left[t] -= 1
            future.set_exception(KilledWorker())
        else:
            future.set_result(fn(task))
        return future


@pytest.mark.parametrize(("times", "expected"), [(1, 4), (2, ("lost", 2))])
def test_cluster__lost_task_is_done_once_more(times, expected):
    crew = Crew(Each(_double), _lost, executor=_Losing([2], times))
    assert list(do_tasks(crew, [1, 2, 3])) == [2, expected, 6]


def test_interrupt__begins_nothing_new():
    begun = []

    def work(task):
        begun.append(task)
        time.sleep(0.01)
        return task

    results = do_tasks(Crew(Each(work), _lost, 1), range(1000))
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    assert len(begun) < 10


_AWAY = Pace(10.0, 256, 4)


@pytest.mark.parametrize(
    ("pace", "seconds", "left", "workers", "size"),
    [
        pytest.param(_AWAY, 0.1, 10_000, 2, 100, id="ten-seconds"),
        pytest.param(_AWAY, 60.0, 10_000, 2, 1, id="slow-file"),
        pytest.param(_AWAY, 0.0, 1_000_000, 2, 256, id="none-is-endless"),
        pytest.param(_AWAY, 0.1, 40, 4, 5, id="shared-at-the-end"),
        pytest.param(_AWAY, 0.1, 0, 4, 1, id="last"),
        pytest.param(HERE, 0.02, 1000, 2, 10, id="a-fifth-of-a-second"),
        pytest.param(HERE, 0.001, 1000, 2, 16, id="sixteen"),
        pytest.param(HERE, 0.3, 1000, 2, 1, id="large-file"),
        pytest.param(HERE, 0.001, 5, 1, 5, id="nobody-to-share-with"),
    ],
)
def test_handful__takes_its_time_and_leaves_no_worker_idle(pace, seconds, left, workers, size):
    assert handful_size(pace, seconds, left, workers) == size


def test_handfuls__of_quick_tasks_are_of_several_and_of_slow_ones_are_not():
    sizes = {"quick": [], "slow": []}

    def work(tasks):
        sizes[tasks[0][0]].append(len(tasks))
        time.sleep(0.21 if tasks[0][0] == "slow" else 0)
        return [number for _, number in tasks]

    assert list(do_tasks(Crew(work, _lost), [("quick", n) for n in range(30)])) == list(range(30))
    assert sizes["quick"][0] == 1 and max(sizes["quick"]) == 16 and len(sizes["quick"]) < 6
    assert list(do_tasks(Crew(work, _lost), [("slow", n) for n in range(4)])) == list(range(4))
    assert sizes["slow"] == [1, 1, 1, 1]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_handful__that_finds_no_memory_is_done_one_by_one(n_workers):
    done = []

    def work(tasks):
        if len(tasks) > 1 and 17 in tasks:
            raise MemoryError
        done.extend(tasks)
        return [_double(task) for task in tasks]

    found = list(do_tasks(Crew(work, lambda task, why: (task, why), n_workers), range(40)))
    assert found == list(range(0, 80, 2))
    # nothing that was done is done again
    assert sorted(done) == list(range(40))


def test_handful__that_cannot_be_begun_is_not_lost(monkeypatch):
    class Short(ThreadPoolExecutor):
        begun = 0

        def submit(self, *work):
            Short.begun += 1
            if Short.begun in {1, 5}:
                raise MemoryError
            return super().submit(*work)

    monkeypatch.setattr("immunoprofile.cohort.schedule.ThreadPoolExecutor", Short)
    assert list(do_tasks(Crew(Each(_double), _lost, 2), range(90))) == list(range(0, 180, 2))


def test_error__of_a_handful_in_flight_is_not_swallowed_with_one_of_memory():
    reached, begun = threading.Barrier(2), []

    def work(tasks):
        begun.append(tasks)
        if len(begun) < 3:
            reached.wait(10)
        raise MemoryError if tasks[0] == 0 else ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(do_tasks(Crew(work, _lost, 2), range(2)))


def test_chunks__hold_every_task_once_in_order():
    with ThreadPoolExecutor(3) as pool:
        assert list(do_tasks(Crew(Each(_double), _lost, 3, executor=pool), range(2000))) == list(range(0, 4000, 2))
