"""Valid files that hypothesis builds: the truth, the fast reader and the slow reader are one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from immunoprofile.fcs import Strictness, read_fcs
from immunoprofile.selftest.blueprint import Blueprint, Cell, Event
from immunoprofile.selftest.zoo import _events_of, _same_events
from reference_reader import read as read_slowly

_WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
_MIXED = {32: ("3,4,1,2", "2,1,4,3"), 24: ("2,1,3", "3,1,2"), 64: ("5,6,7,8,1,2,3,4",)}
_KEY = st.from_regex(r"[A-Z][A-Z0-9 ]{0,8}[A-Z]", fullmatch=True)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    """Version x type x byte order x widths x delimiter x Unicode x supplemental TEXT x place of the segments."""
    version = draw(st.sampled_from(["FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2"]))
    kinds = "IFDA" if version != "FCS3.2" else "IFD"
    common = draw(st.sampled_from(kinds))
    order = draw(st.sampled_from(["1,2,3,4", "4,3,2,1"]))
    bits = draw(st.lists(st.sampled_from(_WIDTHS), min_size=1, max_size=6))
    if common == "I" and version in ("FCS2.0", "FCS3.0") and draw(st.booleans()):
        width = draw(st.sampled_from(sorted(_MIXED)))
        order, bits = draw(st.sampled_from(_MIXED[width])), [width] * len(bits)
    free = common == "A" and draw(st.booleans())
    cells = tuple(draw(_cells(f"C{i}", common, b, version, free)) for i, b in enumerate(bits, start=1))
    events = tuple(draw(_event(cells)) for _ in range(draw(st.integers(0, 5)))) if not free else ()
    events = events or tuple(draw(_event(cells)) for _ in range(2 if free else 0))
    delimiter = draw(st.sampled_from(b"/|\\!*.^+?([,;:~\t\r\n\x0c\x1e").map(lambda b: bytes([b])))
    delimiter = b"/" if free else delimiter  # $PnB is "*" there, and no value may begin with its delimiter
    extra: Any = {k: v for k, v in draw(st.dictionaries(_KEY, _TEXT, max_size=4)).items() if v[0].encode() != delimiter}
    stext = None
    if version != "FCS2.0" and draw(st.booleans()):
        stext = {"SUPPLEMENT": draw(st.sampled_from(["x", "a b", "µ"]))}
    return Blueprint(
        cells, events, version, order, common, delimiter, extra, stext=stext,
        data_first=draw(st.booleans()) if events and not free else False,
        gap=draw(st.sampled_from([b"", b" " * 7])) if events else b"", far=version != "FCS2.0" and draw(st.booleans()),
        tail=draw(st.sampled_from([b"", b"00000000"])),
    )  # fmt: skip


@st.composite
def _cells(draw: st.DrawFn, name: str, common: str, bits: int, version: str, free: bool) -> Cell:
    kind = draw(st.sampled_from("IFD")) if version == "FCS3.2" else common
    more = {"DATATYPE": kind} if kind != common else {}
    if kind == "A":
        return Cell(name, "A", 0 if free else bits // 8 + 1)
    width = {"F": 32, "D": 64}.get(kind, bits)
    size = str(draw(st.integers(2, 2**width))) if kind == "I" else "1024"
    return Cell(name, kind, width, size, more=more)


@st.composite
def _event(draw: st.DrawFn, cells: tuple[Cell, ...]) -> Event:
    return tuple(draw(_number(cell)) for cell in cells)


def _number(cell: Cell) -> st.SearchStrategy[int | float]:
    if cell.kind == "I":
        return st.integers(0, 2 ** (int(cell.size or 2) - 1).bit_length() - 1)
    if cell.kind == "A":
        return st.integers(0, 2**64 - 1 if cell.bits == 0 else 10**cell.bits - 1)
    return st.floats(width=32 if cell.kind == "F" else 64, allow_nan=False)


@settings(max_examples=400)
@given(plan=blueprints())
def test_generated__all_readers_give_the_truth(plan: Blueprint, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("g") / "x.fcs"
    path.write_bytes(plan.raw)
    events = read_fcs(path, strictness=Strictness.STRICT)
    assert _same_events(plan.events, _events_of(events))
    assert _same_events(plan.events, read_slowly(plan.raw)[0])
    assert {k: events.keywords[k] for k in plan.keywords} == dict(plan.keywords)
    assert {k: events.keywords[k] for k in plan.stext or {}} == dict(plan.stext or {})


@settings(max_examples=150)
@given(plan=blueprints(), size=st.integers(1, 4), data=st.data())
def test_generated__blocks_are_the_columns(
    plan: Blueprint, size: int, data: st.DataObject, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("g") / "x.fcs"
    path.write_bytes(plan.raw)
    events = read_fcs(path)
    wanted = [i for i, c in enumerate(plan.cells) if (c.kind != "I" or c.bits < 56) and c.kind != "A"]
    start = data.draw(st.integers(0, events.n_events))
    stop = data.draw(st.integers(start, events.n_events))
    expected = np.array([[float(e[i]) for e in plan.events[start:stop]] for i in wanted]).reshape(
        len(wanted), stop - start
    )
    found = np.empty_like(expected)
    for first, block in events.linear_blocks(wanted, size, start, stop):
        found[:, first - start : first - start + block.shape[1]] = block
    np.testing.assert_array_equal(found, expected)


def test_generated__blocks_of_text_are_the_columns(tmp_path: Path) -> None:
    numbers = tuple((i, i * i % 10**7) for i in range(20_000))  # more than a chunk of text
    for bits in (0, 7):
        plan = Blueprint((Cell("A", "A", bits), Cell("B", "A", bits)), numbers, "FCS3.0", datatype="A")
        path = tmp_path / f"{bits}.fcs"
        path.write_bytes(plan.raw)
        blocks = [(first, block.copy()) for first, block in read_fcs(path).linear_blocks([1], 300, 150, 900)]
        assert [first for first, _ in blocks] == [150, 450, 750]
        np.testing.assert_array_equal(np.hstack([b for _, b in blocks])[0], [i * i for i in range(150, 900)])
