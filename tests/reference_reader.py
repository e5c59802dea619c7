"""A slow reader of FCS, written from the standard alone: byte by byte, without NumPy and without mercy.

It reads what is valid and refuses everything else with ValueError. It repairs one thing only: where HEADER and TEXT
disagree about DATA, the one pair that holds exactly `$TOT` events counts. Nothing is shared with the fast reader.
"""

from __future__ import annotations

import struct

Event = tuple[int | float, ...]
Layout = tuple[list[str], list[int | None], list[int], list[int]]  # kinds, bits, masks; the order of bytes
DIGITS = b"0123456789"


def read(raw: bytes) -> list[list[Event]]:
    """Events of every data set, as stored, bits that do not count left out."""
    sets, base = [], 0
    while True:
        events, distance = read_set(raw[base:])
        sets.append(events)
        if not distance or raw[base + distance : base + distance + 3] != b"FCS":
            return sets
        base += distance


def read_set(raw: bytes) -> tuple[list[Event], int]:
    version = raw[:6].decode("latin-1")
    require(version in ("FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2") and len(raw) >= 58, "not FCS")
    first, last = header_number(raw[10:18]), header_number(raw[18:26])
    require(first is not None and last is not None and 58 <= first < last < len(raw), "TEXT")
    keywords = pairs(tokens(raw[first : last + 1]))
    require(keywords.get("$MODE", "L" if version == "FCS3.2" else "").strip() == "L", "not list mode")
    form = layout(keywords, version)
    kinds, bits = form[:2]
    spans = {span for span in (header_span(raw), text_span(keywords)) if span}
    distance = number(keywords.get("$NEXTDATA", "0"))
    limit = distance if distance and raw[distance : distance + 3] == b"FCS" else len(raw)
    if kinds[0] == "A" and bits[0] is None:
        return free_events(raw, spans, len(kinds), keywords, limit), distance
    row = sum(b if k == "A" else b // 8 for k, b in zip(kinds, bits, strict=True))
    if "$TOT" not in keywords:
        require(version == "FCS2.0" and len(spans) == 1, "no $TOT")
        begin, end = spans.pop()
        require((end - begin + 1) % row == 0, "rest")
    else:
        total = number(keywords["$TOT"])
        if total == 0:
            require(all(end - begin < 1 for begin, end in spans), "events that $TOT denies")
            return [], distance
        fitting = [s for s in spans if s[1] - s[0] + 1 == total * row and s[0] >= 58 and s[1] < limit]
        require(len(fitting) == 1, "DATA is not proved")
        begin, end = fitting[0]
    require(58 <= begin <= end < limit and (end < first or begin > last), "DATA")
    return fixed_events(raw[begin : end + 1], form), distance


def require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def header_number(field: bytes) -> int | None:
    text = field.strip(b" ")
    return int(text) if text and all(c in DIGITS for c in text) else None


def header_span(raw: bytes) -> tuple[int, int] | None:
    begin, end = header_number(raw[26:34]), header_number(raw[34:42])
    return (begin, end) if begin is not None and end is not None and (begin, end) != (0, 0) else None


def text_span(keywords: dict[str, str]) -> tuple[int, int] | None:
    begin, end = number(keywords.get("$BEGINDATA", "0")), number(keywords.get("$ENDDATA", "0"))
    return (begin, end) if (begin, end) != (0, 0) else None


def number(text: str) -> int:
    bare = text.strip(" \t\r\n\x0b\x0c")
    require(1 <= len(bare) <= 20 and all(c in "0123456789" for c in bare), f"no number: {text[:30]!r}")
    return int(bare)


def tokens(text: bytes) -> list[bytes]:
    """A doubled delimiter stands for itself; a single one ends a token; the last must be ended."""
    delimiter, found, token, i = text[0], [], bytearray(), 1
    require(1 <= delimiter <= 126, "no delimiter")
    while i < len(text):
        if text[i] != delimiter:
            token.append(text[i])
            i += 1
        elif i + 1 < len(text) and text[i + 1] == delimiter:
            token.append(delimiter)
            i += 2
        else:
            found.append(bytes(token))
            token, i = bytearray(), i + 1
    require(not token.strip(b" \0\r\n\t"), "TEXT is not ended")
    return found


def pairs(found: list[bytes]) -> dict[str, str]:
    require(len(found) % 2 == 0 and bool(found), "a keyword without a value")
    keywords: dict[str, str] = {}
    for key, value in zip(found[::2], found[1::2], strict=True):
        name, text = key.decode("latin-1"), value.decode("latin-1")
        name = "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in name)
        require(bool(name.strip()) and bool(text), "an empty keyword or value")
        require(keywords.get(name, text) == text, "two values for a keyword")
        keywords[name] = text
    return keywords


def layout(keywords: dict[str, str], version: str) -> Layout:
    """Kind, width and mask of each channel, and the order of bytes."""
    order = [number(p) for p in keywords["$BYTEORD"].split(",")] if "$BYTEORD" in keywords else []
    require(sorted(order) == list(range(1, len(order) + 1)) and 1 <= len(order) <= 8, "$BYTEORD")
    kinds, bits, masks = [], [], []
    for i in range(1, number(keywords.get("$PAR", "")) + 1):
        require({f"$P{i}B", f"$P{i}R"} <= keywords.keys(), "channel keywords")
        kind = keywords.get("$DATATYPE", "").strip()
        if f"$P{i}DATATYPE" in keywords:
            own = keywords[f"$P{i}DATATYPE"].strip()
            require(version == "FCS3.2" or own == kind, "$PnDATATYPE")
            require(("A" in (own, kind)) <= (own == kind), "text beside binary")
            kind = own
        require(kind in ("I", "F", "D", "A"), "$DATATYPE")
        width = keywords[f"$P{i}B"].strip()
        free = kind == "A" and width == "*"
        bits.append(None if free else number(width))
        kinds.append(kind)
        masks.append(mask_of(keywords[f"$P{i}R"], bits[-1]) if kind == "I" else 0)
        legal = {"F": (32,), "D": (64,), "I": (8, 16, 24, 32, 40, 48, 56, 64), "A": tuple(range(1, 21))}[kind]
        require(free or bits[-1] in legal, "$PnB")
    require(bool(kinds) and len({b is None for b in bits}) == 1, "widths")
    return kinds, bits, masks, order


def mask_of(text: str, bits: int | None) -> int:
    """Bits for the values 0 to R - 1: the smallest 2**n - 1 that reaches R - 1."""
    bare = text.strip(" \t\r\n\x0b\x0c")
    if all(c in "0123456789" for c in bare) and 1 <= len(bare) <= 20:
        size = int(bare)
    else:
        require(bare.isascii() and "_" not in bare and len(bare) <= 64, "$PnR")
        value = float(bare)
        require(0 < value < float("inf"), "$PnR")
        size = int(value) + (int(value) != value)
    require(size > 0, "$PnR")
    mask = 0
    while mask < size - 1:
        mask = mask * 2 + 1
    return mask if mask and bits is not None and mask < 2**bits else -1


def fixed_events(data: bytes, form: Layout) -> list[Event]:
    events, at = [], 0
    while at < len(data):
        event: list[int | float] = []
        for kind, width, mask in zip(*form[:3], strict=True):
            size = (width or 0) if kind == "A" else (width or 0) // 8
            event.append(decode(data[at : at + size], kind, mask, form[3]))
            at += size
        events.append(tuple(event))
    return events


def decode(stored: bytes, kind: str, mask: int, order: list[int]) -> int | float:
    if kind == "A":
        return digits(stored.strip(b" "))
    n = len(stored)
    if order == sorted(order):
        places = list(range(1, n + 1))
    elif order == sorted(order, reverse=True):
        places = list(range(n, 0, -1))
    else:
        require(n in (1, len(order)), "mixed order")
        places = [1] if n == 1 else order
    value = sum(byte << (8 * (place - 1)) for byte, place in zip(stored, places, strict=True))
    if kind == "I":
        return value & mask if mask >= 0 else value
    return struct.unpack("<f" if kind == "F" else "<d", value.to_bytes(n, "little"))[0]


def digits(text: bytes) -> int:
    require(0 < len(text) <= 20 and all(c in DIGITS for c in text) and int(text) < 2**64, "no digits")
    return int(text)


def free_events(raw: bytes, spans: set[tuple[int, int]], n: int, keywords: dict[str, str], limit: int) -> list[Event]:
    require(len(spans) == 1 or keywords.get("$TOT") == "0", "DATA")
    begin, end = spans.pop() if spans else (58, 57)
    require(begin >= 58 and end < limit, "DATA")
    values = [digits(t) for t in raw[begin : end + 1].translate(bytes.maketrans(b",\t\r\n", b"    ")).split(b" ") if t]
    require("$TOT" not in keywords or len(values) == n * number(keywords["$TOT"]), "$TOT")
    require(len(values) % n == 0, "rest")
    return [tuple(values[i : i + n]) for i in range(0, len(values), n)]
