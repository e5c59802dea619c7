"""What comes after a data set: another one, a checksum, blanks, or bytes that nobody announced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import FileIO

from immunoprofile.fcs.checksum import FIELD_BYTES, check_checksum, is_field
from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.header import HEADER_BYTES, Span
from immunoprofile.fcs.keywords import read_whole
from immunoprofile.fcs.segments import DataSet
from immunoprofile.fcs.source import Source, read_at

_SCANNED = 65_536
_HEADER = re.compile(rb"FCS[0-9]\.[0-9]    ")
_VERSION = re.compile(rb"FCS[0-9]\.[0-9]")
_BLANK = b" \0\r\n\t"


def find_next(
    keywords: Mapping[str, str], stream: FileIO, source: Source, base: int, inspection: Inspection
) -> int | None:
    """First byte of the next data set in the file; None where this is the last.

    ``$NEXTDATA`` counts from the first byte of its own data set.

    Raises
    ------
    FcsFormatError
        It is not a whole number, or lies within the HEADER of its own data set.
    """
    distance = read_whole(keywords, "$NEXTDATA", inspection, default=0)
    if distance == 0:
        return None
    if distance < HEADER_BYTES:
        raise inspection.error(
            "FCS-NEXTDATA-VALUE", "$NEXTDATA", f"is {distance}, within its own HEADER", found=str(distance)
        )
    if not _VERSION.match(read_at(stream, source, base + distance, HEADER_BYTES)):
        inspection.note("FCS-NEXTDATA", "$NEXTDATA", f"is {distance}, where no data set begins")
        return None
    return base + distance


def check_gap(one: DataSet, spans: Sequence[Span], data_begin: int) -> None:
    """Note bytes before DATA that no segment claims: there should be blanks, and events if DATA begins too late."""
    before = max((s.end + 1 for s in spans if s.end < data_begin), default=HEADER_BYTES)
    gap = one.read(before, min(data_begin - before, _SCANNED))
    if gap.strip(_BLANK):
        one.inspection.note("FCS-GAP", f"byte {before}", f"{data_begin - before:,} bytes that no segment claims")


def check_trailing(
    stream: FileIO, source: Source, base: int, after: int, following: int | None, inspection: Inspection
) -> None:
    """Check the checksum, and note what else follows the last segment: nothing is as it should be.

    Parameters
    ----------
    base, after, following
        First byte of the data set, one past its last segment, and first byte of the next data set if any.
    """
    end = source.size if following is None else following
    count = end - after
    if count <= 0:
        return
    rest = read_at(stream, source, after, min(_SCANNED, count))
    check_checksum(stream, source, base, after, rest, inspection)
    if following is not None:
        return  # between two data sets vendors keep what is their own
    if is_field(rest[:FIELD_BYTES]) or rest[:FIELD_BYTES] == b" " * FIELD_BYTES:
        rest, count = rest[FIELD_BYTES:], count - FIELD_BYTES
    where = f"byte {end - count - base}"
    if _HEADER.search(rest):
        inspection.note("FCS-CONCATENATED", where, "another FCS header follows that $NEXTDATA does not name")
    elif count > len(rest) or rest.strip(_BLANK):
        inspection.note("FCS-TRAILING", where, f"{count:,} bytes follow the last segment")
    elif rest:
        inspection.note("FCS-TRAILING-BLANK", where, f"{count:,} blanks or zero bytes follow the last segment")


def is_same_acquisition(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """True for the two data sets of a Beckman Coulter LMD file: the same events in 10 and in 20 bits.

    The witnesses are the vendor's own keywords (``@CYTOMETERID``, ``@TUBENO``, ...): both sets have them, at
    least two are shared, all shared ones agree, and so do the numbers of events.
    """
    shared = [k for k in first if k.startswith("@") and k in second]
    same_total = first.get("$TOT", "").strip() == second.get("$TOT", " -").strip()
    return same_total and len(shared) >= 2 and all(first[k] == second[k] for k in shared)
