"""Events as a file stores them, one after the other, to channels side by side."""

from __future__ import annotations

from immunoprofile.kernels.accelerate import Array, kernel

# So many events of 18 channels are some 18 kB: they stay in the first-level cache while channel after channel is read.
_TILE = 256


@kernel
def spread_rows(stored: Array, places: Array, gains: Array, steps: Array, out: Array) -> None:
    """Channels of some events as float64, each divided by its gain and multiplied by its step.

    Parameters
    ----------
    stored : (>= n, n_stored)
        Numbers of events as they lie in the file.
    places : (n_channels,)
        Columns of `stored` that are wanted.
    gains, steps : (n_channels,)
        Mostly 1.
    out : (n_channels, n) float64
    """
    n = out.shape[1]
    for first in range(0, n, _TILE):
        last = min(first + _TILE, n)
        for c in range(places.size):
            # Slices: without them the compiler checks both bounds of every number.
            column, row = stored[first:last, places[c]], out[c, first:last]
            gain, step = gains[c], steps[c]
            if gain == 1.0 and step == 1.0:
                for i in range(row.size):
                    row[i] = column[i]
            else:
                for i in range(row.size):
                    row[i] = column[i] / gain * step
