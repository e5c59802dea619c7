"""One tube in memory, with its truth: for tests, for questions about gates, and to write as a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import InputError, Problem, closest, printable
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.provenance import write_bytes
from immunoprofile.simulation.acquisition import STEADY, Acquisition, join_faults
from immunoprofile.simulation.composition import build_tree, compose
from immunoprofile.simulation.light import RANGE, SCATTER, TIMESTEP
from immunoprofile.simulation.panel import Panel, load_panel
from immunoprofile.simulation.parameters import load_parameters
from immunoprofile.simulation.streams import Purpose, key_of, open_stream
from immunoprofile.simulation.trial import check_limits
from immunoprofile.simulation.truth import pack_labels
from immunoprofile.simulation.tube import draw_tube
from immunoprofile.spillover import Spillover

COMMENT = "SIMULATED data: no person stands behind these events"


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedTube:
    """The events of one simulated tube and what they truly are.

    Parameters
    ----------
    values : (n_events, n_channels) float32
        Linear units, not compensated; channels in the order of `detectors`.
    labels : (n_events,) uint8
        Index into ``panel.labels``.
    shares
        Label to the probability with which each event was drawn to be of it.
    """

    panel: Panel
    values: NDArray[np.float32]
    labels: NDArray[np.uint8]
    shares: Mapping[str, float]

    @property
    def detectors(self) -> tuple[str, ...]:
        """Every channel's detector: scatter, fluorochromes, time."""
        return self.panel.channel_names()

    @property
    def markers(self) -> tuple[str | None, ...]:
        """Every channel's marker; None for scatter and time."""
        return (*([None] * len(SCATTER)), *self.panel.markers, None)

    @property
    def spillover(self) -> Spillover:
        """The matrix by which the light was mixed."""
        return self.panel.true_spillover()

    @property
    def label_names(self) -> NDArray[np.str_]:
        """(n_events,): the label of each event in words."""
        return np.array(self.panel.labels)[self.labels]

    def mask(self, pop_id: str) -> NDArray[np.bool_]:
        """(n_events,): which events truly belong to a population of the panel's template, or to ``all_events``."""
        codes = [self.panel.labels.index(label) for label in self.panel.labels_of(pop_id)]
        return np.isin(self.labels, np.array(codes, dtype=np.uint8))

    def count(self, pop_id: str) -> int:
        """How many events truly belong to a population."""
        return int(np.count_nonzero(self.mask(pop_id)))

    def fraction(self, pop_id: str, denom_id: str) -> float:
        """The true fraction of one population in another, by label; NaN where the denominator is empty."""
        whole = self.count(denom_id)
        return self.count(pop_id) / whole if whole else math.nan


def simulate_tube(
    panel: str = "tbnk",
    n_events: int = 20_000,
    seed: int = 1,
    composition: Mapping[str, float] | None = None,
    faults: Sequence[str] | Acquisition = (),
    *,
    without: Sequence[str] = (),
    marker_shift: Mapping[str, float] | None = None,
    parameters: str | PathLike[str] | None = None,
) -> SimulatedTube:
    """Draw the events of one tube of a mean donor before treatment, with their labels, in memory.

    Parameters
    ----------
    panel
        ``tbnk``, ``treg``, ``tcell_memory``, ``th``, ``bcell``, ``immune14``, or the path of a panel file.
    n_events
        1 or more.
    seed
        Not negative; the same seed gives the same events.
    composition
        Part of the blood to its fraction of the part that holds it (``{"b": 0.01}``: 1 % of lymphocytes); siblings
        that are not named share the rest as they usually do. Counting beads are a part of the tube: ``{"bead":
        0.1}``.
    faults
        ``clog``, ``gap``, ``drift``, or an `Acquisition`.
    without
        Optional markers that the tube does not have.
    marker_shift
        Marker to the log shift of its brightness: a donor or a run day that is brighter than the mean.
    parameters
        A file with the keys of `trial.toml`; None for that file.

    Raises
    ------
    InputError
        An option that makes no tube.
    """
    check_limits({"n_events": (n_events, 1, None), "seed": (seed, 0, None)})
    tube_panel = load_panel(panel, tuple(without))
    shift = dict(marker_shift or {})
    _check_shift(tube_panel, shift)
    shares = compose(build_tree(load_parameters(parameters), tube_panel), composition or {})
    run = faults if isinstance(faults, Acquisition) else join_faults(faults) if faults else STEADY
    rng = open_stream(seed, Purpose.EVENTS, key_of(tube_panel.id))
    shifts = [shift.get(marker, 0.0) for marker in tube_panel.markers]
    tube = draw_tube(rng, tube_panel, shares, n_events, shifts, run=run)
    return SimulatedTube(tube_panel, tube.values, tube.labels, shares)


def _check_shift(panel: Panel, shift: Mapping[str, float]) -> None:
    problems = [
        Problem(
            f'panel {panel.id} has no marker "{printable(marker)}"', where="marker_shift",
            remedy=closest(marker, panel.markers), code="SIMULATE-OPTION",
        )
        for marker in shift
        if marker not in panel.markers
    ]  # fmt: skip
    if problems:
        raise InputError.of(problems)


def write_tube(
    tube: SimulatedTube,
    fcs: str | PathLike[str],
    labels: str | PathLike[str],
    *,
    name: str,
    project: str = "SIMULATED",
    spillover: Spillover | None = None,
) -> None:
    """Write a tube as an FCS file, and its labels as Parquet beside: never in the FCS file.

    Parameters
    ----------
    name, project
        ``$SMNO`` and ``$PROJ`` of the file.
    spillover
        The matrix that the file is to declare; None for the true one.

    Raises
    ------
    OutputError
        The FCS file exists, or one of them cannot be written.
    """
    write_fcs(
        fcs,
        list(tube.values.T),
        [ChannelSpec(d, m, RANGE) for d, m in zip(tube.detectors, tube.markers, strict=True)],
        keywords={
            "$COM": COMMENT,
            "$CYT": "SIMULATED",
            "$PROJ": project,
            "$SMNO": name,
            "$TIMESTEP": str(TIMESTEP),
        },
        spillover=spillover or tube.spillover,
    )
    write_bytes(Path(labels), pack_labels(tube.panel, tube.labels))
