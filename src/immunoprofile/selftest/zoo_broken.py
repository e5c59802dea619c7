"""Files broken as cytometers and programs break them, with events beyond doubt: read exactly, with a named finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from immunoprofile.selftest.blueprint import Blueprint, Cell, Event
from immunoprofile.selftest.zoo import ZooFile, chain

_FL12 = (Cell("FL1"), Cell("FL2"))
_SPILL_MATRIX = (1.0, 0.1, 0.2, 1.0)


def broken_files() -> Iterator[ZooFile]:
    """All of them, rule by rule."""
    yield from _offsets()
    yield from _headers()
    yield from _endings()
    yield from _texts()
    yield from _missing()
    yield from _layouts()
    yield from _names_and_scales()
    yield from _times()
    yield from _spillovers()
    yield from _chains()


def _file(
    name: str,
    rule: str,
    code: str,
    raw: Blueprint | bytes,
    truth: tuple[Event, ...] = ((1, 2), (3, 4), (5, 6)),
    *,
    linear: tuple[Event, ...] | None = None,
    keywords: Mapping[str, str] | None = None,
    spillover: tuple[float, ...] | None = None,
) -> ZooFile:
    data = raw.raw if isinstance(raw, Blueprint) else raw
    return ZooFile(f"broken-{name}", rule, "broken", data, (truth,), (code,), linear, keywords or {}, spillover)


def _header(raw: bytes, at: int, field: bytes) -> bytes:
    return raw[:at] + field + raw[at + len(field) :]


def _bases() -> Iterator[tuple[str, Blueprint]]:
    """Three makes of file that the slips of offsets are tried on."""
    yield "i16", Blueprint(version="FCS3.1", tail=b"00000000")
    floats = (Cell("FL1", "F", 32), Cell("FL2", "F", 32))
    yield "f32", Blueprint(floats, ((0.5, 1.5), (-2.0, 3.0)), "FCS3.0", "4,3,2,1", "F")
    three = (Cell("FL1", "I", 24), Cell("FL2", "I", 24), Cell("FL3", "I", 8))
    yield "i24", Blueprint(three, ((1, 2, 3), (2**24 - 1, 70000, 255)), "FCS3.0")


def _offsets() -> Iterator[ZooFile]:
    for name, plan in _bases():
        slips: tuple[tuple[str, str, Blueprint], ...] = (
            ("header-end-plus-1", "FCS-OFFSETS-DISAGREE", replace(plan, header_shift=(0, 1))),
            ("text-end-plus-1", "FCS-OFFSETS-DISAGREE", replace(plan, text_shift=(0, 1))),
            ("both-ends-plus-1", "FCS-DATA-END", replace(plan, header_shift=(0, 1), text_shift=(0, 1))),
            ("both-ends-minus-1", "FCS-DATA-END", replace(plan, header_shift=(0, -1), text_shift=(0, -1))),
            ("header-begin-minus-1", "FCS-OFFSETS-DISAGREE", replace(plan, header_shift=(-1, 0))),
            ("text-begin-plus-1", "FCS-OFFSETS-DISAGREE", replace(plan, text_shift=(1, 0))),
            ("header-shifted", "FCS-OFFSETS-DISAGREE", replace(plan, header_shift=(-40, -40))),
            ("text-shifted", "FCS-OFFSETS-DISAGREE", replace(plan, text_shift=(-40, -40))),
            ("text-beyond-file", "FCS-OFFSETS-DISAGREE", replace(plan, text_shift=(9000, 9000))),
            ("no-offsets-in-text", "FCS-OFFSETS-TEXT", replace(plan, text_shift=None)),
            ("end-in-text-zero", "FCS-OFFSETS-DISAGREE", replace(plan, keywords={"$ENDDATA": "000000000000"})),
        )
        for slip, code, made in slips:
            yield _file(f"offset-{name}-{slip}", "R4", code, made, plan.events)
        unset = replace(plan, keywords={"$BEGINDATA": "0", "$ENDDATA": "0"})
        yield _file(f"offset-{name}-header-end-99999999", "R4", "FCS-DATA-END",
                    _header(unset.raw, 34, b"99999999"), plan.events)  # fmt: skip
        begin = int(plan.raw[26:34])
        same = replace(plan, keywords={"$BEGINDATA": f"{begin:012d}", "$ENDDATA": f"{begin:012d}"})
        yield _file(f"offset-{name}-end-is-begin", "R4", "FCS-DATA-END",
                    _header(same.raw, 34, b"%8d" % begin), plan.events)  # fmt: skip
        yield _file(
            f"offset-{name}-header-end-zero", "R4", "FCS-DATA-END", _header(unset.raw, 34, b"       0"), plan.events
        )
        over = replace(plan, header_shift=(0, 3), text_shift=(0, 3), tail=b"xyz00000000")
        yield _file(f"offset-{name}-remainder", "D6", "FCS-DATA-REMAINDER", over, plan.events)


def _headers() -> Iterator[ZooFile]:
    raw = Blueprint().raw
    yield _file("header-nul-for-blanks", "R1", "FCS-HEADER-BLANKS", _header(raw, 6, b"\0\0\0\0"))
    yield _file("header-analysis-minus-1", "R2", "FCS-HEADER-OFFSET", _header(raw, 42, b"       0      -1"))
    yield _file("header-analysis-letters", "R2", "FCS-HEADER-OFFSET", _header(raw, 42, b"     n/a     n/a"))
    yield _file("header-data-letters", "R2", "FCS-HEADER-OFFSET", _header(raw, 26, b"****************"[:16]))
    yield _file("header-data-underscore", "R2", "FCS-HEADER-OFFSET", _header(raw, 26, b"    5_58"))
    yield _file("header-analysis-beyond-file", "R1", "FCS-ANALYSIS", _header(raw, 42, b"  900000  900100"))
    text_end = int(raw[18:26])
    yield _file("text-end-is-data-begin", "T8", "FCS-DATA-TOUCHES", _header(raw, 18, b"%8d" % (text_end + 1)))
    keywords = {"$BEGINANALYSIS": "900000", "$ENDANALYSIS": "900100"}
    yield _file("analysis-beyond-file", "R1", "FCS-ANALYSIS", Blueprint(keywords=keywords))
    yield _file("gap-of-junk", "R5", "FCS-GAP", Blueprint(gap=b"what is this"))


def _old_remainder() -> ZooFile:
    old = Blueprint(version="FCS2.0", drop=("$TOT",), header_shift=(0, 1), tail=b"x")
    return _file("old-remainder-without-tot", "D6", "FCS-DATA-REMAINDER", old)


def _endings() -> Iterator[ZooFile]:
    yield _old_remainder()
    yield _file("trailing-line-end", "R5", "FCS-TRAILING", Blueprint(tail=b"00000000\r\nEOF"))
    yield _file("trailing-bytes", "R5", "FCS-TRAILING", Blueprint(tail=b"\x01\x02\x03"))
    yield _file("trailing-events", "R5", "FCS-TRAILING", Blueprint(tail=b"\7\0\7\0" * 50))
    yield _file("trailing-much", "R5", "FCS-TRAILING", Blueprint(tail=b"00000000" + b"?" * 100_000))
    for name, tail in (("decimal", b"00012345"), ("hex", b"0000BEEF"), ("wide", b"12345678")):
        yield _file(f"checksum-{name}", "D10", "FCS-CRC", Blueprint(tail=tail))


def _texts() -> Iterator[ZooFile]:
    def edited(edit: Callable[[bytes], bytes], **more: object) -> Blueprint:
        return replace(Blueprint(), edit=edit, **more)  # type: ignore[arg-type]

    value = {"LAST": "tail"}
    for name, plan in (
        ("slash", Blueprint()),
        ("form-feed", Blueprint(delimiter=b"\x0c")),
        ("star", Blueprint(delimiter=b"*")),
    ):
        cut = replace(plan, edit=lambda t: t + b"LAST" + t[:1] + b"tail")
        yield _file(f"text-no-final-delimiter-{name}", "T8", "FCS-TEXT-UNTERMINATED", cut, keywords=value)
    yield _file("text-two-final-delimiters", "T2", "FCS-TEXT-STRAY", edited(lambda t: t + b"/"))
    yield _file("text-dangling", "T8", "FCS-TEXT-DANGLING", edited(lambda t: t + b"junk"))
    empty: dict[str, Callable[[bytes], bytes]] = {
        "one": lambda t: t + b"$COM//$OP/x/",
        "three": lambda t: t + b"$COM//$SRC//$PROJ//$OP/x/",
        "first": lambda t: b"/$COM//$OP/x" + t,
        "before-tot": lambda t: t.replace(b"/$TOT", b"/$COM//$OP/x/$TOT"),
        "last": lambda t: t + b"$OP/x/$COM//",
        "beside-escape": lambda t: t + b"$COM//$OP/x/$SRC/a//b/",
    }
    for name, edit in empty.items():
        found = {"$COM": "", "$OP": "x", "$TOT": "3"} | ({"$SRC": "a/b"} if name == "beside-escape" else {})
        yield _file(f"text-empty-{name}", "T3", "FCS-TEXT-EMPTY", edited(edit), keywords=found)
    star = replace(Blueprint(delimiter=b"*"), edit=lambda t: t + b"$COM**$OP*x*")
    yield _file("text-empty-star", "T3", "FCS-TEXT-EMPTY", star, keywords={"$COM": "", "$OP": "x"})
    bad = {
        "latin": (b"Andr\xe9", "André"),
        "euro": (b"\x80 5", "€ 5"),
        "cut": (b"\xe8\xa1", "è¡"),
        "none": (b"\x81", "\x81"),
    }
    for name, (raw, text) in bad.items():
        plan = edited(lambda t, raw=raw: t + b"$OP/" + raw + b"/")  # type: ignore[misc]
        yield _file(f"text-encoding-{name}", "T6", "FCS-TEXT-ENCODING", plan, keywords={"$OP": text})
    for name, again, kept in (
        ("same", b"$OP/a/$OP/a/", {"$OP": "a"}), ("other", b"$OP/a/$OP/b/", {"$OP": "a"}),
        ("case", b"$OP/a/$op/b/", {"$OP": "a"}), ("tot-same", b"$TOT/3/", {"$TOT": "3"}),
    ):  # fmt: skip
        plan = edited(lambda t, again=again: t + again)  # type: ignore[misc]
        yield _file(f"text-duplicate-{name}", "T5", "FCS-TEXT-DUPLICATE", plan, keywords=kept)
    yield _file(
        "stext-overrides-tot", "T7", "FCS-STEXT-OVERRIDE", Blueprint(stext={"$TOT": "2"}), keywords={"$TOT": "3"}
    )
    yield _file("stext-overrides-gain", "T7", "FCS-STEXT-OVERRIDE",
                Blueprint((Cell("FL1", more={"G": "2"}), Cell("FL2")), stext={"$P1G": "4"}),
                linear=((0.5, 2.0), (1.5, 4.0), (2.5, 6.0)))  # fmt: skip
    beyond = {"$BEGINSTEXT": "90000", "$ENDSTEXT": "90010"}
    yield _file("stext-beyond-file", "T7", "FCS-STEXT", Blueprint(keywords=beyond))
    raw = Blueprint(stext={"A": "b"}).raw
    yield _file("stext-junk", "T7", "FCS-STEXT", raw.replace(b"/A/b/", b"PK\3\4!"))
    raw = Blueprint(analysis={"A": "b"}).raw
    yield _file("analysis-junk", "T7", "FCS-ANALYSIS", raw.replace(b"/A/b/", b"PK\3\4!"))
    raw = Blueprint(stext={"A": "bb"}).raw
    yield _file("stext-odd", "T7", "FCS-TEXT-DANGLING", raw.replace(b"/A/bb/", b"/A/b/C"))


def _missing() -> Iterator[ZooFile]:
    for key in ("$NEXTDATA", "$BEGINANALYSIS", "$ENDANALYSIS", "$BEGINSTEXT", "$ENDSTEXT"):
        yield _file(f"missing-{key.strip('$').lower()}", "T10", "FCS-KEYWORD-ABSENT", Blueprint(drop=(key,)))
    yield _file("missing-cyt-3-2", "T10", "FCS-KEYWORD-ABSENT", Blueprint(version="FCS3.2", drop=("$CYT",)))


def _layouts() -> Iterator[ZooFile]:
    for name, order in (("1-2", "1,2"), ("2-1", "2,1"), ("1-8", "1,2,3,4,5,6,7,8"), ("blanks", "1, 2, 3, 4 ")):
        code = "FCS-BYTEORD"
        if name != "blanks":
            yield _file(f"byteord-{name}", "D2", code, Blueprint(order=order))
    wide = (Cell("FL1", "I", 32), Cell("FL2", "I", 32))
    third = Blueprint(keywords={"$P3N": "FL3", "$P3B": "16"})
    yield _file("channel-beyond-par", "D3", "FCS-PAR-MORE", third)
    free = tuple(Cell(n, "A", 0) for n in "AB")
    glued = Blueprint(free, ((1, 22), (3, 400000000)), "FCS2.0", datatype="A", tail=b"")
    two = Blueprint(free, ((1, 22), (333, 4444)), "FCS3.0", datatype="A", data=b"1 22 333 4444 ", header_shift=(0, -1))
    yield _file("digits-ends-differ", "R4", "FCS-OFFSETS-DISAGREE", two, two.events)
    yield _file("digits-run-on", "D7", "FCS-DIGITS-END", glued, glued.events)
    yield _file("byteord-pdp-3-1", "D2", "FCS-BYTEORD", Blueprint(wide, order="3,4,1,2"))
    three = (Cell("FL1", "I", 24), Cell("FL2", "I", 24))
    yield _file("byteord-3-2-1-in-3-1", "D2", "FCS-BYTEORD", Blueprint(three, order="3,2,1"))
    for name, order in (("little", "1,2,3,4"), ("big", "4,3,2,1")):
        words = Blueprint(version="FCS3.0", order=order)
        ten = replace(words, keywords={"$P1B": "10", "$P2B": "10", "$P1R": "1024", "$P2R": "1024"})
        yield _file(f"cxp-10-bits-{name}", "D3", "FCS-BITS-10", ten)
    for name, size in (("too-large", "65537"), ("huge", "99999999999999999999"), ("one", "1")):
        yield _file(f"range-{name}", "D4", "FCS-RANGE", Blueprint((replace(_FL12[0], size=size), _FL12[1])))
    cells = tuple(Cell(n, "F", 32, size=s) for n, s in (("A", "lots"), ("B", "NaN")))
    yield _file(
        "range-of-floats", "D4", "FCS-RANGE-UNKNOWN", Blueprint(cells, ((1.0, -2.0),), datatype="F"), ((1.0, -2.0),)
    )


def _names_and_scales() -> Iterator[ZooFile]:
    yield _file("name-twice", "T5", "FCS-NAME-TWICE", Blueprint((Cell("FL1"), Cell("FL1"))))
    same = tuple(Cell("FL1") for _ in range(4))
    yield _file("name-four-times", "T5", "FCS-NAME-TWICE", Blueprint(same, ((1, 2, 3, 4),)), ((1, 2, 3, 4),))
    plain = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    for gain in ("0", "-1", "x", "nan", "1,5"):
        cells = (Cell("FL1", more={"G": gain}), Cell("FL2"))
        yield _file(f"gain-{gain}", "S1", "FCS-GAIN", Blueprint(cells), linear=plain)
    logs = tuple((10 ** (4.0 * a / 1024), float(b)) for a, b in plain)
    for name, more in (("with-log", {"G": "2"}),):
        cells = (Cell("FL1", size="1024", amplification="4,1", more=more), Cell("FL2"))
        yield _file(f"gain-{name}", "S1", "FCS-GAIN", Blueprint(cells), linear=logs)
    for name, text, linear in (("4-0", "4,0", logs), ("0-1", "0,1", plain), ("commas", "0,0,0,0", plain)):
        cells = (Cell("FL1", size="1024", amplification=text), Cell("FL2"))
        yield _file(f"amplification-{name}", "S1", "FCS-AMPLIFICATION", Blueprint(cells), linear=linear)
    for name, given in (("log", "4,1"), ("missing", None), ("junk", "log")):
        single = Cell("FL1", "F", 32, amplification=given)
        plan = Blueprint((single,), ((100.0,), (1e6,)), datatype="F")
        yield _file(f"amplification-of-floats-{name}", "S1", "FCS-AMPLIFICATION", plan, ((100.0,), (1e6,)),
                    linear=((100.0,), (1e6,)))  # fmt: skip


def _times() -> Iterator[ZooFile]:
    plain = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    for name, step in (("x", "xxxxxxxxx"), ("minus", "-1"), ("zero", "0"), ("comma", "0,01")):
        plan = Blueprint((Cell("Time"), Cell("FL2")), keywords={"$TIMESTEP": step})
        yield _file(f"timestep-{name}", "S2", "FCS-TIMESTEP", plan, linear=plain)
    halves = Blueprint((Cell("Time MSW"), Cell("Time LSW")), keywords={"$TIMESTEP": "0.5"})
    yield _file("time-in-halves", "S2", "FCS-TIME", halves, linear=plain)


def _spillovers() -> Iterator[ZooFile]:
    good = "2,FL1,FL2,1,0.1,0.2,1"
    none: tuple[float, ...] = ()
    for name, text, code, matrix in (
        ("too-few", "2,FL1,FL2,1,0.1,0.2", "FCS-SPILL-FORMAT", none),
        ("too-many", good + ",0.5", "FCS-SPILL-FORMAT", none),
        ("no-count", "FL1,FL2,1,0.1,0.2,1", "FCS-SPILL-FORMAT", none),
        ("huge-count", "1000000000,FL1", "FCS-SPILL-FORMAT", none),
        ("decimal-commas", "2,FL1,FL2,1,0,0,1,0,2,1,0", "FCS-SPILL-FORMAT", none),
        ("not-a-number", "2,FL1,FL2,1,nan,0.2,1", "FCS-SPILL-FORMAT", none),
        ("infinite", "2,FL1,FL2,1,inf,0.2,1", "FCS-SPILL-FORMAT", none),
        ("unknown-name", good.replace("FL2", "FL9"), "FCS-SPILL-NAMES", none),
        ("name-twice", good.replace("FL2", "FL1"), "FCS-SPILL-NAMES", none),
        ("singular", "2,FL1,FL2,1,1,1,1", "FCS-SPILL-VALUES", none),
        ("padded-names", "2, FL1,FL2 ,1,0.1,0.2,1", "FCS-SPILL-LABELS", _SPILL_MATRIX),
        ("by-number", "2,1,2,1,0.1,0.2,1", "FCS-SPILL-LABELS", _SPILL_MATRIX),
        ("by-marker", "2,CD3,CD4,1,0.1,0.2,1", "FCS-SPILL-LABELS", _SPILL_MATRIX),
        ("diagonal", "2,FL1,FL2,1,0.1,0.2,0.9", "FCS-SPILL-DIAGONAL", (1.0, 0.1, 0.2, 0.9)),
    ):
        cells = (Cell("FL1", more={"S": "CD3"}), Cell("FL2", more={"S": "CD4"}))
        yield _file(f"spill-{name}", "M3", code, Blueprint(cells, keywords={"$SPILLOVER": text}), spillover=matrix)
    two = {"$SPILLOVER": good, "SPILL": good.replace("0.1", "0.3")}
    yield _file("spill-two-differ", "M1", "FCS-SPILL-CHOICE", Blueprint(keywords=two), spillover=none)


def _chains() -> Iterator[ZooFile]:
    one = Blueprint()
    size = len(replace(one, keywords={"$NEXTDATA": "000000"}).raw)
    end = replace(one, keywords={"$NEXTDATA": f"{size:06d}"})
    yield _file("nextdata-at-end", "D9", "FCS-NEXTDATA", end)
    yield _file("nextdata-at-blanks", "D9", "FCS-NEXTDATA", end.raw + b" " * 200)
    yield _file("nextdata-beyond-file", "D9", "FCS-NEXTDATA", replace(one, keywords={"$NEXTDATA": "99999"}))
    yield _file("nextdata-huge", "D9", "FCS-NEXTDATA", replace(one, keywords={"$NEXTDATA": "9" * 20}))
    yield _file("concatenated", "D9", "FCS-CONCATENATED", one.raw * 2)
    yield _file("concatenated-three", "D9", "FCS-CONCATENATED", one.raw + Blueprint(version="FCS3.0").raw * 2)
    first = Blueprint(drop=("$BEGINSTEXT",))
    yield ZooFile(
        "broken-chain-of-two", "T10", "broken", chain(first, first), (first.events,) * 2, ("FCS-KEYWORD-ABSENT",)
    )
