"""Events of an acquisition counted in bins of time, and bits of a membership counted."""

from __future__ import annotations

import numpy as np

from immunoprofile.kernels.accelerate import Array, kernel, part


@kernel
def count_block(
    block: Array, bins: Array, cuts: Array, low: Array, high: Array, counts: Array, at_margin: Array, margins: Array
) -> None:
    """Count one block of events by bin and by the cuts they lie between; mark those at an end of the range.

    Parameters
    ----------
    block : (n_channels, n)
        Linear values.
    bins : (n,) int32
        Bin of each event.
    cuts : (n_channels, n_cuts)
        Ascending; a value belongs to the number of cuts at or below it. NaN belongs to none and is not counted.
    low, high : (n_channels,)
        A value at or below `low`, or at or above `high`, is at a margin.
    counts : (n_bins, n_channels, n_cuts + 1) int64
        Added to.
    at_margin : (n,) uint8
        Set to 1 where an event is at a margin in any channel.
    margins : (n_channels,) int64
        Events at a margin, added to.
    """
    n_channels, n = block.shape
    above = np.zeros(cuts.shape[1] + 1, dtype=np.int64)
    first = 0
    while first < n:
        # Events of one bin lie side by side wherever the clock runs as it should.
        last = first + 1
        while last < n and bins[last] == bins[first]:
            last += 1
        for c in range(n_channels):
            _count_run(block[c, first:last], cuts[c], above)
            found = counts[bins[first], c]
            for k in range(cuts.shape[1]):
                found[k] += above[k] - above[k + 1]
            found[cuts.shape[1]] += above[cuts.shape[1]]
        first = last
    for c in range(n_channels):
        margins[c] += _mark_ends(block[c], low[c], high[c], at_margin)


@part
def _count_run(row: Array, cuts: Array, above: Array) -> None:
    """Numbers, and how many of them are at or above each cut; one cut after the other, several events at a time."""
    known = 0
    for i in range(row.size):
        known += row[i] == row[i]
    above[0] = known
    for k in range(cuts.size):
        cut, reached = cuts[k], 0
        for i in range(row.size):
            reached += row[i] >= cut
        above[k + 1] = reached


@part
def _mark_ends(row: Array, low: float, high: float, at_margin: Array) -> int:
    found = 0
    for i in range(row.size):
        found += (row[i] <= low) | (row[i] >= high)
    if found:
        for i in range(row.size):
            if row[i] <= low or row[i] >= high:
                at_margin[i] = 1
    return found


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
