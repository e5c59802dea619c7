"""TEXT: runs of delimiters, empty values, encodings, supplements, and a slow twin that reads byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immunoprofile.errors import FcsFormatError
from immunoprofile.fcs import Strictness, read_fcs
from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.text import Keywords, read_text

Make = Callable[..., Path]


def _read(raw: bytes, version: str = "none") -> tuple[dict[str, str], list[str]]:
    inspection = Inspection("x.fcs", Strictness.REPORT)
    return read_text(raw, "TEXT", lambda _: [], inspection), [f.code for f in inspection.findings]


@pytest.mark.parametrize(
    ("raw", "keywords", "codes"),
    [
        (b"/A/1/B/2/", {"A": "1", "B": "2"}, []),
        (b"/A/x//y/", {"A": "x/y"}, []),
        (b"/$SYS/RSX-11///$COM/x/", {"$SYS": "RSX-11/", "$COM": "x"}, []),
        (b"/A/x////y/", {"A": "x//y"}, []),
        (b"/A/x///", {"A": "x/"}, []),
        (b"/A/x//", {"A": "x"}, ["FCS-TEXT-STRAY"]),
        (b"/A/1/   \0\r\n", {"A": "1"}, []),
        (b"/A/1/B/tail", {"A": "1", "B": "tail"}, ["FCS-TEXT-UNTERMINATED"]),
        (b"/$COM//$SRC//$OP/x/", {"$COM": "", "$SRC": "", "$OP": "x"}, ["FCS-TEXT-EMPTY"]),
        (b"/$OP/x/$COM//", {"$OP": "x", "$COM": ""}, ["FCS-TEXT-EMPTY"]),
        (b"/$F/488//10/$COM//$OP/x/", {"$F": "488/10", "$COM": "", "$OP": "x"}, ["FCS-TEXT-EMPTY"]),
        (b"/A//B/x/", {"A/B": "x"}, ["FCS-TEXT-KEYWORD"]),
        (b"/key/ Value /", {"KEY": " Value "}, []),
        (b"/TOT/1/$TOT/2/", {"TOT": "1", "$TOT": "2"}, []),
        ("/A/ü/".encode(), {"A": "ü"}, []),
        (b"/A/\xfc/", {"A": "ü"}, ["FCS-TEXT-ENCODING"]),
        (b"/A/\x81/", {"A": "\x81"}, ["FCS-TEXT-ENCODING"]),
        (b"/\xc4\xb1/x/", {"\u0131": "x"}, []),  # dotless i is not ASCII: its upper case is not I here
    ],
)
def test_text__splits_by_the_standard(raw: bytes, keywords: dict[str, str], codes: list[str]) -> None:
    assert _read(raw) == (keywords, codes)


@pytest.mark.parametrize("delimiter", [chr(n) for n in (1, 10, 12, 13, 30, *b".^+?([\\|*!,AB ", 126)], ids=ascii)
def test_text__delimiter_is_a_plain_byte(delimiter: str, fcs: Make) -> None:
    events = read_fcs(fcs(delimiter=delimiter))
    assert events.keywords["$BYTEORD"] == "1,2,3,4"
    assert events.values.tolist() == [[1, 2], [3, 4], [5, 6]]


_TOKEN = st.text(st.sampled_from("ab/$1 ü"), min_size=1, max_size=8).filter(lambda t: t[0] != "/" and t.strip())


@given(st.lists(st.tuples(_TOKEN, _TOKEN), min_size=1, max_size=6, unique_by=lambda p: p[0].upper()))
@example([("a", "b//"), ("b", "/a"[1:])])
def test_text__escaped_tokens_come_back(pairs: list[tuple[str, str]]) -> None:
    # A keyword that holds "/$" is where two readings are possible; the doubtful ones have cases of their own above.
    pairs = [(k.replace("/", "-"), v) for k, v in pairs]
    expected = {"".join(c.upper() if c.isascii() else c for c in k): v for k, v in pairs}
    if len(expected) < len(pairs):
        return
    raw = "/" + "/".join(t.replace("/", "//") for pair in pairs for t in pair) + "/"
    keywords, codes = _read(raw.encode())
    assert keywords == expected
    assert codes == []


@given(st.lists(st.sampled_from([b"/", b"a", b"$", b"//", b" "]), max_size=14).map(b"".join))
def test_text__split_agrees_with_a_byte_by_byte_twin(body: bytes) -> None:
    expected = _twin(body)
    try:
        keywords, codes = _read(b"/" + body)
    except FcsFormatError:
        return
    if set(codes) <= {"FCS-TEXT-KEYWORD"}:
        assert list(keywords.items()) == [(k.upper(), v) for k, v in expected]


def _twin(body: bytes) -> list[tuple[str, str]]:
    """The rule alone: in a token, two delimiters are one; one delimiter ends it; blanks after the last do not count."""
    tokens, token, i = [], "", 0
    while i < len(body):
        character = chr(body[i])
        if character != "/":
            token, i = token + character, i + 1
        elif body[i + 1 : i + 2] == b"/":
            token, i = token + "/", i + 2
        else:
            tokens.append(token)
            token, i = "", i + 1
    return list(zip(tokens[::2], tokens[1::2], strict=False))


def test_text__supplement_adds_keywords_and_never_overrides(fcs: Make, put: Make) -> None:
    raw = fcs(extra={"$BEGINSTEXT": "000000", "$ENDSTEXT": "000000", "$OP": "me"}).read_bytes()
    text = b"/$OP/you/$COM/more/"
    raw = raw.replace(b"$BEGINSTEXT/000000", b"$BEGINSTEXT/%06d" % len(raw))
    path = put(raw.replace(b"$ENDSTEXT/000000", b"$ENDSTEXT/%06d" % (len(raw) + len(text) - 1)) + text)
    events = read_fcs(path)
    assert (events.keywords["$OP"], events.keywords["$COM"]) == ("me", "more")
    assert [f.code for f in events.findings] == ["FCS-STEXT-OVERRIDE"]


def test_text__supplement_that_names_primary_text_is_ignored(fcs: Make) -> None:
    path = fcs(extra={"$BEGINSTEXT": "58", "$ENDSTEXT": "300"})
    assert read_fcs(path).findings == ()


def test_keywords__are_read_only_and_verbatim(fcs: Make) -> None:
    keywords = read_fcs(fcs(extra={"$com": "  Two  words "})).keywords
    assert isinstance(keywords, Keywords)
    assert keywords["$COM"] == "  Two  words "
    assert not hasattr(keywords, "__setitem__")


def test_keywords__show_themselves(fcs: Make) -> None:
    keywords = read_fcs(fcs()).keywords
    assert len(keywords) == len(list(keywords))
    assert "'$TOT': '3'" in repr(keywords)


def test_text__a_keyword_with_a_delimiter_stays_where_no_empty_value_makes_sense(fcs: Make) -> None:
    events = read_fcs(fcs(text_edit=lambda t: t + b" //$X/v/"))
    assert events.keywords[" /$X"] == "v"
    assert "FCS-TEXT-KEYWORD" in [f.code for f in events.findings]


@pytest.mark.parametrize("strictness", [Strictness.REPORT, Strictness.SALVAGE])
def test_text__a_reading_with_empty_values_must_find_data(strictness: Strictness, fcs: Make) -> None:
    # with an empty $COM this TEXT would say 2 events; DATA of 3 proves the reading by the rule
    edit = {"drop": ("$TOT",), "text_edit": lambda t: t + b"$COM//$TOT/2/"}
    events = read_fcs(fcs(version="FCS2.0", **edit), strictness=strictness)
    assert events.keywords["$COM/$TOT"] == "2"
    assert events.values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_text__a_reading_with_empty_values_is_tried_under_strict_too(fcs: Make) -> None:
    path = fcs(text_edit=lambda t: t + b"$COM//$SRC//$OP/x/")
    with pytest.raises(FcsFormatError, match="2 keywords have empty values"):
        read_fcs(path, strictness=Strictness.STRICT)
