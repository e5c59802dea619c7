"""Events taken out before anything is counted, where a template's ``[quality]`` says ``remove``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating import EventSource, Membership
from immunoprofile.quality.counts import role_path
from immunoprofile.quality.survey import Survey

_MAD = 4.0
"""Doublets lie this many median absolute deviations (as a standard deviation) above the median of area to height."""
_TINY = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """A membership without the events that were to be removed.

    Parameters
    ----------
    removed
        ``time``, ``margins`` or ``doublets`` to the events that this reason took; an event may have several reasons.
    n_removed
        Events without which the membership is.
    asked
        Was anything to be removed at all?
    unable
        Reasons to remove that could not be followed, with why.
    """

    members: Membership
    removed: dict[str, int] = field(default_factory=dict)
    n_removed: int = 0
    asked: bool = False
    unable: dict[str, str] = field(default_factory=dict)


def remove_events(members: Membership, events: EventSource, survey: Survey) -> Cleaned:
    """Take out what the template says: odd time, margins, doublets.

    Notes
    -----
    Populations lose these events all the way up to the root, so every denominator does. Doublets are the events outside
    the template's population with the role ``singlets``; without one, events whose FSC-A / FSC-H is more than 4 robust
    standard deviations above its median.

    References
    ----------
    Emmaneel A et al. PeacoQC: peak-based selection of high quality cytometry data. Cytometry A 2022;101:325-338
    (RemoveMargins, RemoveDoublets).
    """
    quality = members.plan.template.quality
    found: dict[str, NDArray[np.bool_] | str] = {}
    if quality.time == "remove":
        found["time"] = survey.course if isinstance(survey.course, str) else survey.course.odd
    if quality.margins == "remove":
        found["margins"] = survey.at_margin
    if quality.doublets == "remove":
        found["doublets"] = _doublets(members, events)
    masks = {name: m for name, m in found.items() if not isinstance(m, str)}
    unable = {name: m for name, m in found.items() if isinstance(m, str)}
    out = np.zeros(members.n_events, dtype=np.bool_)
    for mask in masks.values():
        out |= mask
    n_removed = int(out.sum())
    kept = members.without(out) if n_removed else members
    return Cleaned(kept, {name: int(m.sum()) for name, m in masks.items()}, n_removed, bool(found), unable)


def _doublets(members: Membership, events: EventSource) -> NDArray[np.bool_] | str:
    path = role_path(members, "singlets")
    if path is not None:
        return ~members.mask(path)
    place = {c.detector.upper(): c.index for c in events.channels}
    if not {"FSC-A", "FSC-H"} <= set(place):
        return "no population has the role singlets, and the file has not both FSC-A and FSC-H"
    ratio = np.empty(events.n_events)
    for first, block in events.linear_blocks([place["FSC-A"], place["FSC-H"]], 65_536):
        ratio[first : first + block.shape[1]] = block[0] / np.maximum(block[1], _TINY)
    return outlying_ratio(ratio)


def outlying_ratio(ratio: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Events whose ratio of area to height is too large for one cell; NaN is not."""
    known = ratio[np.isfinite(ratio)]
    if not known.size:
        return np.zeros(ratio.size, dtype=np.bool_)
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    return np.asarray(ratio > middle + _MAD * spread, dtype=np.bool_)
