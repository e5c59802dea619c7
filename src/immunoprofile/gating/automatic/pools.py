"""Who shares a gate, and whose events it is found in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from immunoprofile.errors import printable
from immunoprofile.fcs import Events
from immunoprofile.gating.gates import AutoRule
from immunoprofile.gating.template import Marker
from immunoprofile.spillover import Spillover

Key = tuple[str, str]

BRIDGE = "bridge"
"""The control that every batch measures: the same material, so one pool of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class PoolSample:
    """A sample as pooling sees it.

    Parameters
    ----------
    events
        None where the file cannot be read: it then takes no part, and fails elsewhere.
    replacement
        A matrix that takes the place of the file's.
    control
        ``fmo:MARKER``, ``bridge`` and so on; None for a patient's sample.
    """

    sample_id: str
    events: Events | None
    replacement: Spillover | None = None
    subject_id: str | None = None
    visit: str | None = None
    batch: str | None = None
    day: int | None = None
    control: str | None = None


def pool_key(rule: AutoRule, sample: PoolSample) -> Key:
    """The pool of a sample; its own where the sheet does not say which subject, visit or batch it is.

    The runs of the bridging control are one pool, apart from the patients', whatever the rule pools by.
    """
    if sample.control == BRIDGE and rule.pool != "sample":
        return ("control", BRIDGE)
    name = None if rule.pool == "sample" else getattr(sample, "subject_id" if rule.pool == "subject" else rule.pool)
    return ("sample", sample.sample_id) if name is None else (rule.pool, str(name))


def choose_fitted(rule: AutoRule, members: Sequence[PoolSample], baseline: str | None) -> tuple[list[PoolSample], str]:
    """The samples of a pool that its gate is found in, in the order of their ids, and who they are in words.

    With ``fit = "baseline"`` those of the baseline visit. A subject without one, and the bridging control, has the
    earliest sample that can be read: a later visit then still changes nothing. A visit or batch without one has all
    its samples.
    """
    readable = sorted((m for m in members if m.events is not None), key=lambda m: m.sample_id)
    if rule.fit == "all" or len(members) == 1 or not readable:
        return readable, "all samples"
    chosen = [m for m in readable if baseline is not None and m.visit == baseline]
    if chosen:
        return chosen, "baseline"
    if rule.pool == "subject" or members[0].control == BRIDGE:
        earliest = min(readable, key=lambda m: (m.day is None, m.day or 0, m.sample_id))
        return [earliest], "no baseline sample, the earliest"
    return readable, "no baseline sample, all samples"


def choose_controls(marker: Marker, fitted: Iterable[PoolSample], controls: Sequence[PoolSample]) -> list[PoolSample]:
    """The FMO controls of a marker that stand nearest to the fitted samples, in the order of their ids.

    Those of the same subject and visit, else of the same subject, else of the same batch, else those that name
    neither subject nor batch. A control of another subject or batch is none.
    """
    names = {n.casefold() for n in (marker.name, *marker.names)}
    fmo = [c for c in controls if c.events is not None and _fmo_marker(c) in names]
    owners = list(fitted)
    for match in (_same_draw, _same_subject, _same_batch, _of_nobody):
        found = sorted((c for c in fmo if any(match(c, o) for o in owners)), key=lambda c: c.sample_id)
        if found:
            return found
    return []


def nearest_patient(control: PoolSample, patients: Sequence[PoolSample]) -> PoolSample | None:
    """The patient's sample whose gates a control is gated with."""
    for match in (_same_draw, _same_subject, _same_batch):
        found = next((p for p in patients if match(control, p)), None)
        if found is not None:
            return found
    return next(iter(patients), None)


def _fmo_marker(control: PoolSample) -> str | None:
    kind, _, name = (control.control or "").partition(":")
    return name.strip().casefold() if kind == "fmo" else None


def _same_draw(control: PoolSample, owner: PoolSample) -> bool:
    return _same_subject(control, owner) and control.visit is not None and control.visit == owner.visit


def _same_subject(control: PoolSample, owner: PoolSample) -> bool:
    return control.subject_id is not None and control.subject_id == owner.subject_id


def _same_batch(control: PoolSample, owner: PoolSample) -> bool:
    return control.subject_id is None and control.batch is not None and control.batch == owner.batch


def _of_nobody(control: PoolSample, _: PoolSample) -> bool:
    return control.subject_id is None and control.batch is None


def unbridged_batches(members: Sequence[PoolSample], controls: Sequence[PoolSample]) -> tuple[str, ...]:
    """Batches of a pool without a bridging control, where the pool spans several; none where it does not."""
    batches = sorted({m.batch for m in members if m.batch is not None})
    bridged = {c.batch for c in controls if c.control == BRIDGE}
    return tuple(b for b in batches if b not in bridged) if len(batches) > 1 else ()


def key_words(key: Key) -> str:
    """A pool in words."""
    return f"{key[0]} {printable(key[1], 60)}"
