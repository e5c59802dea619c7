"""DATA: bytes to numbers, a chunk at a time; nothing here ever holds a whole file unless it is asked to.

One pass of NumPy over a strided view of the chunk decodes a channel: byte order, different widths per channel
and unaligned numbers cost nothing extra, and the interpreter's lock is free meanwhile. Numbers that have no type
of their own (24 bits, mixed byte orders) are viewed as bytes and put together; numbers written as text come from
`digits`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.channels import Scaling
from immunoprofile.fcs.digits import read_digits, walk_free_numbers
from immunoprofile.fcs.findings import Inspection, Strictness
from immunoprofile.fcs.layout import EXACT_IN_FLOAT64, Column, Layout
from immunoprofile.fcs.source import PassingDigest, Source, check_unchanged, read_exactly, reopen_source

_CHUNK_EVENTS = 16_384  # some 1 MB of 18 float32 channels: large reads, and still within a core's cache
_SMALL_CHUNK_EVENTS = 4_096
_WORTH_THREADS = 2_000_000  # values; below, starting threads costs what they save
_MOST_THREADS = 4  # memory is the limit, not arithmetic
_IDENTITY = Scaling()


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


def walk_linear_blocks(
    place: DataPlace, columns: Sequence[int], size: int, start: int, stop: int, passed: PassingDigest | None = None
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Linear values of some channels, block after block; see `Events.linear_blocks`.

    Parameters
    ----------
    passed
        Takes the file's bytes where they are read in their order, from the first event to the last.
    """
    size = max(1, min(size, stop - start))
    # What is digested is looked at twice, and is to be in the cache the second time too.
    per_read = max(1, (_CHUNK_EVENTS if passed is None else _SMALL_CHUNK_EVENTS) // size) * size
    flat = np.empty(len(columns) * size, dtype=np.float64)
    if columns and place.layout.is_matrix:
        yield from _walk_matrix(place, columns, size, per_read, start, stop, flat, passed)
        return
    for first, views in _walk_views(place, columns, per_read, start, stop, passed):
        n = min(per_read, stop - first)
        for low in range(0, n, size):
            high = min(low + size, n)
            block = flat[: len(columns) * (high - low)].reshape(len(columns), high - low)
            with np.errstate(all="ignore"):  # NaN and infinity in DATA are values, not accidents
                for row, view, column in zip(block, views, columns, strict=True):
                    _decode_linear(place, column, view[low:high], row)
            yield first + low, block


def _walk_matrix(
    place: DataPlace,
    columns: Sequence[int],
    size: int,
    per_read: int,
    start: int,
    stop: int,
    flat: NDArray[np.float64],
    passed: PassingDigest | None,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """`walk_linear_blocks` where all numbers are of one type: a chunk is a matrix that is turned about in tiles."""
    spread, matrix = _Spread(place, columns), None
    for first, views in _walk_views(place, (0,), per_read, start, stop, passed):
        # The buffer is one for the whole walk, so its view is.
        matrix = _rows_of(views[0], place.layout, len(views[0])) if matrix is None else matrix
        n = min(per_read, stop - first)
        stored = _native(matrix[:n], place.layout.masks)
        for low in range(0, n, size):
            part = stored[low : low + size]
            block = flat[: len(columns) * len(part)].reshape(len(columns), len(part))
            spread.into(block, part)
            yield first + low, block


class _Spread:
    """Rows of stored numbers of one type to channels of linear values."""

    def __init__(self, place: DataPlace, columns: Sequence[int]) -> None:
        # Here and not above: whoever only looks at TEXT waits for no compiler.
        from immunoprofile.kernels.decoding import spread_rows

        scalings = [place.scalings[j] for j in columns]
        # Dividing and multiplying is done in passing; logarithms are not.
        self._scaled = [(i, s) for i, s in enumerate(scalings) if s.decades > 0]
        linear = [_IDENTITY if s.decades > 0 else s for s in scalings]
        self._columns = np.array(columns, dtype=np.int64)
        self._gains, self._steps = np.array([s.gain for s in linear]), np.array([s.step for s in linear])
        self._spread_rows = spread_rows

    def into(self, block: NDArray[np.float64], stored: NDArray[np.generic]) -> None:
        """Fill (n_columns, n) from (n, all channels) numbers as this machine has them."""
        self._spread_rows(stored, self._columns, self._gains, self._steps, block)
        _scale_rows(block, self._scaled)


def read_linear_sample(
    place: DataPlace, columns: Sequence[int], starts: Sequence[int], size: int
) -> NDArray[np.float64]:
    """Linear values of some channels in stretches of `size` events; see `Events.linear_sample`."""
    out = np.empty((len(columns), len(starts) * size), dtype=np.float64)
    if not columns or not place.layout.is_matrix:
        for i, start in enumerate(starts):
            for first, block in walk_linear_blocks(place, columns, size, start, start + size):
                at = i * size + first - start
                out[:, at : at + block.shape[1]] = block
        return out
    width = place.layout.row_bytes
    buffer = bytearray(out.shape[1] * width)
    with reopen_source(place.source) as stream:
        for i, start in enumerate(starts):
            piece = memoryview(buffer)[i * size * width : (i + 1) * size * width]
            read_exactly(stream, place.source, place.begin + start * width, piece)
        check_unchanged(stream, place.source)
    rows = _rows_of(_view(buffer, place, 0, out.shape[1]), place.layout, out.shape[1])
    _Spread(place, columns).into(out, _native(rows, place.layout.masks))
    return out


def _native(rows: NDArray[np.generic], masks: NDArray[np.generic] | None) -> NDArray[np.generic]:
    """Numbers as this machine has them, with their masks applied; the same memory where nothing is to be done."""
    native = rows if rows.dtype.isnative else rows.byteswap().view(rows.dtype.newbyteorder("="))
    return native if masks is None else np.bitwise_and(native, masks)


def _scale_rows(block: NDArray[np.float64], scaled: Sequence[tuple[int, Scaling]]) -> None:
    if scaled:
        with np.errstate(all="ignore"):  # NaN and infinity in DATA are values, not accidents
            for i, scaling in scaled:
                scale_stored(block[i], scaling)


def read_linear(place: DataPlace) -> NDArray[np.float64]:
    """(n_events, n_channels) float64 scale values, a fresh C-contiguous array; large files by several threads."""
    out = np.empty((place.n_events, len(place.layout.columns)), dtype=np.float64)
    threads = min(_MOST_THREADS, os.cpu_count() or 1) if out.size >= _WORTH_THREADS else 1
    bounds = [place.n_events * i // threads for i in range(threads + 1)]
    if threads == 1:
        _fill_linear(place, out, 0, place.n_events)
        return out
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(_fill_linear, place, out, *pair) for pair in pairwise(bounds)]:
            done.result()
    return out


def _fill_linear(place: DataPlace, out: NDArray[np.float64], start: int, stop: int) -> None:
    """Scale values of the events `start` to `stop` into their rows of `out`."""
    columns = range(len(place.layout.columns))
    scaled = [j for j in columns if not place.scalings[j].changes_nothing]
    at_once = place.layout.is_matrix
    masks = place.layout.masks if at_once else None
    row = np.empty(_SMALL_CHUNK_EVENTS, dtype=np.float64)
    for first, views in _walk_views(place, columns, _SMALL_CHUNK_EVENTS, start, stop):
        part = out[first : min(first + _SMALL_CHUNK_EVENTS, stop)]
        with np.errstate(all="ignore"):
            if at_once:
                rows = _rows_of(views[0], place.layout, len(part))
                np.copyto(part, rows if masks is None else np.bitwise_and(rows, masks))
            for j in scaled if at_once else columns:
                _decode_linear(place, j, views[j][: len(part)], row[: len(part)])
                part[:, j] = row[: len(part)]


def _rows_of(first_column: NDArray[np.generic], layout: Layout, n: int) -> NDArray[np.generic]:
    """The events of a uniform layout as a matrix on the same bytes as its first column's view."""
    shape = (n, len(layout.columns))
    item = first_column.dtype.itemsize
    return np.lib.stride_tricks.as_strided(first_column, shape, (layout.row_bytes, item), writeable=False)


def read_values(place: DataPlace) -> NDArray[np.generic]:
    """(n_events, n_channels) stored values after the bit mask, in one dtype that holds them all exactly.

    Raises
    ------
    FcsUnsupportedError
        No dtype does (64 bit integers beside floating point).
    """
    columns = range(len(place.layout.columns))
    out = np.empty((place.n_events, len(columns)), dtype=common_dtype(place))
    for first, views in _walk_views(place, columns, _SMALL_CHUNK_EVENTS, 0, place.n_events):
        part = out[first : first + _SMALL_CHUNK_EVENTS]
        for j in columns:
            _copy_exact(views[j][: len(part)], place.layout.columns[j], part[:, j])
    return out


def read_column(place: DataPlace, index: int) -> NDArray[np.generic]:
    """(n_events,) stored values of one channel after the bit mask, in its own dtype."""
    column = place.layout.columns[index]
    out = np.empty(place.n_events, dtype=column.native)
    for first, views in _walk_views(place, (index,), _CHUNK_EVENTS, 0, place.n_events):
        part = out[first : first + _CHUNK_EVENTS]
        _copy_exact(views[0][: len(part)], column, part)
    return out


def count_nonfinite(place: DataPlace) -> NDArray[np.int64]:
    """(n_channels, 2) how many NaN and how many infinite values each channel holds; integers have none."""
    counts = np.zeros((len(place.layout.columns), 2), dtype=np.int64)
    floats = [j for j, c in enumerate(place.layout.columns) if c.dtype.kind == "f"]
    for first, views in _walk_views(place, floats, _CHUNK_EVENTS, 0, place.n_events):
        n = min(_CHUNK_EVENTS, place.n_events - first)
        for j, view in zip(floats, views, strict=True):
            values = _masked(view[:n], place.layout.columns[j])
            counts[j] += np.count_nonzero(np.isnan(values)), np.count_nonzero(np.isinf(values))
    return counts


def common_dtype(place: DataPlace) -> np.dtype[np.generic]:
    """The smallest dtype that holds every channel exactly.

    Raises
    ------
    FcsUnsupportedError
        None does.
    """
    columns = place.layout.columns
    kinds = {c.dtype.kind for c in columns}
    if kinds == {"u", "f"} and any(c.may_exceed_float64 for c in columns):
        raise _inspection(place).error(
            "FCS-DTYPE-MIXED", "DATA", "64 bit integers and floating point have no common type without loss"
        )
    # 32 and 64 bit integers within 2**53 are exact in float64; NumPy's promotion knows the smaller ones.
    return np.result_type(*(c.native for c in columns))


def _walk_views(
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
    views = [_view(buffer, place, j, count) for j in columns]
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


def _view(buffer: bytearray, place: DataPlace, index: int, count: int) -> NDArray[np.generic]:
    column, width = place.layout.columns[index], place.layout.row_bytes
    if column.shifts is None and not place.layout.as_text:
        return np.ndarray((count,), column.dtype, buffer, column.offset, (width,))
    return np.ndarray((count, column.width), np.uint8, buffer, column.offset, (width, 1))


def _read_text(place: DataPlace, characters: NDArray[np.generic], at: int) -> NDArray[np.generic]:
    return read_digits(characters.view(np.uint8), at, place.layout.row_bytes, _inspection(place))


def _walk_free_text(
    stream: FileIO, place: DataPlace, columns: Sequence[int], per_read: int, start: int, stop: int
) -> Iterator[tuple[int, list[NDArray[np.generic]]]]:
    """Events of text without fixed columns: only a walk from the start knows where the next one begins."""
    k = len(place.layout.columns)
    held = np.empty(0, dtype=np.uint64)
    first = 0
    for numbers in walk_free_numbers(stream, place.source, place.begin, place.n_bytes, _inspection(place)):
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


def _decode_linear(place: DataPlace, index: int, view: NDArray[np.generic], row: NDArray[np.float64]) -> None:
    """Scale values of one channel into a contiguous row."""
    column = place.layout.columns[index]
    if column.may_exceed_float64:
        _check_exact(place, index, view)
    np.copyto(row, _masked(view, column), casting="same_kind")
    scale_stored(row, place.scalings[index])


def scale_stored(row: NDArray[np.float64], scaling: Scaling) -> None:
    """Turn stored values into scale values, in place: ``$PnE``, ``$PnG`` and ``$TIMESTEP``.

    References
    ----------
    Spidlen J et al. (2010). Data File Standard for Flow Cytometry, version FCS 3.1. Cytometry A 77(1),
    97-100. doi:10.1002/cyto.a.20825
    """
    if scaling.decades > 0:
        np.multiply(row, scaling.decades, out=row)
        np.divide(row, scaling.range, out=row)
        np.power(10.0, row, out=row)
        np.multiply(row, scaling.offset, out=row)
        return
    if scaling.gain != 1:
        np.divide(row, scaling.gain, out=row)
    if scaling.step != 1:
        np.multiply(row, scaling.step, out=row)


def _masked(view: NDArray[np.generic], column: Column) -> NDArray[np.generic]:
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


def _copy_exact(view: NDArray[np.generic], column: Column, out: NDArray[np.generic]) -> None:
    np.copyto(out, _masked(view, column), casting="same_kind")


def _check_exact(place: DataPlace, index: int, view: NDArray[np.generic]) -> None:
    largest = int(_masked(view, place.layout.columns[index]).max(initial=0))
    if largest > EXACT_IN_FLOAT64:
        raise _inspection(place).error(
            "FCS-INT-EXACT", f"channel {index + 1}", f"holds {largest:,}, which has no exact float64",
            expected="at most 2**53", found=str(largest),
        )  # fmt: skip


def _inspection(place: DataPlace) -> Inspection:
    return Inspection(str(place.source.path), Strictness.REPORT)
