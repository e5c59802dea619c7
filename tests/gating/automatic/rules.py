"""Axes and rules for the tests of automatic gates."""

from immunoprofile.gating.gates import AutoRule, Dimension, Rectangle
from immunoprofile.scales import Identity, Linear, Logicle

LOGICLE = Logicle(262144, 0.5, 4.5)
UNIT = Linear(1.0)


def axis(name="CD3", scale=UNIT):
    return Dimension(name, scale)


def rule(method, *axes, **settings):
    dimensions = axes or (axis(),)
    if len(dimensions) == 1:
        settings = {"keep": "above"} | settings
    return AutoRule(method, tuple(dimensions), **settings)


def fallback(low=0.5, high=None, dimension=None):
    return Rectangle((dimension or axis(),), ((low, high),))


__all__ = ["LOGICLE", "UNIT", "Identity", "axis", "fallback", "rule"]
