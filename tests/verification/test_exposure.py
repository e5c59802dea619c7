"""What scan-phi lists: what names somebody, a time, a place or a machine, and what it could not look into."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.verification import scan_files
from immunoprofile.verification.exposure import kind_of_keyword
from immunoprofile.verification.traces import traces_of


def write_named(path: Path, **keywords: str) -> Path:
    write_fcs(path, np.ones((3, 1), dtype=np.float32), [ChannelSpec("A", "CD4")], keywords=keywords)
    return path


@pytest.mark.requirement("R-SEC-06")
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("$SRC", "person"), ("$SMNO", "person"), ("$OP", "person"), ("$EXP", "person"), ("PATIENT ID", "person"),
        ("EXPORT USER NAME", "person"), ("SAMPLE ID", "person"), ("@SAMPLEID1", "person"), ("TUBE NAME", "person"),
        ("$DATE", "time"), ("$BTIM", "time"), ("EXPORT TIME", "time"), ("$CYTSN", "machine"), ("$SYS", "machine"),
        ("$INST", "machine"), ("CYTNUM", "machine"), ("$FIL", "place"), ("FIL", "place"), ("$COM", "text"),
        ("$PROJ", "text"), ("NEVER HEARD OF", "text"), ("$PAR", None), ("$P12S", None), ("$TOT", None),
        ("$SPILLOVER", None), ("$TIMESTEP", None),
    ],
)  # fmt: skip
def test_keyword__is_listed_by_kind_unless_it_is_known_to_be_harmless(key: str, kind: str | None) -> None:
    assert kind_of_keyword(key) == kind


def test_keyword__a_harmless_one_with_a_date_in_it_is_listed() -> None:
    assert kind_of_keyword("$P1S", "Miller 1961-04-12") == "time"


@pytest.mark.requirement("R-SEC-06")
def test_scan__lists_each_keyword_with_its_value(tmp_path: Path) -> None:
    write_named(tmp_path / "a.fcs", **{"$SRC": "Ada Lovelace", "$DATE": "12-APR-1961", "PATIENT ID": "4711"})
    found = {(e.where, e.kind, e.value) for e in scan_files([tmp_path])}
    assert found == {
        ("file name", "text", "a.fcs"),
        ("$SRC", "person", "Ada Lovelace"),
        ("$DATE", "time", "12-APR-1961"),
        ("PATIENT ID", "person", "4711"),
    }


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("seen 1961-04-12.", "time", "1961-04-12"),
        ("S_19610412_BL", "time", "19610412"),
        ("12.04.1961", "time", "12.04.1961"),
        ("12-APR-1961", "time", "12-APR-1961"),
        ("3 March 1961", "time", "3 March 1961"),
        ("mail ada@example.org now", "person", "ada@example.org"),
        ("file /home/ada/x.fcs, row", "place", "/home/ada/x.fcs"),
        (r"C:\Users\ada\x.fcs", "place", r"C:\Users\ada\x.fcs"),
        (r"at \\server\share\x", "place", r"\\server\share\x"),
    ],
)
def test_traces__of_persons_times_and_places(text: str, kind: str, value: str) -> None:
    assert (kind, value) in {(t.kind, t.value) for t in traces_of(text)}


@pytest.mark.parametrize("text", ["262144 events", "0.19610412 of 1", "CD4/CD8", "20 / 30 / 40", "http://x.org/a"])
def test_traces__are_not_seen_in_numbers_and_names(text: str) -> None:
    assert list(traces_of(text)) == []


def test_scan__columns_of_sheets_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"subject_id": ["P1", "P2"], "surname": ["Lovelace", None], "count": [1, 2]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    found = [(e.path, e.where, e.kind, e.value, e.n) for e in scan_files([tmp_path])]
    assert found == [
        (p, w, "person", v, n)
        for p in ("a.csv", "b.parquet")
        for w, v, n in (("column subject_id", "P1", 2), ("column surname", "Lovelace", 1))
    ]


@pytest.mark.requirement("R-SEC-06")
def test_scan__what_cannot_be_looked_into_is_listed(tmp_path: Path) -> None:
    (tmp_path / "broken.fcs").write_bytes(b"FCS3.1 nothing")
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "link").symlink_to(tmp_path / "photo.jpg")
    os.mkfifo(tmp_path / "pipe.fcs")
    unread = {e.path: e.value for e in scan_files([tmp_path]) if e.kind == "unread"}
    assert set(unread) == {"broken.fcs", "table.parquet", "photo.jpg", "link", "pipe.fcs"}
    assert unread["pipe.fcs"] == "is no regular file, and was not opened"


def test_verb__lists_for_people_and_for_programs(tmp_path: Path, immunoprofile) -> None:
    write_named(tmp_path / "a.fcs", **{"$SRC": "Ada\x1b[31mLovelace"})
    shown = immunoprofile("scan-phi", tmp_path)
    assert shown.exit_code == 0
    assert "a.fcs: $SRC: person: Ada\\x1b[31mLovelace" in shown.stdout
    assert "\x1b" not in shown.stdout
    found = json.loads(immunoprofile("scan-phi", tmp_path / "a.fcs", "--json").stdout)
    assert {e["where"] for e in found} == {"file name", "$SRC"}


def test_verb__what_does_not_exist_is_refused(tmp_path: Path, immunoprofile) -> None:
    outcome = immunoprofile("scan-phi", tmp_path / "nothing")
    assert outcome.exit_code == 2
    assert "does not exist" in outcome.stderr
