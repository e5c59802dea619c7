"""The way from a path to Events: HEADER, TEXT, layout, channels, spillover, and where DATA waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from os import PathLike
from pathlib import Path

from immunoprofile.errors import FcsError
from immunoprofile.fcs.channels import read_channels, read_scalings
from immunoprofile.fcs.data import DataPlace
from immunoprofile.fcs.datasets import check_trailing, find_next, is_same_acquisition
from immunoprofile.fcs.events import Events
from immunoprofile.fcs.findings import FINDINGS, Finding, Inspection, Strictness
from immunoprofile.fcs.header import HEADER_BYTES, Header, Span, read_header
from immunoprofile.fcs.keywords import (
    check_expected,
    missing_keywords,
    read_parameter_count,
    whole_number,
)
from immunoprofile.fcs.layout import read_layout
from immunoprofile.fcs.offsets import locate_data
from immunoprofile.fcs.source import Source, open_source, read_at
from immunoprofile.fcs.spilltext import read_spillover_text
from immunoprofile.fcs.text import MAX_TEXT_BYTES, Keywords, merge_supplement, read_text

_HEADER_AND_OTHERS = 4096  # offsets of OTHER segments stand between the HEADER and TEXT
_MAX_DATASETS = 1000


@dataclass(frozen=True, slots=True)
class _DataSet:
    """One data set while it is read: the open file, where the set begins, what is noticed."""

    stream: FileIO
    source: Source
    base: int
    inspection: Inspection

    def holds(self, span: Span) -> bool:
        return HEADER_BYTES <= span.begin <= span.end < self.source.size - self.base

    def read(self, begin: int, size: int) -> bytes:
        return read_at(self.stream, self.source, self.base + begin, size)


def read_fcs(path: str | PathLike[str], *, strictness: Strictness = Strictness.REPORT) -> Events:
    """Read an FCS file that holds one data set; DATA waits in the file.

    Parameters
    ----------
    path
        A list-mode file of FCS 2.0, 3.0, 3.1 or 3.2.
    strictness
        What to do with departures from the standard: REPORT lists them, STRICT refuses them, SALVAGE lists
        them and keeps the whole events of a file that was cut short.

    Raises
    ------
    FcsError
        One of its kinds: the file is missing, not FCS, contradicts itself, is cut short, is of a kind that is
        not read, or holds several data sets (then use `read_fcs_datasets`).

    Notes
    -----
    A Beckman Coulter LMD file holds the same events twice, in 10 bits as FCS 2.0 and in 20 bits as FCS 3.0:
    the second set is returned, with the finding ``FCS-LMD``.
    """
    sets = read_fcs_datasets(path, strictness=strictness)
    if len(sets) == 1:
        return sets[0]
    versions = [s.version for s in sets]
    if versions == ["FCS2.0", "FCS3.0"] and is_same_acquisition(sets[0].keywords, sets[1].keywords):
        severity = FINDINGS["FCS-LMD"][0]
        found = Finding("FCS-LMD", severity, "file", "holds the same events twice; the FCS 3.0 set was read")
        return replace(sets[1], findings=(*sets[1].findings, found))
    raise Inspection(str(path), strictness).error(
        "FCS-DATASETS", "$NEXTDATA", f"file holds {len(sets)} data sets", expected="1", found=str(len(sets))
    )


def read_fcs_datasets(path: str | PathLike[str], *, strictness: Strictness = Strictness.REPORT) -> list[Events]:
    """Read every data set of an FCS file, in the order of the file.

    Raises
    ------
    FcsError
        As `read_fcs`; a fault in one data set refuses the file.
    """
    sets: list[Events] = []
    stream, source = open_source(Path(path))
    with stream:
        base: int | None = 0
        while base is not None:
            inspection = Inspection(str(source.path), strictness, len(sets) + 1)
            if len(sets) == _MAX_DATASETS:
                raise inspection.error("FCS-DATASETS-LIMIT", "$NEXTDATA", f"more than {_MAX_DATASETS} data sets")
            events, base = _read_set(_DataSet(stream, source, base, inspection))
            sets.append(events)
    return sets


def _read_set(one: _DataSet) -> tuple[Events, int | None]:
    """One data set, and where the next begins."""
    inspection = one.inspection
    header = read_header(one.read(0, _HEADER_AND_OTHERS), inspection)
    raw = _read_text_bytes(one, header)
    primary = read_text(raw, "TEXT", partial(missing_keywords, header.version), inspection)
    check_expected(header.version, primary, inspection)
    stext = _optional_span(one, primary, "STEXT", "FCS-STEXT")
    supplement = _read_supplement(one, header, stext, raw[:1])
    keywords = Keywords(merge_supplement(primary, supplement or {}, inspection))

    layout = read_layout(keywords, header.version, read_parameter_count(keywords, len(raw), inspection), inspection)
    channels = read_channels(keywords, header.version, layout, inspection)
    scalings = read_scalings(keywords, channels, inspection)
    spillover = read_spillover_text(keywords, channels, inspection)

    following = find_next(keywords, one.stream, one.source, one.base, inspection)
    limit = (one.source.size if following is None else following) - one.base
    analysis = _analysis(one, header, keywords)
    occupied = {"TEXT": _text_proper(header.text, raw)}
    occupied |= {"supplemental TEXT": stext} if stext is not None and supplement is not None else {}
    occupied |= {"ANALYSIS": analysis} if analysis is not None else {}
    located = locate_data(header, keywords, occupied, layout.row_bytes, limit, inspection)
    if located.begin == header.text.end:
        inspection.note(
            "FCS-DATA-TOUCHES", f"byte {located.begin}", "is declared as the end of TEXT and the begin of DATA"
        )
    if following is None:
        spans = [header.text, stext, analysis, *header.others]
        ends = [s.end for s in spans if s is not None and one.holds(s)]
        check_trailing(one.stream, one.source, one.base + max(located.end, *ends) + 1, inspection)

    place = DataPlace(one.source, one.base + located.begin, located.n_events, layout, scalings)
    events = Events(
        path=one.source.path,
        version=header.version,
        n_events=located.n_events,
        channels=channels,
        keywords=keywords,
        spillover=spillover,
        findings=inspection.findings,
        dataset=inspection.dataset,
        place=place,
    )
    return events, following


def _read_text_bytes(one: _DataSet, header: Header) -> bytes:
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


def _text_proper(span: Span, raw: bytes) -> Span:
    """TEXT without its last byte where its final delimiter stands before that: some files count one too many."""
    return Span(span.begin, span.end - 1) if raw[-2:-1] == raw[:1] else span


def _optional_span(one: _DataSet, keywords: dict[str, str] | Keywords, name: str, code: str) -> Span | None:
    """A segment that the events do not rest on: None where there is none, or none that can be."""
    begin, end = (whole_number(keywords.get(f"${side}{name}", "0")) for side in ("BEGIN", "END"))
    if begin == 0 == end:
        return None
    span = Span(begin or 0, end or 0)
    if begin is None or end is None or not one.holds(span):
        one.inspection.note(code, f"$BEGIN{name}", f"places {name} where it cannot be; it was left out")
        return None
    return span


def _read_supplement(one: _DataSet, header: Header, span: Span | None, delimiter: bytes) -> dict[str, str] | None:
    """Keywords of supplemental TEXT; None where there is none, none readable, or primary TEXT is meant."""
    if span is None or span.begin == header.text.begin:
        return None
    raw = one.read(span.begin, min(span.size, MAX_TEXT_BYTES))
    if raw[:1] != delimiter:
        one.inspection.note("FCS-STEXT", f"byte {span.begin}", "supplemental TEXT does not begin with the delimiter")
        return None
    try:
        return read_text(raw, "supplemental TEXT", lambda _: [], one.inspection)
    except FcsError as problem:
        one.inspection.note("FCS-STEXT", f"byte {span.begin}", problem.problems[0].what)
        return None


def _analysis(one: _DataSet, header: Header, keywords: Keywords) -> Span | None:
    """ANALYSIS as HEADER or TEXT places it; only to know which bytes are not DATA."""
    span = header.analysis
    if span is None:
        return _optional_span(one, keywords, "ANALYSIS", "FCS-ANALYSIS")
    if one.holds(span):
        return span
    one.inspection.note("FCS-ANALYSIS", "byte 42", f"HEADER places ANALYSIS at {span.begin} to {span.end}")
    return None
