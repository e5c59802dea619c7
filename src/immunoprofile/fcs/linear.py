"""Linear values: stored numbers scaled by ``$PnE``, ``$PnG`` and ``$TIMESTEP``.

One pass over a chunk decodes it, and the interpreter's lock is free meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.channels import Scaling
from immunoprofile.fcs.chunks import (
    CHUNK_EVENTS,
    SMALL_CHUNK_EVENTS,
    DataPlace,
    inspection_of,
    masked,
    rows_of,
    view_of,
    walk_views,
)
from immunoprofile.fcs.layout import EXACT_IN_FLOAT64
from immunoprofile.fcs.source import PassingDigest, check_unchanged, read_exactly, reopen_source

_WORTH_THREADS = 2_000_000  # values; below, starting threads costs what they save
_MOST_THREADS = 4  # memory is the limit, not arithmetic
_IDENTITY = Scaling()


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
    per_read = max(1, (CHUNK_EVENTS if passed is None else SMALL_CHUNK_EVENTS) // size) * size
    flat = np.empty(len(columns) * size, dtype=np.float64)
    if columns and place.layout.is_matrix:
        yield from _walk_matrix(place, columns, size, per_read, start, stop, flat, passed)
        return
    for first, views in walk_views(place, columns, per_read, start, stop, passed):
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
    for first, views in walk_views(place, (0,), per_read, start, stop, passed):
        # The buffer is one for the whole walk, so its view is.
        matrix = rows_of(views[0], place.layout, len(views[0])) if matrix is None else matrix
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
    rows = rows_of(view_of(buffer, place, 0, out.shape[1]), place.layout, out.shape[1])
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
                _scale_stored(block[i], scaling)


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
    row = np.empty(SMALL_CHUNK_EVENTS, dtype=np.float64)
    for first, views in walk_views(place, columns, SMALL_CHUNK_EVENTS, start, stop):
        part = out[first : min(first + SMALL_CHUNK_EVENTS, stop)]
        with np.errstate(all="ignore"):
            if at_once:
                rows = rows_of(views[0], place.layout, len(part))
                np.copyto(part, rows if masks is None else np.bitwise_and(rows, masks))
            for j in scaled if at_once else columns:
                _decode_linear(place, j, views[j][: len(part)], row[: len(part)])
                part[:, j] = row[: len(part)]


def _decode_linear(place: DataPlace, index: int, view: NDArray[np.generic], row: NDArray[np.float64]) -> None:
    """Scale values of one channel into a contiguous row."""
    column = place.layout.columns[index]
    if column.may_exceed_float64:
        _check_exact(place, index, view)
    np.copyto(row, masked(view, column), casting="same_kind")
    _scale_stored(row, place.scalings[index])


def _scale_stored(row: NDArray[np.float64], scaling: Scaling) -> None:
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


def _check_exact(place: DataPlace, index: int, view: NDArray[np.generic]) -> None:
    largest = int(masked(view, place.layout.columns[index]).max(initial=0))
    if largest > EXACT_IN_FLOAT64:
        raise inspection_of(place).error(
            "FCS-INT-EXACT", f"channel {index + 1}", f"holds {largest:,}, which has no exact float64",
            expected="at most 2**53", found=str(largest),
        )  # fmt: skip
