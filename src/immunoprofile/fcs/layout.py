"""How one event lies in DATA: for each channel its place, its type and the bits that count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.keywords import decimal_number, read_whole, whole_number

WIDTHS = (8, 16, 32, 64)

EXACT_IN_FLOAT64 = 2**53
"""Integers up to here have a float64 of their own (IEEE 754: 53 bits of significand)."""

_FLOAT_BITS = {"F": 32, "D": 64}
_ORDERS_SINCE_3_1 = ("1,2,3,4", "4,3,2,1")
_MAX_ORDER = 8  # bytes in the widest number


@dataclass(frozen=True, slots=True)
class Column:
    """One channel within an event.

    Parameters
    ----------
    dtype
        As stored, with the byte order of the file.
    offset
        Bytes from the start of the event.
    mask
        Bits that count in an unsigned integer; None where all do.
    """

    dtype: np.dtype[np.generic]
    offset: int
    mask: int | None = None

    @property
    def native(self) -> np.dtype[np.generic]:
        """The type in the byte order of this machine."""
        return self.dtype.newbyteorder("=")

    @property
    def may_exceed_float64(self) -> bool:
        """True for integers that may have no float64 of their own."""
        if self.dtype.kind != "u" or self.dtype.itemsize < 8:
            return False
        return self.mask is None or self.mask > EXACT_IN_FLOAT64


@dataclass(frozen=True, slots=True)
class Layout:
    """All channels of an event in the order ``$P1`` to ``$Pn``, and its bytes."""

    columns: tuple[Column, ...]
    row_bytes: int

    @property
    def uniform(self) -> np.dtype[np.generic] | None:
        """The one dtype of all columns, where they share it; else None."""
        first = self.columns[0].dtype
        return first if all(c.dtype == first for c in self.columns) else None


def read_layout(keywords: Mapping[str, str], version: str, count: int, inspection: Inspection) -> Layout:
    """The layout of DATA from ``$MODE``, ``$DATATYPE``, ``$BYTEORD``, ``$PnB``, ``$PnR``, ``$PnDATATYPE``.

    Raises
    ------
    FcsFormatError
        A value that the standard does not allow.
    FcsUnsupportedError
        Histograms, ASCII data, or a width or byte order that is not read.
    """
    _check_mode(keywords, inspection)
    order = _read_byte_order(keywords["$BYTEORD"], version, inspection)
    common = keywords["$DATATYPE"].strip()
    columns: list[Column] = []
    offset = 0
    for i in range(1, count + 1):
        key = f"$P{i}DATATYPE"
        kind = keywords[key].strip() if version == "FCS3.2" and key in keywords else common
        column = _read_column(keywords, i, kind, offset, order, inspection)
        columns.append(column)
        offset += column.dtype.itemsize
    return Layout(tuple(columns), offset)


def _check_mode(keywords: Mapping[str, str], inspection: Inspection) -> None:
    mode = keywords.get("$MODE", "L").strip()
    if mode in ("C", "U"):
        raise inspection.error("FCS-MODE", "$MODE", f"is {mode}: histogram data, not events", expected="L", found=mode)
    if mode != "L":
        raise inspection.error("FCS-KEYWORD-VALUE", "$MODE", f"is {quote(mode)}, not L", expected="L", found=mode)


def _read_byte_order(text: str, version: str, inspection: Inspection) -> str:
    """``<`` or ``>``: the list gives each byte's significance, 1 for the least."""
    places = [whole_number(t) for t in text.split(",")] if len(text) <= 64 else []
    n = len(places)
    if not 1 <= n <= _MAX_ORDER or sorted(p or 0 for p in places) != list(range(1, n + 1)):
        raise inspection.error(
            "FCS-KEYWORD-VALUE", "$BYTEORD", f"is {quote(text)}, not an order of bytes",
            expected="1,2,3,4 or 4,3,2,1", found=text,
        )  # fmt: skip
    rising, falling = places == list(range(1, n + 1)), places == list(range(n, 0, -1))
    if not rising and not falling:
        raise inspection.error("FCS-BYTE-ORDER", "$BYTEORD", f"is {quote(text)}, a mixed order", found=text)
    if version in ("FCS3.1", "FCS3.2") and text.strip() not in _ORDERS_SINCE_3_1:
        inspection.note("FCS-BYTEORD", "$BYTEORD", f"is {quote(text)}; {version} allows 1,2,3,4 and 4,3,2,1")
    return "<" if rising else ">"


def _read_column(
    keywords: Mapping[str, str], number: int, kind: str, offset: int, order: str, inspection: Inspection
) -> Column:
    where = f"$P{number}B"
    if kind == "A":
        raise inspection.error("FCS-DATATYPE", "$DATATYPE", "is A: numbers written as text", found=kind)
    if kind not in ("I", "F", "D"):
        raise inspection.error(
            "FCS-KEYWORD-VALUE",
            "$DATATYPE",
            f"is {quote(kind)}, not I, F or D",
            expected="I, F or D",
            found=kind,
        )
    bits = read_whole(keywords, where, inspection)
    if kind != "I" and bits != _FLOAT_BITS[kind]:
        raise inspection.error(
            "FCS-KEYWORD-VALUE", where, f"is {bits} bits, $DATATYPE {kind} has {_FLOAT_BITS[kind]}",
            expected=str(_FLOAT_BITS[kind]), found=str(bits),
        )  # fmt: skip
    if kind != "I":
        return Column(np.dtype(f"{order}f{bits // 8}"), offset)
    if bits not in WIDTHS:
        code = "FCS-WIDTH" if 0 < bits <= 64 else "FCS-KEYWORD-VALUE"
        raise inspection.error(code, where, f"is {bits} bits", expected=", ".join(map(str, WIDTHS)), found=str(bits))
    return Column(np.dtype(f"{order}u{bits // 8}"), offset, _read_mask(keywords, number, bits, inspection))


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


def read_range(text: str) -> int | float | None:
    """``$PnR`` as an integer, else as a decimal number; None where it is neither."""
    whole = whole_number(text)
    return decimal_number(text) if whole is None else whole
