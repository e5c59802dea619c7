"""What counts of one sample say: enough cells, live and single, parts that add up to their whole."""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.fcs import Channel
from immunoprofile.gating import Boolean, Membership
from immunoprofile.gating.membership import EventSource
from immunoprofile.quality.judge import Answer, Measured

MIN_BEADS_IN_TIME = 200
"""Below this many beads their share over the acquisition says little: ten bins of twenty."""
_BEAD_BINS = 10


def role_path(members: Membership, role: str) -> str | None:
    """The one population with a role; None where the template names none or several, or the file lacks its marker."""
    paths = [g.path for g in members.plan.template.gates if g.role == role and g.path in members.paths]
    return paths[0] if len(paths) == 1 else None


def _no_role(*roles: str) -> str:
    return f"no population, or not just one, has the role {' or '.join(roles)}"


def events_of(members: Membership, role: str) -> Answer:
    """Events of the population with a role."""
    path = role_path(members, role)
    return _no_role(role) if path is None else Measured(members.count(path))


def share_of_parent(members: Membership, role: str) -> Answer:
    """The population with a role as a fraction of its parent."""
    path = role_path(members, role)
    if path is None:
        return _no_role(role)
    count, total = members.count(path), members.count(members.plan.template.gate(path).parent)
    return Measured(count / total, note=f"{count:,} of {total:,}") if total else "its parent holds no events"


def lymphosum(members: Membership) -> Answer:
    """(T + B + NK) / lymphocytes."""
    counts = _counts_of(members, ("t", "b", "nk", "lymphocytes"))
    if isinstance(counts, str):
        return counts
    total = sum(counts[:3])
    return Measured(total / counts[3], note=f"{total:,} of {counts[3]:,}")


def cd4_cd8_of_t(members: Membership) -> Answer:
    """(CD4 + CD8 - T) / lymphocytes."""
    counts = _counts_of(members, ("cd4", "cd8", "t", "lymphocytes"))
    if isinstance(counts, str):
        return counts
    cd4, cd8, t, lymphocytes = counts
    return Measured((cd4 + cd8 - t) / lymphocytes, note=f"{cd4 + cd8:,} and {t:,} of {lymphocytes:,}")


def _counts_of(members: Membership, roles: tuple[str, ...]) -> tuple[int, ...] | str:
    """Events of several roles, the last of which holds some."""
    paths = {role: role_path(members, role) for role in roles}
    missing = [role for role, path in paths.items() if path is None]
    if missing:
        return _no_role(*missing)
    counts = tuple(members.count(str(path)) for path in paths.values())
    return counts if counts[-1] else f"the population with the role {roles[-1]} holds no events"


def bead_flow(members: Membership) -> Answer:
    """Variation of the beads' share over ten equal parts of the acquisition beyond counting error, as a CV.

    Notes
    -----
    The variance of ten binomial shares less the variance that counting gives them, never below zero. Events are taken
    in the order of the file.
    """
    path = role_path(members, "beads")
    if path is None:
        return _no_role("beads")
    beads = members.mask(path)
    total = int(beads.sum())
    if total < MIN_BEADS_IN_TIME:
        return f"fewer than {MIN_BEADS_IN_TIME} beads"
    shares, sizes = np.array([(part.mean(), len(part)) for part in np.array_split(beads, _BEAD_BINS)]).T
    share = total / beads.size
    beyond = float(shares.var(ddof=1) - (share * (1 - share) / sizes).mean())
    return Measured(math.sqrt(max(beyond, 0.0)) / share, note=f"{total:,} beads")


def bead_spread(members: Membership, events: EventSource) -> Answer:
    """Largest robust CV of the beads in the fluorescence detectors that their gate looks at.

    Notes
    -----
    Half the distance of the 15.87th and 84.13th percentile over the median, of linear values before compensation: beads
    are made to shine in the detector, and doublets or a few cells among them do not move these percentiles.
    """
    path = role_path(members, "beads")
    if path is None:
        return _no_role("beads")
    if members.count(path) < MIN_BEADS_IN_TIME:
        return f"fewer than {MIN_BEADS_IN_TIME} beads"
    channels = _gated_channels(members, events, path)
    if not channels:
        return "the beads' gate looks at no fluorescence detector"
    beads = members.mask(path)
    values = np.empty((len(channels), int(beads.sum())))
    filled = 0
    for first, block in events.linear_blocks([c.index for c in channels], _BLOCK):
        taken = block[:, beads[first : first + block.shape[1]]]
        values[:, filled : filled + taken.shape[1]] = taken
        filled += taken.shape[1]
    low, median, high = np.percentile(values, _PERCENTILES, axis=1)
    if not (median > 0).all():
        return "the beads' median is not above zero"
    spreads = (high - low) / (2 * median)
    worst = int(spreads.argmax())
    return Measured(float(spreads[worst]), note=f"in {channels[worst].detector}, {beads.sum():,} beads")


_BLOCK = 65_536
_PERCENTILES = (15.8655253931457, 50.0, 84.1344746068543)  # normal distribution at -1, 0 and 1


def _gated_channels(members: Membership, events: EventSource, path: str) -> list[Channel]:
    """Fluorescence channels that a gate looks at itself."""
    template = members.plan.template
    geometry = template.gate(path).geometry
    if isinstance(geometry, Boolean):
        return []
    wanted = {name for d in geometry.dimensions for name in d.channels}
    names = {n.casefold() for m in template.markers if m.name in wanted for n in (m.name, *m.names)}
    names |= {n.casefold() for n in wanted}
    read = [events.channels[i] for i in members.plan.columns]
    return [
        c for c in read if c.kind == "fluorescence" and {(c.marker or "").casefold(), c.detector.casefold()} & names
    ]
