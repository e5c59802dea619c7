"""How one event lies in DATA: for each channel its place, its type and the bits that count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.keywords import decimal_number, read_whole, whole_number

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)

EXACT_IN_FLOAT64 = 2**53
"""Integers up to here have a float64 of their own (IEEE 754: 53 bits of significand)."""

_FLOAT_BITS = {"F": 32, "D": 64}
_ORDERS_SINCE_3_1 = ((1, 2, 3, 4), (4, 3, 2, 1))
_MAX_ORDER = 8  # bytes in the widest number
_MAX_DIGITS = 20  # as many as 2**64 has

# Beckman Coulter CXP declares 10 bits and writes 16 bit words (fcs.md D3).
_CXP_BITS, _CXP_STORED = 10, 16


@dataclass(frozen=True, slots=True)
class Column:
    """One channel within an event.

    Parameters
    ----------
    dtype
        As it can be viewed in the bytes of the file; of a channel in pieces, or of text, as it is decoded.
    offset
        Bytes from the start of the event.
    width
        Bytes in the file; 0 for text without fixed columns.
    mask
        Bits that count in an unsigned integer; None where all do.
    shifts
        For a number that has no dtype of its own (24, 40, 48, 56 bits, mixed byte orders): by how many bits
        each of its bytes is shifted, in the order of the file. None where `dtype` says it all.
    """

    dtype: np.dtype[np.generic]
    offset: int
    width: int
    mask: int | None = None
    shifts: tuple[int, ...] | None = None

    @property
    def native(self) -> np.dtype[np.generic]:
        """The type in the byte order of this machine."""
        return self.dtype.newbyteorder("=")

    @property
    def may_exceed_float64(self) -> bool:
        """True for integers that may have no float64 of their own."""
        if self.dtype.kind != "u" or self.dtype.itemsize < 8:
            return False
        if self.mask is not None:
            return self.mask > EXACT_IN_FLOAT64
        return self.width not in (5, 6)  # 40 and 48 bits, or as many digits, are built in 64 bits and stay below


@dataclass(frozen=True)
class Layout:
    """All channels of an event in the order ``$P1`` to ``$Pn``, and its bytes.

    Parameters
    ----------
    row_bytes
        Bytes of one event; 0 for text without fixed columns, where an event is as long as its numbers.
    as_text
        True where DATA is decimal digits (``$DATATYPE`` A).
    proved_by_size
        True where a known untruth of ``$PnB`` was corrected: DATA must then hold exactly ``$TOT`` events.
    """

    columns: tuple[Column, ...]
    row_bytes: int
    as_text: bool = False
    proved_by_size: bool = False

    @cached_property
    def uniform(self) -> np.dtype[np.generic] | None:
        """The one dtype that all columns can be viewed in, where they share it; else None."""
        first = self.columns[0].dtype
        same = not self.as_text and all(c.dtype == first and c.shifts is None for c in self.columns)
        return first if same else None

    @cached_property
    def is_matrix(self) -> bool:
        """Are all numbers of one type, each of which float64 holds exactly?"""
        return self.uniform is not None and not any(c.may_exceed_float64 for c in self.columns)

    @cached_property
    def masks(self) -> NDArray[np.generic] | None:
        """The mask of each column of a uniform layout, all bits where it has none; None where no column has one."""
        if all(c.mask is None for c in self.columns):
            return None
        native = self.columns[0].native
        whole = (1 << 8 * native.itemsize) - 1
        return np.array([whole if c.mask is None else c.mask for c in self.columns], dtype=native)


def read_layout(keywords: Mapping[str, str], version: str, count: int, inspection: Inspection) -> Layout:
    """The layout of DATA from ``$MODE``, ``$DATATYPE``, ``$BYTEORD``, ``$PnB``, ``$PnR``, ``$PnDATATYPE``.

    Raises
    ------
    FcsFormatError
        A value that the standard does not allow.
    FcsUnsupportedError
        Histograms, or widths that are no whole bytes.
    """
    _check_mode(keywords, inspection)
    order = _read_byte_order(keywords["$BYTEORD"], version, inspection)
    common = keywords["$DATATYPE"].strip()
    if common == "A":
        return _layout_of_text(keywords, count, inspection)
    bits = [read_whole(keywords, f"$P{i}B", inspection) for i in range(1, count + 1)]
    cxp = common == "I" and set(bits) == {_CXP_BITS}
    if cxp:
        inspection.note("FCS-BITS-10", "$P1B", "all channels declare 10 bits; read as words of 16 bits")
        bits = [_CXP_STORED] * count
    columns: list[Column] = []
    offset = 0
    for i in range(1, count + 1):
        kind = _kind_of(keywords, i, common, version, inspection)
        column = _read_column(keywords, i, kind, bits[i - 1], order, inspection)
        columns.append(replace(column, offset=offset))
        offset += column.width
    return Layout(tuple(columns), offset, proved_by_size=cxp)


def _check_mode(keywords: Mapping[str, str], inspection: Inspection) -> None:
    mode = keywords.get("$MODE", "L").strip()
    if mode in ("C", "U"):
        raise inspection.error("FCS-MODE", "$MODE", f"is {mode}: histogram data, not events", expected="L", found=mode)
    if mode != "L":
        raise inspection.error("FCS-KEYWORD-VALUE", "$MODE", f"is {quote(mode)}, not L", expected="L", found=mode)


def _read_byte_order(text: str, version: str, inspection: Inspection) -> tuple[int, ...]:
    """Significance of each byte of a number, 1 for the least, in the order of the file."""
    places = tuple(whole_number(t) or 0 for t in text.split(",")) if len(text) <= 64 else ()
    n = len(places)
    if not 1 <= n <= _MAX_ORDER or sorted(places) != list(range(1, n + 1)):
        raise inspection.error(
            "FCS-KEYWORD-VALUE", "$BYTEORD", f"is {quote(text)}, not an order of bytes",
            expected="1,2,3,4 or 4,3,2,1", found=text,
        )  # fmt: skip
    if version in ("FCS3.1", "FCS3.2") and places not in _ORDERS_SINCE_3_1:
        inspection.note("FCS-BYTEORD", "$BYTEORD", f"is {quote(text)}; {version} allows 1,2,3,4 and 4,3,2,1")
    elif not _is_rising(places) and not _is_rising(places[::-1]):
        inspection.note("FCS-BYTEORD-MIXED", "$BYTEORD", f"is {quote(text)}, read as it says")
    return places


def _is_rising(places: tuple[int, ...]) -> bool:
    return places == tuple(range(1, len(places) + 1))


def _kind_of(keywords: Mapping[str, str], number: int, common: str, version: str, inspection: Inspection) -> str:
    """I, F or D; from FCS 3.2 on a channel may have its own."""
    key = f"$P{number}DATATYPE"
    own = keywords.get(key, common).strip()
    if own != common and version != "FCS3.2":
        raise inspection.error(
            "FCS-KEYWORD-VALUE", key, f"is {quote(own)} where $DATATYPE is {quote(common)}, which {version} has not",
            expected=common, found=own,
        )  # fmt: skip
    if own not in ("I", "F", "D"):
        where = key if key in keywords else "$DATATYPE"
        raise inspection.error(
            "FCS-KEYWORD-VALUE", where, f"is {quote(own)}, not I, F or D", expected="I, F or D", found=own
        )
    return own


def _read_column(
    keywords: Mapping[str, str], number: int, kind: str, bits: int, order: tuple[int, ...], inspection: Inspection
) -> Column:
    where = f"$P{number}B"
    if kind != "I" and bits != _FLOAT_BITS[kind]:
        raise inspection.error(
            "FCS-KEYWORD-VALUE", where, f"is {bits} bits, $DATATYPE {kind} has {_FLOAT_BITS[kind]}",
            expected=str(_FLOAT_BITS[kind]), found=str(bits),
        )  # fmt: skip
    if bits not in WIDTHS:
        code = "FCS-WIDTH" if 0 < bits <= 64 else "FCS-KEYWORD-VALUE"
        raise inspection.error(code, where, f"is {bits} bits", expected=", ".join(map(str, WIDTHS)), found=str(bits))
    mask = _read_mask(keywords, number, bits, inspection) if kind == "I" else None
    dtype, shifts = _decoding(kind, bits // 8, order, where, inspection)
    return Column(dtype, 0, bits // 8, mask, shifts)


def _decoding(
    kind: str, width: int, order: tuple[int, ...], where: str, inspection: Inspection
) -> tuple[np.dtype[np.generic], tuple[int, ...] | None]:
    """The dtype to view a number of `width` bytes in, or the one to build and how its bytes are shifted."""
    letter = "u" if kind == "I" else "f"
    rising, falling = _is_rising(order), _is_rising(order[::-1])
    if width == 1 or (width in (2, 4, 8) and (rising or falling)):
        return np.dtype(f"{'<' if rising else '>'}{letter}{width}"), None
    if rising or falling:
        places = tuple(range(width)) if rising else tuple(reversed(range(width)))
    elif len(order) == width:
        places = tuple(p - 1 for p in order)
    else:
        raise inspection.error(
            "FCS-BYTE-ORDER", "$BYTEORD", f"is a mixed order of {len(order)} bytes, and {where} asks for {width}",
            expected=f"{width} bytes", found=",".join(map(str, order)),
        )  # fmt: skip
    return np.dtype(f"={letter}{4 if width <= 4 else 8}"), tuple(8 * p for p in places)


def _read_mask(keywords: Mapping[str, str], number: int, bits: int, inspection: Inspection) -> int | None:
    """Bits that hold the value: ``2**ceil(log2(R)) - 1``.

    Computed in whole numbers, because log2 of a float errs near 2**53.
    None where all bits count. Nothing is masked where R asks for more bits than there are, or for none.
    """
    key = f"$P{number}R"
    size = read_range(keywords[key])
    if size is None or size <= 0:
        raise inspection.error(
            "FCS-KEYWORD-VALUE", key, f"is {quote(keywords[key])}; integers need a range above 0",
            expected="a number above 0", found=keywords[key],
        )  # fmt: skip
    used = (math.ceil(size) - 1).bit_length()
    if used == 0 or used > bits:
        inspection.note("FCS-RANGE", key, f"is {quote(keywords[key])} with {bits} bits; nothing was masked")
        return None
    return None if used == bits else (1 << used) - 1


def _layout_of_text(keywords: Mapping[str, str], count: int, inspection: Inspection) -> Layout:
    """Numbers as digits: ``$PnB`` characters each, or ``*`` for numbers between blanks and commas."""
    for i in range(1, count + 1):
        if keywords.get(key := f"$P{i}DATATYPE", "A").strip() != "A":
            raise inspection.error(
                "FCS-KEYWORD-VALUE", key, f"is {quote(keywords[key])} where $DATATYPE is A: text beside binary",
                expected="A", found=keywords[key],
            )  # fmt: skip
    declared = [keywords[f"$P{i}B"].strip() for i in range(1, count + 1)]
    number = np.dtype("=u8")
    if all(d == "*" for d in declared):
        return Layout((Column(number, 0, 0),) * count, 0, as_text=True)
    columns: list[Column] = []
    offset = 0
    for i, text in enumerate(declared, start=1):
        width = whole_number(text)
        if width is None or not 1 <= width <= _MAX_DIGITS:
            raise inspection.error(
                "FCS-KEYWORD-VALUE", f"$P{i}B", f"is {quote(text)}, not a number of characters",
                expected=f"1 to {_MAX_DIGITS}, or * for all channels", found=text,
            )  # fmt: skip
        columns.append(Column(number, offset, width))
        offset += width
    return Layout(tuple(columns), offset, as_text=True)


def read_range(text: str) -> int | float | None:
    """``$PnR`` as an integer, else as a decimal number; None where it is neither."""
    whole = whole_number(text)
    return decimal_number(text) if whole is None else whole
