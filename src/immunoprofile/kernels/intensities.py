"""Median, percentiles and means of many channels over one population, exact, in two walks through its events.

Before any population is looked at, every value gets a key: the number of one of some hundred bins that follow each
other as the values do and hold about as many events each. The first walk adds up and counts keys; the second collects
only the events of the bins that percentiles fall into, and picks them there. Nothing is sorted. Channels lie side by
side in the row of an event, so that one step of a walk serves all of them.
"""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, allocating_kernel, kernel, part

N_KEYS = 512
"""Keys of numbers; this one itself is the key of NaN and infinity."""
PREFIXES = 1 << 14
"""Sign, 8 bits of exponent and 5 of mantissa of a float32: 32 parts an octave, in the order of the values."""
N_MOMENTS = 4
"""Results of `summarise_rows` before the percentiles."""
_SHIFT = np.uint32(18)
_SIGN = np.uint32(0x80000000)
_SAMPLED = 8192
"""Events that decide where bins begin: the share of a bin is then known to a tenth of itself."""
_TILE = 256


@kernel
def list_members(words: Array, bit: int, out: Array) -> int:
    """The events whose bit is set, in order; returns how many."""
    n = 0
    mask = np.uint64(1) << np.uint64(bit)
    for i in range(words.size):
        out[n] = i
        n += (words[i] & mask) != np.uint64(0)
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


@part
def _prefix(value: float) -> int:
    """Leading bits of a value as float32, so turned that they rise with it."""
    bits = np.float32(value).view(np.uint32)
    return int((~bits if bits & _SIGN else bits | _SIGN) >> _SHIFT)


@part
def _is_number(value: float) -> bool:
    return value - value == 0.0


@kernel
def key_rows(rows: Array, tables: Array, keys: Array) -> None:
    """The key of every value.

    Parameters
    ----------
    rows : (n_events, n_channels) float64
    tables : (n_channels, PREFIXES) int32
        Scratch: the key of each prefix.
    keys : (n_events, n_channels) uint16
        Out.
    """
    n = rows.shape[0]
    for c in range(rows.shape[1]):
        _share_out(rows[:, c], tables[c])
    for first in range(0, n, _TILE):
        last = min(first + _TILE, n)
        for c in range(rows.shape[1]):
            column, found, table = rows[first:last, c], keys[first:last, c], tables[c]
            for i in range(column.size):
                found[i] = table[_prefix(column[i])] if _is_number(column[i]) else N_KEYS


@part
def _share_out(column: Array, table: Array) -> None:
    """Keys for the prefixes of one channel, by how often they occur among some of its events."""
    table[:] = 0
    total = 0
    for i in range(0, column.size, max(1, column.size // _SAMPLED)):
        if _is_number(column[i]):
            table[_prefix(column[i])] += 1
            total += 1
    before, key = 0, 0
    for p in range(table.size):
        here = table[p]
        table[p] = key
        if here:
            before += here
            key = min(before * N_KEYS // total, N_KEYS - 1)


@part
def _count_keys(keys: Array, events: Array, n_events: int, counts: Array) -> int:
    """Events of each key; returns how many values are no numbers."""
    counts[:] = 0
    for e in range(n_events):
        i = events[e]
        for c in range(keys.shape[1]):
            counts[c, keys[i, c]] += 1
    gaps = 0
    for c in range(keys.shape[1]):
        gaps += counts[c, N_KEYS]
    return gaps


@part
def _add_up(rows: Array, events: Array, n_events: int, gaps: int, low: Array, total: Array) -> None:
    """Numbers <= 0, and the sum in the order of the file."""
    n_channels = rows.shape[1]
    low[:] = 0.0
    total[:] = 0.0
    for e in range(n_events):
        row = rows[events[e]]
        if gaps:
            for c in range(n_channels):
                number = _is_number(row[c])
                total[c] += row[c] if number else 0.0
                low[c] += 1.0 if number and row[c] <= 0.0 else 0.0
        else:
            # Several channels at a time.
            for c in range(n_channels):
                total[c] += row[c]
                low[c] += row[c] <= 0.0


@part
def _add_logarithms(rows: Array, c: int, events: Array, n_events: int) -> float:
    logs, product = 0.0, 1.0
    for e in range(n_events):
        v = rows[events[e], c]
        if not _is_number(v):
            continue
        if v > 1e100 or v < 1e-100:
            logs += math.log(v)
            continue
        # The logarithm of a product costs less than many logarithms; it is taken before the product overflows.
        product *= v
        if product > 1e200 or product < 1e-200:
            logs += math.log(product)
            product = 1.0
    return logs + math.log(product)


@part
def _collect(
    rows: Array, keys: Array, events: Array, n_events: int, slots: Array, places: Array, bucket: Array
) -> None:
    """Second walk: the values whose key has a slot, each slot's side by side from its place on."""
    for e in range(n_events):
        i = events[e]
        for c in range(rows.shape[1]):
            slot = slots[c, keys[i, c]]
            if slot:
                bucket[places[c, slot]] = rows[i, c]
                places[c, slot] += 1


@part
def _key_of_rank(counts: Array, rank: int, key: int, below: int) -> tuple[int, int]:
    """The key that holds the event of a rank, and the events before it; looked for from where the last one was."""
    if rank < below:
        key, below = 0, 0
    while below + counts[key] <= rank:
        below += counts[key]
        key += 1
    return key, below


@allocating_kernel
def summarise_rows(
    rows: Array,
    keys: Array,
    events: Array,
    n_events: int,
    levels: Array,
    counts: Array,
    slots: Array,
    bucket: Array,
    out: Array,
) -> None:
    """Moments and percentiles of all channels over some events; NaN and infinity are left out, channel by channel.

    Parameters
    ----------
    rows, keys : (n, n_channels)
        Values, and what `key_rows` gives for them.
    events : (>= n_events,) int32
        Rising.
    levels : (n_levels,)
        Rising percentiles in 0..1; linear between order statistics, (n - 1) * level from the first (R's type 7).
    counts, slots : (n_channels, N_KEYS + 1) int32 and uint8; bucket : (>= n_events * n_channels,)
        Scratch; slots are zero before and after.
    out : (n_channels, N_MOMENTS + n_levels)
        Number, number <= 0, sum, sum of logarithms (NaN where one is <= 0), percentiles (NaN of nothing).
    """
    n_channels, n_ranks = rows.shape[1], 2 * levels.size
    gaps = _count_keys(keys, events, n_events, counts)
    low, total = np.empty(n_channels), np.empty(n_channels)
    _add_up(rows, events, n_events, gaps, low, total)
    for c in range(n_channels):
        out[c, 0] = n_events - counts[c, N_KEYS]
        out[c, 1] = low[c]
        out[c, 2] = total[c]
        out[c, 3] = _add_logarithms(rows, c, events, n_events) if low[c] == 0.0 else math.nan
    # Where each rank's key begins among the ranks and in the bucket; slot 0 is none.
    held, starts = (
        np.zeros((n_channels, n_ranks, 2), dtype=np.int64),
        np.zeros((n_channels, n_ranks + 1), dtype=np.int64),
    )
    free = 0
    for c in range(n_channels):
        n, key, below, used = int(out[c, 0]), 0, 0, 0
        for r in range(n_ranks if n > 0 else 0):
            rank = min(math.floor((n - 1) * levels[r >> 1]) + (r & 1), n - 1)
            key, below = _key_of_rank(counts[c], rank, key, below)
            if not slots[c, key]:
                used += 1
                slots[c, key] = used
                starts[c, used] = free
                free += counts[c, key]
            held[c, r, 0], held[c, r, 1] = key, below
    _collect(rows, keys, events, n_events, slots, starts.copy(), bucket)
    for c in range(n_channels):
        n = int(out[c, 0])
        for q in range(levels.size):
            h, found = (n - 1) * levels[q], math.nan
            for r in range(2 * q, 2 * q + 2 if n > 0 else 0):
                rank = min(math.floor(h) + (r & 1), n - 1)
                key, below = held[c, r, 0], held[c, r, 1]
                value = pick(bucket[starts[c, slots[c, key]] :], counts[c, key], rank - below)
                found = found + (value - found) * (h - math.floor(h)) if r & 1 else value
            out[c, N_MOMENTS + q] = found
        for r in range(n_ranks):
            slots[c, held[c, r, 0]] = 0
