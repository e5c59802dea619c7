"""What comes after a data set: another one, a checksum, blanks, or bytes that nobody announced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import FileIO

from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.header import HEADER_BYTES
from immunoprofile.fcs.keywords import read_whole
from immunoprofile.fcs.source import Source, read_at

_SCANNED = 65_536
_CHECKSUM = re.compile(rb"[0-9A-Fa-f ]{8}")
_HEADER = re.compile(rb"FCS[0-9]\.[0-9]    ")
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
    if not _HEADER.match(read_at(stream, source, base + distance, HEADER_BYTES)):
        inspection.note("FCS-NEXTDATA", "$NEXTDATA", f"is {distance}, where no data set begins")
        return None
    return base + distance


def check_trailing(stream: FileIO, source: Source, after: int, inspection: Inspection) -> None:
    """Note what follows the last segment: nothing, or the 8 characters of a checksum, is as it should be."""
    count = source.size - after
    if count <= 0:
        return
    rest = read_at(stream, source, after, _SCANNED)
    if _CHECKSUM.match(rest):
        rest, count = rest[8:], count - 8
    where = f"byte {source.size - count}"
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
