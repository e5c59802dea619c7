"""Every code of the findings catalogue: a file that earns it, values that are right all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import immunoprofile.fcs
from immunoprofile.errors import FcsFormatError
from immunoprofile.fcs import ERRORS, FINDINGS, Strictness, read_fcs

Make = Callable[..., Path]

EVENTS = [[1, 2], [3, 4], [5, 6]]
_SPILL = "2,FL1,FL2,1,0.1,0.2,1"


def _header(start: int, field: bytes) -> Callable[[Make, Make], Path]:
    def make(fcs: Make, put: Make) -> Path:
        raw = fcs().read_bytes()
        return put(raw[:start] + field + raw[start + len(field) :])

    return make


def _kept(**options: object) -> Callable[[Make, Make], Path]:
    return lambda fcs, put: fcs(**options)


def _floats(extra: dict[str, str]) -> Callable[[Make, Make], Path]:
    data = np.array(EVENTS, dtype="<f4").tobytes()
    both = [{"B": "32", "E": "0,0", "N": n, "R": "1024"} for n in ("FL1", "FL2")]
    return lambda fcs, put: fcs(data, both, extra={"$DATATYPE": "F", **extra})


def _supplement(text: bytes, shift: int = 0) -> Callable[[Make, Make], Path]:
    def make(fcs: Make, put: Make) -> Path:
        zeros = {"$BEGINSTEXT": "000000", "$ENDSTEXT": "000000"}
        raw = fcs(extra=zeros).read_bytes()
        begin, end = len(raw) + shift, len(raw) + shift + len(text) - 1
        raw = raw.replace(b"$BEGINSTEXT/000000", b"$BEGINSTEXT/%06d" % begin)
        return put(raw.replace(b"$ENDSTEXT/000000", b"$ENDSTEXT/%06d" % end) + text)

    return make


def _lmd(fcs: Make, put: Make) -> Path:
    marks = {"@CYTOMETERID": "AL1", "@TUBENO": "3", "$NEXTDATA": "000000"}
    ten_bits = fcs(version="FCS2.0", extra=marks).read_bytes()
    ten_bits = ten_bits.replace(b"$NEXTDATA/000000", b"$NEXTDATA/%06d" % len(ten_bits))
    return put(ten_bits + fcs(version="FCS3.0", extra=marks).read_bytes())


def _touching(fcs: Make, put: Make) -> Path:
    raw = fcs().read_bytes()
    return put(raw[:18] + b"%8d" % (int(raw[18:26]) + 1) + raw[26:])


_TIMES = [{"B": "16", "E": "0,0", "N": n, "R": "65536"} for n in ("Time", "FL2")]
_TWO_TIMES = [{"B": "16", "E": "0,0", "N": n, "R": "65536"} for n in ("Time MSW", "Time LSW")]
_MARKED = [{"B": "16", "E": "0,0", "N": n, "S": s, "R": "65536"} for n, s in (("FL1", "CD3"), ("FL2", "CD4"))]


def _bits(bits: str, size: str = "65536") -> list[dict[str, str]]:
    return [{"B": bits, "E": "0,0", "N": n, "R": size} for n in ("FL1", "FL2")]


# `check_data` gives the one, and numbers written as text the other: test_data and the zoo ask for them
_ELSEWHERE = {"FCS-NONFINITE", "FCS-DIGITS-END"}

CASES: dict[str, Callable[[Make, Make], Path]] = {
    "FCS-HEADER-BLANKS": _header(6, b"\0\0\0\0"),
    "FCS-HEADER-OFFSET": _header(42, b"       0      -1"),
    "FCS-TEXT-UNTERMINATED": _kept(text_edit=lambda t: t + b"LAST/tail"),
    "FCS-TEXT-STRAY": _kept(text_edit=lambda t: t + b"/"),
    "FCS-TEXT-DANGLING": _kept(text_edit=lambda t: t + b"LAST"),
    "FCS-TEXT-EMPTY": _kept(text_edit=lambda t: t + b"$COM//$SRC//$OP/x/"),
    "FCS-TEXT-KEYWORD": _kept(extra={"A/B": "x"}),
    "FCS-TEXT-ENCODING": _kept(text_edit=lambda t: t + b"$OP/Andr\xe9/"),
    "FCS-TEXT-DUPLICATE": _kept(text_edit=lambda t: t + b"$OP/a/$op/b/"),
    "FCS-STEXT": _supplement(b"PK zip"),
    "FCS-STEXT-OVERRIDE": _supplement(b"/$TOT/2/$COM/x/"),
    "FCS-KEYWORD-ABSENT": _kept(drop=("$NEXTDATA",)),
    "FCS-OFFSETS-DISAGREE": _kept(header_data=(-100, 0)),
    "FCS-OFFSETS-TEXT": _kept(drop=("$BEGINDATA", "$ENDDATA")),
    "FCS-DATA-END": _kept(header_data=(0, 1), text_data=(0, 1), tail=b"0" * 8),
    "FCS-DATA-REMAINDER": _kept(header_data=(0, 3), text_data=(0, 3), tail=b"xyz00000000"),
    "FCS-DATA-TOUCHES": _touching,
    "FCS-ANALYSIS": _kept(extra={"$BEGINANALYSIS": "900000", "$ENDANALYSIS": "900009"}),
    "FCS-TOT-ABSENT": _kept(version="FCS2.0", drop=("$TOT",)),
    "FCS-TRAILING": _kept(tail=b"00000000\r\nmore"),
    "FCS-TRAILING-BLANK": _kept(tail=b"00000000\r\n\0"),
    "FCS-CONCATENATED": lambda fcs, put: put(fcs().read_bytes() * 2),
    "FCS-NEXTDATA": lambda fcs, put: fcs(extra={"$NEXTDATA": "99999"}),
    "FCS-LMD": _lmd,
    "FCS-BYTEORD": _kept(extra={"$BYTEORD": "1,2"}),
    "FCS-BYTEORD-MIXED": lambda fcs, put: fcs(
        bytes([0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0, 0, 6, 0]), _bits("24"),
        version="FCS3.0", extra={"$BYTEORD": "2,1,3"},
    ),
    "FCS-BITS-10": _kept(channels=_bits("10", "1024"), tot=3),
    "FCS-GAP": _kept(gap=b"what is this"),
    "FCS-CRC": _kept(tail=b"00001234"),
    "FCS-KEYWORD-UNKNOWN": _kept(extra={"$OURS": "1"}),
    "FCS-PAR-MORE": _kept(extra={"$P3N": "FL3"}),
    "FCS-ACQUISITION": _kept(extra={"$DATE": "tomorrow"}),
    "FCS-METADATA": _kept(extra={"$P1D": "Linear,0", "$P1CALIBRATION": "1.5,0.1,MESF"}),
    "FCS-RANGE": _kept(extra={"$P1R": "65537"}),
    "FCS-RANGE-UNKNOWN": _floats(extra={"$P1R": "lots"}),
    "FCS-NAME": _kept(drop=("$P2N",), version="FCS3.0"),
    "FCS-NAME-TWICE": _kept(extra={"$P2N": "FL1"}),
    "FCS-GAIN": _kept(extra={"$P1G": "0"}),
    "FCS-AMPLIFICATION": _floats(extra={"$P1E": "4,1"}),
    "FCS-TIME": _kept(channels=_TWO_TIMES),
    "FCS-TIMESTEP": _kept(channels=_TIMES, extra={"$TIMESTEP": "xxx"}),
    "FCS-TIMESTEP-ABSENT": _kept(channels=_TIMES),
    "FCS-SPILL-BLANK": _kept(extra={"SPILL": " "}),
    "FCS-SPILL-FORMAT": _kept(extra={"$SPILLOVER": "2,FL1,FL2"}),
    "FCS-SPILL-NAMES": _kept(extra={"$SPILLOVER": _SPILL.replace("FL2", "FL9")}),
    "FCS-SPILL-VALUES": _kept(extra={"$SPILLOVER": "2,FL1,FL2,1,1,1,1"}),
    "FCS-SPILL-CHOICE": _kept(extra={"$SPILLOVER": _SPILL, "SPILL": _SPILL.replace("0.2", "0.3")}),
    "FCS-SPILL-LABELS": _kept(channels=_MARKED, extra={"$SPILLOVER": _SPILL.replace("FL1,FL2", "CD3,CD4")}),
    "FCS-SPILL-DIAGONAL": _kept(extra={"$SPILLOVER": "2,FL1,FL2,1,0.1,0.2,0.9"}),
    "FCS-SPILL-IDENTITY": _kept(extra={"$SPILLOVER": "2,FL1,FL2,1,0,0,1"}),
    "FCS-SPILL-OLD": _kept(version="FCS2.0", extra={"$DFC1TO2": "13.4"}),
    "FCS-SALVAGED": lambda fcs, put: put(fcs().read_bytes()[:-1]),
}  # fmt: skip


def _read(code: str, fcs: Make, put: Make) -> immunoprofile.fcs.Events:
    strictness = Strictness.SALVAGE if code == "FCS-SALVAGED" else Strictness.REPORT
    return read_fcs(CASES[code](fcs, put), strictness=strictness)


def test_findings__every_code_has_a_case() -> None:
    assert set(CASES) | _ELSEWHERE == set(FINDINGS)


def test_findings__every_code_in_the_sources_is_in_one_catalogue() -> None:
    folder = Path(immunoprofile.fcs.__file__).parent
    used = set()
    for path in set(folder.glob("*.py")) - {folder / "catalogue.py"}:
        used |= set(re.findall(r'"(FCS-[A-Z0-9-]+)"', path.read_text(encoding="utf-8")))
    assert used == set(FINDINGS) | set(ERRORS)
    assert not set(FINDINGS) & set(ERRORS)


@pytest.mark.parametrize("code", CASES)
def test_findings__name_the_oddity_and_keep_the_values(code: str, fcs: Make, put: Make) -> None:
    events = _read(code, fcs, put)
    found = [f for f in events.findings if f.code == code]
    assert len(found) == 1
    assert found[0].severity == FINDINGS[code][0]
    assert found[0].where
    expected = EVENTS[:2] if code == "FCS-SALVAGED" else EVENTS
    np.testing.assert_array_equal(events.values, expected)
    np.testing.assert_array_equal(events.linear(), expected)


@pytest.mark.parametrize("code", [c for c, (severity, _) in FINDINGS.items() if severity != "info" and c in CASES])
def test_findings__stop_a_strict_reading(code: str, fcs: Make, put: Make) -> None:
    path = CASES[code](fcs, put)
    with pytest.raises(FcsFormatError if code != "FCS-SALVAGED" else Exception) as caught:
        read_fcs(path, strictness=Strictness.STRICT)
    assert "REPORT" in str(caught.value) or code == "FCS-SALVAGED"


@pytest.mark.parametrize("code", [c for c, (severity, _) in FINDINGS.items() if severity == "info"])
def test_findings__of_no_weight_pass_a_strict_reading(code: str, fcs: Make, put: Make) -> None:
    events = read_fcs(CASES[code](fcs, put), strictness=Strictness.STRICT)
    assert [f.code for f in events.findings if f.severity == "info"].count(code) == 1


def test_findings__a_clean_file_has_none(fcs: Make) -> None:
    assert read_fcs(fcs(tail=b"00000000"), strictness=Strictness.STRICT).findings == ()


def test_findings__a_flood_is_cut_short(fcs: Make) -> None:
    path = fcs(text_edit=lambda t: t + b"X/1/" * 500)
    found = [f for f in read_fcs(path).findings if f.code == "FCS-TEXT-DUPLICATE"]
    assert len(found) == 20
    assert found[-1].message == "more findings of this kind follow and are not listed"
