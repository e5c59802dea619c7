"""What is no file of events: folders, devices, pipes, loops of links; refused at once, never read, never waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from immunoprofile.errors import FcsAccessError
from immunoprofile.fcs import Strictness, read_fcs, read_fcs_datasets
from immunoprofile.selftest.blueprint import Blueprint


def _folder(place: Path) -> Path:
    (place / "folder.fcs").mkdir()
    return place / "folder.fcs"


def _pipe(place: Path) -> Path:
    os.mkfifo(place / "pipe.fcs")
    return place / "pipe.fcs"


def _linked_pipe(place: Path) -> Path:
    (place / "link.fcs").symlink_to(_pipe(place))
    return place / "link.fcs"


def _loop(place: Path) -> Path:
    (place / "a.fcs").symlink_to(place / "b.fcs")
    (place / "b.fcs").symlink_to(place / "a.fcs")
    return place / "a.fcs"


def _dangling(place: Path) -> Path:
    (place / "a.fcs").symlink_to(place / "gone.fcs")
    return place / "a.fcs"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_folder, "FCS-NOT-REGULAR"), (_pipe, "FCS-NOT-REGULAR"), (_linked_pipe, "FCS-NOT-REGULAR"),
        (_loop, "FCS-ACCESS"), (_dangling, "FCS-MISSING"),
        (lambda _: Path("/dev/zero"), "FCS-NOT-REGULAR"), (lambda _: Path("/dev/null"), "FCS-NOT-REGULAR"),
        (lambda p: p / "no" / "x.fcs", "FCS-MISSING"), (lambda p: p / ("x" * 300), "FCS-ACCESS"),
    ],
    ids=["folder", "pipe", "linked-pipe", "loop-of-links", "dangling-link", "zeros", "null", "no-folder", "long-name"],
)  # fmt: skip
@pytest.mark.parametrize("strictness", Strictness)
def test_access__is_refused_at_once(
    make: Callable[[Path], Path], code: str, strictness: Strictness, tmp_path: Path
) -> None:
    with pytest.raises(FcsAccessError) as caught:
        read_fcs_datasets(make(tmp_path), strictness=strictness)
    assert caught.value.code == code
    assert caught.value.remedy


def test_access__a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.fcs").write_bytes(Blueprint().raw)
    (tmp_path / "b.fcs").symlink_to(tmp_path / "a.fcs")
    assert read_fcs(tmp_path / "b.fcs").n_events == 3


def test_access__leaves_no_file_open(tmp_path: Path) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("open files can be counted on Linux only")
    (tmp_path / "good.fcs").write_bytes(Blueprint().raw)
    (tmp_path / "bad.fcs").write_bytes(Blueprint().raw[:300])
    before = len(list(open_files.iterdir()))
    for _ in range(20):
        read_fcs(tmp_path / "good.fcs").linear()
        next(read_fcs(tmp_path / "good.fcs").linear_blocks([0], 1))
        with pytest.raises(Exception, match="ends within TEXT"):
            read_fcs(tmp_path / "bad.fcs")
    assert len(list(open_files.iterdir())) == before


def test_missing_file__is_told_from_a_missing_folder(tmp_path):
    with pytest.raises(FcsAccessError, match=r"x\.fcs: file: file does not exist\. Check the path\."):
        read_fcs(tmp_path / "x.fcs")
    with pytest.raises(FcsAccessError, match=r"x\.fcs: file: file does not exist, nor does its folder\."):
        read_fcs(tmp_path / "no" / "x.fcs")
