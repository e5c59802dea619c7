"""Events of an acquisition counted in bins of time, and bits of a membership counted."""

from __future__ import annotations

import math

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part


@kernel
def count_block(
    block: Array,
    bins: Array,
    cuts: Array,
    low: Array,
    high: Array,
    counts: Array,
    at_margin: Array,
    margins: Array,
    edges: Array,
) -> None:
    """Count one block of events by bin and by the cuts they lie between; mark those at an end of the range.

    Parameters
    ----------
    block : (n_channels, n)
        Linear values.
    bins : (n,) int32
        Bin of each event.
    cuts : (n_channels, 5)
        Ascending; a value belongs to the number of cuts at or below it. NaN belongs to none and is not counted.
    low, high : (n_channels,)
        A value at or below `low`, or at or above `high`, is at a margin.
    counts : (n_bins, n_channels, 6) int64
        Added to.
    at_margin : (n,) uint8
        Set to 1 where an event is at a margin in any channel.
    margins : (n_channels,) int64
        Events at a margin, added to.
    edges : (n + 1,) int64
        Room to work in.
    """
    n_channels, n = block.shape
    # Events of one bin lie side by side wherever the clock runs as it should.
    runs = 0
    for i in range(n):
        if i == 0 or bins[i] != bins[i - 1]:
            edges[runs] = i
            runs += 1
    edges[runs] = n
    # Channel after channel, each from its begin to its end: that is how a processor fetches ahead.
    for c in range(n_channels):
        for run in range(runs):
            first, last = edges[run], edges[run + 1]
            row = block[c, first:last]
            ends = _count_run(row, cuts[c], low[c], high[c], counts[bins[first], c])
            margins[c] += ends
            if ends:
                _mark_ends(row, low[c], high[c], at_margin[first:last])


@part
def _count_run(row: Array, cuts: Array, low: float, high: float, found: Array) -> int:
    """Add the numbers between the cuts to `found`; how many are at or below `low`, or at or above `high`."""
    a, b, c, d, e = cuts[0], cuts[1], cuts[2], cuts[3], cuts[4]
    known, over_a, over_b, over_c, over_d, over_e, ends = 0, 0, 0, 0, 0, 0, 0
    # All sums in one pass and none depends on another: the compiler does several events at a time.
    for i in range(row.size):
        x = row[i]
        known += x == x
        over_a += x >= a
        over_b += x >= b
        over_c += x >= c
        over_d += x >= d
        over_e += x >= e
        ends += (x >= high) | (x <= low)
    found[0] += known - over_a
    found[1] += over_a - over_b
    found[2] += over_b - over_c
    found[3] += over_c - over_d
    found[4] += over_d - over_e
    found[5] += over_e
    return ends


@part
def _mark_ends(row: Array, low: float, high: float, at_margin: Array) -> None:
    for i in range(row.size):
        if row[i] <= low or row[i] >= high:
            at_margin[i] = 1


@kernel
def may_drift(counts: Array, n_ends: int, flat: float, limit: float, shares: Array, below: Array) -> bool:
    """May a cumulative share before some bin differ from that behind it by `limit` standard errors?

    Parameters
    ----------
    counts : (n_bins, n_channels, n_cuts + 1) int64
        Events of each bin between the cuts of each channel.
    n_ends
        Bins that each side holds at least.
    flat
        Shares of less variance tell nothing.
    shares, below : (n_channels, n_cuts)
        Room to work in.

    Returns
    -------
    bool
        True also where channels do not know all events: somebody else has to look then.
    """
    n_bins, n_channels, n_parts = counts.shape
    n = 0
    shares[:] = 0.0
    for b in range(n_bins):
        size = counts[b, 0].sum()
        n += size
        for c in range(n_channels):
            total = 0
            for k in range(n_parts - 1):
                total += counts[b, c, k]
                shares[c, k] += total
            if size == 0 or total + counts[b, c, n_parts - 1] != size:
                return True
    shares /= n
    below[:] = 0.0
    before = 0
    for b in range(n_bins - n_ends):
        before += counts[b, 0].sum()
        # Standard error of a difference of shares, over the deviation of one event, times the events on both sides.
        largest = limit * math.sqrt(before / n * (n - before))
        for c in range(n_channels):
            total = 0
            for k in range(n_parts - 1):
                total += counts[b, c, k]
                below[c, k] += total
                share = shares[c, k]
                variance = share * (1 - share)
                beyond = abs(below[c, k] - share * before) > largest * math.sqrt(variance)
                if beyond and variance >= flat and b + 1 >= n_ends:
                    return True
    return False


@kernel
def begin_bins(time: Array, width: float, rounding: float, begins: Array) -> None:
    """Where bins of equal time begin, in events that are in the order of time.

    Parameters
    ----------
    time : (n,)
        Never going back.
    width
        Of a bin; the first begins with the first event.
    rounding
        Part of a bin that is added to every place.
    begins : (n_bins + 1,) int64
        Out: bin b holds the events from ``begins[b]`` to before ``begins[b + 1]``. The last bin ends with the file.
    """
    n, first = time.size, 0
    for b in range(1, begins.size - 1):
        last = n
        while first < last:
            middle = (first + last) // 2
            if np.floor((time[middle] - time[0]) / width + rounding) < b:
                first = middle + 1
            else:
                last = middle
        begins[b] = first
    begins[0], begins[begins.size - 1] = 0, n


@kernel
def count_bits(words: Array, chosen: Array, counts: Array) -> None:
    """Count the set bits of chosen events.

    Parameters
    ----------
    words : (n_words, n_events) uint64
    chosen : (n_events,) bool
    counts : (n_bits,) int64
        Bit g % 64 of word g // 64 is counted in place g; added to.
    """
    n_bits = counts.size
    for w in range(words.shape[0]):
        first = 64 * w
        last = min(first + 64, n_bits)
        for i in range(words.shape[1]):
            if chosen[i] and words[w, i] != np.uint64(0):
                word = words[w, i]
                for g in range(first, last):
                    counts[g] += np.int64((word >> np.uint64(g - first)) & np.uint64(1))
