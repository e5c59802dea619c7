"""HEADER: the version and where the segments are, in 58 bytes of ASCII; ends are inclusive."""

from __future__ import annotations

import re
from dataclasses import dataclass

from immunoprofile.fcs.findings import Inspection, quote

VERSIONS = ("FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2")

HEADER_BYTES = 58

_OFFSET = re.compile(rb" *([0-9]{1,8}) *")
_VERSION_LIKE = re.compile(rb"FCS[0-9]\.[0-9]")
_OTHER = re.compile(rb"[ 0-9]*")


@dataclass(frozen=True, slots=True)
class Span:
    """A segment: first and last byte, both inclusive, counted from the first byte of its data set."""

    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.begin + 1

    def overlaps(self, other: Span) -> bool:
        """True where the two share a byte."""
        return self.begin <= other.end and other.begin <= self.end


@dataclass(frozen=True, slots=True)
class Header:
    """Version and segments as the HEADER declares them; None where it declares none."""

    version: str
    text: Span
    data: Span | None
    analysis: Span | None
    others: tuple[Span, ...] = ()


def read_header(raw: bytes, inspection: Inspection) -> Header:
    """Read a HEADER.

    Parameters
    ----------
    raw
        The first bytes of a data set: 58, and beyond them as much as may hold offsets of OTHER segments.

    Raises
    ------
    FcsFormatError
        Not an FCS file, or the offsets of TEXT are no numbers.
    FcsTruncatedError
        The file ends within the HEADER.
    FcsUnsupportedError
        Another version.
    """
    version = _read_version(raw, inspection)
    text = Span(_needed(raw, 10, "begin of TEXT", inspection), _needed(raw, 18, "end of TEXT", inspection))
    data = _optional(raw, 26, "DATA", inspection)
    analysis = _optional(raw, 42, "ANALYSIS", inspection)
    return Header(version, text, data, analysis, _read_others(raw[HEADER_BYTES : max(HEADER_BYTES, text.begin)]))


def _read_version(raw: bytes, inspection: Inspection) -> str:
    if not raw:
        raise inspection.error("FCS-EMPTY", "byte 0", "file is empty", expected="an FCS file")
    if not _VERSION_LIKE.match(raw[:6]) and not b"FCS3.1".startswith(raw):
        raise inspection.error(
            "FCS-NOT-FCS", "byte 0", f"is not an FCS file: it begins with {quote(raw[:6])}",
            expected=", ".join(VERSIONS), found=raw[:6].decode("latin-1"),
        )  # fmt: skip
    if len(raw) < HEADER_BYTES:
        raise inspection.error("FCS-EMPTY", f"byte {len(raw)}", "file ends within its HEADER of 58 bytes")
    version = raw[:6].decode("ascii")
    if version not in VERSIONS:
        raise inspection.error(
            "FCS-VERSION",
            "byte 0",
            f"version {version} is not read here",
            expected=", ".join(VERSIONS),
            found=version,
        )
    if raw[6:10] != b"    ":
        inspection.note("FCS-HEADER-BLANKS", "byte 6", f"expected four blanks, found {quote(raw[6:10])}")
    return version


def _needed(raw: bytes, at: int, name: str, inspection: Inspection) -> int:
    field = raw[at : at + 8]
    number = _OFFSET.fullmatch(field)
    if number is None:
        raise inspection.error(
            "FCS-HEADER-FIELD", f"byte {at}", f"{name} is {quote(field)}, not a number",
            expected="up to 8 digits", found=field.decode("latin-1"),
        )  # fmt: skip
    return int(number[1])


def _optional(raw: bytes, at: int, name: str, inspection: Inspection) -> Span | None:
    """A segment's span; None where it is 0 0, blank, or not readable (then with a finding)."""
    fields = raw[at : at + 8], raw[at + 8 : at + 16]
    numbers = [_OFFSET.fullmatch(f) for f in fields]
    if all(not f.strip(b" ") for f in fields):
        return None
    if numbers[0] is None or numbers[1] is None:
        shown = quote(fields[0] + fields[1])
        inspection.note("FCS-HEADER-OFFSET", f"byte {at}", f"offsets of {name} are {shown}, not two numbers")
        return None
    begin, end = int(numbers[0][1]), int(numbers[1][1])
    return None if begin == 0 == end else Span(begin, end)


def _read_others(raw: bytes) -> tuple[Span, ...]:
    """Spans of OTHER segments: pairs of numbers between the HEADER and TEXT, as wide as the vendor likes."""
    if len(raw) > 4096 or not _OTHER.fullmatch(raw):
        return ()
    numbers = [int(n) for n in raw.split() if len(n) <= 20]
    pairs = zip(numbers[::2], numbers[1::2], strict=False)
    return tuple(Span(begin, end) for begin, end in pairs if HEADER_BYTES <= begin < end)
