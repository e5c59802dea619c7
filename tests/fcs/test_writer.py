"""Writing: what comes back, in this reader and in another, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.errors import OutputError
from immunoprofile.fcs import ChannelSpec, Strictness, read_fcs, write_fcs
from immunoprofile.fcs import writer as writer_module
from immunoprofile.spillover import Spillover

SPILLOVER = Spillover(("B", "A"), np.array([[1, 0.1], [1 / 3, 1]]))


@pytest.mark.parametrize("version", ["FCS2.0", "FCS3.0", "FCS3.1", "FCS3.2"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "f4", "f8", ">f4", ">u2"])
def test_write__reads_back_the_same(dtype: str, version: str, tmp_path: Path) -> None:
    values = np.arange(6).reshape(3, 2).astype(dtype)
    specs = [ChannelSpec("A", "CD3", range=8), ChannelSpec("B", range=8, gain=2.0)]
    write_fcs(tmp_path / "x.fcs", values, specs, keywords={"$CYT": "ours"}, spillover=SPILLOVER, version=version)
    events = read_fcs(tmp_path / "x.fcs", strictness=Strictness.STRICT)
    assert events.version == version
    assert events.values.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(events.values, values)
    assert [(c.detector, c.marker, c.range, c.gain) for c in events.channels] == [("A", "CD3", 8, 1), ("B", None, 8, 2)]
    assert events.spillover == SPILLOVER
    assert events.findings == ()


def test_write__another_program_reads_the_same(tmp_path: Path) -> None:
    flowio = pytest.importorskip("flowio")
    values = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    write_fcs(tmp_path / "x.fcs", values, [ChannelSpec("A", "CD3"), ChannelSpec("B")], spillover=SPILLOVER)
    other = flowio.FlowData(str(tmp_path / "x.fcs"))
    np.testing.assert_array_equal(np.reshape(other.events, (-1, 2)), values)
    assert other.pnn_labels == ["A", "B"]


def test_write__same_input_gives_same_bytes(tmp_path: Path) -> None:
    values = np.ones((3, 1), np.float32)
    for name in ("a.fcs", "b.fcs"):
        write_fcs(tmp_path / name, values, [ChannelSpec("A")], keywords={"$SRC": "x"})
    assert (tmp_path / "a.fcs").read_bytes() == (tmp_path / "b.fcs").read_bytes()


def test_write__array_order_does_not_matter(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float64).reshape(4, 3)
    specs = [ChannelSpec(n) for n in "ABC"]
    write_fcs(tmp_path / "x.fcs", np.asfortranarray(values), specs)
    np.testing.assert_array_equal(read_fcs(tmp_path / "x.fcs").values, values)


_VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(keywords=st.dictionaries(st.from_regex(r"[A-Z$][A-Z0-9 /]{0,6}[A-Z]", fullmatch=True), _VALUE, max_size=5))
def test_write__keywords_come_back_verbatim(keywords: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("w") / "x.fcs"
    try:
        write_fcs(path, np.ones((1, 1), np.float32), [ChannelSpec("A")], keywords=keywords)
    except ValueError:
        return  # refused beforehand: nothing was written that would read differently
    found = read_fcs(path).keywords
    assert {k: found[k] for k in keywords} == keywords


def test_write__header_leaves_far_offsets_to_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_HEADER_MAX", 600)
    values = np.arange(400, dtype=np.float32).reshape(-1, 1)
    write_fcs(tmp_path / "x.fcs", values, [ChannelSpec("A")])
    assert (tmp_path / "x.fcs").read_bytes()[26:42] == b"       0       0"
    np.testing.assert_array_equal(read_fcs(tmp_path / "x.fcs", strictness=Strictness.STRICT).values, values)


def test_write__offsets_fit_beyond_eight_digits() -> None:
    head = writer_module._head({"$BEGINDATA": "0" * 20, "$ENDDATA": "0" * 20, "$TOT": "1"}, 10**9, "FCS3.1")
    begin = len(head)
    assert head[26:42] == b"       0       0"
    assert b"$ENDDATA/%020d/" % (begin + 10**9 - 1) in head


def test_write__no_events_are_events_too(tmp_path: Path) -> None:
    write_fcs(tmp_path / "x.fcs", np.empty((0, 2), np.float32), [ChannelSpec("A"), ChannelSpec("B")])
    assert read_fcs(tmp_path / "x.fcs", strictness=Strictness.STRICT).values.shape == (0, 2)


def test_write__never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "x.fcs"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"x\.fcs: exists already and is not overwritten\. Choose another") as caught:
        write_fcs(path, np.ones((1, 1), np.float32), [ChannelSpec("A")])
    assert caught.value.code == "OUTPUT-EXISTS"
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_write__loses_a_race_without_overwriting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.fcs"
    chunks = writer_module._chunks

    def meanwhile(values: np.ndarray) -> object:
        path.write_bytes(b"theirs")
        return chunks(values)

    monkeypatch.setattr(writer_module, "_chunks", meanwhile)
    with pytest.raises(OutputError, match="exists already"):
        write_fcs(path, np.ones((1, 1), np.float32), [ChannelSpec("A")])
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_write__a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(values: np.ndarray) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "_chunks", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\). Make room") as caught:
        write_fcs(tmp_path / "x.fcs", np.ones((1, 1), np.float32), [ChannelSpec("A")])
    assert caught.value.code == "OUTPUT-WRITE"
    assert list(tmp_path.iterdir()) == []


_ONE = np.ones((1, 1), np.uint16)


@pytest.mark.parametrize(
    ("values", "specs", "options", "sentence"),
    [
        (np.ones(3, np.float32), [ChannelSpec("A")], {}, "are not events by channels"),
        (np.ones((1, 2), np.float32), [ChannelSpec("A")], {}, "do not fit 1 channels"),
        (np.ones((1, 1), np.int16), [ChannelSpec("A")], {}, "dtype int16 cannot be stored"),
        (np.ones((1, 2), np.float32), [ChannelSpec("A"), ChannelSpec("A")], {}, "detectors must be unique"),
        (_ONE, [ChannelSpec("A,B", range=16)], {}, "without commas"),
        (_ONE * 16, [ChannelSpec("A", range=16)], {}, "range 16 does not hold 16"),
        (_ONE, [ChannelSpec("A")], {}, "range 262144 does not hold 1 in uint16"),
        (_ONE, [ChannelSpec("A", range=16, gain=0)], {}, "gain and range must be above 0"),
        (_ONE.astype("f4"), [ChannelSpec("A", amplification=(4, 1))], {}, "log amplification needs integers"),
        (_ONE, [ChannelSpec("A", range=16)], {"version": "FCS4"}, "version 'FCS4' is none of"),
        (_ONE, [ChannelSpec("A", range=16)], {"keywords": {"$tot": "5"}}, "may not be given: \\$TOT"),
        (_ONE, [ChannelSpec("A", range=16)], {"keywords": {"$P1R": "5"}}, "may not be given: \\$P1R"),
        (_ONE, [ChannelSpec("A", range=16)], {"keywords": {"X": ""}}, "no value may be empty"),
        (_ONE, [ChannelSpec("A", range=16)], {"spillover": SPILLOVER}, "detectors that are not written: B"),
    ],
)  # fmt: skip
def test_write__refuses_what_would_read_differently(
    values: np.ndarray, specs: list[ChannelSpec], options: dict, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_fcs(tmp_path / "x.fcs", values, specs, **options)
    assert list(tmp_path.iterdir()) == []


def test_write__types_may_differ_in_3_2(tmp_path: Path) -> None:
    columns = [
        np.array([1, 65535], np.uint16), np.array([0.5, -1.5], np.float32), np.array([2**63, 1], np.uint64),
        np.array([1e300, np.pi], ">f8"), np.array([7, 8], np.uint8),
    ]  # fmt: skip
    ranges = (65536, 262144, 2**64, 1024, 256)
    specs = [ChannelSpec(f"C{i}", range=r) for i, r in enumerate(ranges)]
    write_fcs(tmp_path / "x.fcs", columns, specs, version="FCS3.2", keywords={"$CYT": "ours"})
    events = read_fcs(tmp_path / "x.fcs", strictness=Strictness.STRICT)
    for index, column in enumerate(columns):
        assert events.column(index).dtype == column.dtype.newbyteorder("=")
        np.testing.assert_array_equal(events.column(index), column)
    assert [events.keywords.get(f"$P{i}DATATYPE") for i in range(1, 6)] == [None, "F", None, "D", None]


@pytest.mark.parametrize("version", ["FCS2.0", "FCS3.0", "FCS3.1"])
def test_write__integer_widths_may_differ_in_every_version(version: str, tmp_path: Path) -> None:
    columns = [np.arange(70_000).astype(t) for t in ("u1", "u4", "u2")]
    specs = [ChannelSpec(n, range=r) for n, r in (("A", 256), ("B", 2**32), ("C", 65536))]
    write_fcs(tmp_path / "x.fcs", columns, specs, version=version)
    events = read_fcs(tmp_path / "x.fcs", strictness=Strictness.STRICT)
    for index, column in enumerate(columns):
        np.testing.assert_array_equal(events.column(index), column)


_PAIR = [ChannelSpec("A"), ChannelSpec("B")]
_MIXED = [np.ones(2, np.float32), np.ones(2, np.float64)]


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        (_MIXED, {}, "channels of different types need FCS3.2, not FCS3.1"),
        (_MIXED, {"version": "FCS3.2"}, r"FCS3.2 requires \$CYT"),
        ([np.ones(2, np.float32), np.ones(3, np.float32)], {}, "as long as each other"),
        ([np.ones((2, 1), np.float32)] * 2, {}, "as long as each other"),
        (_MIXED[:1] * 2, {"keywords": {"$P1DATATYPE": "D"}}, r"may not be given: \$P1DATATYPE"),
    ],
)  # fmt: skip
def test_write__refuses_channels_that_do_not_go_together(
    values: list, options: dict, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_fcs(tmp_path / "x.fcs", values, _PAIR, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spillover", "extra", "sentence"),
    [
        (Spillover(("A", "B"), np.array([[1.0, 0.2]]), ("dye",)), {}, "square spillover matrices only"),
        (None, dict.fromkeys("KLMNO", "") | {k: d + "x" for k, d in zip("KLMNO", "/|\\\x0c\x1e", strict=True)},
         "begin with every delimiter"),
    ],
)  # fmt: skip
def test_write__refuses_what_no_file_can_hold(spillover: Spillover, extra: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        write_fcs(tmp_path / "x.fcs", np.ones((1, 2), np.float32), _PAIR, spillover=spillover, keywords=extra)


def test_write__a_disk_without_hard_links_takes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_fcs(tmp_path / "x.fcs", np.ones((1, 2), np.float32), _PAIR)
    assert [p.name for p in tmp_path.iterdir()] == ["x.fcs"]
    assert read_fcs(tmp_path / "x.fcs").n_events == 1


def test_write__refuses_text_that_eight_digits_cannot_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_HEADER_MAX", 100)
    with pytest.raises(ValueError, match="TEXT does not fit the first"):
        write_fcs(tmp_path / "x.fcs", np.ones((1, 2), np.float32), _PAIR)
