"""DATA written as decimal digits (``$DATATYPE`` A): in columns of fixed width, or free between separators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import FileIO

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import FcsError
from immunoprofile.fcs.checksum import FIELD_BYTES, is_field
from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.source import Source, read_at, read_exactly

_CHUNK_BYTES = 65_536
_MAX_DIGITS = 20  # as many as 2**64 has
_LARGEST = 2**64 - 1

# FCS 3.0, $DATATYPE A with $PnB *: values stand between blanks, commas, tabs, carriage returns or line feeds.
_SEPARATORS = bytes.maketrans(b",\t\r\n", b"    ")
_OTHER = re.compile(rb"[^0-9 ]")
_BLANK, _ZERO = 0x20, 0x30


def read_digits(characters: NDArray[np.uint8], at: int, row_bytes: int, inspection: Inspection) -> NDArray[np.uint64]:
    """Numbers of one channel in columns of fixed width.

    Parameters
    ----------
    characters : (n, width)
        Digits, with blanks before or after them.
    at, row_bytes
        First byte of the first number in the file, and bytes from one to the next: for the message.

    Raises
    ------
    FcsFormatError
        Anything but one run of digits, or a number of more than 64 bits.
    """
    figure = characters - np.uint8(_ZERO)  # wraps round below "0", so that one comparison tells a digit
    digit = figure < 10
    starts = digit[:, 0].astype(np.intp) + np.sum(digit[:, 1:] & ~digit[:, :-1], axis=1)
    good = (digit | (characters == _BLANK)).all(axis=1) & (starts == 1)
    total = np.zeros(len(characters), dtype=np.uint64)
    for j in range(characters.shape[1]):
        here, number = digit[:, j], figure[:, j].astype(np.uint64)
        good &= ~here | (total < _LARGEST // 10) | ((total == _LARGEST // 10) & (number <= _LARGEST % 10))
        total = np.where(here, total * np.uint64(10) + number, total)
    if not good.all():
        worst = int(np.argmin(good))
        raise _not_a_number(characters[worst].tobytes(), at + worst * row_bytes, inspection)
    return total


def walk_free_numbers(
    stream: FileIO, source: Source, begin: int, n_bytes: int, inspection: Inspection
) -> Iterator[NDArray[np.uint64]]:
    """Numbers between separators, chunk after chunk.

    Raises
    ------
    FcsFormatError
        Anything but digits and separators, or a number of more than 64 bits.
    FcsTruncatedError
        The file shrank meanwhile.
    """
    held, at, end = b"", begin, begin + n_bytes
    while at < end:
        chunk = bytearray(min(_CHUNK_BYTES, end - at))
        read_exactly(stream, source, at, memoryview(chunk))
        text = held + bytes(chunk.translate(_SEPARATORS))
        at += len(chunk)
        keep = len(text) if at >= end else text.rfind(b" ") + 1
        held = text[keep:]
        if len(held) > _MAX_DIGITS:
            raise _not_a_number(held[:60], at - len(held), inspection)
        yield _numbers(text[:keep], at - len(text), inspection)


def _numbers(text: bytes, at: int, inspection: Inspection) -> NDArray[np.uint64]:
    if (other := _OTHER.search(text)) is not None:
        raise _not_a_number(text[other.start() : other.start() + 20], at + other.start(), inspection)
    tokens = text.split()
    for token in tokens:
        if len(token) > _MAX_DIGITS or int(token) > _LARGEST:
            raise _not_a_number(token, at + text.find(token), inspection)
    return np.array([int(t) for t in tokens], dtype=np.uint64)


def count_free_numbers(stream: FileIO, source: Source, begin: int, n_bytes: int, inspection: Inspection) -> int:
    """How many numbers stand in some bytes.

    Raises
    ------
    FcsFormatError
        As `walk_free_numbers`; also where the first or the last number goes on outside the bytes.
    """
    before = read_at(stream, source, begin - 1, 2)
    after = read_at(stream, source, begin + n_bytes - 1, 1 + FIELD_BYTES)
    if after[:2].isdigit() and is_field(after[1:]):
        after = after[:1]  # a checksum may follow the last digit
    for pair, where in ((before, begin), (after[:2], begin + n_bytes - 1)):
        if len(pair) == 2 and pair.isdigit():
            raise inspection.error("FCS-DATA-OFFSETS", f"byte {where}", "DATA is placed within a number")
    return sum(len(numbers) for numbers in walk_free_numbers(stream, source, begin, n_bytes, inspection))


def _not_a_number(found: bytes, at: int, inspection: Inspection) -> FcsError:
    return inspection.error(
        "FCS-DIGITS", f"byte {at}", f"DATA holds {quote(found)}, not a number of 64 bits in digits",
        expected="digits", found=found.decode("latin-1"),
    )  # fmt: skip
