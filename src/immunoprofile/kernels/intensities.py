"""Median, percentiles and means of one channel over one population, exact, in two passes.

The first pass counts events by the leading bits of their value, whose order is the order of the values; the second
collects only the events of the bin that a percentile falls into, and picks it among them. Nothing is sorted.
"""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel

BINS = 1 << 15
"""Sign, 8 bits of exponent and 6 of mantissa of a float32: 64 bins an octave."""
_SHIFT = 17
_SIGN = np.uint32(0x80000000)
_FEW = 1024
"""Below this, picking among all events is quicker than counting bins first."""
N_MOMENTS = 4
"""Results of `summarise` before the percentiles."""


@kernel
def list_members(words: Array, bit: int, out: Array) -> int:
    """The events whose bit is set, in order; returns how many."""
    n = 0
    mask = np.uint64(1) << np.uint64(bit)
    for i in range(words.size):
        if words[i] & mask:
            out[n] = i
            n += 1
    return n


@kernel
def pick(values: Array, n: int, k: int) -> float:
    """The k-th smallest (from 0) of the first n values, which are reordered (Hoare's quickselect)."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@kernel
def _gather(values: Array, events: Array, n_events: int, chosen: Array, out: Array) -> int:
    """First pass: finite values side by side, and in `out` their number, sum, sum of logs and how many are <= 0."""
    n, nonpositive = 0, 0
    total, logs, product = 0.0, 0.0, 1.0
    for e in range(n_events):
        v = values[events[e]]
        if v - v != 0.0:
            continue
        chosen[n] = v
        n += 1
        total += v
        if v <= 0.0:
            nonpositive += 1
        elif v > 1e100 or v < 1e-100:
            logs += math.log(v)
        elif nonpositive == 0:
            # The logarithm of a product costs less than many logarithms; it is taken before the product overflows.
            product *= v
            if product > 1e200 or product < 1e-200:
                logs += math.log(product)
                product = 1.0
    out[0] = n
    out[1] = nonpositive
    out[2] = total
    out[3] = logs + math.log(product)
    return n


@kernel
def _key(bits: int) -> np.uint32:
    """Place of a float32 among the bins, by its bits."""
    u = np.uint32(bits)
    return (~u if u & _SIGN else u | _SIGN) >> np.uint32(_SHIFT)


@kernel
def _count_bins(chosen: Array, n: int, keys: Array, narrow: Array, bits: Array, bins: Array) -> None:
    for i in range(n):
        narrow[0] = chosen[i]
        key = _key(bits[0])
        keys[i] = key
        bins[key] += 1


@kernel
def _collect(chosen: Array, n: int, keys: Array, key: int, bucket: Array) -> int:
    m = 0
    for i in range(n):
        if keys[i] == key:
            bucket[m] = chosen[i]
            m += 1
    return m


@kernel
def summarise(values: Array, events: Array, n_events: int, levels: Array, work: Array, keys: Array, out: Array) -> None:
    """Moments and percentiles of a channel over some events; NaN and infinity are left out.

    Parameters
    ----------
    values : (n,)
        The channel.
    events : (>= n_events,)
        Places in `values`.
    levels
        Rising percentiles in 0..1; linear between order statistics, (n - 1) * level from the first (R's type 7).
    work : (2, >= n_events) float64, keys : (>= n_events,) uint16
        Scratch.
    out : (N_MOMENTS + levels.size,)
        Number, number <= 0, sum, sum of logarithms (where none is <= 0), percentiles (NaN of nothing).
    """
    chosen, bucket = work[0], work[1]
    n = _gather(values, events, n_events, chosen, out)
    few = n < _FEW
    bins = np.zeros(1 if few else BINS, dtype=np.int32)
    if not few:
        narrow = np.empty(1, dtype=np.float32)
        _count_bins(chosen, n, keys, narrow, narrow.view(np.uint32), bins)
    below, at, size, collected = 0, 0, 0, -1
    for q in range(levels.size):
        h = (n - 1) * levels[q]
        first = math.floor(h)
        found = math.nan
        for step in range(2 if n > 0 else 0):
            k = min(first + step, n - 1)
            if few:
                value = pick(chosen, n, k)
            else:
                while below + bins[at] <= k:
                    below += bins[at]
                    at += 1
                if collected != at:
                    size = _collect(chosen, n, keys, at, bucket)
                    collected = at
                value = pick(bucket, size, k - below)
            found = value if step == 0 else found + (value - found) * (h - first)
        out[N_MOMENTS + q] = found
