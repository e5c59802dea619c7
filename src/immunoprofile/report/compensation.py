"""The matrices that samples were compensated with: each once, with the samples that used it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.errors import printable
from immunoprofile.report.numbers import counted, listed
from immunoprofile.report.pictures import Picture

_STRONG = 0.05
"""A spill above this share is set off: it decides how far a neighbour is spread."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One spill: percent as text, and how strong its cell is drawn (0 to 4; 5 is the diagonal)."""

    text: str
    strength: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """One matrix: rows are fluorochromes, columns the detectors that they spill into."""

    title: str
    samples: str
    detectors: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]


def spillover_matrices(pictures: Sequence[Picture]) -> list[Matrix]:
    """The matrices in use, the most used first."""
    users: dict[tuple[tuple[str, ...], bytes], list[Picture]] = {}
    for picture in pictures:
        if picture.spillover is not None:
            detectors, values = picture.spillover
            users.setdefault((detectors, values.tobytes()), []).append(picture)
    ordered = sorted(users.values(), key=len, reverse=True)
    return [_matrix(number, group) for number, group in enumerate(ordered, start=1)]


def uncompensated(pictures: Sequence[Picture]) -> list[str]:
    """Samples that used no matrix at all."""
    return [printable(p.sample_id, 80) for p in pictures if p.spillover is None]


def _matrix(number: int, users: Sequence[Picture]) -> Matrix:
    first = users[0].spillover
    assert first is not None
    detectors, values = first
    square = values.shape[0] == values.shape[1] == len(detectors)
    rows = tuple(
        (
            _row_name(detectors, i, square=square),
            tuple(_entry(float(v), own=square and i == j) for j, v in enumerate(row)),
        )
        for i, row in enumerate(np.atleast_2d(values))
    )
    whose = listed([printable(p.sample_id, 80) for p in users], 8)
    return Matrix(
        f"Matrix {number}",
        f"{counted(len(users), 'sample')}: {whose}",
        tuple(printable(d, 60) for d in detectors),
        rows,
    )


def _row_name(detectors: Sequence[str], i: int, *, square: bool) -> str:
    return printable(detectors[i], 60) if square else f"fluorochrome {i + 1}"


def _entry(value: float, *, own: bool) -> Entry:
    if own:
        return Entry(f"{100 * value:.3g}", 5)
    steps = (0.001, 0.01, _STRONG, 0.2)
    return Entry(f"{100 * value:.2f}" if value else "0", sum(abs(value) >= s for s in steps))


def residual_note(rules: Mapping[str, int]) -> str:
    """What the study's single stains said about spill that is left, in a sentence."""
    asked = rules.get("residual_spill", 0)
    if asked:
        return f"Residual spill was measured in {counted(asked, 'single stain item')}: see the quality table."
    return "No single-stain controls were given, so residual spill was not measured."
