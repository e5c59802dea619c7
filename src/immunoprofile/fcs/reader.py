"""The way from a path to Events: HEADER, TEXT, layout, channels, spillover, and where DATA waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike

from immunoprofile.errors import FcsError
from immunoprofile.fcs.acquisition import read_acquisition
from immunoprofile.fcs.catalogue import FINDINGS
from immunoprofile.fcs.chunks import DataPlace
from immunoprofile.fcs.datasets import check_gap, check_trailing, find_next, is_same_acquisition
from immunoprofile.fcs.events import Events
from immunoprofile.fcs.findings import Finding, Inspection, Strictness
from immunoprofile.fcs.header import Header, Span, read_header
from immunoprofile.fcs.keywords import check_expected, check_known, missing_keywords, read_parameter_count
from immunoprofile.fcs.layout import Layout, read_layout
from immunoprofile.fcs.offsets import Located, locate_data
from immunoprofile.fcs.panels import read_panel
from immunoprofile.fcs.remote import locate_file
from immunoprofile.fcs.segments import (
    DataSet,
    analysis_span,
    optional_span,
    read_analysis,
    read_supplement,
    read_text_bytes,
    text_proper,
)
from immunoprofile.fcs.source import open_source
from immunoprofile.fcs.text import Keywords, merge_supplement, read_text

_HEADER_AND_OTHERS = 4096  # offsets of OTHER segments stand between the HEADER and TEXT
_MAX_DATASETS = 1000
_QUIET = {Strictness.STRICT: Strictness.REPORT}  # a reading that is only tried must not stop at its findings


def read_fcs(path: str | PathLike[str], *, strictness: Strictness = Strictness.REPORT) -> Events:
    """Read an FCS file that holds one data set; DATA waits in the file.

    Parameters
    ----------
    path
        A list-mode file of FCS 2.0, 3.0, 3.1 or 3.2; or its URL (`remote.SCHEMES`), of which a copy is read.
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
    stream, source = open_source(locate_file(path))
    with stream:
        base: int | None = 0
        while base is not None:
            inspection = Inspection(str(source.path), strictness, len(sets) + 1)
            if len(sets) == _MAX_DATASETS:
                raise inspection.error("FCS-DATASETS-LIMIT", "$NEXTDATA", f"more than {_MAX_DATASETS} data sets")
            events, base = _read_set(DataSet(stream, source, base, inspection))
            sets.append(events)
    return sets


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the segments of a data set are, as far as they were found; DATA not yet."""

    header: Header
    text: Span
    supplement: Span | None
    analysis: Span | None

    @property
    def occupied(self) -> dict[str, Span]:
        """What DATA may not overlap."""
        named = {"TEXT": self.text, "supplemental TEXT": self.supplement, "ANALYSIS": self.analysis}
        return {name: span for name, span in named.items() if span is not None}


def _read_set(one: DataSet) -> tuple[Events, int | None]:
    """One data set, and where the next begins."""
    inspection = one.inspection
    header = read_header(one.read(0, _HEADER_AND_OTHERS), inspection)
    raw = read_text_bytes(one, header)
    inspection.text, inspection.text_begin = raw, header.text.begin
    fits = partial(_fits, one, header, raw)
    primary = read_text(raw, "TEXT", partial(missing_keywords, header.version), inspection, fits)
    check_expected(header.version, primary, inspection)
    stext = optional_span(one, primary, "STEXT", "FCS-STEXT")
    supplement = read_supplement(one, header, stext, raw[:1])
    keywords = merge_supplement(primary, supplement or {}, inspection)
    check_known(keywords, inspection)

    count = read_parameter_count(keywords, len(raw), inspection)
    panel = read_panel(keywords, header.version, count, inspection)

    following = find_next(keywords, one.stream, one.source, one.base, inspection)
    analysis = analysis_span(one, header, keywords)
    parts = _Parts(header, text_proper(header.text, raw), stext if supplement is not None else None, analysis)
    located = _locate(one, parts, keywords, panel.layout, following)
    _check_surroundings(one, parts, located, following, stext)
    events = Events(
        path=one.source.path,
        version=header.version,
        n_events=located.n_events,
        channels=panel.channels,
        keywords=Keywords(keywords),
        spillover=panel.spillover,
        acquisition=read_acquisition(keywords, panel.channels, inspection),
        analysis=Keywords(read_analysis(one, analysis, raw[:1])),
        others=tuple((one.base + s.begin, s.size) for s in header.others if one.holds(s)),
        findings=inspection.findings,
        dataset=inspection.dataset,
        place=DataPlace(
            one.source,
            one.base + located.begin,
            located.n_events,
            panel.layout,
            panel.scalings,
            located.end - located.begin + 1,
        ),
    )
    return events, following


def _locate(one: DataSet, parts: _Parts, keywords: Mapping[str, str], layout: Layout, following: int | None) -> Located:
    limit = (one.source.size if following is None else following) - one.base
    return locate_data(one, parts.header, keywords, parts.occupied, layout, limit)


def _fits(one: DataSet, header: Header, raw: bytes, keywords: Mapping[str, str]) -> bool:
    """True where a reading of TEXT lays DATA out and finds it: the proof by size that tells two readings apart."""
    strictness = one.inspection.strictness
    quiet = replace(one, inspection=Inspection(one.inspection.path, _QUIET.get(strictness, strictness)))
    try:
        count = read_parameter_count(keywords, len(raw), quiet.inspection)
        layout = read_layout(keywords, header.version, count, quiet.inspection)
        _locate(quiet, _Parts(header, text_proper(header.text, raw), None, None), keywords, layout, None)
    except FcsError:
        return False
    return True


def _check_surroundings(
    one: DataSet, parts: _Parts, located: Located, following: int | None, stext: Span | None
) -> None:
    """Look at the bytes before and after DATA, and at the checksum."""
    header, inspection = parts.header, one.inspection
    if located.begin == header.text.end:
        inspection.note(
            "FCS-DATA-TOUCHES", f"byte {located.begin}", "is declared as the end of TEXT and the begin of DATA"
        )
    spans = [
        s for s in (header.text, parts.text, stext, parts.analysis, *header.others) if s is not None and one.holds(s)
    ]
    if located.n_events:
        check_gap(one, spans, located.begin)
    after = max(located.end, *(s.end for s in spans)) + 1
    check_trailing(one.stream, one.source, one.base, one.base + after, following, inspection)
