"""The checksum of a data set: 16 bit CCITT CRC in the eight characters after its last segment."""

from __future__ import annotations

import binascii
import re
from io import FileIO

from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.source import Source, read_at

FIELD_BYTES = 8

_FIELD = re.compile(rb" *[0-9A-Fa-f]+ *")
_CHUNK_BYTES = 1 << 20
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(data: bytes, state: int = 0) -> int:
    """CRC of bytes: polynomial x^16 + x^12 + x^5 + 1, reflected, from 0; 0x2189 for ``123456789``.

    Parameters
    ----------
    state
        The mirrored register after earlier bytes, as `_walk` keeps it.

    References
    ----------
    Press WH et al. (1992). Numerical Recipes in C, 2nd edition, section 20.3; named by FCS 3.1, section 3.5.
    """
    return _mirrored(binascii.crc_hqx(data.translate(_MIRROR), state))


def _mirrored(register: int) -> int:
    return int(f"{register:016b}"[::-1], 2)


def is_field(raw: bytes) -> bool:
    """True for eight characters that can be a checksum."""
    return len(raw) == FIELD_BYTES and _FIELD.fullmatch(raw) is not None


def check_checksum(
    stream: FileIO, source: Source, base: int, after: int, following: bytes, inspection: Inspection
) -> None:
    """Compare the checksum of a data set with its bytes, where it has one.

    Parameters
    ----------
    base, after
        First byte of the data set, and one past its last segment.
    following
        What follows the last segment; eight zeros say that there is no checksum.

    Notes
    -----
    The standard does not say how the number is written: decimal and hexadecimal both count. Only a file with
    a checksum is read whole when it is opened.
    """
    field = following[:FIELD_BYTES]
    if not is_field(field) or not field.strip(b" 0"):
        return
    actual = _checksum_of(stream, source, base, after)
    text = field.strip().decode("ascii")
    if int(text, 16) != actual and (not text.isdigit() or int(text) != actual):
        inspection.note("FCS-CRC", f"byte {after - base}", f"is {quote(text)}, the bytes before it have {actual}")


def _checksum_of(stream: FileIO, source: Source, begin: int, end: int) -> int:
    state = 0
    for at in range(begin, end, _CHUNK_BYTES):
        chunk = read_at(stream, source, at, min(_CHUNK_BYTES, end - at))
        state = binascii.crc_hqx(chunk.translate(_MIRROR), state)
    return _mirrored(state)
