"""Who does the samples of a run, as the options of the command line say: workers, progress, log, interrupts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import Verbosity, show_progress, verbosity
from immunoprofile.cli.outcomes import Outcome

if TYPE_CHECKING:
    from immunoprofile.cohort import Hands
    from immunoprofile.cohort.schedule import Workers


@contextlib.contextmanager
def open_hands(
    *, jobs: int | None, workers: Workers = "threads", scheduler: str | None = None, as_json: bool = False
) -> Iterator[Hands]:
    """The hands of a run, which an interrupt stops after the files in hand.

    With `as_json` a line of JSON a sample goes to standard error instead of the progress for people.

    Raises
    ------
    InputError
        The scheduler cannot be used.
    """
    from immunoprofile.cohort import Hands, count_jobs, open_cluster

    with contextlib.ExitStack() as stack:
        stack.enter_context(gentle_interrupts())
        hands = Hands(count_jobs(jobs), workers)
        if scheduler is not None:
            executor, width = stack.enter_context(open_cluster(scheduler))
            hands = replace(hands, executor=executor, width=width)
        if as_json:
            yield replace(hands, log=None if verbosity() is Verbosity.QUIET else _log)
        else:
            yield replace(hands, progress=stack.enter_context(show_progress("gating")))


def _log(facts: Mapping[str, Any]) -> None:
    click.echo(json.dumps(facts, ensure_ascii=True), err=True)


@contextlib.contextmanager
def gentle_interrupts() -> Iterator[None]:
    """Stop at Ctrl-C, or when told to end: at first after the files in hand, at the second time at once.

    Notes
    -----
    Whatever ends here can be gone on with: a sample's result is whole on disk or not there at all.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's.
        yield
        return
    told: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if told:
            _end_at_once()
        told.append(number)
        with contextlib.suppress(OSError):
            # Past all buffers: the signal may have come in the middle of a write.
            os.write(2, b"Finishing the files in hand; once more ends at once.\n")
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once() -> None:
    import multiprocessing

    for child in multiprocessing.active_children():
        child.kill()
    os._exit(Outcome.INTERRUPTED)
