"""A template over a grid of events whose counts can be worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from square_template import HEAD

from immunoprofile.fcs import ChannelSpec, write_fcs


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """An FCS file with one event at each (X, Y) in 0..99 x 0..99, and the label of its quarter beside it."""
    x, y = (a.ravel().astype(np.float32) for a in np.meshgrid(np.arange(100), np.arange(100)))
    write_fcs(tmp_path / "square.fcs", [x, y], [ChannelSpec(n, n, 100) for n in ("X", "Y")])
    names = np.array(["low left", "low right", "high left", "high right"])
    labels = names[(x >= 50).astype(int) + 2 * (y >= 50).astype(int)]
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    (tmp_path / "labels.csv").write_text("event,label\n" + rows)
    return tmp_path / "square.fcs"


@pytest.fixture
def template_file(tmp_path: Path, square: Path) -> Callable[..., Path]:
    """Write a template of these parts beside the square."""

    def write(*parts: str, head: str = HEAD, name: str = "square.toml") -> Path:
        path = tmp_path / name
        path.write_text(head + "".join(parts))
        return path

    return write
