"""What a file says about its acquisition: cytometer, when, how much, how many events were lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import TypeVar

from immunoprofile.fcs.channels import Channel
from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.keywords import decimal_number, whole_number

_T = TypeVar("_T")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_FIRST = re.compile(r"([0-9]{1,2})[- ]([A-Za-z]{3})[- ]([0-9]{4}|[0-9]{2})")
_YEAR_FIRST = re.compile(r"([0-9]{4})[- ]([A-Za-z]{3}|[0-9]{2})[- ]([0-9]{1,2})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:([:.])([0-9]+))?")

# Years of two digits (FCS 2.0): as POSIX reads them, 69 is 1969 and 68 is 2068.
_PIVOT = 69


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Facts of the acquisition; None where the file is silent or not readable.

    Parameters
    ----------
    cytometer, serial_number
        ``$CYT`` and ``$CYTSN``.
    begin, end
        ``$BEGINDATETIME`` and ``$ENDDATETIME`` (with their time zone), else ``$DATE`` with ``$BTIM`` and ``$ETIM``
        (local time of the cytometer, without zone). An end before its begin is on the next day.
    day
        ``$DATE``, or the day of `begin`.
    volume_nl
        ``$VOL``: nanolitres by the standard. Some cytometers write microlitres: check before dividing by it.
    n_aborted, n_lost
        ``$ABRT`` and ``$LOST``: events lost to coincidence, and while the computer was busy.
    voltages
        ``$PnV`` of every channel that has one, by detector.
    """

    cytometer: str | None = None
    serial_number: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    day: date | None = None
    volume_nl: float | None = None
    n_aborted: int | None = None
    n_lost: int | None = None
    voltages: Mapping[str, float] = field(default_factory=dict)


def read_acquisition(keywords: Mapping[str, str], channels: Sequence[Channel], inspection: Inspection) -> Acquisition:
    """Facts of the acquisition from keywords; what cannot be read becomes a finding and None.

    Notes
    -----
    Times have three notations: FCS 2.0 ``hh:mm:ss``, FCS 3.0 ``hh:mm:ss:tt`` in sixtieths of a second, FCS 3.1
    ``hh:mm:ss.cc`` in hundredths; each is told by its form, whatever the version.
    """
    day = _read(keywords, "$DATE", read_date, inspection)
    begin = _read(keywords, "$BEGINDATETIME", read_moment, inspection) or _moment(day, keywords, "$BTIM", inspection)
    end = _read(keywords, "$ENDDATETIME", read_moment, inspection)
    if end is None:
        end = _moment(day, keywords, "$ETIM", inspection)
        if begin is not None and end is not None and begin.tzinfo is None and end < begin:
            end += timedelta(days=1)
    return Acquisition(
        cytometer=keywords.get("$CYT", "").strip() or None,
        serial_number=keywords.get("$CYTSN", "").strip() or None,
        begin=begin,
        end=end,
        day=day or (None if begin is None else begin.date()),
        volume_nl=_read(keywords, "$VOL", _amount, inspection),
        n_aborted=_read(keywords, "$ABRT", whole_number, inspection),
        n_lost=_read(keywords, "$LOST", whole_number, inspection),
        voltages={c.detector: c.voltage for c in channels if c.voltage is not None},
    )


def _read(
    keywords: Mapping[str, str], key: str, reading: Callable[[str], _T | None], inspection: Inspection
) -> _T | None:
    text = keywords.get(key, "").strip()
    if not text:
        return None
    value = reading(text) if len(text) <= 64 else None
    if value is None:
        inspection.note("FCS-ACQUISITION", key, f"is {quote(text)}, which was not understood")
    return value


def _amount(text: str) -> float | None:
    number = decimal_number(text)
    return number if number is not None and number >= 0 else None


def read_date(text: str) -> date | None:
    """A day written ``dd-mmm-yyyy`` (also ``dd-mmm-yy``, ``yyyy-mmm-dd``, ``yyyy-mm-dd``); None for anything else."""
    if (found := _DAY_FIRST.fullmatch(text)) is not None:
        day, month, year = found[1], found[2], found[3]
    elif (found := _YEAR_FIRST.fullmatch(text)) is not None:
        day, month, year = found[3], found[2], found[1]
    else:
        return None
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= _PIVOT else 2000
    try:
        return date(number, int(month) if month.isdigit() else 1 + _MONTHS.index(month.lower()), int(day))
    except ValueError:
        return None


def read_time(text: str) -> tuple[timedelta, bool] | None:
    """Time since midnight in any of the three notations, and whether its fraction was understood."""
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3]) > 60:
        return None
    whole = timedelta(hours=int(found[1]), minutes=int(found[2]), seconds=int(found[3]))
    if found[4] is None:
        return whole, True
    parts = Fraction(int(found[5]), 10 ** len(found[5]) if found[4] == "." else 60)
    if parts >= 1:
        return whole, False
    return whole + timedelta(microseconds=round(parts * 1_000_000)), True


def _moment(day: date | None, keywords: Mapping[str, str], key: str, inspection: Inspection) -> datetime | None:
    read = _read(keywords, key, read_time, inspection)
    if read is None:
        return None
    since_midnight, understood = read
    if not understood:
        inspection.note("FCS-ACQUISITION", key, f"is {quote(keywords[key])}; its fraction of a second was left out")
    return None if day is None else datetime(day.year, day.month, day.day) + since_midnight


def read_moment(text: str) -> datetime | None:
    """A moment of FCS 3.2, ISO 8601 with or without time zone; None for anything else."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
