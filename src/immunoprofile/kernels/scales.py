"""One value from linear to scaled and back, for every kind of scale.

A scale is a kind (one of the codes below) and a row of `N_PARAMETERS` numbers; kind TABLE names, as its first
number, a row of `tables`: (n_tables, 2, n_points), linear values and scaled values, both rising. Logicle and
hyperlog solve their inverse by Halley's method and are continued below zero by their odd symmetry about the scale's
zero.

References
----------
Moore WA, Parks DR. Update for the logicle data scale including operational code implementations.
Cytometry A 2012;81(4):273-277. doi:10.1002/cyto.a.22030
Bagwell CB. HyperLog: a flexible log-like transform for negative, zero, and positive valued data.
Cytometry A 2005;64(1):34-42. doi:10.1002/cyto.a.20114
Spidlen J et al. ISAC's Gating-ML 2.0 data exchange standard. Cytometry A 2015;87(7):683-687. doi:10.1002/cyto.a.22690
"""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part

IDENTITY, LINEAR, LOG, ASINH, LOGICLE, HYPERLOG, TABLE = range(7)

N_PARAMETERS = 10
# Places in a row of parameters: 0-6 belong to the kind, the last two clip the result.
CLIP_LOW, CLIP_HIGH = 8, 9

# A step below this leaves an error near its cube, far under the last bit of a value of order one.
_STEP = 1e-6
_MAX_STEPS = 30
# Above this a float64 has no twelfth decimal left to round: 2**52 / 10**12.
_NO_DECIMALS = 4503.599627370496


@part
def rounded(value: float) -> float:
    """The value as if written with twelve decimals: what all comparisons with bounds use."""
    if abs(value) < _NO_DECIMALS:
        return math.floor(value * 1e12 + 0.5) / 1e12
    return value


@part
def scale_value(kind: int, p: Array, tables: Array, x: float) -> float:
    """Scaled value of one linear value; NaN stays NaN; the logarithm of zero and below is -inf."""
    if math.isnan(x):
        return x
    if kind == LOGICLE:
        y = _logicle(p, x)
    elif kind == IDENTITY:
        y = x
    elif kind == LINEAR:
        y = (x + p[1]) / (p[0] + p[1])
    elif kind == LOG:
        y = math.log10(x / p[0]) / p[1] + 1.0 if x > 0 else -math.inf
    elif kind == ASINH:
        y = (math.asinh(x * p[3]) + p[4]) / p[5]
    elif kind == HYPERLOG:
        y = _hyperlog(p, x)
    else:
        y = _interpolated(tables[int(p[0]), 0], tables[int(p[0]), 1], x)
    return min(max(y, p[CLIP_LOW]), p[CLIP_HIGH])


@part
def unscale_value(kind: int, p: Array, tables: Array, y: float) -> float:
    """Linear value of one scaled value (the clip aside)."""
    if kind == LOGICLE:
        return _biexponential(p, y)
    if kind == IDENTITY:
        return y
    if kind == LINEAR:
        return y * (p[0] + p[1]) - p[1]
    if kind == LOG:
        return 10.0 ** ((y - 1.0) * p[1]) * p[0]
    if kind == ASINH:
        return math.sinh(y * p[5] - p[4]) / p[3]
    if kind == HYPERLOG:
        return _hyper(p, y)
    return _interpolated(tables[int(p[0]), 1], tables[int(p[0]), 0], y)


@part
def _biexponential(p: Array, y: float) -> float:
    # p: 0 a, 1 b, 2 c, 3 d, 4 f, 5 x1 (the scale's zero), 6 slope there
    below = y < p[5]
    z = 2.0 * p[5] - y if below else y
    x = p[0] * math.exp(p[1] * z) - p[2] * math.exp(-p[3] * z) + p[4]
    return -x if below else x


@part
def _logicle(p: Array, x: float) -> float:
    a, b, c, d, f, zero = p[0], p[1], p[2], p[3], p[4], p[5]
    size = abs(x)
    if size == 0.0:
        return zero
    if math.isinf(size):
        return x
    # The curve is convex above its zero, so the tangent there over-estimates; so does the larger exponential alone
    # once the other has died away. Halley's steps from the smaller guess stay on course.
    y = zero + size / p[6]
    log_guess = math.log((size - f) / a) / b if size > f else y
    if log_guess > zero and log_guess < y:
        y = log_guess
    for _ in range(_MAX_STEPS):
        up = a * math.exp(b * y)
        down = c * math.exp(-d * y)
        error = up - down + f - size
        first = b * up + d * down
        second = b * b * up - d * d * down
        step = error / first
        step /= 1.0 - 0.5 * step * (second / first)
        y -= step
        if abs(step) <= _STEP:
            break
    return 2.0 * zero - y if x < 0 else y


@part
def _hyper(p: Array, y: float) -> float:
    # p: 0 a, 1 b, 2 c, 3 f, 5 x1 (the scale's zero), 6 slope there
    below = y < p[5]
    z = 2.0 * p[5] - y if below else y
    x = p[0] * math.exp(p[1] * z) + p[2] * z - p[3]
    return -x if below else x


@part
def _hyperlog(p: Array, x: float) -> float:
    a, b, c, f, zero = p[0], p[1], p[2], p[3], p[5]
    size = abs(x)
    if size == 0.0:
        return zero
    if math.isinf(size):
        return x
    y = zero + size / p[6]
    log_guess = math.log((size + f) / a) / b
    y = min(y, log_guess)
    for _ in range(_MAX_STEPS):
        up = a * math.exp(b * y)
        error = up + c * y - f - size
        first = b * up + c
        second = b * b * up
        step = error / first
        step /= 1.0 - 0.5 * step * (second / first)
        y -= step
        if abs(step) <= _STEP:
            break
    return 2.0 * zero - y if x < 0 else y


@part
def _interpolated(table_x: Array, table_y: Array, x: float) -> float:
    # straight between the points of a rising table, its ends beyond them
    n = table_x.size
    if x <= table_x[0]:
        return table_y[0]
    if x >= table_x[n - 1]:
        return table_y[n - 1]
    k, end = 0, n - 1
    while end - k > 1:
        middle = (k + end) // 2
        if table_x[middle] <= x:
            k = middle
        else:
            end = middle
    part = (x - table_x[k]) / (table_x[k + 1] - table_x[k])
    return table_y[k] + part * (table_y[k + 1] - table_y[k])


@kernel
def scale_array(kind: int, p: Array, tables: Array, values: Array, out: Array) -> None:
    """Scaled values of a flat array."""
    for i in range(values.size):
        out[i] = scale_value(kind, p, tables, values[i])


@kernel
def unscale_array(kind: int, p: Array, tables: Array, values: Array, out: Array) -> None:
    """Linear values of a flat array of scaled ones."""
    for i in range(values.size):
        out[i] = unscale_value(kind, p, tables, values[i])


# The quick look-up cuts every octave of linear size into 2**7 equal parts, from 30 octaves below the scale's top to
# 12 above it.
QUICK_PARTS = 7
QUICK_BELOW, QUICK_ABOVE = 30, 12
_QUICK_SHIFT = 52 - QUICK_PARTS
_QUICK_REST = (1 << _QUICK_SHIFT) - 1


@kernel
def quick_value(quick: Array, number: int, first: int, x: float) -> float:
    """Scaled value within the error that `gating.quick` proves, without a transcendental; NaN where it has none.

    Parameters
    ----------
    quick : (n_scales, 2, n_parts + 1)
        Scaled values at the ends of the parts, of positive and of negative linear values.
    number
        Which scale.
    first
        Leading bits (sign aside) of the smallest size that the table holds.
    """
    bits = np.float64(abs(x)).view(np.int64)
    part = (bits >> _QUICK_SHIFT) - first
    if part < 0:
        return quick[number, 0, 0]
    if part >= quick.shape[2] - 1:
        return math.nan
    side = 1 if x < 0 else 0
    low = quick[number, side, part]
    return low + (quick[number, side, part + 1] - low) * ((bits & _QUICK_REST) / (_QUICK_REST + 1.0))


@part
def _ordered(x: float) -> int:
    # float64 in the order of integers, so that the middle of two floats is the middle of their patterns
    bits = int(np.float64(x).view(np.int64))
    return bits if bits >= 0 else -9223372036854775808 - bits


@part
def _float_of(order: int) -> float:
    bits = order if order >= 0 else np.int64(-9223372036854775808) - order
    return np.int64(bits).view(np.float64)


@kernel
def first_linear(kind: int, p: Array, tables: Array, bound: float, strict: bool) -> float:
    """The smallest linear float64 whose scaled value, as if rounded, is >= bound (> bound if strict).

    -inf where every value passes; NaN where none does, so that ``x >= first_linear(...)`` is then never true.
    """
    edge = rounded(bound)
    low, high = _ordered(-math.inf), _ordered(math.inf)
    if _passes(kind, p, tables, -math.inf, edge, strict):
        return -math.inf
    if not _passes(kind, p, tables, math.inf, edge, strict):
        return math.nan
    while high - low > 1 or high - low < 0:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        if _passes(kind, p, tables, _float_of(middle), edge, strict):
            high = middle
        else:
            low = middle
    return _float_of(high)


@part
def _passes(kind: int, p: Array, tables: Array, x: float, edge: float, strict: bool) -> bool:
    y = rounded(scale_value(kind, p, tables, x))
    return y > edge if strict else y >= edge
