"""Where DATA is: the slips that are known, each repaired only where $TOT proves it; several data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from immunoprofile.errors import FcsError, FcsTruncatedError, FcsUnsupportedError
from immunoprofile.fcs import Strictness, read_fcs, read_fcs_datasets

Make = Callable[..., Path]

EVENTS = [[1, 2], [3, 4], [5, 6]]
_NONE = {"$BEGINDATA": "0", "$ENDDATA": "0"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"header_data": (1, 0)}, "FCS-OFFSETS-DISAGREE"),
        ({"text_data": (1, 0)}, "FCS-OFFSETS-DISAGREE"),
        ({"header_data": (0, 5)}, "FCS-OFFSETS-DISAGREE"),
        ({"header_data": (10**6, 10**6)}, "FCS-OFFSETS-DISAGREE"),
        ({"text_data": (-30, -30)}, "FCS-OFFSETS-DISAGREE"),
        ({"header_data": (0, 1), "text_data": (0, 1)}, "FCS-DATA-END"),
        ({"header_data": (0, -1), "text_data": (0, -1)}, "FCS-DATA-END"),
        ({"header_data": (0, 2), "text_data": (0, 2), "tail": b"xy" + b"0" * 8}, "FCS-DATA-REMAINDER"),
        ({"extra": _NONE}, "FCS-OFFSETS-TEXT"),
        ({"extra": _NONE, "version": "FCS2.0"}, None),
        ({"gap": b" " * 40}, None),
    ],
    ids=str,
)
def test_offsets__known_slips_are_repaired_with_a_finding(options: dict, code: str | None, fcs: Make) -> None:
    events = read_fcs(fcs(**{"tail": b"0" * 8} | options))
    assert events.values.tolist() == EVENTS
    assert [f.code for f in events.findings] == ([code] if code else [])


@pytest.mark.parametrize("end", ["0", "99999999", "begin"])
def test_offsets__an_end_that_was_never_set_follows_from_tot(end: str, fcs: Make, put: Make) -> None:
    raw = fcs(drop=("$BEGINDATA", "$ENDDATA")).read_bytes()
    field = raw[26:34] if end == "begin" else f"{end:>8}".encode()
    events = read_fcs(put(raw[:34] + field + raw[42:]))
    assert events.values.tolist() == EVENTS
    assert "FCS-DATA-END" in [f.code for f in events.findings]


def test_offsets__header_may_leave_large_files_to_text(fcs: Make, put: Make) -> None:
    raw = fcs().read_bytes()
    events = read_fcs(put(raw[:26] + b"%8d%8d" % (0, 0) + raw[42:]))
    assert events.values.tolist() == EVENTS
    assert events.findings == ()


@pytest.mark.parametrize(
    "options",
    [
        {"header_data": (1, 0), "text_data": (2, 0)},
        {"header_data": (4, 4), "tail": b"\0" * 8},
        {"header_data": (0, 4), "text_data": (0, 4), "tail": b"\0" * 8},
        {"tot": 4},
        {"tot": 0},
        {"header_data": (-1, -1), "text_data": (-1, -1), "version": "FCS2.0", "drop": ("$TOT",)},
        {"header_data": (0, 99), "version": "FCS2.0", "drop": ("$TOT",)},
        {"extra": {"$BEGINANALYSIS": "70", "$ENDANALYSIS": "99999"}, "tail": b"\0" * 99_999},
    ],
    ids=str,
)
def test_offsets__whatever_is_left_in_doubt_is_refused(options: dict, fcs: Make) -> None:
    path = fcs(**options)
    with pytest.raises(FcsError):
        read_fcs(path)


@pytest.mark.parametrize("cut", range(1, 12))
def test_salvage__keeps_whole_events_and_says_so(cut: int, fcs: Make, put: Make) -> None:
    path = put(fcs().read_bytes()[:-cut])
    whole = (12 - cut) // 4
    with pytest.raises(FcsTruncatedError, match=f"{whole} whole events of 3 are there"):
        read_fcs(path)
    events = read_fcs(path, strictness=Strictness.SALVAGE)
    assert events.values.tolist() == EVENTS[:whole]
    assert [(f.code, f.severity) for f in events.findings] == [("FCS-SALVAGED", "error")]


def _chain(fcs: Make, count: int) -> bytes:
    """Data sets one behind the other; each has its number in $COM."""
    raw = b""
    for number in range(1, count + 1):
        one = fcs(extra={"$NEXTDATA": "000000", "$COM": f"set {number}"}).read_bytes()
        last = number == count
        raw += one if last else one.replace(b"$NEXTDATA/000000", b"$NEXTDATA/%06d" % len(one))
    return raw


def test_datasets__offsets_count_from_their_own_data_set(fcs: Make, put: Make) -> None:
    sets = read_fcs_datasets(put(_chain(fcs, 3)))
    assert [s.keywords["$COM"] for s in sets] == ["set 1", "set 2", "set 3"]
    assert [s.dataset for s in sets] == [1, 2, 3]
    assert all(s.values.tolist() == EVENTS for s in sets)


def test_datasets__are_never_chosen_in_silence(fcs: Make, put: Make) -> None:
    with pytest.raises(FcsUnsupportedError, match=r"holds 2 data sets\. Read them with read_fcs_datasets\."):
        read_fcs(put(_chain(fcs, 2)))


def test_datasets__data_may_not_reach_into_the_next_set(fcs: Make, put: Make) -> None:
    raw = _chain(fcs, 2)
    with pytest.raises(FcsTruncatedError, match="3 whole events of 4 are there"):
        read_fcs_datasets(put(raw.replace(b"$TOT/3", b"$TOT/4", 1)))


@pytest.mark.parametrize("difference", [{"@TUBENO": "4"}, {"$TOT": "2"}, {"$OP": "no marks"}], ids=str)
def test_lmd__needs_proof_that_the_events_are_the_same(difference: dict[str, str], fcs: Make, put: Make) -> None:
    marks = {"@CYTOMETERID": "AL1", "@TUBENO": "3", "$NEXTDATA": "000000"}
    first = fcs(version="FCS2.0", extra=marks).read_bytes()
    first = first.replace(b"$NEXTDATA/000000", b"$NEXTDATA/%06d" % len(first))
    other = {"$NEXTDATA": "0"} if "$OP" in difference else marks
    data = bytes(8) if "$TOT" in difference else None
    second = fcs(data, version="FCS3.0", extra=other | difference).read_bytes()
    with pytest.raises(FcsUnsupportedError, match="holds 2 data sets"):
        read_fcs(put(first + second))
