"""DATA: every type, width and byte order against plain Python's struct, and blocks against the whole."""

from __future__ import annotations

import math
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.errors import FcsAccessError, FcsFormatError, FcsTruncatedError, FcsUnsupportedError
from immunoprofile.fcs import ChannelSpec, Events, read_fcs, write_fcs
from immunoprofile.selftest.blueprint import Blueprint, Cell

Make = Callable[..., Path]

# One multiplication, one division, one power and one more multiplication, each within an ulp or two of Python's.
_LOG_RTOL = 1e-13

_CODES = {("I", 8): "B", ("I", 16): "H", ("I", 32): "I", ("I", 64): "Q", ("F", 32): "f", ("D", 64): "d"}


def _channels(*bits: int, size: str | None = None, **more: str) -> list[dict[str, str]]:
    return [{"B": str(b), "E": "0,0", "N": f"C{i}", "R": size or str(2**b)} | more for i, b in enumerate(bits, start=1)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "bits"), _CODES, ids=str)
def test_data__every_type_in_both_byte_orders(kind: str, bits: int, order: str, fcs: Make) -> None:
    values = [0, 1, 2**bits - 1 if kind == "I" else -2.5, 2 ** (bits - 1)]
    data = struct.pack(order + _CODES[kind, bits] * 4, *values)
    extra = {"$DATATYPE": kind, "$BYTEORD": "1,2,3,4" if order == "<" else "4,3,2,1"}
    events = read_fcs(fcs(data, _channels(bits, bits), extra=extra))
    assert events.values.tolist() == [values[:2], values[2:]]
    assert events.values.dtype == np.dtype(_CODES[kind, bits])
    assert events.values.dtype.isnative
    assert events.column(1).tolist() == [values[1], values[3]]
    assert events.findings == ()


@pytest.mark.parametrize("order", ["<", ">"])
def test_data__widths_may_differ_per_channel(order: str, fcs: Make) -> None:
    rows = [(1, 2, 3), (65535, 2**32 - 1, 255), (7, 8, 9)]
    data = b"".join(struct.pack(order + "HIB", *row) for row in rows)
    extra = {"$BYTEORD": "1,2,3,4" if order == "<" else "4,3,2,1"}
    events = read_fcs(fcs(data, _channels(16, 32, 8), extra=extra))
    assert events.values.dtype == np.uint32
    assert events.values.tolist() == [list(r) for r in rows]
    assert events.linear().tolist() == [list(r) for r in rows]
    assert [events.column(i).dtype for i in range(3)] == [np.uint16, np.uint32, np.uint8]


def test_data__types_may_differ_per_channel_in_3_2(fcs: Make) -> None:
    data = struct.pack("<HfHf", 3, 0.5, 4, -1.5)
    channels = _channels(16, 32)
    extra = {"$P2DATATYPE": "F"}
    events = read_fcs(fcs(data, channels, version="FCS3.2", extra=extra, drop=("$MODE",)))
    assert events.values.dtype == np.float32
    assert events.values.tolist() == [[3, 0.5], [4, -1.5]]


def test_data__integers_without_common_type_are_given_one_by_one(fcs: Make) -> None:
    data = struct.pack("<Qf", 2**63, 0.5)
    events = read_fcs(fcs(data, _channels(64, 32), version="FCS3.2", extra={"$P2DATATYPE": "F"}))
    with pytest.raises(FcsUnsupportedError, match=r"no common type without loss\. Use `column`") as caught:
        _ = events.values
    assert caught.value.code == "FCS-DTYPE-MIXED"
    assert events.column(0).tolist() == [2**63]


@pytest.mark.parametrize("value", [2**53, 2**53 + 1])
def test_linear__refuses_integers_that_float64_would_round(value: int, fcs: Make) -> None:
    events = read_fcs(fcs(struct.pack("<Q", value), _channels(64)))
    assert events.values.tolist() == [[value]]
    if value == 2**53:
        assert events.linear().tolist() == [[float(value)]]
        return
    for ask in (events.linear, lambda: list(events.linear_blocks([0], 8))):
        with pytest.raises(FcsUnsupportedError, match="channel 1: holds 9,007,199,254,740,993") as caught:
            ask()
        assert caught.value.code == "FCS-INT-EXACT"


@pytest.mark.parametrize(
    ("size", "mask"),
    [
        ("1024", 1023), ("1000", 1023), ("1025", 2047), ("2", 1), ("3", 3),
        ("65536", 65535), ("65535", 65535), ("32769", 65535), ("  1024 ", 1023), ("1024.0", 1023), ("1023.5", 1023),
        ("65537", 65535), ("99999999999999999999", 65535), ("1", 65535),
    ],
)  # fmt: skip
def test_mask__is_the_bits_that_the_range_needs(size: str, mask: int, fcs: Make) -> None:
    events = read_fcs(fcs(b"\xff\xff\x34\x12", _channels(16, size=size)))
    assert events.column(0).tolist() == [65535 & mask, 0x1234 & mask]
    assert events.linear()[:, 0].tolist() == [65535 & mask, 0x1234 & mask]


@pytest.mark.parametrize("size", [2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1, 2**64])
def test_mask__is_exact_where_floats_are_not(size: int, fcs: Make) -> None:
    mask = next(2**b - 1 for b in range(65) if 2**b >= size)
    events = read_fcs(fcs(b"\xff" * 8, _channels(64, size=str(size))))
    assert events.column(0).tolist() == [mask]


def test_data__floats_are_never_masked_or_clipped(fcs: Make) -> None:
    values = [-111.5, 1e30, 3.0, math.inf]
    data = struct.pack("<4f", *values)
    events = read_fcs(fcs(data, _channels(32, 32, size="1024"), extra={"$DATATYPE": "F"}))
    assert events.linear().ravel().tolist() == [float(np.float32(v)) for v in values]


def test_data__nan_keeps_its_bits_and_raises_no_warning(fcs: Make) -> None:
    raw = struct.pack("<4I", 0x7FC00001, 0x7F800001, 0xFF800000, 0x3F800000)
    events = read_fcs(fcs(raw, _channels(32, 32), extra={"$DATATYPE": "F"}))
    assert events.values.tobytes() == raw
    assert np.isnan(events.linear()).ravel().tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"$P1E": "4,1"}, lambda x: 10 ** (4 * x / 1024)),
        ({"$P1E": "4,0"}, lambda x: 10 ** (4 * x / 1024)),
        ({"$P1E": " 4.0,0.1024"}, lambda x: 10 ** (4 * x / 1024) * 0.1024),
        ({"$P1E": "4,1", "$P1G": "8"}, lambda x: 10 ** (4 * x / 1024)),
        ({"$P1E": "4,1", "$P1R": "1000"}, lambda x: 10 ** (4 * x / 1000)),
        ({"$P1E": "0,1"}, lambda x: x),
        ({"$P1E": "0,0,0,0"}, lambda x: x),
        ({"$P1G": "3.67"}, lambda x: x / 3.67),
        ({"$P1G": "0"}, lambda x: x),
        ({"$P1G": "-2"}, lambda x: x),
        ({"$P1N": "Time", "$TIMESTEP": "0.01", "$P1G": "8"}, lambda x: x * 0.01),
        ({"$P1N": "TIME", "$TIMESTEP": "0.01"}, lambda x: x * 0.01),
        ({"$P1N": "Timer", "$TIMESTEP": "0.01"}, lambda x: x),
        ({"$P1N": "Time LSW", "$TIMESTEP": "0.01", "$P1G": "8"}, lambda x: x),
        ({"$P1N": "Time", "$TIMESTEP": "x"}, lambda x: x),
        ({"$TIMESTEP": "0.01"}, lambda x: x),
    ],
    ids=lambda v: " ".join(f"{k}={t}" for k, t in v.items()) if isinstance(v, dict) else "",
)
def test_linear__applies_the_scale_of_the_standard(
    keywords: dict[str, str], expected: Callable[[float], float], fcs: Make
) -> None:
    stored = [0, 1, 511, 1023]
    path = fcs(struct.pack("<4H", *stored), _channels(16, size="1024"), extra=keywords)
    found = read_fcs(path).linear()[:, 0]
    np.testing.assert_allclose(found, [expected(x) for x in stored], rtol=_LOG_RTOL)


def _sample(folder: Path, seed: int, n: int) -> Events:
    """Five channels of one file: linear, gain, log, time, and a masked one."""
    rng = np.random.default_rng(seed)
    specs = [
        ChannelSpec("FSC-A", range=1024), ChannelSpec("SSC-A", range=1024, gain=3.67),
        ChannelSpec("FL1", range=1000, amplification=(4.0, 0.1)), ChannelSpec("Time", range=65536),
        ChannelSpec("FL2", range=1024),
    ]  # fmt: skip
    path = folder / f"{seed}-{n}.fcs"
    if not path.exists():
        write_fcs(path, rng.integers(0, 1000, (n, 5), dtype=np.uint16), specs, keywords={"$TIMESTEP": "0.01"})
    return read_fcs(path)


@given(data=st.data())
def test_blocks__together_are_the_whole(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    events = _sample(tmp_path_factory.getbasetemp(), 1, 40_000)
    columns = data.draw(st.lists(st.integers(0, 4), max_size=6))
    size = data.draw(st.sampled_from([1000, 4096, 10_001, 16_384, 30_000, 50_000]))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 40_000), st.integers(0, 40_000))))
    whole = events.linear()[start:stop, columns]
    if not columns:
        return
    seen = []
    for first, block in events.linear_blocks(columns, size, start, stop):
        assert first == start + sum(b.shape[1] for b in seen)
        assert block.flags.c_contiguous
        assert block.shape[1] <= size
        seen.append(block.copy())
    found = np.concatenate(seen, axis=1) if seen else np.empty((len(columns), 0))
    np.testing.assert_array_equal(found.T, whole)


def test_blocks__reuse_one_buffer(tmp_path: Path) -> None:
    blocks = [block for _, block in _sample(tmp_path, 2, 100).linear_blocks([0, 4], 50)]
    assert np.shares_memory(blocks[0], blocks[1])


def test_blocks__walk_ranges_at_the_same_time(tmp_path: Path) -> None:
    events = _sample(tmp_path, 3, 3000)
    one, other = events.linear_blocks([2], 100, 0, 1500), events.linear_blocks([2], 100, 1500)
    found = [np.concatenate([a[1][0], b[1][0]]) for a, b in zip(one, other, strict=True)]
    whole = events.linear()[:, 2]
    np.testing.assert_array_equal(found[3], np.concatenate([whole[300:400], whole[1800:1900]]))


@pytest.mark.parametrize(
    ("columns", "size", "start", "stop", "error"),
    [([0], 0, 0, None, ValueError), ([0], 9, -1, None, ValueError), ([0], 9, 2, 1, ValueError),
     ([0], 9, 0, 4, ValueError), ([2], 9, 0, None, IndexError), ([-1], 9, 0, None, IndexError)],
)  # fmt: skip
def test_blocks__refuse_what_is_not_there(
    columns: list[int], size: int, start: int, stop: int | None, error: type[Exception], fcs: Make
) -> None:
    with pytest.raises(error):
        read_fcs(fcs()).linear_blocks(columns, size, start, stop)


@pytest.mark.parametrize(
    ("columns", "starts", "size", "error"),
    [([0], [0], 0, ValueError), ([0], [0, 3], 1, ValueError), ([0], [-1], 1, ValueError), ([0], [0], 4, ValueError),
     ([2], [0], 1, IndexError), ([-1], [0], 1, IndexError)],
)  # fmt: skip
def test_sample__refuses_what_is_not_there(
    columns: list[int], starts: list[int], size: int, error: type[Exception], fcs: Make
) -> None:
    with pytest.raises(error):
        read_fcs(fcs()).linear_sample(columns, starts, size)


def test_events__of_no_events_are_empty(fcs: Make) -> None:
    events = read_fcs(fcs(b""))
    assert events.n_events == 0
    assert events.values.shape == events.linear().shape == (0, 2)
    assert list(events.linear_blocks([0], 10)) == []


def test_events__order_is_by_number_not_by_keyword(fcs: Make) -> None:
    def swap(text: bytes) -> bytes:
        first, second = text.index(b"/$P1B"), text.index(b"/$P2B")
        return text[:first] + text[second:-1] + text[first:second] + b"/"

    events = read_fcs(fcs(text_edit=swap))
    assert [c.detector for c in events.channels] == ["FL1", "FL2"]
    assert events.values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_events__data_before_text_is_read(fcs: Make, put: Make) -> None:
    raw = fcs().read_bytes()
    begin, end = int(raw[10:18]), int(raw[18:26])
    text, data = raw[begin : end + 1], raw[end + 1 :]
    text = text.replace(b"%012d" % (end + 1), b"%012d" % 58).replace(b"%012d" % (len(raw) - 1), b"%012d" % 69)
    header = raw[:10] + b"%8d%8d%8d%8d" % (70, 69 + len(text), 58, 69) + raw[42:58]
    events = read_fcs(put(header + data + text))
    assert events.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert events.findings == ()


def test_events__survive_pickling(fcs: Make) -> None:
    events = read_fcs(fcs(extra={"$SPILLOVER": "2,FL1,FL2,1,0.1,0.2,1"}))
    again = pickle.loads(pickle.dumps(events))
    assert again.values.tolist() == events.values.tolist()
    assert again.keywords == events.keywords
    assert again.spillover == events.spillover


def test_events__digest_is_of_the_whole_file(fcs: Make) -> None:
    import hashlib

    path = fcs(tail=b"00000000")
    assert read_fcs(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


_ASKS: dict[str, Callable[[Events], object]] = {
    "values": lambda e: e.values,
    "linear": lambda e: e.linear(),
    "column": lambda e: e.column(0),
    "blocks": lambda e: list(e.linear_blocks([0], 2)),
    "sample": lambda e: e.linear_sample([0], [0], 2),
    "sha256": lambda e: e.sha256,
}


@pytest.mark.parametrize("ask", _ASKS)
def test_events__notice_a_file_that_shrank(ask: str, fcs: Make) -> None:
    path = fcs()
    events = read_fcs(path)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(FcsTruncatedError, match="file shrank from") as caught:
        _ASKS[ask](events)
    assert caught.value.code == "FCS-CHANGED"


@pytest.mark.parametrize("ask", _ASKS)
def test_events__notice_a_file_that_was_replaced(ask: str, fcs: Make, tmp_path: Path) -> None:
    path = fcs()
    events = read_fcs(path)
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    with pytest.raises(FcsAccessError, match="file changed since it was opened") as caught:
        _ASKS[ask](events)
    assert caught.value.code == "FCS-CHANGED"


@pytest.mark.parametrize("ask", _ASKS)
def test_events__notice_a_file_that_was_rewritten_under_its_old_time(ask: str, fcs: Make) -> None:
    path = fcs()
    events = read_fcs(path)
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        # a kernel's clock for files may stand still for 10 ms
        path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(FcsAccessError, match="file changed since it was opened") as caught:
        _ASKS[ask](events)
    assert caught.value.code == "FCS-CHANGED"


def test_events__notice_a_change_while_blocks_are_walked(tmp_path: Path) -> None:
    events = _sample(tmp_path, 4, 40_000)
    blocks = events.linear_blocks([0], 4096)
    next(blocks)
    os.truncate(events.path, 100_000)
    with pytest.raises(FcsTruncatedError, match="file shrank while it was read"):
        list(blocks)


def test_opening__reads_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _sample(tmp_path, 5, 40_000).path
    from immunoprofile.fcs import source

    read: list[int] = []
    fill = source._fill
    monkeypatch.setattr(source, "_fill", lambda s, f, o, t: read.append(len(t)) or fill(s, f, o, t))
    read_fcs(path)
    assert sum(read) < 10_000  # HEADER and what may follow it, TEXT, the checksum; DATA has 400,000 bytes


@pytest.mark.parametrize("problem", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_opening__says_why_the_system_refused(problem: OSError, fcs: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fcs()

    def refuse(*_: object) -> int:
        raise problem

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FcsAccessError, match=r"no permission|Input/output error") as caught:
        read_fcs(path)
    assert caught.value.code == ("FCS-PERMISSION" if problem.errno == 13 else "FCS-ACCESS")
    assert caught.value.remedy


def test_opening__a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FcsAccessError, match="is a folder, pipe or device"):
        read_fcs(tmp_path)


def test_nonfinite__are_counted_for_each_channel(fcs: Make) -> None:
    data = struct.pack("<8f", 1, math.nan, math.inf, 2, math.nan, math.nan, -math.inf, 3)
    events = read_fcs(fcs(data, _channels(32, 32), extra={"$DATATYPE": "F"}))
    assert events.count_nonfinite().tolist() == [[1, 2], [2, 0]]
    assert [(f.code, f.severity, f.where) for f in events.check_data()] == [
        ("FCS-NONFINITE", "warning", "channel 1"), ("FCS-NONFINITE", "warning", "channel 2"),
    ]  # fmt: skip
    assert events.check_data()[0].message == "holds 1 NaN and 2 infinite values in 4 events"


def test_nonfinite__integers_have_none(fcs: Make) -> None:
    events = read_fcs(fcs())
    assert events.count_nonfinite().tolist() == [[0, 0], [0, 0]]
    assert events.check_data() == ()


@pytest.mark.parametrize("order", ["1,2,3,4", "4,3,2,1"])
@pytest.mark.parametrize("bits", [24, 40, 48, 56])
def test_data__widths_without_a_type_have_the_smallest_that_holds_them(bits: int, order: str, fcs: Make) -> None:
    values = [0, 1, 2**bits - 1, 2 ** (bits - 1) + 5]
    data = b"".join(v.to_bytes(bits // 8, "little" if order[0] == "1" else "big") for v in values)
    events = read_fcs(fcs(data, _channels(bits, bits), version="FCS3.0", extra={"$BYTEORD": order}))
    assert events.values.dtype == (np.uint32 if bits == 24 else np.uint64)
    assert events.values.tolist() == [values[:2], values[2:]]
    assert events.channels[0].bits == bits
    if bits < 56:
        assert events.linear().tolist() == [values[:2], values[2:]]


def test_data__mixed_byte_order_of_floats_is_bits_put_together(fcs: Make) -> None:
    value = struct.pack("<f", -1234.5)
    data = bytes(value[p - 1] for p in (3, 4, 1, 2))  # by rule D2 of the standard: byte i has significance order[i]
    events = read_fcs(fcs(data, _channels(32), version="FCS3.0", extra={"$DATATYPE": "F", "$BYTEORD": "3,4,1,2"}))
    assert events.values.tolist() == [[-1234.5]]
    assert events.values.dtype == np.float32


@pytest.mark.parametrize(
    ("order", "value"), [("3,4,1,2", 0x02010403), ("2,1,4,3", 0x03040102), ("4,3,2,1", 0x01020304)]
)
def test_data__byte_order_is_as_the_list_says(order: str, value: int, fcs: Make) -> None:
    # bytes 1, 2, 3, 4 in the file; 3,4,1,2 says that the first is third in significance (PDP-11)
    events = read_fcs(fcs(bytes([1, 2, 3, 4]), _channels(32), version="FCS3.0", extra={"$BYTEORD": order}))
    assert events.values.tolist() == [[value]]


@pytest.mark.parametrize("bits", [16, 32])
def test_linear__of_a_large_file_is_the_same_by_several_threads(bits: int, tmp_path: Path) -> None:
    values = np.arange(2_100_000, dtype=f"u{bits // 8}").reshape(-1, 3)
    specs = [ChannelSpec(n, range=r, gain=g) for n, r, g in (("A", 2**bits, 1), ("B", 2**bits, 2), ("C", 2**bits, 1))]
    write_fcs(tmp_path / "x.fcs", values, specs)
    np.testing.assert_array_equal(read_fcs(tmp_path / "x.fcs").linear(), values / [1.0, 2.0, 1.0])


def test_values__of_no_events_keep_their_shape(fcs: Make) -> None:
    events = read_fcs(fcs(b"", _channels(16, 32)))
    assert events.values.shape == events.linear().shape == (0, 2)
    assert events.count_nonfinite().tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("bits", ["0", "8"])
def test_digits__refusal_says_where(bits: str, fcs: Make, put: Callable[..., Path]) -> None:
    plan = Blueprint((Cell("A", "A", int(bits)),), ((1,), (2,)), "FCS3.0", datatype="A", data=b"       1      2x")
    path = put(plan.raw)
    place = plan.raw.index(b"2x")
    with pytest.raises(FcsFormatError, match=r"not a number of 64 bits in digits\. Export") as caught:
        _ = read_fcs(path).values
    assert caught.value.code == "FCS-DIGITS"
    # of fixed columns the begin of the number, of free ones the character itself
    assert caught.value.where == f"byte {place + 1 if bits == '0' else place - 6}"
