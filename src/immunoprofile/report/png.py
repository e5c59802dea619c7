"""Small pictures of few colours, as PNG: sixteen colours and one that is not there take half a byte a point.

References
----------
Portable Network Graphics specification, third edition. W3C Recommendation, 2025: chunks, palettes, filters.
The colours are those of viridis (Smith N, van der Walt S, 2015; public domain), even to colour-blind eyes, without its
darkest part, which would be lost on a dark page.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

LEVELS = 15
"""Colours of a density; 0 is the background and shows what lies behind."""

_VIRIDIS: tuple[Colour, ...] = (
    (0x48, 0x28, 0x78), (0x3E, 0x49, 0x89), (0x31, 0x68, 0x8E), (0x26, 0x82, 0x8E), (0x1F, 0x9E, 0x89),
    (0x35, 0xB7, 0x79), (0x6E, 0xCE, 0x58), (0xB5, 0xDE, 0x2B), (0xFD, 0xE7, 0x25),
)  # fmt: skip


def _ramp(anchors: Sequence[Colour], n: int) -> tuple[Colour, ...]:
    places = np.linspace(0, len(anchors) - 1, n)
    parts = [np.interp(places, np.arange(len(anchors)), [a[i] for a in anchors]) for i in range(3)]
    return tuple((round(r), round(g), round(b)) for r, g, b in zip(*parts, strict=True))


DENSITY = _ramp(_VIRIDIS, LEVELS)


def density_levels(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Counts as levels 0 (none) to `LEVELS` (the most), in even steps of the logarithm.

    Parameters
    ----------
    counts : (n_y, n_x), not negative
    """
    most = int(counts.max(initial=0))
    if most <= 1:
        return (counts > 0).astype(np.uint8) * np.uint8(LEVELS // 2)
    # An event alone is the first level, the fullest bin the last.
    share = np.log(np.maximum(counts, 1)) / np.log(most)
    levels = 1 + np.floor(share * (LEVELS - 1) + 0.5)
    return np.where(counts > 0, levels, 0).astype(np.uint8)


def write_png(levels: NDArray[np.uint8], colours: Sequence[Colour]) -> bytes:
    """A PNG of levels below 16, the first row at the top; level 0 is transparent, level k has colour k - 1."""
    height, width = levels.shape
    padded = np.pad(levels, ((0, 0), (0, width % 2)))
    rows = (padded[:, ::2] << 4) | padded[:, 1::2]
    # A filter byte of 0 before each row: the row as it is.
    raw = np.pad(rows, ((0, 0), (1, 0))).astype(np.uint8).tobytes()
    palette = bytes((0, 0, 0)) + b"".join(bytes(c) for c in colours)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def data_uri(picture: bytes) -> str:
    """A picture as text that a page carries in itself."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
