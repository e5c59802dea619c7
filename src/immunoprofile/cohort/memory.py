"""Freed memory is kept for the next file: the system would take it back after each, and clear it for the next."""

from __future__ import annotations

import ctypes
from functools import cache

# Parameters of mallopt in <malloc.h> of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 128 * 1024 * 1024
"""Bytes that a process may hold free; beyond, they go back as ever."""
_OWN_PAGES = 32 * 1024 * 1024
"""Larger arrays, those of files of millions of events, have pages of their own, which go back at once."""


@cache
def keep_freed_memory() -> None:
    """Have the C library keep what it frees, once a process; where it cannot be told, nothing happens.

    Notes
    -----
    The arrays of one file, a few megabytes, are freed and asked for again with the next. Out of the box they come anew
    from the system each time, which clears page after page: 1,600 pages a file, up to a tenth of its CPU time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_MMAP_THRESHOLD, _OWN_PAGES)
