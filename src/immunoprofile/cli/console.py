"""Printing: results to standard output, messages and progress to standard error."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click

from immunoprofile.errors import ImmunoprofileError, printable

WIDTH = 80
"""Text for people fits a terminal of this width."""

_LINE = 4_000
"""No message of ours is longer; a longer one holds something from a file."""

_LISTED = 100
"""Problems and failures listed at once; all of them with -v."""

_VERBOSITY = "immunoprofile.verbosity"

Progress = Callable[[int, int, str], None]


class Verbosity(IntEnum):
    """How much goes to standard error beside errors."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def set_verbosity(context: click.Context, level: Verbosity) -> None:
    """Keep the level for the whole run."""
    context.find_root().meta[_VERBOSITY] = level


def verbosity() -> Verbosity:
    """The level of this run; normal where nothing was asked for."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_root().meta.get(_VERBOSITY)
    return Verbosity.NORMAL if found is None else Verbosity(found)


def show(*lines: str) -> None:
    """Print lines of the result."""
    for line in lines:
        click.echo(line)


def show_json(value: Any) -> None:
    """Print a result for programs: JSON, ASCII (everything else escaped), not-a-number as null."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=True, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of text no wider than `WIDTH`; long cells wrap."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    page = StringIO()
    Console(file=page, width=WIDTH, color_system=None).print(table)
    show(*(line.rstrip() for line in page.getvalue().splitlines()))


def tell(*lines: str) -> None:
    """Print messages, unless the run is quiet."""
    if verbosity() > Verbosity.QUIET:
        for line in lines:
            click.echo(line, err=True)


def complain(*lines: str) -> None:
    """Print what went wrong, whatever the verbosity."""
    for line in lines:
        click.echo(line, err=True)


def complain_of(error: ImmunoprofileError) -> None:
    """Print an error: one line a problem."""
    problems = [f"Error: {printable(problem, _LINE)}" for problem in error.problems]
    complain(*shortened(problems, "problems"))


def shortened(lines: Sequence[str], what: str) -> list[str]:
    """The lines, or the first hundred and how many follow, unless the run is verbose."""
    if len(lines) <= _LISTED or verbosity() is Verbosity.VERBOSE:
        return list(lines)
    return [*lines[:_LISTED], f"... and {len(lines) - _LISTED} more {what}; -v lists them all."]


@contextmanager
def show_progress(what: str) -> Iterator[Progress | None]:
    """A callback (done, total, name) that draws a bar on a terminal and writes a line now and then elsewhere."""
    if verbosity() is Verbosity.QUIET:
        yield None
    elif sys.stderr.isatty():
        with _bar(what) as progress:
            yield progress
    else:
        yield _lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}", markup=False))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, start = bar.add_task(what, total=None, pace=""), time.monotonic()

        def progress(done: int, total: int, name: str) -> None:
            pace = describe_pace(done, total, time.monotonic() - start)
            bar.update(task, completed=done, total=total, description=f"{what} {printable(name, 30)}", pace=pace)

        yield progress


_QUIET_SECONDS = 60.0
"""A long run without a terminal says at least this often that it lives."""


def _lines(what: str) -> Progress:
    start = told = time.monotonic()

    def progress(done: int, total: int, name: str) -> None:
        nonlocal told
        now = time.monotonic()
        tenth = done * 10 // total > (done - 1) * 10 // total
        if tenth or now - told > _QUIET_SECONDS or verbosity() is Verbosity.VERBOSE:
            told = now
            pace = describe_pace(done, total, now - start)
            tell(f"{what}: {done} of {total} ({printable(name, 60)}){pace and ', '}{pace}")

    return progress


def describe_pace(done: int, total: int, seconds: float) -> str:
    """How fast it goes and how long it takes yet; nothing before that can be told.

    Parameters
    ----------
    seconds
        Since the beginning.
    """
    if seconds < 1 or not 0 < done < total:
        return ""
    rate = done / seconds
    left = round((total - done) / rate)
    hours, minutes = left // 3600, left // 60 % 60
    time_left = f"{hours}:{minutes:02}:{left % 60:02}" if hours else f"{minutes}:{left % 60:02}"
    pace = f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} seconds each"
    return f"{pace}, {time_left} left"
