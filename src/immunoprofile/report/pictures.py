"""The folder ``pictures/`` read back: the histograms of every sample, and the gates drawn on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import InputError
from immunoprofile.populations.pictures import FORMAT, axis_scale, unpack_counts
from immunoprofile.scales import Scale

FOLDER = "pictures"
_MOST_BINS = 1024


@dataclass(frozen=True)
class Axis:
    """One axis of a plot: what it shows, its scale, the stretch that is drawn (scaled)."""

    channel: str
    scale: Scale
    low: float
    high: float


@dataclass(frozen=True)
class DrawnGate:
    """A gate on a plot: geometry in scaled coordinates as `gates_resolved` has it, and its events."""

    pop_id: str
    name: str
    kind: str
    origin: str
    n: int
    shape: Mapping[str, Any]


@dataclass(frozen=True)
class Behind:
    """Where the events of a population further down lie on a plot."""

    pop_id: str
    name: str
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plot:
    """One histogram of one sample: (n,) on one axis, (n_y, n_x) on two."""

    parent: str
    parent_id: str
    n_parent: int
    n_drawn: int
    axes: tuple[Axis, ...]
    counts: NDArray[np.int64]
    gates: tuple[DrawnGate, ...]
    back: tuple[Behind, ...]

    @cached_property
    def key(self) -> str:
        """What the same plot has in common in all samples: parent, channels and populations."""
        return "|".join((self.parent_id, *(a.channel for a in self.axes), *(g.pop_id for g in self.gates)))


@dataclass(frozen=True, eq=False)
class Picture:
    """The plots of one sample, and the matrix that its events were compensated with."""

    sample_id: str
    template: str
    plots: tuple[Plot, ...]
    spillover: tuple[tuple[str, ...], NDArray[np.float64]] | None = None


def read_pictures(folder: Path, samples: Sequence[str] | None = None) -> list[Picture]:
    """The pictures of a results folder; none where it has no ``pictures/``.

    Parameters
    ----------
    samples
        Only these; all where None. Pictures of samples that earlier runs had are left out so.

    Raises
    ------
    InputError
        A file there is not a picture of this program.
    """
    wanted = None if samples is None else set(samples)
    found = [_read(path) for path in sorted((folder / FOLDER).glob("*.json"))]
    return [p for p in found if wanted is None or p.sample_id in wanted]


def _read(path: Path) -> Picture:
    try:
        text = json.loads(path.read_bytes())
        if text["format"] != FORMAT:
            raise ValueError("another format")
        plots = tuple(_plot(p) for p in text["plots"])
        matrix = text.get("spillover")
        used = None if matrix is None else (tuple(map(str, matrix[0])), np.array(matrix[1], dtype=np.float64))
        return Picture(str(text["sample_id"]), str(text["template"]), plots, used)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        raise InputError(
            "is not a picture of immunoprofile", path=path, code="PICTURE",
            remedy="Run the study again, or remove the file to go without its plots.",
        ) from problem  # fmt: skip


def _plot(text: Mapping[str, Any]) -> Plot:
    axes = tuple(
        Axis(str(a["channel"]), axis_scale(a["scale"]), float(a["low"]), float(a["high"])) for a in text["axes"]
    )
    if not 1 <= len(axes) <= 2 or not all(a.low < a.high for a in axes):
        raise ValueError("axes")
    gates = tuple(
        DrawnGate(str(g["pop_id"]), str(g["name"]), str(g["kind"]), str(g["origin"]), int(g["n"]), g)
        for g in text["gates"]
    )
    back = tuple(Behind(str(b["pop_id"]), str(b["name"]), _counts(b, len(axes))) for b in text["back"])
    sizes = int(text["n_parent"]), int(text["n_drawn"])
    return Plot(str(text["parent"]), str(text["parent_id"]), *sizes, axes, _counts(text, len(axes)), gates, back)


def _counts(text: Mapping[str, Any], n_axes: int) -> NDArray[np.int64]:
    bins = int(text["bins"])
    if not 1 <= bins <= _MOST_BINS:
        raise ValueError("bins")
    return unpack_counts(str(text["counts"]), (bins,) * n_axes)
