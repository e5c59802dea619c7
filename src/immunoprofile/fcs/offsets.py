"""Where DATA is: proved by ``$TOT`` and the bytes of an event, never believed by preference.

HEADER and TEXT both place DATA. A pair is right where it lies inside the file, overlaps nothing and holds
exactly ``$TOT`` events. Where none does, the few known slips are tried one by one; whatever is left in doubt
is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from immunoprofile.errors import FcsError
from immunoprofile.fcs.checksum import FIELD_BYTES, is_field
from immunoprofile.fcs.digits import count_free_numbers
from immunoprofile.fcs.findings import Inspection, Strictness
from immunoprofile.fcs.header import HEADER_BYTES, Header, Span
from immunoprofile.fcs.keywords import read_whole
from immunoprofile.fcs.layout import Layout
from immunoprofile.fcs.segments import DataSet

# A digit, and eight zeros: what stands for "no checksum" after the last segment.
_RUN_ON = re.compile(rb"[0-9]0{8}")

# FlowJo exports end DATA here; some cytometers leave the end at 0 or at the begin (fcs.md 1.7).
_UNSET_END = 99_999_999


@dataclass(frozen=True, slots=True)
class Located:
    """DATA: first and last byte, counted from the first byte of its data set, and the events it holds."""

    begin: int
    n_events: int
    end: int


@dataclass(frozen=True, slots=True)
class _Search:
    """What is known before DATA is found."""

    one: DataSet
    pairs: dict[str, Span]
    occupied: dict[str, Span]
    row_bytes: int
    available: int

    def clash(self, span: Span) -> str | None:
        """Name of a segment that `span` overlaps."""
        if span.begin < HEADER_BYTES:
            return "HEADER"
        return next((name for name, other in self.occupied.items() if span.overlaps(other)), None)

    def exact(self, total: int) -> dict[str, Span]:
        """The pairs that hold exactly `total` events, in the file and beside everything else."""
        return {
            name: span
            for name, span in self.pairs.items()
            if span.size == total * self.row_bytes > 0 and span.end < self.available and self.clash(span) is None
        }

    def count_numbers(self, span: Span) -> int:
        """Numbers in a span of text; raises FcsFormatError where it holds anything else."""
        one = self.one
        return count_free_numbers(one.stream, one.source, one.base + span.begin, span.size, one.inspection)

    def may_begin_elsewhere(self, span: Span, need: int) -> bool:
        """Whether DATA of too many or too few bytes may be wrong at its begin and not at its end.

        Two witnesses for the begin, or TEXT right before it, settle it. Else the byte in question does: blanks and
        zero bytes are what stands between segments, and anything else belongs to the events.
        """
        witnesses = [s for s in self.pairs.values() if s.begin == span.begin]
        if len(witnesses) > 1 or any(s.end + 1 == span.begin for s in self.occupied.values()):
            return False
        if span.size > need:
            return self.one.read(span.begin, 1) in (b" ", b"\0")
        return self.one.read(span.begin - 1, 1) != b" "

    def ends_well(self, at: int) -> bool:
        """Whether DATA may end before byte `at`: what follows is nothing, blank, a checksum or another segment."""
        rest = self.one.read(at, FIELD_BYTES)
        follows = any(s.begin == at for s in self.occupied.values())
        return follows or at >= self.available or not rest.strip(b" \0\r\n\t") or is_field(rest)


def read_span(keywords: Mapping[str, str], name: str, inspection: Inspection) -> Span | None:
    """A segment as ``$BEGINname`` and ``$ENDname`` place it; None where both are 0 or missing.

    Raises
    ------
    FcsFormatError
        One of them is not a whole number.
    """
    begin = read_whole(keywords, f"$BEGIN{name}", inspection, default=0)
    end = read_whole(keywords, f"$END{name}", inspection, default=0)
    return None if begin == 0 == end else Span(begin, end)


def locate_data(
    one: DataSet,
    header: Header,
    keywords: Mapping[str, str],
    occupied: Mapping[str, Span],
    layout: Layout,
    available: int,
) -> Located:
    """Find DATA.

    Parameters
    ----------
    occupied
        Other segments by name; ``TEXT`` among them.
    layout
        Its bytes of one event are the measure of DATA.
    available
        Bytes from the start of this data set to its end (the file's, or the next data set's begin).

    Raises
    ------
    FcsFormatError
        HEADER, TEXT and ``$TOT`` cannot be reconciled.
    FcsTruncatedError
        The file ends before ``$TOT`` events; under SALVAGE the whole events are kept instead.
    """
    inspection = one.inspection
    total = read_whole(keywords, "$TOT", inspection) if "$TOT" in keywords else None
    in_text = read_span(keywords, "DATA", inspection)
    pairs = {k: v for k, v in (("HEADER", header.data), ("TEXT", in_text)) if v is not None}
    if in_text is None and header.version != "FCS2.0" and header.data is not None:
        inspection.note("FCS-OFFSETS-TEXT", "$BEGINDATA", "does not place DATA; the HEADER does")
    search = _Search(one, pairs, dict(occupied), layout.row_bytes, available)
    if layout.row_bytes == 0:
        return _locate_free_text(search, total, len(layout.columns), inspection)
    if total is None and not layout.proved_by_size:
        return _locate_without_total(search, inspection)
    if total is None or (layout.proved_by_size and not search.exact(total)):
        raise inspection.error("FCS-WIDTH", "$P1B", "is 10 bits, and DATA does not prove words of 16 bits")
    return _locate(search, total, inspection)


def _locate_free_text(search: _Search, total: int | None, n_channels: int, inspection: Inspection) -> Located:
    """Numbers between separators have no size: a pair is right where it holds ``$TOT`` times ``$PAR`` numbers."""
    counts: dict[Span, int] = {}
    faults: list[FcsError] = []
    for span in set(search.pairs.values()):
        if span.size > 0 and span.end < search.available and search.clash(span) is None:
            try:
                counts[span] = search.count_numbers(span)
            except FcsError as fault:
                faults.append(fault)
    fitting = [
        s for s, n in counts.items() if n == (n if total is None else total * n_channels) and n % n_channels == 0
    ]
    if len({s.begin for s in fitting}) == 1:
        span = min(fitting, key=lambda s: s.end)
        if len(set(search.pairs.values())) > 1:
            inspection.note("FCS-OFFSETS-DISAGREE", "DATA", f"{_shown(search.pairs)}; read to byte {span.end}")
        if (
            _RUN_ON.fullmatch(search.one.read(span.end - FIELD_BYTES, FIELD_BYTES + 1))
            and span.end + 1 >= search.available
        ):
            inspection.note(
                "FCS-DIGITS-END", f"byte {span.end - 7}", "the last number ends in eight zeros, as a checksum"
            )
        return Located(span.begin, counts[span] // n_channels, span.end)
    if total == 0 and not search.pairs:
        return Located(0, 0, 0)
    if fitting:
        raise inspection.error("FCS-DATA-AMBIGUOUS", "DATA", f"{_shown(search.pairs)}: both hold the numbers of $TOT")
    if faults:
        raise faults[0]
    what = (
        f"{_shown(search.pairs)}: not {total} events of {n_channels} numbers" if counts else "DATA is not in the file"
    )
    raise inspection.error("FCS-DATA-SIZE" if counts else "FCS-DATA-OFFSETS", "DATA", what)


def _locate(search: _Search, total: int, inspection: Inspection) -> Located:
    exact = search.exact(total)
    found = set(exact.values())
    if len(found) == 2:
        raise inspection.error("FCS-DATA-AMBIGUOUS", "DATA", f"{_shown(search.pairs)}: both hold {total:,} events")
    if not found:
        return _repair(search, total, inspection)
    span = found.pop()
    if len(exact) < len(search.pairs):
        name = next(iter(exact))
        inspection.note("FCS-OFFSETS-DISAGREE", "DATA", f"{_shown(search.pairs)}; only {name} fits $TOT")
    return Located(span.begin, total, span.end)


def _repair(search: _Search, total: int, inspection: Inspection) -> Located:
    """DATA where no pair holds exactly ``$TOT`` events: only with a begin beyond dispute."""
    need = total * search.row_bytes
    if need == 0 and all(s.size <= 1 for s in search.pairs.values()):
        return Located(0, 0, 0)
    begin = _undisputed_begin(search, inspection)
    sizes = {s.size for s in search.pairs.values() if s.begin == begin}
    unset = any(s.end in (0, begin, _UNSET_END) for s in search.pairs.values() if s.begin == begin)
    nearest = min(sizes, key=lambda size: abs(size - need))
    declared = need if unset else nearest
    if begin + min(declared, need) > search.available or declared < need - 1:
        return _truncated(search, begin, min(declared, search.available - begin), total, inspection)
    if declared - need >= search.row_bytes or need == 0:
        raise inspection.error(
            "FCS-DATA-SIZE", "$TOT", f"says {total:,} events, DATA holds {declared / search.row_bytes:,.1f}",
            expected=f"{need} bytes", found=f"{declared} bytes",
        )  # fmt: skip
    clash = search.clash(Span(begin, begin + need - 1))
    if clash is not None:
        raise inspection.error("FCS-DATA-OVERLAP", "DATA", f"{_shown(search.pairs)}: it overlaps {clash}")
    if begin + need > search.available:
        return _truncated(search, begin, search.available - begin, total, inspection)
    if not unset and search.may_begin_elsewhere(Span(begin, begin + declared - 1), need):
        raise inspection.error(
            "FCS-DATA-OFFSETS", "DATA", f"{_shown(search.pairs)}: begin or end is wrong by {abs(declared - need)} bytes"
        )
    if declared < need and not search.ends_well(begin + need):
        raise inspection.error(
            "FCS-DATA-OFFSETS", "DATA", f"{_shown(search.pairs)}: one byte is missing, and the next is none of its own"
        )
    code = "FCS-DATA-END" if unset or abs(declared - need) == 1 else "FCS-DATA-REMAINDER"
    inspection.note(code, "DATA", f"{_shown(search.pairs)}; {total:,} events end at byte {begin + need - 1}")
    return Located(begin, total, begin + (need if code == "FCS-DATA-END" else declared) - 1)


def _undisputed_begin(search: _Search, inspection: Inspection) -> int:
    begins = {s.begin for s in search.pairs.values() if s.begin >= HEADER_BYTES}
    if len(begins) == 1:
        return begins.pop()
    said = _shown(search.pairs) if search.pairs else "neither HEADER nor TEXT places DATA"
    what = f"{said}: neither fits $TOT" if begins else said
    raise inspection.error("FCS-DATA-OFFSETS", "DATA", what)


def _truncated(search: _Search, begin: int, held: int, total: int, inspection: Inspection) -> Located:
    """The file holds fewer events than it says: refuse, or keep the whole ones under SALVAGE."""
    whole = max(0, held) // search.row_bytes
    what = f"file is cut short: {whole:,} whole events of {total:,} are there"
    clash = search.clash(Span(begin, begin + max(held, 1) - 1)) if whole else None
    if inspection.strictness is not Strictness.SALVAGE or clash:
        raise inspection.error(
            "FCS-TRUNCATED", f"byte {begin + max(0, held)}", what,
            expected=f"{total * search.row_bytes} bytes of DATA", found=f"{max(0, held)} bytes",
        )  # fmt: skip
    inspection.note("FCS-SALVAGED", f"byte {begin + max(0, held)}", what)
    return Located(begin, whole, search.available - 1)


def _locate_without_total(search: _Search, inspection: Inspection) -> Located:
    """FCS 2.0 may leave out ``$TOT``: then the size of DATA is the only witness, and must be whole events."""
    inspection.note("FCS-TOT-ABSENT", "TEXT", "no $TOT; the size of DATA gives the number of events")
    spans = set(search.pairs.values())
    if len(spans) != 1:
        said = _shown(search.pairs) if spans else "neither HEADER nor TEXT places DATA"
        raise inspection.error("FCS-DATA-OFFSETS", "DATA", f"{said}, and there is no $TOT to decide")
    span = spans.pop()
    if (clash := search.clash(span)) is not None:
        raise inspection.error("FCS-DATA-OVERLAP", "DATA", f"{_shown(search.pairs)}: it overlaps {clash}")
    total, rest = divmod(max(span.size, 0), search.row_bytes)
    if span.end >= search.available or total == 0:
        return _truncated(search, span.begin, search.available - span.begin, max(total, 1), inspection)
    if rest:
        inspection.note("FCS-DATA-REMAINDER", "DATA", f"{rest} bytes are left over after {total:,} events")
    return Located(span.begin, total, span.end)


def _shown(pairs: Mapping[str, Span]) -> str:
    return ", ".join(f"{name} places DATA at {s.begin} to {s.end}" for name, s in pairs.items())
