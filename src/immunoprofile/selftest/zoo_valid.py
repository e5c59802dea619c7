"""Valid files, the exotic ones too: they must be read exactly, and nothing in them be found odd."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace

from immunoprofile.selftest.blueprint import Blueprint, Cell, Event
from immunoprofile.selftest.zoo import ZooFile, chain

VERSIONS = ("FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2")

_CHECK_TAIL = {"hex": "0000{:04X}", "decimal": "{:08d}", "lower": "{:08x}"}
_DELIMITERS = "|\\!*.^+?([,;:~=\"'#&_-@\t\r\n\x0c\x1e\x01"
_SPILL = "2,FL1,FL2,1,0.1,0.2,1"
_SPILL_MATRIX = (1.0, 0.1, 0.2, 1.0)


def valid_files() -> Iterator[ZooFile]:
    """All of them, rule by rule."""
    yield from _types()
    yield from _orders()
    yield from _text_data()
    yield from _masks()
    yield from _sizes()
    yield from _delimiters()
    yield from _keywords()
    yield from _segments()
    yield from _chains()
    yield from _checksums()
    yield from _scales()
    yield from _version_3_2()
    yield from _spillovers()


def _file(
    name: str,
    rule: str,
    plan: Blueprint,
    *,
    truth: tuple[Event, ...] | None = None,
    linear: tuple[Event, ...] | None = None,
    keywords: Mapping[str, str] | None = None,
    spillover: tuple[float, ...] | None = None,
) -> ZooFile:
    events = plan.events if truth is None else truth
    return ZooFile(
        f"valid-{name}", rule, "valid", plan.raw, (events,), (), linear, keywords or {}, spillover,
    )  # fmt: skip


def _cells(kind: str, *bits: int, **more: str) -> tuple[Cell, ...]:
    return tuple(Cell(f"FL{i}", kind, b, more=more) for i, b in enumerate(bits, start=1))


def _typed(kind: str, bits: int, version: str, order: str) -> Blueprint:
    events: tuple[Event, ...] = ((0, 1), (2 ** (bits - 1), 2**bits - 1), (5, 258 % 2**bits))
    if kind != "I":
        events = ((0.5, -1.25), (3e10 if kind == "D" else 1024.0, -0.0), (1.5, 2.0**-30))
    return Blueprint(_cells(kind, bits, bits), events, version, order, kind)


def _types() -> Iterator[ZooFile]:
    for version in VERSIONS:
        for kind, bits in (("I", 16), ("I", 32), ("F", 32), ("D", 64)):
            for name, order in (("little", "1,2,3,4"), ("big", "4,3,2,1")):
                plan = _typed(kind, bits, version, order)
                yield _file(f"type-{version}-{kind}{bits}-{name}", "D1", plan)
    for bits in (8, 24, 40, 48, 56, 64):
        for name, order in (("little", "1,2,3,4"), ("big", "4,3,2,1")):
            yield _file(f"width-{bits}-{name}", "D3", _typed("I", bits, "FCS3.0", order))
    for name, order in (("little", "1,2,3,4"), ("big", "4,3,2,1")):
        events = ((1, 2, 3), (65535, 2**32 - 1, 255), (7, 8, 9))
        yield _file(f"widths-16-32-8-{name}", "D3", Blueprint(_cells("I", 16, 32, 8), events, "FCS3.0", order))
        events = ((1, 2, 3), (255, 2**24 - 1, 2**64 - 1), (7, 8, 9))
        yield _file(f"widths-8-24-64-{name}", "D3", Blueprint(_cells("I", 8, 24, 64), events, "FCS3.1", order))


def _orders() -> Iterator[ZooFile]:
    rising = {2: "1,2", 3: "1,2,3", 4: "1,2,3,4", 8: "1,2,3,4,5,6,7,8"}
    for width, order in rising.items():
        for version in ("FCS2.0", "FCS3.0"):
            for name, written in (("rising", order), ("falling", ",".join(reversed(order.split(","))))):
                yield _file(f"order-{version}-{width}-{name}", "D2", _typed("I", 8 * width, version, written))
    mixed = (
        ("pdp", "3,4,1,2", "I", 32), ("swapped", "2,1,4,3", "I", 32), ("pdp-float", "3,4,1,2", "F", 32),
        ("swapped-float", "2,1,4,3", "F", 32), ("three", "2,1,3", "I", 24), ("three-last", "1,3,2", "I", 24),
        ("six", "5,6,3,4,1,2", "I", 48), ("eight", "2,1,4,3,6,5,8,7", "I", 64), ("double", "5,6,7,8,1,2,3,4", "D", 64),
    )  # fmt: skip
    for name, order, kind, bits in mixed:
        yield _file(f"order-mixed-{name}", "D2", _typed(kind, bits, "FCS3.0", order))
    cells = (Cell("FL1", "I", 32), Cell("FL2", "I", 8))
    yield _file("order-mixed-beside-bytes", "D2", Blueprint(cells, ((2**31 + 5, 255), (1, 2)), "FCS3.0", "3,4,1,2"))


def _text_data() -> Iterator[ZooFile]:
    events = ((1, 22), (333, 4444), (0, 65535))
    for version in ("FCS2.0", "FCS3.0", "FCS3.1"):
        plan = Blueprint(_cells("A", 5, 7), events, version, datatype="A")
        yield _file(f"text-fixed-{version}", "D7", plan)
        yield _file(f"text-free-{version}", "D7", replace(plan, cells=_cells("A", 0, 0)))
    free = Blueprint(_cells("A", 0, 0), events, "FCS3.0", datatype="A")
    for name, data in (
        ("comma", b"1,22,333,4444,0,65535"), ("tab", b"1\t22\t333\t4444\t0\t65535"),
        ("lines", b"1 22\r\n333 4444\r\n0 65535\r\n"), ("runs", b"  1 ,, 22\n\n333\t 4444   0,65535 "),
        ("zeros", b"0001 0022 333 4444 00 65535"),
    ):  # fmt: skip
        yield _file(f"text-free-{name}", "D7", replace(free, data=data))
    none = replace(free, events=(), data=b"")
    yield _file("text-free-no-events", "D7", none)
    wide = Blueprint(_cells("A", 20, 20), ((2**64 - 1, 2**53 + 1), (0, 9)), "FCS3.0", datatype="A")
    yield _file("text-fixed-64-bits", "D7", wide)
    left = Blueprint(_cells("A", 4, 4), ((1, 22), (333, 4)), "FCS3.0", datatype="A", data=b"1   22  333 4   ")
    yield _file("text-fixed-left", "D7", left)


def _masks() -> Iterator[ZooFile]:
    junk = ((0xFFFF, 0x1234), (0x8401, 0x7C00))
    for size, mask in (("1024", 1023), ("1000", 1023), ("1025", 2047), ("2", 1), ("65536", 65535), ("65535", 65535)):
        cells = tuple(replace(c, size=size) for c in _cells("I", 16, 16))
        truth = tuple((a & mask, b & mask) for a, b in junk)
        yield _file(f"mask-{size}", "D4", Blueprint(cells, junk), truth=truth)
    for name, wide, mask in (
        ("2-53", 2**53, 2**53 - 1), ("2-53-1", 2**53 + 1, 2**54 - 1), ("2-63-1", 2**63 + 1, 2**64 - 1),
        ("2-64", 2**64, 2**64 - 1), ("2-64-1", 2**64 - 1, 2**64 - 1),
    ):  # fmt: skip
        cell = replace(_cells("I", 64)[0], size=str(wide))
        yield _file(f"mask-{name}", "D4", Blueprint((cell,), ((2**64 - 1,), (3,))), truth=((mask,), (3,)))
    cell = replace(_cells("I", 24)[0], size=str(2**20))
    yield _file("mask-24-bits", "D4", Blueprint((cell,), ((2**24 - 1,),), "FCS3.0"), truth=((2**20 - 1,),))
    cell = Cell("FL1", "F", 32, size="100")
    yield _file("mask-not-of-floats", "D4", Blueprint((cell,), ((1e9,), (-5.0,)), datatype="F"))
    yield _file("above-2-53", "D5", Blueprint(_cells("I", 64, 64), ((2**53 + 1, 2**63 + 3), (1, 2))))


def _sizes() -> Iterator[ZooFile]:
    for version in VERSIONS:
        yield _file(f"no-events-{version}", "D6", Blueprint(events=(), version=version))
    yield _file("one-channel", "D3", Blueprint(_cells("I", 16), ((1,), (2,))))
    many = _cells("I", *[16] * 200)
    yield _file("two-hundred-channels", "D3", Blueprint(many, (tuple(range(200)), tuple(range(200, 400)))))
    extra = {f"KEY {i}": f"value {i}" for i in range(600)}
    yield _file("six-hundred-keywords", "T4", Blueprint(keywords=extra), keywords=extra)
    special = (math.inf, -math.inf, 5e-324, -0.0)
    yield _file("float-special", "S4", Blueprint(_cells("D", *[64] * 4), (special,), datatype="D"))
    bits = struct.pack("<2I", 0x7FC00001, 0xFFC12345)
    plan = Blueprint(_cells("F", 32, 32), ((math.nan, math.nan),), datatype="F", data=bits)
    yield _file("float-nan", "S4", plan)
    yield _file("five-thousand-events", "D6", Blueprint(events=tuple((i, 65535 - i) for i in range(5000))))


def _delimiters() -> Iterator[ZooFile]:
    value = "a|b/c*d.e,f g"
    for delimiter in _DELIMITERS:
        plan = Blueprint(delimiter=delimiter.encode("ascii"), keywords={"$COM": value})
        yield _file(f"delimiter-{ord(delimiter):02x}", "T1", plan, keywords={"$COM": value})
    letter = Blueprint(delimiter=b"z", keywords={"$CYT": "puzzle"}, version="FCS3.0")
    yield _file("delimiter-letter", "T1", letter, keywords={"$CYT": "puzzle"})
    for name, value in (
        ("middle", "a/b"),
        ("end", "RSX-11/"),
        ("twice", "a//b"),
        ("many", "a/b//c///d"),
        ("url", "x://y"),
    ):
        plan = Blueprint(keywords={"$COM": value, "$OP": "next"})
        yield _file(f"escape-{name}", "T2", plan, keywords={"$COM": value, "$OP": "next"})
    last = Blueprint(keywords={"$SYS": "RSX-11/"})
    yield _file("escape-last", "T2", last, keywords={"$SYS": "RSX-11/"})
    yield _file("escape-in-keyword", "T2", Blueprint(keywords={"A/B": "x"}), keywords={"A/B": "x"})


def _keywords() -> Iterator[ZooFile]:
    names = {"$COM": "5 µm Überlauf – 血小板", "$P1S": "CD3 α/β"}
    yield _file("unicode", "T6", Blueprint(keywords=names), keywords=names)
    yield _file("blanks-kept", "T4", Blueprint(keywords={"$COM": "  two  "}), keywords={"$COM": "  two  "})
    lower = Blueprint(
        edit=lambda t: t.replace(b"$TOT", b"$tot").replace(b"$P1B", b"$p1b").replace(b"$BYTEORD", b"$ByteOrd")
    )
    yield _file("keywords-lower-case", "T4", lower, keywords={"$TOT": "3"})
    both = {"TOT": "77", "FIL": "ours", "$FIL": "theirs", "PAR": "9"}
    yield _file("keywords-without-dollar", "T4", Blueprint(keywords=both), keywords={**both, "$TOT": "3"})
    dollars = {"$COM": "$TOT is $5", "PRICE$": "$$"}
    yield _file("dollars-in-values", "T4", Blueprint(keywords=dollars), keywords=dollars)
    for name, text in (("blanks", "   3"), ("trailing-blanks", "3    "), ("zeros", "0000003")):
        yield _file(f"number-{name}", "T9", Blueprint(keywords={"$TOT": text}), keywords={"$TOT": text})
    plan = Blueprint(edit=_last_first)
    yield _file("keywords-in-other-order", "T4", plan)
    twelve = tuple(Cell(f"C{i}", "I", 16) for i in range(1, 13))
    shuffled = Blueprint(twelve, (tuple(range(12)), tuple(range(12, 24))), edit=_last_first)
    yield _file("channels-in-number-order", "T4", shuffled, keywords={"$P12N": "C12"})
    yield _file(
        "control-characters",
        "T1",
        Blueprint(keywords={"$COM": "a\x1b[31mb\x00c"}),
        keywords={"$COM": "a\x1b[31mb\x00c"},
    )
    yield _file("long-value", "T4", Blueprint(keywords={"$COM": "x" * 50_000}), keywords={"$COM": "x" * 50_000})


def _last_first(text: bytes) -> bytes:
    """TEXT with its pairs in reverse order."""
    tokens = text[1:-1].split(b"/")
    pairs = [tokens[i : i + 2] for i in range(0, len(tokens), 2)]
    return b"/" + b"".join(k + b"/" + v + b"/" for k, v in reversed(pairs))


def _segments() -> Iterator[ZooFile]:
    more = {"$OP": "me", "NOTE": "a/b"}
    for name, plan in (
        ("data-first", Blueprint(data_first=True)),
        ("gap-of-blanks", Blueprint(gap=b" " * 100)),
        ("text-at-256", Blueprint(text_at=256, version="FCS2.0")),
        ("text-at-256-gap", Blueprint(text_at=256, gap=b" " * 33)),
        ("far-offsets", Blueprint(far=True)),
        ("far-offsets-3-2", Blueprint(far=True, version="FCS3.2")),
        ("analysis", Blueprint(analysis={"RESULT": "42"})),
        ("analysis-stext", Blueprint(analysis={"RESULT": "42"}, stext={"NOTE": "x"})),
        ("other", Blueprint(others=(b"vendor bytes \0\1\2",), text_at=256)),
        ("others", Blueprint(others=(b"first", b"/second/"), text_at=256)),
        ("nothing-after-data", Blueprint(tail=b"")),
    ):
        yield _file(f"segment-{name}", "R1", plan)
    for version in ("FCS3.0", "FCS3.1", "FCS3.2"):
        yield _file(f"segment-stext-{version}", "T7", Blueprint(version=version, stext=more), keywords=more)
    again = Blueprint()
    begin, size = 58, len(again.raw) - 58 - 12 - 8
    named = {"$BEGINSTEXT": f"{begin:012d}", "$ENDSTEXT": f"{begin + size - 1:012d}"}
    yield _file("segment-stext-is-primary", "T7", Blueprint(keywords=named))
    spill = Blueprint(stext={"$SPILLOVER": _SPILL})
    yield _file("segment-stext-spillover", "T7", spill, spillover=_SPILL_MATRIX)
    for version in ("FCS2.0", "FCS3.0"):
        short = Blueprint(version=version, drop=("$P1N", "$P2N"))
        yield _file(f"no-names-{version}", "T10", short)
    old = Blueprint(version="FCS2.0", drop=("$TOT", "$P1E", "$P2E", "$P1N"))
    yield _file("no-tot-2-0", "D6", old)


def _chains() -> Iterator[ZooFile]:
    first, second = Blueprint(), Blueprint(events=((9, 8), (7, 6)))
    floats = Blueprint(_cells("F", 32), ((0.5,), (1.5,)), "FCS3.0", "4,3,2,1", "F")
    marks = {"@CYTOMETERID": "AL1", "@TUBENO": "3"}
    ten = Blueprint(tuple(replace(c, size="1024") for c in _cells("I", 16, 16)), version="FCS2.0", keywords=marks)
    twenty = Blueprint(_cells("I", 32, 32), ((1024, 2048), (3072, 4096), (5120, 6144)), "FCS3.0", keywords=marks)
    for name, plans in (
        ("two-sets", (first, second)), ("three-sets", (first, second, floats)), ("two-versions", (floats, first)),
        ("lmd", (ten, twenty)), ("five-sets", (first, second, first, second, floats)),
    ):  # fmt: skip
        truth = tuple(p.events for p in plans)
        yield ZooFile(f"valid-chain-{name}", "D9", "valid", chain(*plans), truth)


def crc_bit_by_bit(data: bytes) -> int:
    """The checksum of FCS 3.1, section 3.5, one bit after the other."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x8408 if register & 1 else 0)
    return register


def _checksums() -> Iterator[ZooFile]:
    bare = replace(Blueprint(), tail=b"").raw
    for name, form in _CHECK_TAIL.items():
        plan = Blueprint(tail=form.format(crc_bit_by_bit(bare)).encode("ascii"))
        yield _file(f"checksum-{name}", "D10", plan)
    yield _file("checksum-blank", "D10", Blueprint(tail=b" " * 8))


def _scales() -> Iterator[ZooFile]:
    events = ((0, 10), (512, 20), (1023, 30))
    for name, text, decades, offset, size in (
        ("4-1", "4,1", 4.0, 1.0, 1024), ("5-01", "5,0.1", 5.0, 0.1, 1024), ("45-1", "4.5,1.0", 4.5, 1.0, 1024),
        ("range-1000", "4,1", 4.0, 1.0, 1000),
    ):  # fmt: skip
        cells = (Cell("FL1", size=str(size), amplification=text), Cell("FL2", size="1024"))
        linear = tuple((10 ** (decades * a / size) * offset, float(b)) for a, b in events)
        yield _file(f"scale-log-{name}", "S1", Blueprint(cells, events, "FCS3.0"), linear=linear)
    for gain in ("2", "0.5", "1e1"):
        cells = (Cell("FL1", more={"G": gain}), Cell("FL2"))
        linear = tuple((a / float(gain), float(b)) for a, b in events)
        yield _file(f"scale-gain-{gain}", "S1", Blueprint(cells, events), linear=linear)
    for name in ("Time", "TIME", "time"):
        cells = (Cell(name, more={"G": "4"}), Cell("FL2"))
        linear = tuple((a * 0.25, float(b)) for a, b in events)
        plan = Blueprint(cells, events, keywords={"$TIMESTEP": "0.25"})
        yield _file(f"scale-{'-'.join(map(str, map(ord, name[:2])))}-time", "S2", plan, linear=linear)
    plan = Blueprint(events=events, keywords={"$P1D": "Logarithmic,4,0.1", "$P1CALIBRATION": "1.27,MESF"})
    yield _file("scale-metadata", "S3", plan, linear=tuple((float(a), float(b)) for a, b in events))
    floats = Blueprint((Cell("FL1", "F", 32, more={"G": "2"}),), ((1.5,), (-3.0,)), datatype="F")
    yield _file("scale-float-gain", "S1", floats, linear=((0.75,), (-1.5,)))


def _version_3_2() -> Iterator[ZooFile]:
    integer, single, double = Cell("I1", "I", 16), Cell("F1", "F", 32), Cell("D1", "D", 64)
    events: tuple[Event, ...] = ((3, 0.5, 1e300), (65535, -1.5, 2.5))

    def mixed(common: str, order: str = "1,2,3,4") -> Blueprint:
        cells = tuple(
            c if c.kind == common else replace(c, more={"DATATYPE": c.kind}) for c in (integer, single, double)
        )
        return Blueprint(cells, events, "FCS3.2", order, common)

    for common in "IFD":
        yield _file(f"v32-mixed-{common}", "1.6", mixed(common))
    yield _file("v32-mixed-big", "1.6", mixed("F", "4,3,2,1"))
    yield _file("v32-mixed-named-all", "1.6", replace(mixed("I"), keywords={"$P1DATATYPE": "I"}))
    yield _file("v32-no-mode", "1.6", Blueprint(version="FCS3.2", drop=("$MODE",)))
    optional = ("$BEGINANALYSIS", "$ENDANALYSIS", "$BEGINSTEXT", "$ENDSTEXT", "$MODE")
    yield _file("v32-no-optional-offsets", "1.6", Blueprint(version="FCS3.2", drop=optional))
    new = {
        "$BEGINDATETIME": "2024-05-01T10:00:00.5+02:00", "$ENDDATETIME": "2024-05-01T10:01:00Z", "$FLOWRATE": "30",
        "$CARRIERID": "P1", "$CARRIERTYPE": "96", "$LOCATIONID": "A1", "$UNSTAINEDINFO": "none",
        "$UNSTAINEDCENTERS": "1,FL1,0.5", "$P1TYPE": "Forward Scatter", "$P1FEATURE": "Area", "$P1ANALYTE": "CD4",
        "$P1TAG": "FITC", "$P1DET": "B530", "$P1CALIBRATION": "1.5,0.25,MESF", "$P2TYPE": "Raw Fluorescence",
    }  # fmt: skip
    yield _file("v32-new-keywords", "1.6", Blueprint(version="FCS3.2", keywords=new), keywords=new)
    clock = (Cell("Clock", more={"TYPE": "Time"}), Cell("FL2"))
    plan = Blueprint(clock, version="FCS3.2", keywords={"$TIMESTEP": "0.5"})
    yield _file("v32-time-by-type", "S2", plan, linear=((0.5, 2.0), (1.5, 4.0), (2.5, 6.0)))


def _spillovers() -> Iterator[ZooFile]:
    for key in ("$SPILLOVER", "SPILL", "$spillover", "spill"):
        plan = Blueprint(keywords={key: _SPILL})
        name = key.strip("$") + ("-dollar" if key.startswith("$") else "")
        yield _file(f"spill-{name}-{key.islower()}", "M1", plan, spillover=_SPILL_MATRIX)
    same = {"$SPILLOVER": _SPILL, "SPILL": "2,FL1,FL2,1.0,0.10,.2,1"}
    yield _file("spill-twice-the-same", "M1", Blueprint(keywords=same), spillover=_SPILL_MATRIX)
    turned = Blueprint(keywords={"$SPILLOVER": "2,FL2,FL1,1,0.3,0.4,1"})
    yield _file("spill-other-order", "M1", turned, spillover=(1.0, 0.3, 0.4, 1.0))
    identity = Blueprint(keywords={"$SPILLOVER": "2,FL1,FL2,1,0,0,1"})
    yield _file("spill-identity", "M3", identity, spillover=(1.0, 0.0, 0.0, 1.0))
    old = Blueprint(version="FCS2.0", keywords={"$DFC1TO2": "13.4", "$DFC2TO1": "0"})
    yield _file("spill-dfc", "M2", old, spillover=())
    yield _file("spill-comp", "M2", Blueprint(version="FCS3.0", keywords={"$COMP": "2,0,1,2,0"}), spillover=())
    commas = (Cell("A,B"), Cell("FL2"))
    named = Blueprint(commas, version="FCS3.0", keywords={"SPILL": "2,A,B,FL2,1,0.1,0.2,1"})
    yield _file("spill-comma-in-name", "M3", named, spillover=_SPILL_MATRIX)
    yield _file("spill-blank", "M3", Blueprint(keywords={"SPILL": "NA"}), spillover=())
