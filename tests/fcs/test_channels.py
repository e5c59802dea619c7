"""Channels: names, markers and kinds; spillover as the file declares it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.fcs import Channel, read_fcs

Make = Callable[..., Path]


def test_channel__carries_what_the_file_says(fcs: Make) -> None:
    path = fcs(extra={"$P2S": " CD3 ", "$P2G": "2.5", "$P2V": "450", "$P1S": "  ", "$P1E": "4,1"})
    assert read_fcs(path).channels == (
        Channel("FL1", None, 0, 65536, 16, "fluorescence", 1.0, (4.0, 1.0), None),
        Channel("FL2", "CD3", 1, 65536, 16, "fluorescence", 2.5, (0.0, 0.0), 450.0),
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("FSC-A", "scatter"), ("SSC-H", "scatter"), ("fsc-w", "scatter"), ("FS Lin", "scatter"), ("SS", "scatter"),
        ("FS0", "scatter"), ("BSC-A", "scatter"), ("Forward Scatter", "scatter"), ("VSSC-A", "fluorescence"),
        ("FSG", "fluorescence"), ("SSEA-4", "fluorescence"), ("FITC-A", "fluorescence"), ("FL1-H", "fluorescence"),
        ("Time", "time"), ("TIME", "time"), ("time", "time"), ("Time MSW", "time"), ("TIME2", "time"),
        ("Timer", "fluorescence"), ("Lifetime", "fluorescence"),
    ],
)  # fmt: skip
def test_channel__kind_is_by_name(name: str, kind: str, fcs: Make) -> None:
    assert read_fcs(fcs(extra={"$P1N": name})).channels[0].kind == kind


def test_channel__declared_time_counts_in_3_2(fcs: Make) -> None:
    extra = {"$P1N": "HDR-T", "$P1TYPE": "Time", "$TIMESTEP": "0.5"}
    events = read_fcs(fcs(version="FCS3.2", extra=extra))
    assert events.channels[0].kind == "time"
    assert events.linear()[:, 0].tolist() == [0.5, 1.5, 2.5]


def test_channel__doubled_names_stay_apart(fcs: Make) -> None:
    names = [{"B": "8", "E": "0,0", "N": n, "R": "256"} for n in ("PE-A", "PE-A", "PE-A#2", "PE-A")]
    found = [c.detector for c in read_fcs(fcs(b"\1\2\3\4", names)).channels]
    assert found == ["PE-A", "PE-A#2", "PE-A#2#2", "PE-A#3"]


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        ("FCS3.1", {"$SPILLOVER": "2,FL1,FL2,1,0.1,0.2,1"}),
        ("FCS3.0", {"SPILL": "2,FL1,FL2,1.0,0.1,0.2,1.0"}),
        ("FCS3.0", {"$SPILL": " 2,FL1,FL2, 1, 1e-1, .2, 1"}),
        ("FCS2.0", {"spillover": "2,FL1,FL2,1,0.1,0.2,1"}),
        ("FCS3.1", {"$SPILLOVER": "2,FL1,FL2,1,0.1,0.2,1", "SPILL": "2,FL1,FL2,1.00,0.10,0.20,1.00"}),
        ("FCS3.1", {"$SPILLOVER": "2, FL1,FL2 ,1,0.1,0.2,1"}),
        ("FCS3.1", {"$SPILLOVER": "2,CD3,CD4,1,0.1,0.2,1", "$P1S": "CD3", "$P2S": "CD4"}),
        ("FCS3.1", {"$SPILLOVER": "2,1,2,1,0.1,0.2,1"}),
    ],
    ids=["standard", "BD", "odd numbers", "lower case", "the same twice", "padded", "markers", "numbers"],
)
def test_spillover__rows_are_fluorochromes(version: str, extra: dict[str, str], fcs: Make) -> None:
    spillover = read_fcs(fcs(version=version, extra=extra)).spillover
    assert spillover is not None
    assert spillover.detectors == ("FL1", "FL2")
    np.testing.assert_array_equal(spillover.matrix, [[1, 0.1], [0.2, 1]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2,FL1,FL2,1,0.1,0.2", "begins with 2 detectors and asks for 7, holds 6 parts"),
        ("2,FL1,FL2,1,0,0,1,0,2,1", "and asks for 7, holds 10 parts"),
        ("1000000,FL1", "begins with 1,000,000 detectors, holds 2 parts"),
        ("two,FL1", "begins with no number detectors"),
        ("2,FL1,FL2,1,nan,0.2,1", 'holds "nan", not a number'),
        ("2,FL1,FL2,1,x,0.2,1", 'holds "x", not a number'),
        ("2,FL1,PE-A,1,0.1,0.2,1", 'names "PE-A"; the file has "FL1", "FL2"'),
        ("2,FL1,FL1,1,0.1,0.2,1", "names FL1 more than once"),
        ("2,FL1,FL2,1,1,1,1", "cannot be inverted"),
    ],
)
def test_spillover__trouble_costs_the_matrix_not_the_events(text: str, sentence: str, fcs: Make) -> None:
    events = read_fcs(fcs(extra={"$SPILLOVER": text}))
    assert events.spillover is None
    assert events.n_events == 3
    assert [f.severity for f in events.findings] == ["error"]
    assert sentence in events.findings[0].message
    assert events.findings[0].message.endswith("no matrix was read")


def test_spillover__two_that_differ_leave_the_choice_to_the_reader(fcs: Make) -> None:
    extra = {"$SPILLOVER": "2,FL1,FL2,1,0.1,0.2,1", "SPILL": "2,FL1,FL2,1,0.1,0.3,1"}
    events = read_fcs(fcs(extra=extra))
    assert events.spillover is None
    assert events.findings[0].where == "$SPILLOVER and SPILL"
