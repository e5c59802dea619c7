"""A file digested while its events are walked through, and stretches of it: the same, whatever its layout."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import FcsError
from immunoprofile.fcs import DigestedEvents, Events, Strictness, read_fcs, read_fcs_datasets
from immunoprofile.selftest.zoo import ZooFile
from immunoprofile.selftest.zoo_valid import valid_files


def blocks(source: Events | DigestedEvents, size: int, **span: int) -> list[tuple[int, np.ndarray]]:
    columns = range(len(source.channels))
    return [(first, block.copy()) for first, block in source.linear_blocks(columns, size, **span)]


@pytest.mark.parametrize("file", list(valid_files()), ids=lambda file: file.name)
def test_digested__every_layout_of_the_zoo(file: ZooFile, tmp_path: Path) -> None:
    path = tmp_path / "sample.fcs"
    path.write_bytes(file.raw)
    for events in read_fcs_datasets(path, strictness=Strictness.SALVAGE):
        for size in (1, 3, 4096):
            digested = DigestedEvents(events)
            try:
                plain = blocks(events, size)
            except FcsError:  # whole numbers without a float64 of their own
                continue
            for (first, block), (begin, expected) in zip(blocks(digested, size), plain, strict=True):
                assert first == begin
                np.testing.assert_array_equal(block, expected)
            if plain and size <= events.n_events:
                starts = [0, (events.n_events - size) // 2, events.n_events - size]
                columns, whole = range(events.n_channels), np.hstack([block for _, block in plain])
                expected = np.hstack([whole[:, start : start + size] for start in starts])
                np.testing.assert_array_equal(digested.linear_sample(columns, starts, size), expected)
            assert digested.sha256 == hashlib.sha256(file.raw).hexdigest()


@pytest.fixture
def events(fcs) -> Events:
    return read_fcs(fcs(bytes(range(200)) * 20))


def test_digested__two_walks_at_a_time_are_two(events: Events) -> None:
    digested = DigestedEvents(events)
    one, other = (digested.linear_blocks((0,), 64) for _ in range(2))
    for (first, block), (second, same) in zip(one, other, strict=True):
        assert first == second
        np.testing.assert_array_equal(block, same)
    assert digested.sha256 == hashlib.sha256(Path(str(events.path)).read_bytes()).hexdigest()


@pytest.mark.parametrize(("columns", "size", "stop"), [((9,), 64, None), ((0,), 0, None), ((0,), 64, 10**6)])
def test_digested__refuses_what_its_events_refuse(columns, size: int, stop: int | None, events: Events) -> None:
    with pytest.raises((IndexError, ValueError)) as expected:
        list(events.linear_blocks(columns, size, 0, stop))
    with pytest.raises(expected.type, match=re.escape(str(expected.value))):
        list(DigestedEvents(events).linear_blocks(columns, size, 0, stop))


def test_digested__the_file_is_read_once(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    digested = DigestedEvents(events)
    blocks(digested, 64)
    expected = hashlib.sha256(Path(str(events.path)).read_bytes()).hexdigest()
    Path(str(events.path)).unlink()
    assert digested.sha256 == expected


@pytest.mark.parametrize("walk", ["none", "a part", "its parts", "given up", "twice", "again after it was given up"])
def test_digested__what_was_not_walked_is_read(walk: str, events: Events) -> None:
    digested, n = DigestedEvents(events), events.n_events
    if walk in {"a part", "its parts"}:
        blocks(digested, 16, stop=n // 2)
    if walk == "its parts":
        blocks(digested, 16, start=n // 2)
    if walk in {"given up", "again after it was given up"}:
        next(iter(digested.linear_blocks([0], 16)))
    if walk in {"twice", "again after it was given up"}:
        blocks(digested, 16)
        blocks(digested, 16)
    assert digested.sha256 == hashlib.sha256(Path(str(events.path)).read_bytes()).hexdigest()


def test_digested__a_file_that_changes_meanwhile_is_refused(events: Events) -> None:
    digested = DigestedEvents(events)
    path = Path(str(events.path))
    walk = iter(digested.linear_blocks([0], 16))
    next(walk)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(FcsError, match="changed"):
        list(walk)
    with pytest.raises(FcsError, match="changed"):
        assert digested.sha256
