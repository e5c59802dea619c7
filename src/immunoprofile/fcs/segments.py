"""The segments beside DATA: TEXT, supplemental TEXT, ANALYSIS and OTHER, as bytes and as keywords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO

from immunoprofile.errors import FcsError
from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.header import HEADER_BYTES, Header, Span
from immunoprofile.fcs.keywords import whole_number
from immunoprofile.fcs.source import Source, read_at
from immunoprofile.fcs.text import MAX_TEXT_BYTES, read_text


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set while it is read: the open file, where the set begins, what is noticed."""

    stream: FileIO
    source: Source
    base: int
    inspection: Inspection

    def holds(self, span: Span) -> bool:
        """True where the span lies in the file, after the HEADER."""
        return HEADER_BYTES <= span.begin <= span.end < self.source.size - self.base

    def read(self, begin: int, size: int) -> bytes:
        """Bytes from `begin`, counted from the first byte of the data set; fewer where the file ends."""
        return read_at(self.stream, self.source, self.base + begin, size)


def read_text_bytes(one: DataSet, header: Header) -> bytes:
    """Primary TEXT with its delimiters.

    Raises
    ------
    FcsFormatError, FcsLimitError, FcsTruncatedError
        The HEADER places it where it cannot be, it is too large, or the file ends within it.
    """
    span = header.text
    if span.begin < HEADER_BYTES or span.end <= span.begin:
        raise one.inspection.error(
            "FCS-TEXT-OFFSETS", "byte 10", f"HEADER places TEXT at {span.begin} to {span.end}",
            expected=f"a begin from byte {HEADER_BYTES} on and an end after it",
        )  # fmt: skip
    if span.size > MAX_TEXT_BYTES:
        raise one.inspection.error("FCS-TEXT-LIMIT", "byte 18", f"TEXT is declared with {span.size:,} bytes")
    raw = one.read(span.begin, span.size)
    if len(raw) < span.size:
        raise one.inspection.error(
            "FCS-TEXT-TRUNCATED", f"byte {span.begin + len(raw)}", "file ends within TEXT",
            expected=f"{span.size} bytes of TEXT", found=f"{len(raw)} bytes",
        )  # fmt: skip
    return raw


def text_proper(span: Span, raw: bytes) -> Span:
    """TEXT without its last byte where its final delimiter stands before that: some files count one too many."""
    return Span(span.begin, span.end - 1) if raw[-2:-1] == raw[:1] else span


def optional_span(one: DataSet, keywords: Mapping[str, str], name: str, code: str) -> Span | None:
    """A segment that the events do not rest on: None where there is none, or none that can be."""
    begin, end = (whole_number(keywords.get(f"${side}{name}", "0")) for side in ("BEGIN", "END"))
    if begin == 0 == end:
        return None
    span = Span(begin or 0, end or 0)
    if begin is None or end is None or not one.holds(span):
        one.inspection.note(code, f"$BEGIN{name}", f"places {name} where it cannot be; it was left out")
        return None
    return span


def read_supplement(one: DataSet, header: Header, span: Span | None, delimiter: bytes) -> dict[str, str] | None:
    """Keywords of supplemental TEXT; None where there is none, none readable, or primary TEXT is meant."""
    if span is None or span.begin == header.text.begin:
        return None
    return _read_keywords(one, span, delimiter, "supplemental TEXT", "FCS-STEXT")


def analysis_span(one: DataSet, header: Header, keywords: Mapping[str, str]) -> Span | None:
    """ANALYSIS as HEADER or TEXT places it: also to know which bytes are not DATA."""
    span = header.analysis
    if span is None:
        return optional_span(one, keywords, "ANALYSIS", "FCS-ANALYSIS")
    if one.holds(span):
        return span
    one.inspection.note("FCS-ANALYSIS", "byte 42", f"HEADER places ANALYSIS at {span.begin} to {span.end}")
    return None


def read_analysis(one: DataSet, span: Span | None, delimiter: bytes) -> dict[str, str]:
    """Keywords of ANALYSIS, which is written as TEXT is; none where there is none or it is not readable."""
    if span is None:
        return {}
    return _read_keywords(one, span, delimiter, "ANALYSIS", "FCS-ANALYSIS") or {}


def _read_keywords(one: DataSet, span: Span, delimiter: bytes, name: str, code: str) -> dict[str, str] | None:
    if span.size > MAX_TEXT_BYTES:
        one.inspection.note(code, f"byte {span.begin}", f"{name} is declared with {span.size:,} bytes")
        return None
    raw = one.read(span.begin, span.size)
    if raw[:1] != delimiter:
        one.inspection.note(code, f"byte {span.begin}", f"{name} does not begin with the delimiter of TEXT")
        return None
    try:
        return read_text(raw, name, lambda _: [], one.inspection)
    except FcsError as problem:
        one.inspection.note(code, f"byte {span.begin}", problem.problems[0].what)
        return None
