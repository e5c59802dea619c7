"""DATA: bytes to views of numbers, a chunk at a time; nothing here ever holds a whole file.

A channel is a strided view of its chunk: byte order, different widths per channel and unaligned numbers cost nothing
extra. Numbers that have no type of their own (24 bits, mixed byte orders) are viewed as bytes and put together; numbers
written as text come from `digits`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.channels import Scaling
from immunoprofile.fcs.digits import read_digits, walk_free_numbers
from immunoprofile.fcs.findings import Inspection, Strictness
from immunoprofile.fcs.layout import Column, Layout
from immunoprofile.fcs.source import PassingDigest, Source, check_unchanged, read_exactly, reopen_source

CHUNK_EVENTS = 16_384  # some 1 MB of 18 float32 channels: large reads, and still within a core's cache
SMALL_CHUNK_EVENTS = 4_096


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where the events of one data set lie in a file, and how to read them.

    Parameters
    ----------
    begin
        First byte of DATA in the file.
    scalings
        One a channel, in order.
    n_bytes
        Bytes of DATA; they matter only for text without fixed columns.
    """

    source: Source
    begin: int
    n_events: int
    layout: Layout
    scalings: tuple[Scaling, ...]
    n_bytes: int = 0


def walk_views(
    place: DataPlace,
    columns: Sequence[int],
    per_read: int,
    start: int,
    stop: int,
    passed: PassingDigest | None = None,
) -> Iterator[tuple[int, list[NDArray[np.generic]]]]:
    """Chunks of `per_read` events: the first event, and a view a channel, with the events along its first axis.

    The views may be longer than the chunk; only their first ``stop - first`` values count. They are on ONE
    reused buffer. A number that has no type of its own is a row of bytes.
    """
    stream = reopen_source(place.source)
    with stream:
        if start >= stop or not columns:
            return
        if place.layout.as_text and not place.layout.row_bytes:
            yield from _walk_free_text(stream, place, columns, per_read, start, stop)
        else:
            yield from _walk_rows(stream, place, columns, per_read, start, stop, passed)
        check_unchanged(stream, place.source)


def _walk_rows(
    stream: FileIO,
    place: DataPlace,
    columns: Sequence[int],
    per_read: int,
    start: int,
    stop: int,
    passed: PassingDigest | None,
) -> Iterator[tuple[int, list[NDArray[np.generic]]]]:
    width = place.layout.row_bytes
    count = min(per_read, stop - start)
    buffer = bytearray(count * width)
    views = [view_of(buffer, place, j, count) for j in columns]
    if passed is not None:
        passed.read_up_to(stream, place.source, place.begin)
    for first in range(start, stop, per_read):
        n = min(per_read, stop - first)
        at = place.begin + first * width
        piece = memoryview(buffer)[: n * width]
        read_exactly(stream, place.source, at, piece)
        if passed is not None:
            passed.take(piece)
        if place.layout.as_text:
            places = [at + place.layout.columns[j].offset for j in columns]
            yield first, [_read_text(place, v[:n], p) for v, p in zip(views, places, strict=True)]
        else:
            yield first, views
    if passed is not None:
        passed.end(stream, place.source)


def view_of(buffer: bytearray, place: DataPlace, index: int, count: int) -> NDArray[np.generic]:
    column, width = place.layout.columns[index], place.layout.row_bytes
    if column.shifts is None and not place.layout.as_text:
        return np.ndarray((count,), column.dtype, buffer, column.offset, (width,))
    return np.ndarray((count, column.width), np.uint8, buffer, column.offset, (width, 1))


def rows_of(first_column: NDArray[np.generic], layout: Layout, n: int) -> NDArray[np.generic]:
    """The events of a uniform layout as a matrix on the same bytes as its first column's view."""
    shape = (n, len(layout.columns))
    item = first_column.dtype.itemsize
    return np.lib.stride_tricks.as_strided(first_column, shape, (layout.row_bytes, item), writeable=False)


def _read_text(place: DataPlace, characters: NDArray[np.generic], at: int) -> NDArray[np.generic]:
    return read_digits(characters.view(np.uint8), at, place.layout.row_bytes, inspection_of(place))


def _walk_free_text(
    stream: FileIO, place: DataPlace, columns: Sequence[int], per_read: int, start: int, stop: int
) -> Iterator[tuple[int, list[NDArray[np.generic]]]]:
    """Events of text without fixed columns: only a walk from the start knows where the next one begins."""
    k = len(place.layout.columns)
    held = np.empty(0, dtype=np.uint64)
    first = 0
    for numbers in walk_free_numbers(stream, place.source, place.begin, place.n_bytes, inspection_of(place)):
        held = np.concatenate([held, numbers])
        if first >= stop:
            return
        while first < stop and len(held) >= k * (n := _events_wanted(first, per_read, start, stop)):
            rows = held[: n * k].reshape(n, k)
            if first >= start:
                yield first, [rows[:, j] for j in columns]
            held, first = held[n * k :], first + n


def _events_wanted(first: int, per_read: int, start: int, stop: int) -> int:
    """Events of the next chunk: up to `start` those that are skipped, then `per_read` at a time."""
    return min(per_read, (start if first < start else stop) - first)


def masked(view: NDArray[np.generic], column: Column) -> NDArray[np.generic]:
    whole = view if view.ndim == 1 else _assembled(view.view(np.uint8), column)
    if column.mask is None:
        return whole
    return np.bitwise_and(whole, column.native.type(column.mask))  # type: ignore[no-any-return]


def _assembled(pieces: NDArray[np.uint8], column: Column) -> NDArray[np.generic]:
    """(n, width) bytes in the order of the file to n numbers: each byte to its place."""
    bits = np.dtype(f"=u{column.dtype.itemsize}")
    total = np.zeros(len(pieces), dtype=bits)
    for i, shift in enumerate(column.shifts or ()):
        total |= pieces[:, i].astype(bits) << bits.type(shift)
    return total.view(column.native)


def inspection_of(place: DataPlace) -> Inspection:
    return Inspection(str(place.source.path), Strictness.REPORT)
