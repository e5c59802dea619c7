"""Segments beside DATA and TEXT, checksums, and offsets that need nine digits."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.errors import FcsAccessError
from immunoprofile.fcs import Events, Strictness, catalogue, read_fcs, source
from immunoprofile.fcs.checksum import checksum
from immunoprofile.selftest.blueprint import Blueprint, Cell
from immunoprofile.selftest.zoo_valid import crc_bit_by_bit

Put = Callable[..., Path]

FAR = 100_000_000  # one more than eight digits hold


def test_catalogue__page_is_current(checkout: Path) -> None:
    # renew with: python -c "from immunoprofile.fcs.catalogue import render_catalogue as r; print(r(), end='')"
    page = (checkout / "docs" / "reference" / "fcs_findings.md").read_text(encoding="utf-8")
    assert page == catalogue.render_catalogue()


def test_analysis__is_keywords_of_its_own(put: Put) -> None:
    events = read_fcs(put(Blueprint(analysis={"$GATE": "1", "note": "a/b"}).raw))
    assert dict(events.analysis) == {"$GATE": "1", "NOTE": "a/b"}
    assert "$GATE" not in events.keywords


def test_others__give_their_bytes(put: Put) -> None:
    events = read_fcs(put(Blueprint(others=(b"first \0", b"/second/"), text_at=256).raw))
    assert [events.read_other(i) for i in range(len(events.others))] == [b"first \0", b"/second/"]


@given(data=st.binary(max_size=200))
def test_checksum__agrees_with_a_bit_by_bit_twin(data: bytes) -> None:
    assert checksum(data) == crc_bit_by_bit(data)


def test_checksum__knows_its_check_value() -> None:
    assert checksum(b"123456789") == 0x2189  # CRC-16/KERMIT, as Numerical Recipes' icrc gives it


def _checked(flip: int | None = None) -> bytes:
    bare = replace(Blueprint(), tail=b"").raw
    raw = bytearray(bare + b"%08d" % crc_bit_by_bit(bare))
    if flip is not None:
        raw[flip] ^= 1
    return bytes(raw)


def test_checksum__of_a_whole_file_is_silent(put: Put) -> None:
    assert read_fcs(put(_checked()), strictness=Strictness.STRICT).findings == ()


@pytest.mark.parametrize("bit", [-9, -14, -20])
def test_checksum__finds_one_flipped_bit_of_data(bit: int, put: Put) -> None:
    assert [f.code for f in read_fcs(put(_checked(bit))).findings] == ["FCS-CRC"]


def _sparse(path: Path, n_events: int, gap: int = 0) -> Path:
    """A file of zeros that takes no room on disk, but for its HEADER and its last event."""
    names = [Cell(f"C{i}", "F", 32) for i in range(10)]
    row = 40
    plan = Blueprint(tuple(names), (), datatype="F", tail=b"", keywords={"$TOT": f"{n_events:012d}"})
    begin = len(plan.raw) + gap
    offsets = {"$BEGINDATA": f"{begin:012d}", "$ENDDATA": f"{begin + n_events * row - 1:012d}"}
    raw = replace(plan, keywords={**plan.keywords, **offsets}).raw
    with path.open("wb") as stream:
        stream.write(raw)
        stream.truncate(begin + n_events * row)
        stream.seek(begin + (n_events - 1) * row)
        stream.write(np.arange(1, 11, dtype="<f4").tobytes())
    return path


def test_far__data_may_begin_beyond_eight_digits(tmp_path: Path) -> None:
    events = read_fcs(_sparse(tmp_path / "far.fcs", 3, FAR), strictness=Strictness.STRICT)
    assert events.place.begin > FAR
    assert events.linear().tolist() == [[0.0] * 10, [0.0] * 10, list(range(1, 11))]


def test_far__a_gigabyte_is_opened_and_begun_in_little_memory(tmp_path: Path) -> None:
    path = _sparse(tmp_path / "large.fcs", 25_000_000)
    assert path.stat().st_size > 1e9
    tracemalloc.start()
    events = read_fcs(path)
    first, block = next(iter(events.linear_blocks(range(10), 10_000, stop=10_000)))
    last = [b[:, -1].tolist() for _, b in events.linear_blocks(range(10), 100, start=24_999_950)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (events.n_events, first, block.shape) == (25_000_000, 0, (10, 10_000))
    assert last == [list(range(1, 11))]
    assert peak < 20_000_000  # of the 200 MB that the reader may take, beside the libraries


def test_analysis__of_absurd_size_is_left_unread(tmp_path: Path) -> None:
    size = 65 * 1024 * 1024
    head = Blueprint(tail=b"")
    first = len(replace(head, keywords={"$BEGINANALYSIS": "0" * 12, "$ENDANALYSIS": "0" * 12}).raw)
    placed = {"$BEGINANALYSIS": f"{first:012d}", "$ENDANALYSIS": f"{first + size - 1:012d}"}
    path = tmp_path / "large.fcs"
    path.write_bytes(replace(head, keywords=placed).raw)
    with path.open("r+b") as stream:
        stream.truncate(first + size)
    events = read_fcs(path)
    assert [(f.code, f.message) for f in events.findings] == [
        ("FCS-ANALYSIS", "ANALYSIS is declared with 68,157,440 bytes"),
    ]
    assert events.n_events == 3


@pytest.mark.parametrize("question", [lambda e: e.values, lambda e: e.sha256], ids=["values", "sha256"])
def test_source__what_the_disk_refuses_is_an_access_error(
    question: Callable[[Events], object], put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = read_fcs(put(Blueprint().raw))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(source, "FileIO", lambda *_: BrokenFile(fail))
    monkeypatch.setattr(hashlib, "file_digest", fail)
    with pytest.raises(FcsAccessError, match="Input/output error") as caught:
        question(events)
    assert caught.value.code == "FCS-ACCESS"


class BrokenFile:
    """An open file whose disk fails."""

    def __init__(self, fail: Callable[..., None]) -> None:
        self.seek = fail

    def __enter__(self) -> BrokenFile:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass
