"""Facts of the acquisition: three notations of time, dates of several hands, and None for what is not readable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.fcs.acquisition import read_date, read_time

Make = Callable[..., Path]


def test_acquisition__is_what_the_keywords_say(fcs: Make) -> None:
    extra = {
        "$CYT": "Cytometer X ", "$CYTSN": "R66", "$DATE": "19-FEB-2019", "$BTIM": "21:28:25.56", "$ETIM": "21:30:07.99",
        "$VOL": "25016", "$ABRT": "3", "$LOST": "0", "$P1V": "412.5",
    }  # fmt: skip
    found = read_fcs(fcs(extra=extra)).acquisition
    assert (found.cytometer, found.serial_number) == ("Cytometer X", "R66")
    assert found.begin == datetime(2019, 2, 19, 21, 28, 25, 560_000)
    assert found.end == datetime(2019, 2, 19, 21, 30, 7, 990_000)
    assert found.day == date(2019, 2, 19)
    assert (found.volume_nl, found.n_aborted, found.n_lost) == (25016.0, 3, 0)
    assert found.voltages == {"FL1": 412.5}


def test_acquisition__is_none_where_the_file_is_silent(fcs: Make) -> None:
    found = read_fcs(fcs(extra={"$CYT": " ", "$BTIM": "10:00:00"})).acquisition
    assert (found.cytometer, found.serial_number, found.begin, found.end, found.day) == (None,) * 5
    assert (found.volume_nl, found.n_aborted, found.n_lost, dict(found.voltages)) == (None, None, None, {})


def test_acquisition__ends_on_the_next_day_after_midnight(fcs: Make) -> None:
    extra = {"$DATE": "31-DEC-2023", "$BTIM": "23:59:30", "$ETIM": "00:00:30"}
    found = read_fcs(fcs(extra=extra)).acquisition
    assert found.begin is not None
    assert found.end is not None
    assert found.end - found.begin == timedelta(seconds=60)


def test_acquisition__moments_of_3_2_keep_their_zone(fcs: Make) -> None:
    extra = {
        "$BEGINDATETIME": "2024-05-01T10:00:00.5+02:00", "$ENDDATETIME": "2024-05-01T08:01:00Z",
        "$DATE": "01-JAN-2000", "$BTIM": "01:00:00", "$CYT": "x",
    }  # fmt: skip
    found = read_fcs(fcs(version="FCS3.2", extra=extra)).acquisition
    assert found.begin == datetime(2024, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)
    assert found.end == datetime(2024, 5, 1, 8, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds", "understood"),
    [
        ("00:00:00", 0, True),
        ("17:29:39", 62979, True),  # FCS 2.0
        ("17:29:39:30", 62979.5, True),  # FCS 3.0: sixtieths
        ("17:29:39.50", 62979.5, True),  # FCS 3.1: hundredths
        ("17:29:39:60", 62979, False),
        ("09:42:05:509", 34925, False),
    ],
)
def test_time__has_three_notations(text: str, seconds: float, understood: bool) -> None:
    assert read_time(text) == (timedelta(seconds=seconds), understood)


@pytest.mark.parametrize("text", ["24:00:00", "10:60:00", "10:00", "10:00:61", "noon", "10:00:00,5", "-1:00:00"])
def test_time__anything_else_is_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("17-JUL-2007", date(2007, 7, 17)), ("8-May-2010", date(2010, 5, 8)), ("18-May-05", date(2005, 5, 18)),
        ("18-May-69", date(1969, 5, 18)), ("18-May-68", date(2068, 5, 18)), ("28 Jun 2010", date(2010, 6, 28)),
        ("2013-Jul-19", date(2013, 7, 19)), ("2024-05-01", date(2024, 5, 1)), ("31-FEB-2020", None),
        ("01-MAI-2020", None), ("05/01/2020", None), ("01-05-2020", None), ("2024-13-01", None),
    ],
)  # fmt: skip
def test_date__is_read_where_it_is_clear(text: str, day: date | None) -> None:
    assert read_date(text) == day


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ({"$VOL": "-1"}, "$VOL"), ({"$LOST": "many"}, "$LOST"), ({"$BTIM": "noon"}, "$BTIM"),
        ({"$ETIM": "09:42:05:509"}, "$ETIM"), ({"$BEGINDATETIME": "today"}, "$BEGINDATETIME"),
        ({"$DATE": "x" * 5000}, "$DATE"),
    ],
)  # fmt: skip
def test_acquisition__what_is_not_readable_is_said(extra: dict[str, str], where: str, fcs: Make) -> None:
    found = [f for f in read_fcs(fcs(extra=extra)).findings if f.code == "FCS-ACQUISITION"]
    assert [f.where for f in found] == [where]
    assert found[0].severity == "info"
