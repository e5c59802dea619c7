"""How gates were settled: a record a gate and sample, and what an earlier run settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from immunoprofile.gating.automatic.fit import Fit
from immunoprofile.gating.automatic.pools import Key
from immunoprofile.gating.template import GatingTemplate


@dataclass(frozen=True, slots=True)
class GateRecord:
    """How one automatic gate was settled for one sample.

    Attributes
    ----------
    pool, fitted
        Whose gate it shares, and the samples it was found in.
    words
        How it was found, in whom, or why it was not.
    unbridged
        Batches of the pool without a bridging control, where it spans several.
    """

    path: str
    pool: Key
    fitted: tuple[str, ...]
    fit: Fit
    words: str
    unbridged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A template with every automatic gate settled, and how each was.

    Attributes
    ----------
    template
        Gates alike and in the same order; geometries are those found, or the fallbacks. Its digest is that of the
        template as declared.
    """

    template: GatingTemplate
    records: Mapping[str, GateRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrozenGate:
    """A gate of an earlier run, applied as it stands."""

    fit: Fit
    pool: Key
    fitted: tuple[str, ...]
    words: str


Frozen = Mapping[str, Mapping[str, FrozenGate]]
"""Sample id to path to gate."""
