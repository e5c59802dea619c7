"""Scales: linear detector units to the axes that people gate on, and back.

`Linear`, `Log`, `Asinh`, `Logicle` and `Hyperlog` are those of Gating-ML 2.0, with its parameters: the output of
values that belong on the axis is 0..1. `FlowJoBiex` is FlowJo's lookup table in FlowJo's own units. Each is called
with values of any shape and returns float64 of that shape; ``inverse`` goes back.

References
----------
Spidlen J et al. ISAC's Gating-ML 2.0 data exchange standard for gating description. Cytometry A 2015;87(7):683-687.
doi:10.1002/cyto.a.22690
Parks DR, Roederer M, Moore WA. A new "Logicle" display method. Cytometry A 2006;69(6):541-551. doi:10.1002/cyto.a.20258
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

LN10 = math.log(10.0)
_NO_TABLES = np.zeros((0, 2, 0))
_FLOWJO_BINS = 4096


@dataclass(frozen=True)
class Scale:
    """One scale; `low` and `high` clip its output (Gating-ML's boundMin and boundMax)."""

    kind: ClassVar[str]
    code: ClassVar[int]
    low: float = field(default=-math.inf, kw_only=True)
    high: float = field(default=math.inf, kw_only=True)

    def _numbers(self) -> tuple[float, ...]:
        """What the kernels need of this scale, at most seven numbers."""
        raise TypeError(f"{type(self).__name__} is a family, not a scale")

    @property
    def table(self) -> NDArray[np.float64] | None:
        """(2, n_points) linear and scaled values, for a scale that is a lookup table."""
        return None

    @cached_property
    def parameters(self) -> NDArray[np.float64]:
        """(10,) numbers as `kernels.scales` reads them."""
        row = np.zeros(10)
        numbers = self._numbers()
        row[: len(numbers)] = numbers
        row[8:] = self.low, self.high
        return row

    @property
    def settings(self) -> dict[str, float | str]:
        """Kind and parameters as a template writes them."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"kind": self.kind} | {k: v for k, v in named.items() if math.isfinite(v)}

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Scaled values of linear ones; NaN stays NaN."""
        from immunoprofile.kernels.scales import scale_array

        return self._each(scale_array, values)

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """Linear values of scaled ones, the clip aside."""
        from immunoprofile.kernels.scales import unscale_array

        return self._each(unscale_array, values)

    def _each(self, loop: Any, values: ArrayLike) -> NDArray[np.float64]:
        source = np.asarray(values, dtype=np.float64, order="C")
        out = np.empty_like(source)
        tables = _NO_TABLES if self.table is None else self.table[np.newaxis]
        loop(self.code, self.parameters, tables, source.reshape(-1), out.reshape(-1))
        return out

    def first_linear(self, bound: float, *, strict: bool = False) -> float:
        """The smallest linear float64 that is at or above a scaled bound (above it if strict).

        -inf where all are, NaN where none is. Comparison is as if rounded to twelve decimals.
        """
        from immunoprofile.kernels.scales import first_linear

        tables = _NO_TABLES if self.table is None else self.table[np.newaxis]
        return float(first_linear(self.code, self.parameters, tables, float(bound), strict))


def _require(condition: bool, scale: Scale, rule: str) -> None:
    if not condition:
        raise ValueError(f"{scale.kind} scale {scale.settings}: {rule}")


@dataclass(frozen=True)
class Identity(Scale):
    """The linear value itself: scatter or time in their own units."""

    kind: ClassVar[str] = "identity"
    code: ClassVar[int] = 0

    def _numbers(self) -> tuple[float, ...]:
        return 0.0, 0.0, 1.0


@dataclass(frozen=True)
class Linear(Scale):
    """``(x + a) / (t + a)``: t is the top of scale, a shows values below zero. t > 0, 0 <= a <= t."""

    t: float
    a: float = 0.0
    kind: ClassVar[str] = "linear"
    code: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _require(self.t > 0 and 0 <= self.a <= self.t, self, "t > 0 and 0 <= a <= t")

    def _numbers(self) -> tuple[float, ...]:
        return self.t, self.a, 1 / (self.t + self.a)


@dataclass(frozen=True)
class Log(Scale):
    """``log10(x / t) / m + 1``: m decades below the top t. -inf for x <= 0. t > 0, m > 0."""

    t: float
    m: float
    kind: ClassVar[str] = "log"
    code: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _require(self.t > 0 and self.m > 0, self, "t > 0 and m > 0")

    def _numbers(self) -> tuple[float, ...]:
        return self.t, self.m


@dataclass(frozen=True)
class Asinh(Scale):
    """``(asinh(x sinh(m ln 10) / t) + a ln 10) / ((m + a) ln 10)``. t > 0, m > 0, 0 <= a <= m."""

    t: float
    m: float
    a: float = 0.0
    kind: ClassVar[str] = "asinh"
    code: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _require(self.t > 0 and self.m > 0 and 0 <= self.a <= self.m, self, "t > 0, m > 0 and 0 <= a <= m")

    def _numbers(self) -> tuple[float, ...]:
        return 0.0, 0.0, 0.0, math.sinh(self.m * LN10) / self.t, self.a * LN10, (self.m + self.a) * LN10


@dataclass(frozen=True)
class Logicle(Scale):
    """Near linear about zero, logarithmic far from it.

    Parameters
    ----------
    t
        Top of scale, linear units, > 0.
    w
        Decades about zero that are near linear, 0 <= w <= m / 2.
    m
        Decades in all, > 0.
    a
        Extra decades of negative values, -w <= a <= m - 2 w.

    Notes
    -----
    flowCore's logicle is m times this one.
    """

    t: float
    w: float
    m: float
    a: float = 0.0
    kind: ClassVar[str] = "logicle"
    code: ClassVar[int] = 4

    def __post_init__(self) -> None:
        _require(self.t > 0 and self.m > 0, self, "t > 0 and m > 0")
        _require(0 <= self.w <= self.m / 2, self, "0 <= w <= m / 2")
        _require(-self.w <= self.a <= self.m - 2 * self.w, self, "-w <= a <= m - 2 w")

    def _numbers(self) -> tuple[float, ...]:
        decades = self.m + self.a
        w, zero = self.w / decades, (self.a + self.w) / decades
        b = decades * LN10
        d = _matching_decay(b, w)
        # c / a and -f / a of the curve a e^(b y) - c e^(-d y) + f, whose value and curvature vanish at its zero
        c_a = math.exp((zero + w) * (b + d))
        f_a = math.exp(b * zero) - c_a / math.exp(d * zero)
        a = self.t / (math.exp(b) - f_a - c_a / math.exp(d))
        slope = a * (b * math.exp(b * zero) + c_a * d * math.exp(-d * zero))
        return a, b, c_a * a, d, -f_a * a, zero, slope


def _matching_decay(b: float, w: float) -> float:
    """The d for which the curve's second derivative vanishes at its zero: 2 (ln d - ln b) + w (b + d) = 0.

    The left side rises and is concave, so Newton's steps from below rise to the root and never pass it.
    """
    d = b * math.exp(-w * b)
    for _ in range(100):
        better = d - (2 * (math.log(d) - math.log(b)) + w * (b + d)) / (2 / d + w)
        if not better > d:
            break
        d = better
    return d


@dataclass(frozen=True)
class Hyperlog(Scale):
    """Linear plus exponential: ``a e^(b y) + c y - f``. t > 0, m > 0, 0 < w <= m / 2, -w <= a <= m - 2 w."""

    t: float
    w: float
    m: float
    a: float = 0.0
    kind: ClassVar[str] = "hyperlog"
    code: ClassVar[int] = 5

    def __post_init__(self) -> None:
        _require(self.t > 0 and self.m > 0, self, "t > 0 and m > 0")
        _require(0 < self.w <= self.m / 2, self, "0 < w <= m / 2")
        _require(-self.w <= self.a <= self.m - 2 * self.w, self, "-w <= a <= m - 2 w")

    def _numbers(self) -> tuple[float, ...]:
        decades = self.m + self.a
        w, zero = self.w / decades, (self.a + self.w) / decades
        b = decades * LN10
        c_a = math.exp(b * (zero + w)) / w
        f_a = math.exp(b * zero) + c_a * zero
        a = self.t / (math.exp(b) + c_a - f_a)
        return a, b, c_a * a, f_a * a, 0.0, zero, a * (b * math.exp(b * zero) + c_a)


@dataclass(frozen=True)
class FlowJoBiex(Scale):
    """FlowJo's biexponential as the lookup table that FlowJo builds; output 0..4096, clamped there.

    Parameters
    ----------
    neg
        Extra negative decades, >= 0.
    width
        Width basis, < 0.
    pos
        Positive decades, > 0.
    max
        Top of scale, linear units.
    """

    neg: float
    width: float
    pos: float
    max: float
    kind: ClassVar[str] = "flowjo_biex"
    code: ClassVar[int] = 6

    def __post_init__(self) -> None:
        _require(
            self.neg >= 0 and self.width < 0 and self.pos > 0 and self.max > 0,
            self,
            "neg >= 0, width < 0, pos > 0 and max > 0",
        )

    def _numbers(self) -> tuple[float, ...]:
        return (0.0,)

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """(2, 4097) linear values and the 4097 display steps 0..4096."""
        half_width = math.log10(-self.width) / 2
        decades = self.pos - half_width
        extra = self.neg + half_width
        zero = min(int(extra * _FLOWJO_BINS / (extra + decades)), _FLOWJO_BINS // 2)
        if zero > 0:
            decades = extra * _FLOWJO_BINS / zero
        width = half_width / decades
        rise = LN10 * decades
        fall = _matching_decay(rise, width)
        steps = np.arange(_FLOWJO_BINS + 1) / (_FLOWJO_BINS + 1)
        size = self.max / math.exp(rise)
        up = size * np.exp(steps * rise)
        down = size * math.exp((rise + fall) * (width + extra / decades)) * np.exp(-steps * fall)
        linear = up - down
        linear -= linear[zero]
        linear[:zero] = -linear[2 * zero : zero : -1]
        return np.vstack([linear, np.arange(_FLOWJO_BINS + 1, dtype=np.float64)])


KINDS: dict[str, type[Scale]] = {s.kind: s for s in (Identity, Linear, Log, Asinh, Logicle, Hyperlog, FlowJoBiex)}
