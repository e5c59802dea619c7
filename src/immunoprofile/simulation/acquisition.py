"""How the tube ran through the cytometer: when each event came, and what a clog or a drift did to it.

A steady run is the rule. A clog lets the rate fall for a while and dims what passes; a gap is a pause of the flow;
a drift changes the brightness of every fluorescence detector steadily from the first event to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import InputError, closest, printable
from immunoprofile.simulation.light import TIMESTEP

EVENTS_PER_SECOND = 2000.0


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What befell the run; the plain one befalls nothing.

    Parameters
    ----------
    clog
        From and to which share of the steady run's time the flow was clogged; None for a free flow.
    clog_rate
        Rate during the clog, relative to before.
    clog_light
        Light seen of an event during the clog, relative to before: the stream is off its centre.
    gap_at, gap_seconds
        After which share of the steady run's time the flow stood still, and for how long.
    drift_log
        Log ratio of the brightness at the end to that at the start.
    """

    clog: tuple[float, float] | None = None
    clog_rate: float = 0.1
    clog_light: float = 0.6
    gap_at: float = 0.5
    gap_seconds: float = 0.0
    drift_log: float = 0.0


STEADY = Acquisition()

ACQUISITION_FAULTS = MappingProxyType(
    {
        "clog": Acquisition(clog=(0.40, 0.70)),
        "gap": Acquisition(gap_seconds=8.0),
        "drift": Acquisition(drift_log=0.5),
    }
)
"""Faults by name; the sizes are chosen [A] so that a careful eye sees them in a plot over time."""


def join_faults(names: Sequence[str]) -> Acquisition:
    """One run with all these faults.

    Raises
    ------
    InputError
        A fault that is not known.
    """
    unknown = [n for n in names if n not in ACQUISITION_FAULTS]
    if unknown:
        raise InputError(
            f'no fault is called "{printable(unknown[0])}"', where="faults", found=unknown[0],
            expected=", ".join(ACQUISITION_FAULTS),
            remedy=closest(unknown[0], ACQUISITION_FAULTS), code="SIMULATE-OPTION",
        )  # fmt: skip
    return Acquisition(
        clog=ACQUISITION_FAULTS["clog"].clog if "clog" in names else None,
        gap_seconds=ACQUISITION_FAULTS["gap"].gap_seconds if "gap" in names else 0.0,
        drift_log=ACQUISITION_FAULTS["drift"].drift_log if "drift" in names else 0.0,
    )


def draw_times(rng: np.random.Generator, n_events: int) -> NDArray[np.float32]:
    """(n,): arrival times of a steady run in units of `TIMESTEP`, in order: never going back."""
    seconds = n_events / EVENTS_PER_SECOND
    return np.floor(np.sort(rng.random(n_events)) * seconds / TIMESTEP).astype(np.float32)


def draw_run(
    rng: np.random.Generator, n_events: int, run: Acquisition
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Arrival times (n,) in units of `TIMESTEP`, and the factor (n,) on the light of each event."""
    start, end = run.clog or (1.0, 1.0)
    slow = start + (end - start) * run.clog_rate
    whole = 1.0 - (end - start) * (1.0 - run.clog_rate)
    # Events come evenly in their own order; the clock runs on while few of them come.
    share = np.interp(np.sort(rng.random(n_events)) * whole, [0.0, start, slow, whole], [0.0, start, end, 1.0])
    factor = np.exp(run.drift_log * share) * np.where((share >= start) & (share < end), run.clog_light, 1.0)
    seconds = share * n_events / EVENTS_PER_SECOND + np.where(share > run.gap_at, run.gap_seconds, 0.0)
    return np.floor(seconds / TIMESTEP).astype(np.float32), factor.astype(np.float32)
