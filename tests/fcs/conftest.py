"""Files built byte by byte from the standard's text, so that reader and writer are never each other's only witness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def build_fcs(
    data: bytes,
    channels: list[dict[str, str]],
    *,
    version: str = "FCS3.1",
    tot: int | str | None = None,
    delimiter: str = "/",
    extra: dict[str, str] | None = None,
    drop: tuple[str, ...] = (),
    header_data: tuple[int, int] | None = None,
    text_data: tuple[int, int] | None = None,
    text_edit: Callable[[bytes], bytes] = lambda text: text,
    gap: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """One data set: HEADER, TEXT, a gap, DATA, a tail. `header_data`, `text_data` shift the true begin and end."""
    row = sum(int(c["B"]) for c in channels) // 8
    pairs = {"$BYTEORD": "1,2,3,4", "$DATATYPE": "I", "$MODE": "L", "$NEXTDATA": "0", "$PAR": str(len(channels))}
    pairs |= {"$TOT": str(len(data) // row if tot is None else tot)}
    pairs |= {f"${side}{name}": "0" for side in ("BEGIN", "END") for name in ("STEXT", "ANALYSIS")}
    pairs |= {"$BEGINDATA": "0" * 12, "$ENDDATA": "0" * 12}
    for number, channel in enumerate(channels, start=1):
        pairs |= {f"$P{number}{letter}": value for letter, value in channel.items()}
    pairs |= extra or {}
    pairs = {k: v for k, v in pairs.items() if k not in drop}

    def text(begin: int, end: int) -> bytes:
        placed = dict(pairs)
        if "$BEGINDATA" not in (extra or {}) and "$BEGINDATA" not in drop:
            placed |= {"$BEGINDATA": f"{begin:012d}", "$ENDDATA": f"{end:012d}"}
        tokens = [t.replace(delimiter, delimiter * 2) for pair in placed.items() for t in pair]
        return text_edit((delimiter + delimiter.join(tokens) + delimiter).encode("utf-8"))

    begin = 58 + len(text(0, 0)) + len(gap)
    end = begin + len(data) - 1
    shift = text_data or (0, 0)
    body = text(begin + shift[0], end + shift[1])
    shift = header_data or (0, 0)
    offsets = (58, 57 + len(body), begin + shift[0], end + shift[1], 0, 0)
    header = f"{version}    ".encode() + b"".join(f"{n:8d}".encode() for n in offsets)
    return header + body + gap + data + tail


def channel(name: str = "FL1", bits: int = 16, size: int | str = 65536, amplification: str = "0,0", **more: str) -> Any:
    """Keywords of one channel by their last letter."""
    return {"B": str(bits), "E": amplification, "N": name, "R": str(size), **more}


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes to a file called sample.fcs and give its path."""

    def write(raw: bytes, name: str = "sample.fcs") -> Path:
        path = tmp_path / name
        path.write_bytes(raw)
        return path

    return write


@pytest.fixture
def fcs(put: Callable[..., Path]) -> Callable[..., Path]:
    """A file of `build_fcs`; without channels: two 16 bit channels, three events (1, 2), (3, 4), (5, 6)."""

    def make(data: bytes | None = None, channels: list[dict[str, str]] | None = None, **options: Any) -> Path:
        if data is None:
            data = bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0])
        return put(build_fcs(data, channels or [channel("FL1"), channel("FL2")], **options))

    return make
