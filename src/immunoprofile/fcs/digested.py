"""Events whose file is digested while something walks through them: its bytes are read once for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.events import Events
from immunoprofile.fcs.linear import walk_linear_blocks
from immunoprofile.fcs.source import PassingDigest


class DigestedEvents:
    """Events that are digested in passing; blocks are those of `events`.

    Notes
    -----
    A walk of one thread from the first event to the last digests the file; where there was none, `sha256` reads it.
    """

    def __init__(self, events: Events) -> None:
        self.n_events, self.channels = events.n_events, events.channels
        self._events = events
        self._passed, self._begun = PassingDigest(), False

    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """As those of the events."""
        # Made in any case: it refuses what cannot be read, and opens nothing before it is asked for its first block.
        plain = self._events.linear_blocks(columns, size, start, stop)
        if self._begun or start > 0 or stop not in (None, self.n_events):
            return plain
        self._begun = True
        return walk_linear_blocks(self._events.place, columns, size, 0, self.n_events, self._passed)

    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> NDArray[np.float64]:
        """As that of the events."""
        return self._events.linear_sample(columns, starts, size)

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole file in hexadecimal.

        Raises
        ------
        FcsError
            It has to be read anew, and cannot be.
        """
        return self._passed.sha256 or self._events.sha256
