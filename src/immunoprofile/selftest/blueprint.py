"""FCS files built byte by byte from the standard's text, so that reader and writer are not each other's only witness.

Nothing here is shared with the room that reads and writes: numbers become bytes through plain Python.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Number = int | float
Event = tuple[Number, ...]

_WIDTH = 12  # digits of an offset in TEXT, so that it does not move what it counts


@dataclass(frozen=True, slots=True)
class Cell:
    """One channel of a blueprint: the keywords ``$PnN``, ``$PnB``, ``$PnR``, ``$PnE``, and others by their letters.

    Parameters
    ----------
    kind
        I, F, D or A: how its numbers are stored.
    bits
        ``$PnB``; of kind A the characters of a number, 0 for free text (``*``).
    """

    name: str = "FL1"
    kind: str = "I"
    bits: int = 16
    size: str | None = None
    amplification: str | None = "0,0"
    more: Mapping[str, str] = field(default_factory=dict)

    def keywords(self, number: int) -> dict[str, str]:
        """Its keywords as parameter `number`."""
        declared = str(self.bits) if self.bits else "*"
        size = self.size or (str(2**self.bits) if self.kind == "I" else "1024")
        pairs = {"N": self.name, "B": declared, "R": size}
        pairs |= {"E": self.amplification} if self.amplification is not None else {}
        return {f"$P{number}{letters}": value for letters, value in (pairs | dict(self.more)).items()}


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A data set as it should be, and what is done to it to make it odd.

    Parameters
    ----------
    order
        ``$BYTEORD``; a rising or falling one serves numbers of every width.
    keywords, drop
        Keywords set or replaced, and left out, last of all.
    header_shift, text_shift
        Added to the true begin and end of DATA in HEADER and in TEXT; None writes 0 0, or leaves the keywords out.
    data_first
        DATA before TEXT.
    far
        As for offsets of nine digits: HEADER gives 0 0.
    stext, analysis, others
        Supplemental TEXT, ANALYSIS, bytes of OTHER segments; they follow DATA.
    gap, tail
        Bytes before DATA and after the last segment.
    edit
        A change to the bytes of TEXT; its length must not depend on the offsets.
    """

    cells: tuple[Cell, ...] = (Cell("FL1"), Cell("FL2"))
    events: tuple[Event, ...] = ((1, 2), (3, 4), (5, 6))
    version: str = "FCS3.1"
    order: str = "1,2,3,4"
    datatype: str = "I"
    delimiter: bytes = b"/"
    keywords: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    header_shift: tuple[int, int] | None = (0, 0)
    text_shift: tuple[int, int] | None = (0, 0)
    data_first: bool = False
    far: bool = False
    stext: Mapping[str, str] | None = None
    analysis: Mapping[str, str] | None = None
    others: tuple[bytes, ...] = ()
    text_at: int = 58
    gap: bytes = b""
    tail: bytes = b"00000000"
    data: bytes | None = None
    edit: Callable[[bytes], bytes] = bytes

    @property
    def raw(self) -> bytes:
        """The data set as bytes."""
        return _assemble(self)


def encode(value: Number, cell: Cell, order: str) -> bytes:
    """One number as it is stored."""
    if cell.kind == "A":
        return str(value).rjust(cell.bits).encode("ascii")
    if cell.kind == "I":
        little = int(value).to_bytes(cell.bits // 8, "little")
    else:
        little = struct.pack("<f" if cell.kind == "F" else "<d", value)
    places = [int(p) for p in order.split(",")]
    if places == sorted(places):
        return little
    if places == sorted(places, reverse=True):
        return little[::-1]
    if len(little) == 1:
        return little
    return bytes(little[p - 1] for p in places)


def encode_events(cells: Sequence[Cell], events: Sequence[Event], order: str) -> bytes:
    """Events as DATA, one after the other; free text between blanks."""
    if all(c.kind == "A" and c.bits == 0 for c in cells):
        return " ".join(str(v) for event in events for v in event).encode("ascii")
    return b"".join(encode(v, c, order) for event in events for v, c in zip(event, cells, strict=True))


def encode_text(pairs: Mapping[str, str], delimiter: bytes) -> bytes:
    """Keywords and values between delimiters, those within them doubled."""
    tokens = [t.encode("utf-8").replace(delimiter, delimiter * 2) for pair in pairs.items() for t in pair]
    return delimiter + delimiter.join(tokens) + delimiter


def _assemble(plan: Blueprint) -> bytes:
    data = encode_events(plan.cells, plan.events, plan.order) if plan.data is None else plan.data
    stext = b"" if plan.stext is None else encode_text(plan.stext, plan.delimiter)
    analysis = b"" if plan.analysis is None else encode_text(plan.analysis, plan.delimiter)
    text_size = len(plan.edit(encode_text(_keywords(plan, {}), plan.delimiter)))
    begin = plan.text_at + (0 if plan.data_first else text_size) + len(plan.gap)
    text_begin = begin + len(data) if plan.data_first else plan.text_at
    at = max(begin + len(data), text_begin + text_size)
    spans = {"DATA": _moved((begin, begin + len(data) - 1) if data else (0, 0), plan.text_shift if data else (0, 0))}
    behind = b""
    for name, part in (("STEXT", stext), ("ANALYSIS", analysis)):
        spans[name] = (at, at + len(part) - 1) if part else (0, 0)
        behind, at = behind + part, at + len(part)
    pairs = b"".join(b"%8d%8d" % (at + sum(map(len, plan.others[:i])), at + sum(map(len, plan.others[: i + 1])) - 1)
                     for i in range(len(plan.others)))  # fmt: skip
    text = plan.edit(encode_text(_keywords(plan, spans), plan.delimiter))
    shown = (0, 0) if plan.far or plan.header_shift is None or not data else _moved(
        (begin, begin + len(data) - 1), plan.header_shift)  # fmt: skip
    fields = (text_begin, text_begin + text_size - 1, *shown, *spans["ANALYSIS"])
    header = f"{plan.version}    ".encode() + b"".join(b"%8d" % f for f in fields) + pairs
    middle = plan.gap + data + text if plan.data_first else text + plan.gap + data
    return header.ljust(plan.text_at) + middle + behind + b"".join(plan.others) + plan.tail


def _moved(span: tuple[int, int], shift: tuple[int, int] | None) -> tuple[int, int]:
    by = shift or (0, 0)
    return span[0] + by[0], span[1] + by[1]


def _keywords(plan: Blueprint, spans: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    pairs = {"$BYTEORD": plan.order, "$DATATYPE": plan.datatype, "$MODE": "L", "$NEXTDATA": "0"}
    pairs |= {"$PAR": str(len(plan.cells)), "$TOT": str(len(plan.events))}
    if plan.version == "FCS3.2":
        pairs["$CYT"] = "zoo"
    for name in ("DATA", "STEXT", "ANALYSIS") if plan.version != "FCS2.0" else ():
        begin, end = spans.get(name, (0, 0))
        pairs |= {f"$BEGIN{name}": f"{begin:0{_WIDTH}d}", f"$END{name}": f"{end:0{_WIDTH}d}"}
    if plan.text_shift is None:
        pairs = {k: v for k, v in pairs.items() if k not in ("$BEGINDATA", "$ENDDATA")}
    for number, cell in enumerate(plan.cells, start=1):
        pairs |= cell.keywords(number)
    pairs |= plan.keywords
    return {k: v for k, v in pairs.items() if k not in plan.drop}
