"""A source by its number: detectors as read first, then what is worked out from them."""

from __future__ import annotations

from immunoprofile.kernels.accelerate import Array, part, spliced


@spliced
def row_of(raw: Array, work: Array, source: int) -> Array:
    """(n,) linear values of one source."""
    if source < raw.shape[0]:
        return raw[source]
    return work[source - raw.shape[0]]


@part
def value_of(raw: Array, work: Array, source: int, i: int) -> float:
    """Linear value of one event in one source."""
    return raw[source, i] if source < raw.shape[0] else work[source - raw.shape[0], i]
