"""Ticks of an axis as cytometrists know them: decades on both sides of zero, thousands on linear axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from immunoprofile.scales import Identity, Linear, Log, Scale

_LINE = 0.07
"""Height of a label, as a share of an upright axis; labels nearer than that would touch."""
_LETTER, _GAP = 0.027, 0.04
"""Width of a letter and of the room between labels, as shares of a level axis."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick at a share of the axis; without label it is a small one."""

    place: float
    label: str = ""


@lru_cache(maxsize=256)
def ticks_of(scale: Scale, low: float, high: float, *, upright: bool = False) -> tuple[Tick, ...]:
    """The ticks of a scale between two scaled values, from left to right, or from below where it is upright."""
    if isinstance(scale, Linear | Identity):
        return tuple(_even(scale, low, high))
    return tuple(_decades(scale, low, high, upright=upright))


def _even(scale: Scale, low: float, high: float) -> list[Tick]:
    first, last = (float(v) for v in scale.inverse([low, high]))
    step = nice_step((last - first) / 5)
    values = [k * step for k in range(math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9) + 1)]
    return [Tick(p, _thousands(v)) for v in values if 0 <= (p := _place(scale, v, low, high)) <= 1]


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `rough`."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough * (1 - 1e-9))


def _thousands(value: float) -> str:
    return f"{value / 1000:g}K" if abs(value) >= 1000 else f"{value:g}"


def _place(scale: Scale, value: float, low: float, high: float) -> float:
    return (float(scale(value)) - low) / (high - low)


def _decades(scale: Scale, low: float, high: float, *, upright: bool) -> list[Tick]:
    top = _top(scale, high)
    exponents = range(-1 if isinstance(scale, Log) else 1, math.floor(math.log10(top) + 1e-9) + 1)
    found: list[Tick] = []
    # Zero first, then from the top down: where labels would touch, the one that comes first keeps its place.
    wanted = [] if isinstance(scale, Log) else [(0.0, "0")]
    named = [e for e in reversed(exponents) if e >= 2 or isinstance(scale, Log)]
    wanted += [(10.0**e, f"10{str(e).translate(_RAISED)}") for e in named]
    if not isinstance(scale, Log):
        wanted += [(-(10.0**e), f"−10{str(e).translate(_RAISED)}") for e in reversed(named)]
    for value, label in wanted:
        place = _place(scale, value, low, high)
        if 0 <= place <= 1 and all(_clear(place, label, t, upright=upright) for t in found if t.label):
            found.append(Tick(place, label))
    small = [m * 10.0**e for e in exponents for m in range(1, 10)]
    signs = (1.0,) if isinstance(scale, Log) else (1.0, -1.0)
    places = [_place(scale, s * v, low, high) for s in signs for v in small]
    labelled = {round(t.place, 6) for t in found}
    found += [Tick(p) for p in places if 0 <= p <= 1 and round(p, 6) not in labelled]
    return sorted(found, key=lambda t: t.place)


def _clear(place: float, label: str, other: Tick, *, upright: bool) -> bool:
    room = _LINE if upright else _LETTER * (len(label) + len(other.label)) / 2 + _GAP
    return abs(place - other.place) >= room


def _top(scale: Scale, high: float) -> float:
    top = float(scale.inverse(high))
    return top if math.isfinite(top) and top > 10 else 1e5
