"""Every code of the error catalogue: a file that earns it, and a message that says where and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from immunoprofile.errors import FcsError
from immunoprofile.fcs import ERRORS, Strictness, read_fcs, read_fcs_datasets

Make = Callable[..., Path]


def _channel(**more: str) -> dict[str, str]:
    return {"B": "16", "E": "0,0", "N": "FL1", "R": "65536"} | more


def _pipe(fcs: Make, put: Make, folder: Path) -> Path:
    os.mkfifo(folder / "pipe.fcs")
    return folder / "pipe.fcs"


def _two_sets(fcs: Make, put: Make, folder: Path, copies: int = 2) -> Path:
    one = fcs(extra={"$NEXTDATA": "000000"}).read_bytes()
    chained = one.replace(b"$NEXTDATA/000000", b"$NEXTDATA/%06d" % len(one))
    return put(chained * (copies - 1) + one)


# code: how to make the file, where the message points, what it says
CASES: dict[str, tuple[Callable[[Make, Make, Path], Path], str, str]] = {
    "FCS-MISSING": (lambda f, p, d: d / "none.fcs", "file", "does not exist"),
    "FCS-NOT-REGULAR": (_pipe, "file", "is a folder, pipe or device"),
    "FCS-ACCESS": (lambda f, p, d: d / "a\0b", "file", "cannot be read"),
    "FCS-NOT-FCS": (lambda f, p, d: p(b"Time,FSC-A\n1,2\n"), "byte 0", 'not an FCS file: it begins with "Time,F"'),
    "FCS-EMPTY": (lambda f, p, d: p(b"FCS3.1    "), "byte 10", "ends within its HEADER"),
    "FCS-VERSION": (lambda f, p, d: f(version="FCS1.0"), "byte 0", "version FCS1.0 is not read"),
    "FCS-HEADER-FIELD": (
        lambda f, p, d: p(f().read_bytes()[:10] + b"    5_58" + bytes(90)), "byte 10", 'begin of TEXT is "    5_58"',
    ),
    "FCS-TEXT-OFFSETS": (
        lambda f, p, d: p(f().read_bytes()[:10] + b"      57" + f().read_bytes()[18:]), "byte 10", "TEXT at 57 to",
    ),
    "FCS-TEXT-TRUNCATED": (lambda f, p, d: p(f().read_bytes()[:200]), "byte 200", "ends within TEXT"),
    "FCS-TEXT-TOKENS": (
        lambda f, p, d: f(text_edit=lambda t: t + b"LONELY/"), "TEXT", 'keyword "LONELY" without a value',
    ),
    "FCS-TEXT-LIMIT": (
        lambda f, p, d: p(b"FCS3.1          5899999999" + b"       0" * 4 + bytes(90)), "byte 18", "99,999,942 bytes",
    ),
    "FCS-KEYWORD-MISSING": (
        lambda f, p, d: f(drop=("$TOT", "$P2R")), "TEXT", "required keyword $TOT, $P2R is missing",
    ),
    "FCS-KEYWORD-VALUE": (lambda f, p, d: f(extra={"$P2B": "1_6"}), "$P2B", 'is "1_6", not a whole number'),
    "FCS-KEYWORD-TWICE": (
        lambda f, p, d: f(text_edit=lambda t: t + b"$TOT/2/"), '"$TOT"', 'stands twice, as "3" and as "2"',
    ),
    "FCS-PAR-LIMIT": (lambda f, p, d: f(extra={"$PAR": "1000000000"}), "$PAR", "says 1,000,000,000 channels"),
    "FCS-MODE": (lambda f, p, d: f(extra={"$MODE": "U"}), "$MODE", "is U: histogram data"),
    "FCS-WIDTH": (lambda f, p, d: f(extra={"$P1B": "10"}), "$P1B", "is 10 bits"),
    "FCS-BYTE-ORDER": (
        lambda f, p, d: f(extra={"$BYTEORD": "3,4,1,2"}), "$BYTEORD", "a mixed order of 4 bytes, and $P1B asks for 2",
    ),
    "FCS-DATA-OFFSETS": (
        lambda f, p, d: f(header_data=(1, 0), text_data=(2, 0)), "DATA", "neither fits $TOT",
    ),
    "FCS-DATA-AMBIGUOUS": (
        lambda f, p, d: f(header_data=(1, 1), tail=b"0" * 8), "DATA", "both hold 3 events",
    ),
    "FCS-DATA-OVERLAP": (
        lambda f, p, d: f(header_data=(-9, -9), text_data=(-9, -9)), "DATA", "it overlaps TEXT",
    ),
    "FCS-DATA-SIZE": (lambda f, p, d: f(tot=2), "$TOT", "says 2 events, DATA holds 3.0"),
    "FCS-TRUNCATED": (lambda f, p, d: p(f().read_bytes()[:-5]), "byte ", "1 whole events of 3 are there"),
    "FCS-NEXTDATA-VALUE": (lambda f, p, d: f(extra={"$NEXTDATA": "57"}), "$NEXTDATA", "is 57, within its own HEADER"),
    "FCS-DATASETS-LIMIT": (lambda f, p, d: _two_sets(f, p, d, 1001), "$NEXTDATA", "more than 1000 data sets"),
    "FCS-DATASETS": (_two_sets, "$NEXTDATA", "holds 2 data sets. Read them with read_fcs_datasets."),
}  # fmt: skip

# These need a system that refuses, an open file that changes, or values that are asked for: tested there.
_ELSEWHERE = {"FCS-PERMISSION", "FCS-CHANGED", "FCS-INT-EXACT", "FCS-DTYPE-MIXED", "FCS-DIGITS", "FCS-COMP"}
# These need a store: test_remote.py.
_ELSEWHERE |= {"FCS-URL", "FCS-URL-SHORT"}


def test_refusals__every_code_has_a_case() -> None:
    assert set(CASES) | _ELSEWHERE == set(ERRORS)


@pytest.mark.parametrize("code", CASES)
def test_refusals__say_file_place_and_remedy(code: str, fcs: Make, put: Make, tmp_path: Path) -> None:
    make, where, sentence = CASES[code]
    path = make(fcs, put, tmp_path)
    with pytest.raises(FcsError) as caught:
        read_fcs(path)
    kind, _, remedy = ERRORS[code]
    error = caught.value
    assert (type(error), error.code, error.path) == (kind, code, str(path))
    assert error.where is not None
    assert where in error.where
    assert sentence in str(error)
    assert str(error).endswith(remedy)


@pytest.mark.parametrize("strictness", [Strictness.STRICT, Strictness.SALVAGE])
def test_refusals__hold_under_every_strictness(strictness: Strictness, fcs: Make) -> None:
    with pytest.raises(FcsError, match="DATA holds 3"):
        read_fcs(fcs(tot=2), strictness=strictness)


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"$P1R": "0"}, '$P1R: is "0"; integers need a range above 0'),
        ({"$P1R": "NaN"}, '$P1R: is "NaN"'),
        ({"$P1R": "-5"}, '$P1R: is "-5"'),
        ({"$P1E": "four"}, '$P1E: is "four", not two numbers'),
        ({"$P1E": "0,0,0,1"}, '$P1E: is "0,0,0,1"'),
        ({"$DATATYPE": "F"}, "$P1B: is 16 bits, $DATATYPE F has 32"),
        ({"$DATATYPE": "X"}, '$DATATYPE: is "X", not I, F or D'),
        ({"$MODE": "X"}, '$MODE: is "X", not L'),
        ({"$BYTEORD": "1,2,2,4"}, '$BYTEORD: is "1,2,2,4", not an order of bytes'),
        ({"$PAR": "0"}, "$PAR: is 0: the file describes no channels"),
        ({"$TOT": "9" * 5000}, "$TOT: is "),
        ({"$TOT": "٣"}, '$TOT: is "'),
        ({"$P1B": "0"}, "$P1B: is 0 bits"),
        ({"$BEGINDATA": "x"}, '$BEGINDATA: is "x", not a whole number'),
    ],
    ids=lambda value: "-".join(value)[:20] if isinstance(value, dict) else None,
)
def test_refusals__impossible_values_are_named(extra: dict[str, str], sentence: str, fcs: Make) -> None:
    with pytest.raises(FcsError) as caught:
        read_fcs(fcs(extra=extra))
    assert sentence in str(caught.value)
    assert caught.value.code == "FCS-KEYWORD-VALUE"


def test_refusals__amplification_of_integers_is_never_assumed(fcs: Make) -> None:
    with pytest.raises(FcsError, match=r"\$P2E: is missing: linear or logarithmic is not known"):
        read_fcs(fcs(drop=("$P2E",)))


def test_refusals__place_names_the_later_data_set(fcs: Make, put: Make) -> None:
    one = fcs(extra={"$NEXTDATA": "000000"}).read_bytes()
    first = one.replace(b"$NEXTDATA/000000", b"$NEXTDATA/%06d" % len(one))
    path = put(first + one.replace(b"$TOT/3", b"$TOT/4"))
    with pytest.raises(FcsError, match="data set 2: byte"):
        read_fcs_datasets(path)


def test_refusals__text_of_the_file_cannot_drive_the_terminal(fcs: Make) -> None:
    with pytest.raises(FcsError) as caught:
        read_fcs(fcs(extra={"$MODE": "\x1b[31mred"}))
    assert "\x1b" not in str(caught.value)
    assert "\\x1b[31mred" in str(caught.value)


def test_refusals__nothing_is_allocated_from_a_declared_number(fcs: Make) -> None:
    import tracemalloc

    path = fcs(tot=10**15)
    tracemalloc.start()
    with pytest.raises(FcsError, match="whole events of 1,000,000,000,000,000"):
        read_fcs(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # the file has 600 bytes; a few modules may still be imported meanwhile
