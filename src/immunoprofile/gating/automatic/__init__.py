"""Automatic gates: a rule and the events of a pool of samples become a plain geometry.

`resolve` walks a template from the root downwards: for each automatic gate `pools` says which samples share it and
whose events it is found in, `reading` takes those events on the rule's axes (`values`), and `fit` turns them into a
geometry or into the reason why the fallback stands; `records` keeps how each was settled. The methods are in `lines`
(cuts on one axis), `planes` (outlines on two) and `mixture`; `peaks` tells peaks from noise, `axes` knows how long an
axis is. `drift` compares a sample's own cut with its pool's, `frozen` keeps gates for later runs, and `kept` for the
same run when it goes on. What comes out is a `GatingTemplate` like any other: the engine knows nothing of all this.
"""

from immunoprofile.gating.automatic.drift import GateCheck, check_gates
from immunoprofile.gating.automatic.fit import Fit, fit_rule, own_place
from immunoprofile.gating.automatic.frozen import FrozenFile, freeze, thaw
from immunoprofile.gating.automatic.kept import pack_resolved, unpack_resolved
from immunoprofile.gating.automatic.pools import PoolSample
from immunoprofile.gating.automatic.records import Frozen, FrozenGate, GateRecord, Resolved
from immunoprofile.gating.automatic.resolve import has_automatic_gates, resolve_template

__all__ = [
    "Fit",
    "Frozen",
    "FrozenFile",
    "FrozenGate",
    "GateCheck",
    "GateRecord",
    "PoolSample",
    "Resolved",
    "check_gates",
    "fit_rule",
    "freeze",
    "has_automatic_gates",
    "own_place",
    "pack_resolved",
    "resolve_template",
    "thaw",
    "unpack_resolved",
]
