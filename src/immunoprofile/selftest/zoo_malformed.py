"""Malformed files: what they hold cannot be known, so they must be refused, with a code and the byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from immunoprofile.selftest.blueprint import Blueprint, Cell, Event
from immunoprofile.selftest.zoo import ZooFile, chain

_OLD_VERSION = "FCS2.0"


def malformed_files() -> Iterator[ZooFile]:
    """All of them, rule by rule."""
    yield from _not_fcs()
    yield from _headers()
    yield from _texts()
    yield from _missing()
    yield from _numbers()
    yield from _counts()
    yield from _types()
    yield from _ranges()
    yield from _twice()
    yield from _offsets()
    yield from _digits()
    yield from _chains()


def _file(name: str, rule: str, code: str, raw: Blueprint | bytes) -> ZooFile:
    data = raw.raw if isinstance(raw, Blueprint) else raw
    return ZooFile(f"malformed-{name}", rule, "malformed", data, (), (code,))


def _header(raw: bytes, at: int, field: bytes) -> bytes:
    return raw[:at] + field + raw[at + len(field) :]


def _not_fcs() -> Iterator[ZooFile]:
    raw = Blueprint().raw
    for name, code, data in (
        ("empty", "FCS-EMPTY", b""), ("five-bytes", "FCS-EMPTY", raw[:5]), ("version-only", "FCS-EMPTY", raw[:10]),
        ("header-cut", "FCS-EMPTY", raw[:57]), ("text-cut", "FCS-TEXT-TRUNCATED", raw[:200]),
        ("csv", "FCS-NOT-FCS", b"Time,FSC-A\n1,2\n" * 20), ("zip", "FCS-NOT-FCS", b"PK\3\4" + bytes(100)),
        ("png", "FCS-NOT-FCS", b"\x89PNG\r\n\x1a\n" + bytes(100)), ("zeros", "FCS-NOT-FCS", bytes(1000)),
        ("shifted", "FCS-NOT-FCS", b" " + raw), ("lower-case", "FCS-NOT-FCS", b"fcs" + raw[3:]),
        ("fcs-1-0", "FCS-VERSION", _header(raw, 0, b"FCS1.0")), ("fcs-3-3", "FCS-VERSION", _header(raw, 0, b"FCS3.3")),
        ("fcs-4-0", "FCS-VERSION", _header(raw, 0, b"FCS4.0")), ("fcs-3-x", "FCS-NOT-FCS", _header(raw, 0, b"FCS3.x")),
        ("utf-16", "FCS-NOT-FCS", raw.decode("latin-1").encode("utf-16")),
    ):  # fmt: skip
        yield _file(f"file-{name}", "R1", code, data)


def _headers() -> Iterator[ZooFile]:
    raw = Blueprint().raw
    fields = (
        b"    5_58",
        b"     +58",
        b"      -1",
        b"    0x3A",
        b"     5 8",
        b"        ",
        b"\0\0\0\0\0\0\0\0",
        b"    58.0",
        b"  \xef\xbc\x95  8",
    )
    for at, side in ((10, "begin"), (18, "end")):
        for number, field in enumerate(fields, start=1):
            yield _file(f"header-text-{side}-{number}", "R2", "FCS-HEADER-FIELD", _header(raw, at, field))
    for name, field in (
        ("begin-0", b"       0     400"), ("begin-10", b"      10     400"), ("begin-57", b"      57     400"),
        ("end-first", b"     400      58"), ("one-byte", b"      58      58"), ("zero", b"       0       0"),
    ):  # fmt: skip
        yield _file(f"header-text-{name}", "R1", "FCS-TEXT-OFFSETS", _header(raw, 10, field))
    yield _file("header-text-end-beyond", "R1", "FCS-TEXT-TRUNCATED", _header(raw, 18, b"   99999"))
    yield _file("header-text-end-huge", "R3", "FCS-TEXT-LIMIT", _header(raw, 18, b"99999999"))
    yield _file("header-text-begin-beyond", "R1", "FCS-TEXT-TRUNCATED", _header(raw, 10, b"   90000   91000"))
    yield _file("header-text-end-short", "R1", "FCS-KEYWORD-MISSING", _header(raw, 18, b"     120"))


def _texts() -> Iterator[ZooFile]:
    def edited(old: bytes, new: bytes) -> Blueprint:
        return Blueprint(edit=lambda t: t.replace(old, new))

    whole = Blueprint()
    for name, first in (("0", b"\0"), ("127", b"\x7f"), ("200", b"\xc8")):
        plan = replace(whole, edit=lambda t, first=first: first + t[1:])  # type: ignore[misc]
        yield _file(f"text-delimiter-{name}", "T1", "FCS-TEXT-TOKENS", plan)
    yield _file("text-other-delimiter", "T1", "FCS-TEXT-TOKENS", replace(whole, edit=lambda t: b"|" + t[1:]))
    yield _file("text-only-delimiters", "T2", "FCS-TEXT-TOKENS", replace(whole, edit=lambda _: b"/" * 300))
    yield _file("text-many-delimiters", "T2", "FCS-TEXT-LIMIT", replace(whole, edit=lambda _: b"/" * 1_000_100))
    yield _file("text-odd", "T3", "FCS-TEXT-TOKENS", replace(whole, edit=lambda t: t + b"LONELY/"))
    yield _file("text-empty-key", "T3", "FCS-TEXT-TOKENS", replace(whole, edit=lambda t: b"/ /x" + t))
    yield _file("text-value-lost", "T3", "FCS-TEXT-TOKENS", edited(b"/$TOT/3/", b"/$TOT/"))
    yield _file("text-key-lost", "T3", "FCS-TEXT-TOKENS", edited(b"/$TOT/3/", b"/3/"))
    yield _file("text-blank", "T1", "FCS-TEXT-TOKENS", replace(whole, edit=lambda t: b" " * len(t)))
    yield _file("text-delimiter-in-key", "T2", "FCS-KEYWORD-MISSING", edited(b"/$TOT/", b"/$TO//T/"))
    yield _file("text-escaped-away", "T2", "FCS-TEXT-TOKENS", edited(b"/$TOT/3/", b"//$TOT//3//"))
    yield _file("text-empty-tot", "T3", "FCS-KEYWORD-VALUE", edited(b"/$TOT/3/", b"/$TOT//"))


def _missing() -> Iterator[ZooFile]:
    always = ("$BYTEORD", "$DATATYPE", "$PAR", "$P1B", "$P2B", "$P1R")
    for version, keys in (
        (_OLD_VERSION, ("$MODE",)), ("FCS3.0", ("$MODE", "$TOT", "$P1E")),
        ("FCS3.1", ("$MODE", "$TOT", "$P1E", "$P2N")), ("FCS3.2", ("$TOT", "$P1E", "$P1N")),
    ):  # fmt: skip
        for key in (*always, *keys):
            name = f"missing-{version}-{key.strip('$').lower()}"
            yield _file(name, "T10", "FCS-KEYWORD-MISSING", Blueprint(version=version, drop=(key,)))
    renamed = Blueprint(edit=lambda t: t.replace(b"$TOT", b"TOTL"))
    yield _file("missing-renamed", "T10", "FCS-KEYWORD-MISSING", renamed)
    stext = Blueprint(drop=("$TOT",), stext={"$TOT": "3"})
    yield _file("missing-tot-in-stext", "T7", "FCS-KEYWORD-MISSING", stext)


def _numbers() -> Iterator[ZooFile]:
    texts = {
        "letter": "x", "minus": "-1", "plus": "+3", "point": "3.0", "power": "3e0", "under": "1_6", "arabic": "٣",
        "hex": "0x3", "inner-blank": "1 6", "long": "9" * 5000, "twenty-one": "0" * 20 + "3", "nul": "3\0",
    }  # fmt: skip
    for key in ("$TOT", "$PAR", "$P1B", "$BEGINDATA", "$ENDDATA", "$NEXTDATA"):
        for name, text in texts.items():
            plan = Blueprint(keywords={key: text})
            yield _file(f"number-{key.strip('$').lower()}-{name}", "T9", "FCS-KEYWORD-VALUE", plan)


def _counts() -> Iterator[ZooFile]:
    for name, text, code in (
        ("0", "0", "FCS-KEYWORD-VALUE"), ("1", "1", "FCS-DATA-SIZE"), ("3", "3", "FCS-KEYWORD-MISSING"),
        ("10001", "10001", "FCS-PAR-LIMIT"), ("billion", "1000000000", "FCS-PAR-LIMIT"),
        ("twenty-digits", "9" * 20, "FCS-PAR-LIMIT"),
    ):  # fmt: skip
        yield _file(f"par-{name}", "D3", code, Blueprint(keywords={"$PAR": text}))
    for name, text, code in (
        ("0", "0", "FCS-DATA-SIZE"), ("1", "1", "FCS-DATA-SIZE"), ("2", "2", "FCS-DATA-SIZE"),
        ("4", "4", "FCS-TRUNCATED"), ("1000", "1000", "FCS-TRUNCATED"), ("huge", "9" * 20, "FCS-TRUNCATED"),
    ):  # fmt: skip
        yield _file(f"tot-{name}", "D6", code, Blueprint(keywords={"$TOT": text}))


def _types() -> Iterator[ZooFile]:
    for mode, code in (("C", "FCS-MODE"), ("U", "FCS-MODE"), ("X", "FCS-KEYWORD-VALUE"), ("l", "FCS-KEYWORD-VALUE")):
        yield _file(f"mode-{ord(mode)}", "D8", code, Blueprint(keywords={"$MODE": mode}))
    for name, kind in (("x", "X"), ("lower", "i"), ("two", "IF"), ("blank", " ")):
        yield _file(f"datatype-{name}", "D1", "FCS-KEYWORD-VALUE", Blueprint(datatype=kind))
    for kind in "FD":
        yield _file(f"datatype-{kind}-16-bits", "D1", "FCS-KEYWORD-VALUE", Blueprint(datatype=kind))
    yield _file(
        "datatype-f-64-bits", "D1", "FCS-KEYWORD-VALUE", Blueprint((Cell("A", "D", 64),), ((1.0,),), datatype="F")
    )
    for name, text in (
        ("twice", "1,2,2,4"), ("from-0", "0,1,2,3"), ("word", "big"), ("no-commas", "1234"),
        ("nine", "1,2,3,4,5,6,7,8,9"), ("blank", " "), ("gap", "1,,3,4"), ("five", "1,2,3,5"), ("long", "1," * 3000),
    ):  # fmt: skip
        yield _file(f"byteord-{name}", "D2", "FCS-KEYWORD-VALUE", Blueprint(keywords={"$BYTEORD": text}))
    for name, order in (("pdp", "3,4,1,2"), ("three", "2,1,3"), ("eight", "2,1,3,4,5,6,7,8")):
        plan = Blueprint(version="FCS3.0", keywords={"$BYTEORD": order})
        yield _file(f"byteord-mixed-{name}", "D2", "FCS-BYTE-ORDER", plan)
    for bits, code in (
        ("0", "FCS-KEYWORD-VALUE"), ("1", "FCS-WIDTH"), ("7", "FCS-WIDTH"), ("12", "FCS-WIDTH"),
        ("65", "FCS-KEYWORD-VALUE"), ("72", "FCS-KEYWORD-VALUE"), ("128", "FCS-KEYWORD-VALUE"),
        ("1000000000", "FCS-KEYWORD-VALUE"), ("*", "FCS-KEYWORD-VALUE"), ("8", "FCS-DATA-SIZE"),
        ("24", "FCS-TRUNCATED"),
    ):  # fmt: skip
        name = bits.replace("*", "star")
        yield _file(f"bits-{name}", "D3", code, Blueprint(keywords={"$P1B": bits}))
    packed = {"$P1B": "10", "$P2B": "10"}
    tight = Blueprint(keywords=packed, data=bytes(8))
    yield _file("bits-10-packed", "D3", "FCS-WIDTH", tight)
    yield _file("bits-10-no-tot", "D3", "FCS-WIDTH", Blueprint(version=_OLD_VERSION, keywords=packed, drop=("$TOT",)))
    single = Cell("A", "F", 32)
    for name, kind in (("x", "X"), ("a", "A"), ("blank", " ")):
        plan = Blueprint((replace(single, more={"DATATYPE": kind}),), ((1.0,),), "FCS3.2", datatype="F")
        yield _file(f"v32-datatype-{name}", "1.6", "FCS-KEYWORD-VALUE", plan)
    wide = Blueprint((replace(single, more={"DATATYPE": "D"}),), ((1.0,),), "FCS3.2", datatype="F")
    yield _file("v32-double-of-32-bits", "1.6", "FCS-KEYWORD-VALUE", wide)
    early = Blueprint((Cell("A", "I", 32, more={"DATATYPE": "F"}),), ((1,),), "FCS3.1")
    yield _file("v32-mixed-in-3-1", "1.6", "FCS-KEYWORD-VALUE", early)


def _ranges() -> Iterator[ZooFile]:
    for name, text in (
        ("0", "0"), ("minus", "-5"), ("nan", "NaN"), ("inf", "inf"), ("x", "x"), ("blank", " "), ("comma", "1024,0"),
        ("hex", "0x400"), ("power", "1e400"), ("long", "9" * 400),
    ):  # fmt: skip
        yield _file(f"range-{name}", "D4", "FCS-KEYWORD-VALUE", Blueprint(keywords={"$P1R": text}))
    for name, text in (
        ("word", "four"), ("one", "4"), ("three", "4,1,1"), ("minus", "-4,1"), ("commas", "0,0,0,1"), ("nan", "nan,1"),
        ("blank", " "), ("inf", "inf,1"),
    ):  # fmt: skip
        yield _file(f"amplification-{name}", "S1", "FCS-KEYWORD-VALUE", Blueprint(keywords={"$P1E": text}))


def _twice() -> Iterator[ZooFile]:
    for key, text in (
        ("$TOT", "2"), ("$PAR", "1"), ("$P1B", "8"), ("$P1R", "16"), ("$P2N", "FL9"), ("$BYTEORD", "4,3,2,1"),
        ("$DATATYPE", "F"), ("$P1E", "4,1"), ("$BEGINDATA", "100"), ("$NEXTDATA", "5000"), ("$MODE", "C"),
    ):  # fmt: skip
        pair = f"{key}/{text}/".encode("ascii")
        plan = Blueprint(edit=lambda t, pair=pair: t + pair)  # type: ignore[misc]
        yield _file(f"twice-{key.strip('$').lower()}", "T5", "FCS-KEYWORD-TWICE", plan)
    lower = Blueprint(edit=lambda t: t + b"$tot/2/")
    yield _file("twice-other-case", "T5", "FCS-KEYWORD-TWICE", lower)


def _offsets() -> Iterator[ZooFile]:
    events = tuple((i, i + 1) for i in range(20))
    plan = Blueprint(events=events)
    for name, code, made in (
        ("neither-fits", "FCS-DATA-OFFSETS", replace(plan, header_shift=(1, 0), text_shift=(2, 0))),
        ("both-fit", "FCS-DATA-AMBIGUOUS", replace(plan, header_shift=(1, 1))),
        ("both-shifted", "FCS-DATA-OVERLAP", replace(plan, header_shift=(-9, -9), text_shift=(-9, -9))),
        ("both-short", "FCS-TRUNCATED", replace(plan, header_shift=(0, -8), text_shift=(0, -8))),
        ("both-long", "FCS-DATA-SIZE", replace(plan, header_shift=(0, 4), text_shift=(0, 4))),
        ("both-beyond", "FCS-TRUNCATED", replace(plan, header_shift=(5000, 5000), text_shift=(5000, 5000))),
        ("nowhere", "FCS-DATA-OFFSETS", replace(plan, header_shift=None, text_shift=None)),
        (
            "nowhere-0-0",
            "FCS-DATA-OFFSETS",
            replace(plan, header_shift=None, keywords={"$BEGINDATA": "0", "$ENDDATA": "0"}),
        ),
        ("no-tot-size", "FCS-DATA-OFFSETS", replace(plan, version=_OLD_VERSION, header_shift=None, drop=("$TOT",))),
        ("old-begin-minus-1", "FCS-DATA-OFFSETS", replace(plan, version=_OLD_VERSION, gap=b"  ", header_shift=(-1, 0))),
        ("old-begin-plus-1", "FCS-DATA-OFFSETS", replace(plan, version=_OLD_VERSION, gap=b"  ", header_shift=(1, 0))),
        ("old-begin-plus-4", "FCS-TRUNCATED", replace(plan, version=_OLD_VERSION, gap=b"  ", header_shift=(4, 0))),
        ("old-shifted", "FCS-DATA-OVERLAP", replace(plan, version=_OLD_VERSION, header_shift=(-4, -4))),
        ("end-before-begin", "FCS-TRUNCATED", replace(plan, header_shift=(0, -200), text_shift=(0, -200))),
    ):
        yield _file(f"data-{name}", "R4", code, made)
    old = replace(plan, version=_OLD_VERSION, drop=("$TOT",))
    yield _file("data-old-in-text", "R4", "FCS-DATA-OVERLAP", replace(old, header_shift=(-4, -4)))
    yield _file("data-old-cut", "D6", "FCS-TRUNCATED", replace(old, tail=b"").raw[:-1])
    short = replace(plan, header_shift=(0, -1), text_shift=(0, -1), tail=b"").raw
    yield _file("data-both-ends-short-and-cut", "R4", "FCS-TRUNCATED", short[:-1])
    begin, end = int(plan.raw[26:34]), int(plan.raw[34:42])
    in_header = replace(plan, keywords={"$BEGINDATA": "10", "$ENDDATA": "89"})
    yield _file("data-in-header", "R4", "FCS-DATA-OFFSETS", _header(in_header.raw, 26, b"      10      89"))
    analysis = {"$BEGINANALYSIS": f"{begin + 20}", "$ENDANALYSIS": f"{end - 20}"}
    yield _file("data-in-analysis", "R4", "FCS-DATA-OVERLAP", replace(plan, keywords=analysis))
    whole = replace(plan, tail=b"").raw
    for name, cut in (("1-byte", 1), ("3-bytes", 3), ("1-event", 4), ("half", 40), ("all", 80)):
        yield _file(f"cut-{name}", "D6", "FCS-TRUNCATED", whole[:-cut])
    floats = Blueprint(
        tuple(Cell(n, "F", 32) for n in "AB"), ((1.0, 2.0), (3.0, 4.0)), "FCS3.0", datatype="F", tail=b""
    )
    yield _file("cut-floats", "D6", "FCS-TRUNCATED", floats.raw[:-5])
    yield _file("line-ends-changed", "R5", "FCS-DATA-OVERLAP", _line_ends(plan))


def _line_ends(plan: Blueprint) -> bytes:
    """As a transfer in text mode leaves it: a carriage return before every line feed, TEXT longer than HEADER says."""
    plan = replace(plan, keywords={"$COM": "one\ntwo\nthree"})
    raw = plan.raw.replace(b"\n", b"\r\n")
    return _header(raw, 18, b"%8d" % (int(raw[18:26]) + 2))


def _digits() -> Iterator[ZooFile]:
    events: tuple[Event, ...] = ((1, 22), (333, 4444))
    fixed = Blueprint((Cell("A", "A", 5), Cell("B", "A", 7)), events, "FCS3.0", datatype="A")
    free = Blueprint((Cell("A", "A", 0), Cell("B", "A", 0)), events, "FCS3.0", datatype="A")
    for name, data in (
        ("letter", b"    1     22  3x3   4444"), ("minus", b"    1     22  -33   4444"),
        ("point", b"    1     22  3.3   4444"),
        ("blank", b"    1     22        4444"),
        ("two", b"    1     221 2 3   4444"), ("nul", b"    1     22  \x0033   4444"),
    ):  # fmt: skip
        yield _file(f"digits-fixed-{name}", "D7", "FCS-DIGITS", replace(fixed, data=data))
    for name, data, code in (
        ("letter", b"1 22 3x3 4444", "FCS-DIGITS"), ("minus", b"1 22 -333 4444", "FCS-DIGITS"),
        ("point", b"1 22 33.3 4444", "FCS-DIGITS"), ("too-few", b"1 22 333", "FCS-DATA-SIZE"),
        ("too-many", b"1 22 333 4444 5", "FCS-DATA-SIZE"), ("none", b"    ", "FCS-DATA-SIZE"),
        ("above-64-bits", b"1 22 333 18446744073709551616", "FCS-DIGITS"),
        ("long", b"1 22 333 " + b"4" * 5000, "FCS-DIGITS"),
        ("run-on", b"7" * 100_000, "FCS-DIGITS"),
    ):  # fmt: skip
        yield _file(f"digits-free-{name}", "D7", code, replace(free, data=data))
    shifted = replace(free, data=b"1 22 333 4444 ", header_shift=(0, -2), text_shift=(0, -2))
    yield _file("digits-free-end-within-number", "D7", "FCS-DATA-OFFSETS", shifted)
    yield _file("digits-free-both-fit", "D7", "FCS-DATA-AMBIGUOUS",
                replace(free, data=b" 1 22 333 4444 ", header_shift=(1, 0)))  # fmt: skip
    yield _file("digits-free-nowhere", "D7", "FCS-DATA-OFFSETS",
                replace(free, header_shift=(900, 900), text_shift=(900, 900)))  # fmt: skip
    beside = Blueprint(
        (Cell("A", "A", 4), Cell("B", "A", 4, more={"DATATYPE": "F"})), ((1, 2),), "FCS3.2", datatype="A"
    )
    yield _file("digits-beside-binary", "1.6", "FCS-KEYWORD-VALUE", beside)
    for name, text in (("width-0", "0"), ("width-21", "21"), ("width-star", "*"), ("width-x", "x")):
        yield _file(f"digits-{name}", "D7", "FCS-KEYWORD-VALUE", replace(fixed, keywords={"$P1B": text}))
    over = Blueprint((Cell("A", "A", 20),), ((2**64,),), "FCS3.0", datatype="A")
    yield _file("digits-fixed-above-64-bits", "D7", "FCS-DIGITS", over)
    short = replace(fixed, data=b"    1     22  333   444")
    yield _file("digits-fixed-short", "D6", "FCS-DATA-OFFSETS", short)


def _chains() -> Iterator[ZooFile]:
    one = Blueprint(tail=b"")
    for name, text in (("1", "1"), ("57", "57")):
        yield _file(f"nextdata-{name}", "D9", "FCS-NEXTDATA-VALUE", Blueprint(keywords={"$NEXTDATA": text}))
    yield _file("chain-second-cut", "D9", "FCS-TRUNCATED", chain(one, one)[:-3])
    yield _file("chain-second-odd", "D9", "FCS-TEXT-TOKENS", chain(one, replace(one, edit=lambda t: t + b"X/")))
    yield _file("chain-second-version", "D9", "FCS-VERSION", chain(one, replace(one, version="FCS9.9")))
    first = replace(one, version=_OLD_VERSION, keywords={"$NEXTDATA": "000000070"})
    yield _file("chain-within-itself", "D9", "FCS-TRUNCATED", _planted(first.raw))
    yield _file("chain-of-1001", "D9", "FCS-DATASETS-LIMIT", chain(*[one] * 1001))


def _planted(raw: bytes) -> bytes:
    """A file whose ``$NEXTDATA`` points into its own TEXT, where a HEADER was planted."""
    header = b"FCS3.1          58     100     101     104       0       0"
    text = raw[58:].replace(b"$BYTEORD/1,2,3,4/", b"$BYTEORD/1,2,3,4/$COM/" + header + b"/")
    moved = raw[:58] + text
    at = moved.index(header, 58)
    grown = len(moved) - len(raw)
    ends = b"".join(b"%8d" % (int(raw[i : i + 8]) + grown) for i in (18, 26, 34))
    moved = moved[:18] + ends + moved[42:]
    return moved.replace(b"$NEXTDATA/000000070", b"$NEXTDATA/%09d" % at)
