"""Random numbers that depend on what they are for, and on nothing else.

Every draw comes from its own counter-based stream (Philox), keyed by purpose, subject, day and panel. The order of
the work and the number of jobs cannot change a value, and another visit or panel leaves the others as they were.

References
----------
Salmon JK et al. Parallel random numbers: as easy as 1, 2, 3. SC11, 2011, doi 10.1145/2063384.2063405.
"""

from __future__ import annotations

import zlib
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
    PART = 7
    MARKER = 8
    BATCH = 9
    CONTROL = 10
    ACQUISITION = 11


def open_stream(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """A generator for one purpose and key (whole numbers; negative days are allowed)."""
    spawn_key = (int(purpose), *(2 * k if k >= 0 else -2 * k - 1 for k in key))
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def key_of(name: str) -> int:
    """A name as part of a key: the same number everywhere and always (CRC-32)."""
    return zlib.crc32(name.encode())


def draw_normal(seed: int, purpose: Purpose, *key: int) -> float:
    """One standard normal value that belongs to this purpose and key."""
    return float(open_stream(seed, purpose, *key).standard_normal())
