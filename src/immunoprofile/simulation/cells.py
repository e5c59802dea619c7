"""How cells look: kinds of cells, their scatter and stains, and the same as arrays for drawing.

A *kind* is a leaf: every event of a simulated file is one of them, or a dead cell or a doublet made of them. Kinds
that every tube tells apart stand in `cells.toml`; a panel may split a kind further and say how the new ones look.

Brightness is the median of the stain alone, linear units after perfect compensation, without autofluorescence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from immunoprofile.simulation.reading import HERE, Strict, read_data

DEAD = "dead"
DOUBLET = "doublet"
BEAD = "bead"

_Positive = Annotated[float, Field(gt=0)]
_Spread = Annotated[float, Field(ge=0)]


class KindEntry(Strict):
    """What a data file says of a kind; what it leaves out is as in the kind that it is `like`."""

    like: str | None = None
    fsc: _Positive | None = None
    ssc: _Positive | None = None
    stains: dict[str, _Positive] = Field(default_factory=dict)
    spread: dict[str, _Spread] = Field(default_factory=dict)
    every_stain: _Positive | None = None
    every_spread: _Spread | None = None
    autofluorescence: _Spread | None = None
    scatter_spread: _Spread | None = None


class CellsFile(Strict):
    """`cells.toml`."""

    unstained: _Positive
    usual_spread: _Spread
    spread: dict[str, _Spread]
    common: dict[str, KindEntry]
    kind: dict[str, KindEntry]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cell: scatter medians, autofluorescence relative to a lymphocyte, and stains.

    `stains` maps marker to median brightness; other markers have `every_stain`. `spread` maps marker to the SD of log
    brightness where it differs from the usual one of the marker, or from `every_spread`.
    """

    label: str
    fsc: float
    ssc: float
    stains: Mapping[str, float]
    spread: Mapping[str, float]
    every_stain: float | None = None
    every_spread: float | None = None
    autofluorescence: float = 1.0
    scatter_spread: float = 0.09


@lru_cache(maxsize=1)
def load_cells() -> CellsFile:
    """The kinds that come along."""
    return read_data(HERE / "cells.toml", CellsFile)


def build_kind(label: str, entries: Mapping[str, KindEntry]) -> Kind:
    """The kind of this label with all that it takes over from the kinds it is like.

    Raises
    ------
    ValueError
        It is like a kind that is not there or like itself, or nobody says how large it is.
    """
    chain: list[KindEntry] = []
    name: str | None = label
    while name is not None:
        if name not in entries or len(chain) > len(entries):
            raise ValueError(f'kind "{label}" is like "{name}", which is not a kind, or is like itself')
        chain.insert(0, entries[name])
        name = entries[name].like
    told: dict[str, float] = {}
    stains: dict[str, float] = {}
    spread: dict[str, float] = {}
    for entry in chain:
        told |= entry.model_dump(exclude={"like", "stains", "spread"}, exclude_none=True)
        stains |= entry.stains
        spread |= entry.spread
    if not {"fsc", "ssc"} <= told.keys():
        raise ValueError(f'kind "{label}" has no fsc or no ssc')
    return Kind(label=label, stains=stains, spread=spread, **told)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Kinds as arrays, ready for drawing events: one row a kind."""

    log_stain: NDArray[np.float32]
    spread: NDArray[np.float32]
    log_scatter: NDArray[np.float32]
    scatter_spread: NDArray[np.float32]
    autofluorescence: NDArray[np.float32]


def build_looks(kinds: Iterable[Kind], markers: Sequence[str]) -> Looks:
    """The table of looks: log medians and log SDs per kind and marker, float32."""
    rows = tuple(kinds)
    return Looks(
        np.log(np.array([[_stain(k, m) for m in markers] for k in rows])).astype(np.float32),
        np.array([[spread_of(k, m) for m in markers] for k in rows], dtype=np.float32),
        np.log(np.array([[k.fsc, k.ssc] for k in rows])).astype(np.float32),
        np.array([k.scatter_spread for k in rows], dtype=np.float32),
        np.array([k.autofluorescence for k in rows], dtype=np.float32),
    )


def _stain(kind: Kind, marker: str) -> float:
    usual = load_cells().unstained if kind.every_stain is None else kind.every_stain
    return kind.stains.get(marker, usual)


def spread_of(kind: Kind, marker: str) -> float:
    """SD of the log brightness of a marker between cells of a kind."""
    cells = load_cells()
    usual = cells.spread.get(marker, cells.usual_spread) if kind.every_spread is None else kind.every_spread
    return kind.spread.get(marker, usual)
