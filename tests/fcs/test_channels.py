"""Channels: names, markers and kinds; spillover as the file declares it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import FcsFormatError
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


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("Forward Scatter", "scatter"),
        ("side scatter", "scatter"),
        ("Unmixed Fluorescence", "fluorescence"),
        ("Mass", "time"),
    ],
)
def test_channel__declared_type_counts_before_the_name(declared: str, kind: str, fcs: Make) -> None:
    extra = {"$P1N": "Time", "$P1TYPE": declared, "$CYT": "x", "$TIMESTEP": "1"}
    first = read_fcs(fcs(version="FCS3.2", extra=extra)).channels[0]
    assert (first.kind, first.type) == (kind, declared)


@pytest.mark.parametrize(
    ("extra", "display", "calibration"),
    [
        ({"$P1D": "Linear,0,26.3"}, ("Linear", 0.0, 26.3), None),
        ({"$P1D": "LOGARITHMIC, 4, 0.1"}, ("Logarithmic", 4.0, 0.1), None),
        ({"$P1CALIBRATION": "1.27,MESF"}, None, (1.27, 0.0, "MESF")),
        ({"$P1CALIBRATION": "1.27,-3,MESF"}, None, (1.27, -3.0, "MESF")),
        ({"$P1D": "Biexp,1,2", "$P1CALIBRATION": "MESF"}, None, None),
        ({"$P1D": "Linear,1", "$P1CALIBRATION": "0,MESF"}, None, None),
        ({"$P1D": "Linear,a,b", "$P1CALIBRATION": "1,2,3,MESF"}, None, None),
    ],
)
def test_channel__display_and_calibration_are_told_and_never_applied(
    extra: dict[str, str], display: object, calibration: object, fcs: Make
) -> None:
    events = read_fcs(fcs(extra=extra))
    first = events.channels[0]
    assert (first.display, first.calibration) == (display, calibration)
    assert [f.code for f in events.findings] == ["FCS-METADATA"] * (0 if display or calibration else 2)
    assert events.linear().tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("names", "text", "detectors"),
    [
        (("A,B", "C"), "2,A,B,C,1,0.1,0.2,1", ("A,B", "C")),
        (("A", "B,C"), "2,A,B,C,1,0.1,0.2,1", ("A", "B,C")),
        (("A,B", "A"), "2,A,A,B,1,0.1,0.2,1", ("A", "A,B")),
        (("A,B", "B,C"), "2,A,B,B,C,1,0.1,0.2,1", ("A,B", "B,C")),
        (("A,B", "C"), "2,A,X,C,1,0.1,0.2,1", None),
    ],
)
def test_spillover__names_may_hold_commas_before_3_1(
    names: tuple[str, str], text: str, detectors: tuple[str, ...] | None, fcs: Make
) -> None:
    extra = {"$P1N": names[0], "$P2N": names[1], "SPILL": text}
    events = read_fcs(fcs(version="FCS3.0", extra=extra))
    assert (events.spillover and events.spillover.detectors) == detectors
    assert ("FCS-SPILL-FORMAT" in [f.code for f in events.findings]) == (detectors is None)


def test_recorded__percentages_of_dfc_become_rows(fcs: Make) -> None:
    events = read_fcs(fcs(version="FCS2.0", extra={"$DFC1TO2": "13.4", "$DFC2TO1": "5", "$DFC2TO2": "0.0"}))
    found = events.recorded_spillover(["FL1", "FL2"])
    assert events.spillover is None
    np.testing.assert_array_equal(found.matrix, [[1, 0.134], [0.05, 1]])


def test_recorded__percentages_of_comp_become_rows(fcs: Make) -> None:
    events = read_fcs(fcs(version="FCS3.0", extra={"$COMP": "2,0,25,50,0"}))
    np.testing.assert_array_equal(events.recorded_spillover(["FL1", "FL2"]).matrix, [[1, 0.25], [0.5, 1]])


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({}, "holds neither $COMP nor $DFCiTOj"),
        ({"$COMP": "3,0,25,50,0"}, "not 2 and 4 percentages"),
        ({"$COMP": "2,0,25,x,0"}, "not 2 and 4 percentages"),
        ({"$DFC1TO3": "1"}, 'is "1", for 2 detectors'),
        ({"$DFC1TO2": "x"}, 'is "x", for 2 detectors'),
    ],
)
def test_recorded__what_is_no_matrix_is_refused(extra: dict[str, str], sentence: str, fcs: Make) -> None:
    with pytest.raises(FcsFormatError) as caught:
        read_fcs(fcs(version="FCS3.0", extra=extra)).recorded_spillover(["FL1", "FL2"])
    assert caught.value.code == "FCS-COMP"
    assert sentence in str(caught.value)
