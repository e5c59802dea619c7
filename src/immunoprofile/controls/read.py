"""A control file becomes the linear values that tell spillover: fluorescence, scatter, nothing saturated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import Problem, SpilloverError, closest, printable
from immunoprofile.fcs import Channel, Events, read_fcs

Source = Events | str | PathLike[str]
"""A control: events, or the path of their file."""


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """Usable events of one control.

    Parameters
    ----------
    path
        The file.
    channels
        Its fluorescence channels.
    values : (n, n_detectors)
        Linear values of the events that are finite and below the range in every detector.
    scatter : (n, 2)
        Forward and side scatter of the same events, NaN where saturated; None where the file has not both.
    n_events, n_saturated
        Events in the file, and those at or above the range of a fluorescence detector.
    instrument
        Cytometer and serial number, as the file says.
    """

    path: str
    channels: tuple[Channel, ...]
    values: NDArray[np.float64] = field(repr=False)
    scatter: NDArray[np.float64] | None = field(repr=False)
    n_events: int
    n_saturated: int
    instrument: tuple[str, str]

    @property
    def name(self) -> str:
        """The file's name, safe to print."""
        return printable(Path(self.path).name, 60)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the columns of `values`."""
        return tuple(c.detector for c in self.channels)


def read_control(source: Source, wanted: Collection[str] = ()) -> Control:
    """Read a control; events that are saturated or not finite are left out.

    Parameters
    ----------
    source
        Events, or the path of their file.
    wanted
        Detectors that are stained in some control, where they are known: `choose_channels` keeps them.

    Raises
    ------
    FcsError
        The file cannot be read.
    SpilloverError
        It has no fluorescence detector.
    """
    events = source if isinstance(source, Events) else read_fcs(fspath(source))
    fluorescent = choose_channels(events.channels, wanted)
    if not fluorescent:
        raise SpilloverError(
            "has no fluorescence detector", path=events.path, code="SPILL-DETECTOR",
            remedy="Give the file of a stained control.",
        )  # fmt: skip
    linear = events.linear()
    values = linear[:, [c.index for c in fluorescent]]
    finite = np.isfinite(values).all(axis=1)
    saturated = finite & (values >= np.array([c.saturation for c in fluorescent])).any(axis=1)
    usable = finite & ~saturated
    axes = _scatter_axes(events.channels)
    return Control(
        path=str(events.path),
        channels=fluorescent,
        values=values[usable],
        scatter=None if axes is None else _read_scatter(linear[usable], [events.channels[i] for i in axes]),
        n_events=len(linear),
        n_saturated=int(saturated.sum()),
        instrument=(events.keywords.get("$CYT", "").strip(), events.keywords.get("$CYTSN", "").strip()),
    )


def choose_channels(channels: Sequence[Channel], wanted: Collection[str]) -> tuple[Channel, ...]:
    """One fluorescence channel a detector: the wanted one, else the area, where area, height and width are stored."""
    fluorescent = [c for c in channels if c.kind == "fluorescence"]
    chosen = {_stem(name): name for name in wanted}
    areas = {_stem(c.detector): c.detector for c in fluorescent if c.detector.endswith("-A")}
    return tuple(c for c in fluorescent if (areas | chosen).get(_stem(c.detector), c.detector) == c.detector)


def _stem(detector: str) -> str:
    return detector[:-2] if detector.endswith(("-A", "-H", "-W")) else detector


def _scatter_axes(channels: Sequence[Channel]) -> list[int] | None:
    """Forward and side scatter, areas where there are some."""
    axes = []
    for letter in "fs":
        named = [c for c in channels if c.kind == "scatter" and c.detector.casefold().startswith(letter)]
        areas = [c for c in named if c.detector.casefold().endswith("a")]
        if not named:
            return None
        axes.append((areas or named)[0].index)
    return axes


def _read_scatter(linear: NDArray[np.float64], axes: Sequence[Channel]) -> NDArray[np.float64]:
    """Scatter of events; NaN where it is saturated."""
    scatter = linear[:, [c.index for c in axes]]
    scatter[scatter >= np.array([c.saturation for c in axes])] = np.nan
    return scatter


def check_panel(controls: Sequence[Control]) -> list[Problem]:
    """Problems of controls that are empty or do not fit together: other detectors, other voltages."""
    first, problems = controls[0], list[Problem]()
    for control in controls:
        if not len(control.values):
            what = f"none of {control.n_events:,} events is finite and within the range of its detectors"
            remedy = "Record the control again, at lower voltages where it is too bright."
            problems.append(Problem(what, control.path, remedy=remedy, code="SPILL-EVENTS"))
    voltages = {c.detector: c.voltage for c in first.channels}
    for control in controls[1:]:
        if set(control.detectors) != set(first.detectors):
            unlike = sorted(set(control.detectors) ^ set(first.detectors))
            problems.append(
                Problem(
                    f"{', '.join(map(printable, unlike))} is not a detector of both this control and {first.name}",
                    control.path, None, ", ".join(first.detectors), ", ".join(control.detectors),
                    "Record all controls with the detectors of the samples.", "SPILL-PANEL",
                )
            )  # fmt: skip
            continue
        moved = [
            c.detector
            for c in control.channels
            if None not in (v := (c.voltage, voltages[c.detector])) and v[0] != v[1]
        ]
        if moved:
            problems.append(
                Problem(
                    f"{', '.join(map(printable, moved))} has another voltage than in {first.name}",
                    control.path, remedy="Spillover holds for one set of voltages: record all controls as the samples.",
                    code="SPILL-VOLTAGE",
                )
            )  # fmt: skip
    return problems


def locate_detector(control: Control, detector: str) -> int:
    """Column of a detector in `Control.values`.

    Raises
    ------
    SpilloverError
        The control has no such fluorescence detector; a marker of that name is pointed out.
    """
    if detector in control.detectors:
        return control.detectors.index(detector)
    meant = [c.detector for c in control.channels if c.marker == detector]
    hint = f'"{printable(detector)}" is the marker of {printable(meant[0])}. ' if meant else ""
    raise SpilloverError(
        f'has no fluorescence detector "{printable(detector)}"', path=control.path, found=detector,
        expected=", ".join(control.detectors), code="SPILL-DETECTOR",
        remedy=f"{hint}{closest(detector, control.detectors)}",
    )  # fmt: skip


def find_stained(controls: Sequence[Control], unstained: Control | None) -> tuple[str, ...]:
    """The detector in which each control is brightest beyond what the others show there.

    Raises
    ------
    SpilloverError
        Two detectors of a control are about as bright, or two controls share one.

    Notes
    -----
    Brightness is the 98th percentile of all events, so that 3 % of positives suffice; it is compared with the
    unstained control, or, without one, with the dimmest control in that detector.
    """
    order = controls[0].detectors
    bright = np.array([_brightness(c, order) for c in controls])
    reference = bright.min(axis=0) if len(controls) > 1 else np.zeros(len(order))
    if unstained is not None:
        reference = _brightness(unstained, order)
    problems, stained = list[Problem](), list[str]()
    for control, shift in zip(controls, bright - reference, strict=True):
        ranked = np.argsort(shift)[::-1]
        stained.append(order[ranked[0]])
        if len(order) > 1 and shift[ranked[1]] > _CLEARLY * shift[ranked[0]]:
            both = " and ".join(printable(order[i]) for i in ranked[:2])
            what = f"is about as bright in {both}, so its detector is not clear"
            problems.append(Problem(what, control.path, remedy="Name the detector.", code="SPILL-DETECTOR"))
    if problems:
        raise SpilloverError.of(problems)
    return tuple(stained)


_CLEARLY = 0.75
"""A second detector may reach this fraction of the first: above it the first may be spillover of the second."""


def _brightness(control: Control, order: Sequence[str]) -> NDArray[np.float64]:
    columns = [control.detectors.index(d) for d in order]
    return np.asarray(np.quantile(control.values[:, columns], 0.98, axis=0))
