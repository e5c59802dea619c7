"""The samples that a template's tests name: found beside the template or among the fixtures, and held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunoprofile.errors import ImmunoprofileError, Problem, TemplateInvalidError, closest, printable
from immunoprofile.fcs import Channel, Events, read_fcs
from immunoprofile.gating.expectations import TemplateTest
from immunoprofile.gating.library import templates_folder
from immunoprofile.gating.template import GatingTemplate


@dataclass(frozen=True, slots=True, eq=False)
class HeldEvents:
    """The linear values of a file, read once: tests gate the same events over and over."""

    channels: tuple[Channel, ...]
    columns: NDArray[np.float64]

    @property
    def n_events(self) -> int:
        """Events of the file."""
        return int(self.columns.shape[1])

    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """As `Events.linear_blocks`."""
        end = self.n_events if stop is None else stop
        for first in range(start, end, size):
            yield first, self.columns[list(columns), first : min(first + size, end)]

    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> NDArray[np.float64]:
        """As `Events.linear_sample`."""
        return np.hstack([self.columns[list(columns), start : start + size] for start in starts])


@dataclass(frozen=True, slots=True, eq=False)
class Fixture:
    """One test with its sample.

    Attributes
    ----------
    where
        Place of the test in the template: ``test[0]``.
    labels : (n_events,) str or None
        What each event truly is.
    controls
        Name (``fmo:CD25``) and events of each control.
    """

    where: str
    test: TemplateTest
    path: Path
    events: Events
    held: HeldEvents
    labels: NDArray[np.str_] | None = None
    controls: tuple[tuple[str, Events], ...] = ()


def read_fixtures(template: GatingTemplate, folder: Path | None = None) -> tuple[Fixture, ...]:
    """Read the sample and the labels of every test of a template.

    Parameters
    ----------
    folder
        Where samples lie; None: the template's own folder, then ``fixtures`` in it and beside it.

    Raises
    ------
    TemplateInvalidError
        The template has no tests; samples or labels are missing or cannot be read: all of them.
    """
    if not template.tests:
        raise TemplateInvalidError(
            "the template has no tests", path=template.source, code="TEST-NONE",
            remedy='Write a [[test]] block: sample = "FILE.fcs", expect = { "POPULATION" = { count = N } }.',
        )  # fmt: skip
    problems: list[Problem] = []
    folders = _folders(template) if folder is None else [folder]
    found = [_read(template, i, test, folders, problems) for i, test in enumerate(template.tests)]
    if problems:
        raise TemplateInvalidError.of(problems)
    return tuple(f for f in found if f is not None)


def _folders(template: GatingTemplate) -> list[Path]:
    own = Path() if template.source is None else template.source.parent
    return [own, own / "fixtures", own.resolve().parent / "fixtures"]


def _read(
    template: GatingTemplate, number: int, test: TemplateTest, folders: Sequence[Path], problems: list[Problem]
) -> Fixture | None:
    where = f"test[{number}]"
    path = _find(template, f"{where}.sample", test.sample, (".fcs",), folders, problems)
    table = None
    if test.labels is not None:
        table = _find(template, f"{where}.labels", test.labels, (".csv", ".parquet"), folders, problems)
    tubes = [
        (name, _find(template, f"{where}.controls.{printable(name)}", file, (".fcs",), folders, problems))
        for name, file in test.controls
    ]
    if path is None or (test.labels is not None and table is None):
        return None
    events = _events(path, problems)
    controls = [(name, _events(tube, problems)) for name, tube in tubes if tube is not None]
    if events is None:
        return None
    held = HeldEvents(tuple(events.channels), np.ascontiguousarray(events.linear().T))
    labels = None if table is None else _labels(table, test, events.n_events, where, problems)
    return Fixture(where, test, path, events, held, labels, tuple((n, e) for n, e in controls if e is not None))


def _events(path: Path, problems: list[Problem]) -> Events | None:
    try:
        return read_fcs(path)
    except ImmunoprofileError as problem:
        problems.extend(problem.problems)
        return None


def _find(
    template: GatingTemplate,
    where: str,
    name: str,
    endings: Sequence[str],
    folders: Sequence[Path],
    problems: list[Problem],
) -> Path | None:
    for folder in folders:
        for ending in ("", *endings):
            path = folder / f"{name}{ending}"
            if path.is_file():
                return path
    looked = ", ".join(str(f) for f in folders)
    remedy = f"It was looked for in {looked}. Correct the name, or give the folder with --fixtures."
    if template.source is not None and template.source.resolve().parent == templates_folder().resolve():
        remedy = (
            "Samples of the shipped templates are in the folder fixtures of the source archive, not in the "
            "installed program: give that folder with --fixtures."
        )
    problems.append(
        Problem(
            f'"{printable(name)}" is not there', str(template.source), where, found=name, remedy=remedy,
            code="TEST-SAMPLE",
        )
    )  # fmt: skip
    return None


def _labels(
    path: Path, test: TemplateTest, n_events: int, where: str, problems: list[Problem]
) -> NDArray[np.str_] | None:
    """The label of each event of the file; a column ``event`` numbers them from 0, else they stand in order."""
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as problem:
        what = f"is no table ({printable(str(problem).splitlines()[0], 80)})"
        problems.append(Problem(what, str(path), remedy="Write it as CSV or Parquet.", code="TEST-LABELS"))
        return None
    column = test.label_column
    if column not in table.columns:
        what, remedy = f'has no column "{printable(column)}"', closest(column, map(str, table.columns))
        problems.append(Problem(what, str(path), f"{where}.label_column", remedy=remedy, code="TEST-LABELS"))
        return None
    numbers = np.arange(len(table))
    if "event" in table.columns:
        numbers = pd.to_numeric(table["event"], errors="coerce").fillna(-1).to_numpy(dtype=np.int64)
    if len(table) != n_events or not np.array_equal(np.sort(numbers), np.arange(n_events)):
        what = f"labels {len(table)} events, not each of the {n_events} of {printable(test.sample)} once"
        problems.append(Problem(what, str(path), where, remedy="Give one row an event.", code="TEST-LABELS"))
        return None
    labels = np.empty(n_events, dtype=object)
    labels[numbers] = table[column].fillna("").astype(str).to_numpy(dtype=object)
    return labels.astype(np.str_)
