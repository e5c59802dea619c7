"""Spillover: how much of each fluorochrome every detector sees, and how to undo it.

Rows are fluorochromes, columns are detectors: ``observed = true @ matrix``, so ``true = observed @ inverse``.
A matrix with fewer fluorochromes than detectors is undone by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import SpilloverError, printable

if TYPE_CHECKING:
    from os import PathLike

MAX_CONDITION = 1e6
"""Above this the inverse multiplies noise a million times: no instrument needs such a matrix (fcs.md M3)."""


class _Channel(Protocol):
    @property
    def detector(self) -> str: ...
    @property
    def index(self) -> int: ...


class LinearSource(Protocol):
    """Whatever has channels and linear values: `Events`, or a stand-in in tests."""

    @property
    def channels(self) -> Sequence[_Channel]: ...
    def linear(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class Spillover:
    """A spillover matrix with the names it is about, checked when made.

    Parameters
    ----------
    detectors
        Names of the columns (``$PnN``), unique.
    matrix : (n_fluorochromes, n_detectors)
        Fraction of each fluorochrome seen in each detector; 1 in its own.
    fluorochromes
        Names of the rows; the detectors themselves where absent (square matrices).

    Raises
    ------
    SpilloverError
        Shape, names, NaN or infinity, or a matrix that cannot be inverted with sense.
    """

    detectors: tuple[str, ...]
    matrix: NDArray[np.float64]
    fluorochromes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "detectors", tuple(self.detectors))
        object.__setattr__(self, "fluorochromes", tuple(self.fluorochromes) or tuple(self.detectors))
        _check(self)

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """(n_detectors, n_fluorochromes): ``compensated = observed @ inverse``.

        The inverse of a square matrix; the least-squares pseudo-inverse of one with fewer fluorochromes.
        """
        square = self.matrix.shape[0] == self.matrix.shape[1]
        inverse: NDArray[np.float64] = (np.linalg.inv if square else np.linalg.pinv)(self.matrix).astype(np.float64)
        inverse.setflags(write=False)
        return inverse

    @cached_property
    def condition(self) -> float:
        """Condition number in the 2-norm: how much compensation can magnify noise."""
        return float(np.linalg.cond(self.matrix))

    @property
    def is_identity(self) -> bool:
        """True where applying the matrix changes nothing."""
        square = self.matrix.shape[0] == self.matrix.shape[1]
        return square and bool(np.array_equal(self.matrix, np.eye(len(self.detectors))))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spillover)
            and self.detectors == other.detectors
            and self.fluorochromes == other.fluorochromes
            and np.array_equal(self.matrix, other.matrix)
        )

    def __hash__(self) -> int:
        return hash((self.detectors, self.fluorochromes, self.matrix.tobytes()))


def _check(spillover: Spillover) -> None:
    names, matrix = spillover.detectors, spillover.matrix
    shape = (len(spillover.fluorochromes), len(names))
    if matrix.ndim != 2 or matrix.shape != shape or shape[0] == 0:
        raise SpilloverError(
            f"spillover matrix has shape {matrix.shape}, its names ask for {shape}",
            code="SPILL-SHAPE",
            remedy="Give one row a fluorochrome and one column a detector; a row or column is missing or doubled.",
        )
    if shape[0] > shape[1]:
        raise SpilloverError(
            f"{shape[0]} fluorochromes cannot be told apart with {shape[1]} detectors",
            code="SPILL-SHAPE",
            remedy="Leave out fluorochromes, or add the detectors that saw them.",
        )
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SpilloverError(
            f"spillover names {', '.join(map(printable, twice))} more than once",
            code="SPILL-NAMES",
            remedy="Each detector may stand in the matrix once.",
        )
    if not np.isfinite(matrix).all():
        row = int(np.argwhere(~np.isfinite(matrix))[0][0])
        raise SpilloverError(
            f"spillover row {printable(spillover.fluorochromes[row])} holds NaN or infinity",
            code="SPILL-VALUE",
            remedy="Compute the matrix again from its controls.",
        )
    if not spillover.condition < MAX_CONDITION:
        raise SpilloverError(
            f"spillover matrix of {', '.join(map(printable, names))} cannot be inverted "
            f"(condition number {spillover.condition:.3g})",
            code="SPILL-SINGULAR",
            remedy="Two fluorochromes look alike: check the controls for a doubled or empty row.",
        )


def read_spillover(path: str | PathLike[str], fluorochromes: Sequence[str] = ()) -> Spillover:
    """Read a matrix from CSV: detectors as header; a first column of row names may stand before them.

    Parameters
    ----------
    fluorochromes
        Names of the rows where they are not the detectors; then the matrix need not be square.

    Raises
    ------
    SpilloverError
        The file is missing, not such a table, or its matrix cannot be used; the file and row are named.

    Notes
    -----
    Row names that are the detectors in another order put the rows in the order of the columns.
    """
    names, rows, cells = _read_cells(path)
    if rows and set(rows) == set(names) and not fluorochromes:
        cells = [cells[rows.index(n)] for n in names]
    try:
        matrix = np.array(cells, dtype=np.float64).reshape(len(cells), -1)
        return Spillover(tuple(names), matrix, tuple(fluorochromes))
    except SpilloverError as problem:
        first = problem.problems[0]
        raise SpilloverError(first.what, path=path, remedy=first.remedy, code=first.code) from None


def _read_cells(path: str | PathLike[str]) -> tuple[list[str], list[str], list[list[str]]]:
    """Header, row names (none where there are none) and the numbers as text."""
    import csv
    from pathlib import Path

    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            lines = [[cell.strip() for cell in line] for line in csv.reader(stream) if any(map(str.strip, line))]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise SpilloverError(
            f"spillover table cannot be read ({problem})", path=path, code="SPILL-ACCESS", remedy="Check the path."
        ) from problem
    header, body = (lines[0], lines[1:]) if lines else ([], [])
    named = bool(body) and not _is_number(body[0][0])
    names = header[1:] if named and len(header) == len(body[0]) else header
    cells = [line[1:] if named else line for line in body]
    for number, row in enumerate(cells, start=2):
        if len(row) != len(names) or not all(map(_is_number, row)):
            raise SpilloverError(
                "spillover row does not hold one number a detector",
                path=path,
                where=f"row {number}",
                expected=f"{len(names)} numbers",
                found=printable(",".join(row)),
                code="SPILL-VALUE",
                remedy="Write decimals with a point and one value for each column of the header.",
            )
    return names, [line[0] for line in body] if named else [], cells


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def compensate(events: LinearSource, spillover: Spillover) -> NDArray[np.float64]:
    """Linear values of all channels with spillover undone in the channels of the matrix.

    Parameters
    ----------
    events
        Anything with ``channels`` and ``linear()``.
    spillover
        Square: compensated channels replace their detectors. Not square: use the gating engine, where each
        fluorochrome is its own dimension.

    Returns
    -------
    (n_events, n_channels) float64, linear scale values; channels outside the matrix unchanged.

    Raises
    ------
    SpilloverError
        The matrix names a detector that the events lack, or is not square.

    Notes
    -----
    NaN or infinity in one detector of the matrix makes all its channels NaN for that event: nothing about the
    others is known then.
    """
    if spillover.matrix.shape[0] != spillover.matrix.shape[1]:
        raise SpilloverError(
            "a matrix with fewer fluorochromes than detectors has no compensated detectors",
            code="SPILL-SHAPE",
            remedy="Gate with it in a template, or give a square matrix.",
        )
    values = events.linear()
    columns = locate_detectors(spillover, [c.detector for c in events.channels])
    observed = values[:, columns]
    with np.errstate(invalid="ignore"):
        true = observed @ spillover.inverse
    true[~np.isfinite(observed).all(axis=1)] = np.nan
    values[:, columns] = true
    return values


def locate_detectors(spillover: Spillover, detectors: Sequence[str]) -> list[int]:
    """Column of each detector of the matrix among `detectors`.

    Raises
    ------
    SpilloverError
        Names that are not among them, with what is.
    """
    missing = [n for n in spillover.detectors if n not in detectors]
    if missing:
        raise SpilloverError(
            f"spillover names {', '.join(map(printable, missing))}, which the file has not",
            code="SPILL-NAMES",
            expected=", ".join(detectors),
            found=", ".join(missing),
            remedy=f"Use the matrix of this panel. The file has: {', '.join(map(printable, detectors))}.",
        )
    return [list(detectors).index(n) for n in spillover.detectors]
