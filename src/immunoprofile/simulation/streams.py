"""Random numbers that depend on what they are for, and on nothing else.

Every draw comes from its own counter-based stream, keyed by purpose, subject and day. The order of the work
and the number of jobs cannot change a value, and another visit leaves the others as they were.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of a seed's meaning: never reuse one."""

    COHORT = 1
    SUBJECT = 2
    PLATELETS = 3
    VISIT = 4
    EVENTS = 5
    SCENARIO = 6


def open_stream(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """A generator for one purpose and key (whole numbers; negative days are allowed)."""
    spawn_key = (int(purpose), *(2 * k if k >= 0 else -2 * k - 1 for k in key))
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=spawn_key)))
