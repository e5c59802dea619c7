"""Panels as data: the markers of a tube, the cells that it tells apart, and what its populations truly are.

A panel is a TOML file in `panels/`, or one of the caller's. It names its markers with their detectors (`light.toml`
knows how those spill), splits kinds of cells that the trial's tree leaves whole, says how the new kinds look, and
lists the populations of its template by the kinds that truly belong to them: the truth against which gating is
judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from immunoprofile.errors import InputError, closest, printable
from immunoprofile.simulation.cells import (
    BEAD,
    DEAD,
    DOUBLET,
    Kind,
    KindEntry,
    Looks,
    build_kind,
    build_looks,
    load_cells,
)
from immunoprofile.simulation.light import SCATTER, TIME, autofluorescence, load_light, spill_matrix
from immunoprofile.simulation.parameters import Split
from immunoprofile.simulation.reading import HERE, Strict, read_data
from immunoprofile.spillover import Spillover

ALL_EVENTS = "all_events"
VIABILITY = "Viability"
PANELS = ("tbnk", "treg", "tcell_memory", "th", "bcell", "immune14")
"""The panels that come along; each has a template of the same id."""

_OTHERS = (DEAD, DOUBLET)
_MOST_LABELS = 127


class _Head(Strict):
    id: str
    title: str
    template: str | None = None
    whole_blood: bool = False
    optional: tuple[str, ...] = ()


class _Population(Strict):
    of: tuple[str, ...]
    cells: tuple[str, ...]
    needs: tuple[str, ...] = ()


class _PanelFile(Strict):
    panel: _Head
    markers: dict[str, str]
    tube: dict[str, float] | None = None
    split: tuple[Split, ...] = ()
    kind: dict[str, KindEntry] = Field(default_factory=dict)
    population: dict[str, _Population]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One tube: its channels, its light, the kinds of cells it tells apart, and its populations.

    Parameters
    ----------
    template
        Id of the gating template made for it.
    whole_blood
        Lymphocytes are the share of leukocytes that the subject's blood count says.
    markers, detectors
        In file order, as long as each other; scatter and time are not among them.
    spill : (n_markers, n_markers)
        Row = fluorochrome, column = detector.
    kinds, labels
        The kinds in order; labels are those of the kinds, then dead cells and doublets. A label's index is its code.
    tube
        Shares of events where the panel has its own; None for those of the trial's tree.
    splits
        How this panel splits what the trial's tree leaves whole.
    members, denominators
        pop_id to the labels that truly belong to it, and to the pop_ids it is divided by, the parent first.
    """

    id: str
    title: str
    template: str
    whole_blood: bool
    markers: tuple[str, ...]
    detectors: tuple[str, ...]
    spill: NDArray[np.float64]
    autofluorescence: NDArray[np.float64]
    kinds: tuple[Kind, ...]
    labels: tuple[str, ...]
    looks: Looks
    tube: Mapping[str, float] | None
    splits: tuple[Split, ...]
    members: Mapping[str, frozenset[str]]
    denominators: Mapping[str, tuple[str, ...]]

    @property
    def lymphocytes(self) -> tuple[str, ...]:
        """Labels of lymphocytes in order: dead cells and doublets are drawn among them."""
        return tuple(k.label for k in self.kinds if k.label in self.members["lymphocytes"])

    @property
    def has_beads(self) -> bool:
        """True where counting beads may be in the tube."""
        return BEAD in self.labels

    def labels_of(self, pop_id: str) -> frozenset[str]:
        """The labels of a population, or of all events."""
        return frozenset(self.labels) if pop_id == ALL_EVENTS else self.members[pop_id]

    def channel_names(self) -> tuple[str, ...]:
        """All detectors in file order: scatter, fluorochromes, time."""
        return (*SCATTER, *self.detectors, TIME)

    def true_spillover(self) -> Spillover:
        """The matrix with which the tube's light is mixed, as a lab would find it from perfect single stains."""
        return Spillover(self.detectors, self.spill)


@lru_cache(maxsize=64)
def load_panel(name: str, without: tuple[str, ...] = ()) -> Panel:
    """A panel by its id, or from a TOML file of the caller's.

    Parameters
    ----------
    name
        One of `PANELS`, or a path that ends in ``.toml``.
    without
        Optional markers that this tube does not have.

    Raises
    ------
    InputError
        No such panel, a marker that cannot be left out, or a file whose parts do not fit together.
    """
    if not name.endswith(".toml") and name not in PANELS:
        raise InputError(
            f'no panel is called "{printable(name)}"', where="panel", found=name, expected=", ".join(PANELS),
            remedy=closest(name, PANELS), code="SIMULATE-PANEL",
        )  # fmt: skip
    path = Path(name) if name.endswith(".toml") else HERE / "panels" / f"{name}.toml"
    file = read_data(path, _PanelFile)
    for marker in without:
        if marker not in file.panel.optional:
            raise InputError(
                f'marker "{printable(marker)}" of panel {file.panel.id} cannot be left out', where="without",
                remedy=closest(marker, file.panel.optional), code="SIMULATE-PANEL",
            )  # fmt: skip
    try:
        return _build(file, without)
    except ValueError as error:
        raise InputError(str(error), path=path, remedy="Correct the panel's file.", code="SIMULATE-DATA") from error


def _build(file: _PanelFile, without: Sequence[str]) -> Panel:
    markers = tuple(m for m in file.markers if m not in without)
    detectors = tuple(file.markers[m] for m in markers)
    _check_detectors(detectors)
    kinds = _build_kinds(file)
    labels = (*(k.label for k in kinds), *_OTHERS)
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"{len(labels)} labels are more than the codes of a label column can name")
    shown = {i: p for i, p in file.population.items() if not set(p.needs) & set(without)}
    members = {i: frozenset(_expand(i, file, labels)) for i in shown}
    _check_denominators(shown)
    if file.panel.whole_blood and "leukocytes" not in shown:
        raise ValueError("a panel of whole blood needs the population leukocytes")
    return Panel(
        id=file.panel.id,
        title=file.panel.title,
        template=file.panel.template or file.panel.id,
        whole_blood=file.panel.whole_blood,
        markers=markers,
        detectors=detectors,
        spill=spill_matrix(detectors),
        autofluorescence=autofluorescence(detectors),
        kinds=kinds,
        labels=labels,
        looks=build_looks(kinds, markers),
        tube=file.tube,
        splits=file.split,
        members=MappingProxyType(members),
        denominators=MappingProxyType({i: p.of for i, p in shown.items()}),
    )


def _check_detectors(detectors: Sequence[str]) -> None:
    known = load_light().detector
    for detector in detectors:
        if detector not in known:
            raise ValueError(f'detector "{detector}" is not in light.toml')
    if len(set(detectors)) < len(detectors):
        raise ValueError("two markers are on one detector")


def _build_kinds(file: _PanelFile) -> tuple[Kind, ...]:
    """The kinds of the blood in their order, each that the panel splits replaced by its parts; beads last, if any."""
    blood = load_cells()
    entries = {**blood.common, **blood.kind, **file.kind}
    parts = {s.parent: [p.name for p in s.parts] for s in file.split}
    names: list[str] = []
    for name in blood.kind:
        if name != BEAD or BEAD in (file.tube or {}):
            names += _leaves(name, parts)
    return tuple(build_kind(name, entries) for name in names)


def _leaves(name: str, parts: Mapping[str, Sequence[str]]) -> Iterable[str]:
    return [leaf for part in parts[name] for leaf in _leaves(part, parts)] if name in parts else [name]


def _expand(pop_id: str, file: _PanelFile, labels: Sequence[str], seen: tuple[str, ...] = ()) -> set[str]:
    """The labels of a population: its cells are labels, kinds that the panel splits, or other populations."""
    if pop_id in seen:
        raise ValueError(f'population "{pop_id}" holds itself')
    parts = {s.parent: [p.name for p in s.parts] for s in file.split}
    found: set[str] = set()
    for cell in file.population[pop_id].cells:
        leaves = set(_leaves(cell, parts))
        if leaves <= set(labels):
            found |= leaves
        elif cell in file.population:
            found |= _expand(cell, file, labels, (*seen, pop_id))
        else:
            raise ValueError(f'population "{pop_id}": "{cell}" is neither a kind of cell nor a population')
    return found


def _check_denominators(populations: Mapping[str, _Population]) -> None:
    for pop_id, population in populations.items():
        if not population.of:
            raise ValueError(f'population "{pop_id}" is divided by nothing')
        for denom_id in population.of:
            if denom_id not in populations and denom_id != ALL_EVENTS:
                raise ValueError(f'population "{pop_id}" is divided by "{denom_id}", which is no population')
    if "lymphocytes" not in populations:
        raise ValueError("a panel needs the population lymphocytes: dead cells and doublets are drawn among them")
