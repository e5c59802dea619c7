"""Who does the samples of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immunoprofile.cohort.schedule import Workers
    from immunoprofile.cohort.workplace import Workplace

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Hands:
    """Who does the samples of a run, where results are kept, and who is told.

    Parameters
    ----------
    jobs
        Samples at a time on this machine.
    executor
        Does the samples instead; its workers see the files and the results folder.
    width
        Tasks that the executor does at a time; as `jobs` where None.
    progress
        Called with (done, total, sample_id) after each sample.
    log
        Called after each sample with what became of it, as JSON has it.
    """

    jobs: int = 1
    workers: Workers = "threads"
    executor: Executor | None = None
    place: Workplace | None = None
    progress: Progress | None = None
    width: int | None = None
    log: Callable[[Mapping[str, Any]], None] | None = None

    @property
    def n_workers(self) -> int:
        """Tasks at a time."""
        return self.jobs if self.executor is None or self.width is None else self.width
