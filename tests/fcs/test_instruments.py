"""Files of many cytometers: shapes from their index, values against FlowIO, scale values against its truth."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from immunoprofile.errors import FcsFormatError, FcsTruncatedError
from immunoprofile.fcs import Strictness, read_fcs, read_fcs_datasets

pytestmark = pytest.mark.shared

# Both sides compute 10**(f1*x/R)*f2 in float64: the same operations, at most an ulp apart in the power.
_SCALE_RTOL = 1e-14

_INDEX = Path(__file__).parents[3] / "shared" / "data" / "instruments" / "index.csv"


def _rows() -> list[dict[str, str]]:
    if not _INDEX.is_file():
        return []
    with _INDEX.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


_FILES = [r for r in _rows() if r["file"] not in ("fcsparser/corrupted.fcs", "fcsparser/sample_header.fcs")]
_each_file = pytest.mark.parametrize("row", _FILES, ids=lambda r: r["file"].split("/")[-1])

# Every finding of every file, looked at by hand, without "FCS-"; one string a data set. Any other code is news.
_DISCREPANT = ["OFFSETS-DISAGREE SPILL-NAMES TIMESTEP TRAILING"]
_FOUND = {
    "3FITC_4PE_004.fcs": ["AMPLIFICATION TEXT-ENCODING"],
    "G11.fcs": ["SPILL-IDENTITY"],
    "coulter.lmd": ["DATA-END KEYWORD-UNKNOWN SPILL-OLD", "TIMESTEP-ABSENT TRAILING"],
    "data1.fcs": ["AMPLIFICATION TEXT-EMPTY TEXT-ENCODING TIMESTEP-ABSENT"],
    "data_start_offset_discrepancy_example.fcs": _DISCREPANT,
    "data_stop_offset_discrepancy_example.fcs": _DISCREPANT,
    "variable_int_example.fcs": ["SPILL-NAMES TIMESTEP"],
    "Sample_Well_A02.fcs": ["AMPLIFICATION TEXT-ENCODING TIMESTEP-ABSENT"],
    "EY_2013-07-19_PBS_FCS_3.1_Custom_Add_Well_A1.001.fcs": ["DATA-END SPILL-FORMAT"],
    "EY_2013-07-19_PBS_FCS_3.1_Custom_Without_Add_Well_A1.001.fcs": ["DATA-END SPILL-FORMAT"],
    "EY_2013-07-19_PBS_FCS_3.1_Well_A1.001.fcs": ["DATA-END SPILL-FORMAT"],
    "SG_2014-09-26_Duplicate_Names.fcs": ["DATA-END TEXT-DUPLICATE"],
    "cyflow_cube_8.fcs": ["ACQUISITION STEXT"],
    "fcs1_cleaned.lmd": ["KEYWORD-UNKNOWN SPILL-OLD TRAILING"],
    "iCyt.fcs": ["KEYWORD-UNKNOWN"],
    "Applied Biosystems - Attune.fcs": ["TEXT-EMPTY"],
    "Beckman Coulter - MoFlo Astrios - linear settings.fcs": ["TIME"],
    "Beckman Coulter - MoFlo Astrios - log settings.fcs": ["TIME"],
    "Beckman Coulter - MoFlo XDP.fcs": ["AMPLIFICATION TIME"],
    "Cytek NL-2000.fcs": ["TEXT-UNTERMINATED"],
    "Stratedigm - S1400.fcs": ["SPILL-IDENTITY"],
    "iCyt - Eclipse.lmd": ["KEYWORD-UNKNOWN"],
}


def test_instruments__are_there(shared_data: Path) -> None:
    assert len(_FILES) == 31


@_each_file
def test_instruments__shape_is_as_the_index_says(row: dict[str, str], shared_data: Path) -> None:
    events = read_fcs_datasets(shared_data / "instruments" / row["file"])[0]
    assert (events.n_events, events.n_channels) == (int(row["events"]), int(row["channels"]))
    assert events.version == row["version"]
    assert events.linear().shape == (events.n_events, events.n_channels)


@_each_file
def test_instruments__findings_are_the_known_ones(row: dict[str, str], shared_data: Path) -> None:
    sets = read_fcs_datasets(shared_data / "instruments" / row["file"])
    found = [" ".join(sorted({f.code.removeprefix("FCS-") for f in s.findings})) for s in sets]
    assert found == _FOUND.get(row["file"].split("/")[-1], [""])


def test_instruments__acquisitions_are_dated(shared_data: Path) -> None:
    paths = [shared_data / "instruments" / row["file"] for row in _FILES]
    days = [read_fcs_datasets(path)[0].acquisition.day for path in paths]
    assert None not in days
    assert {d.year for d in days if d is not None} <= set(range(2002, 2021))


def _other_reading(path: Path) -> Any:
    flowio = pytest.importorskip("flowio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return flowio.read_multiple_data_sets(str(path), ignore_offset_error=True)[0]


@pytest.mark.oracle
@_each_file
def test_instruments__values_agree_with_flowio(row: dict[str, str], shared_data: Path) -> None:
    if "discrepancy" in row["file"]:
        # FlowIO refuses these two; they hold the events of variable_int_example.fcs, which it reads
        row = {**row, "file": "FlowIO/variable_int_example.fcs"}
    path = shared_data / "instruments" / row["file"]
    other = _other_reading(path)
    events = read_fcs_datasets(path)[0]
    stored = np.reshape(np.array(other.events, dtype=np.float64), (-1, other.channel_count))
    np.testing.assert_array_equal(events.values, stored)
    if row["file"].endswith("variable_int_example.fcs"):
        return  # FlowIO refuses its $TIMESTEP and so gives no scale values
    np.testing.assert_allclose(events.linear(), other.as_array(), rtol=_SCALE_RTOL)


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_instruments__offset_discrepancies_do_not_change_values(kind: str, shared_data: Path) -> None:
    folder = shared_data / "instruments" / "FlowIO"
    good = read_fcs(folder / "variable_int_example.fcs")
    bad = read_fcs(folder / f"data_{kind}_offset_discrepancy_example.fcs")
    np.testing.assert_array_equal(bad.values, good.values)


@pytest.mark.parametrize(
    ("file", "truth"),
    [
        ("gating_ml/data1.fcs", "data1_preprocessed.npy"),
        ("instruments/FlowIO/B01 KC-A-W---91-US.fcs", "B01 KC-A-W---91-US_preprocessed_events.npy"),
    ],
)
def test_instruments__scale_values_equal_the_truth(file: str, truth: str, shared_data: Path) -> None:
    expected = np.load(shared_data / "instruments" / "FlowIO" / "truth" / truth)
    np.testing.assert_allclose(read_fcs(shared_data / file).linear(), expected, rtol=_SCALE_RTOL)


def test_instruments__stored_values_equal_the_truth(shared_data: Path) -> None:
    expected = np.load(shared_data / "instruments" / "FlowIO" / "truth" / "data1_original_events.npy")
    np.testing.assert_array_equal(read_fcs(shared_data / "gating_ml" / "data1.fcs").values, expected)


def test_instruments__lmd_gives_its_20_bit_set(shared_data: Path) -> None:
    path = shared_data / "instruments" / "FlowIO" / "coulter.lmd"
    events = read_fcs(path)
    ten_bits = read_fcs_datasets(path)[0]
    assert (events.version, events.dataset) == ("FCS3.0", 2)
    assert "FCS-LMD" in [f.code for f in events.findings]
    # the same events: 20 bits without their lowest ten are the 10 bits of forward scatter
    np.testing.assert_array_equal(events.column(0) >> 10, ten_bits.column(0))


def test_instruments__not_fcs_is_said_plainly(shared_data: Path) -> None:
    with pytest.raises(FcsFormatError, match="is not an FCS file"):
        read_fcs(shared_data / "instruments" / "fcsparser" / "corrupted.fcs")


def test_instruments__missing_data_are_refused_or_salvaged(shared_data: Path) -> None:
    path = shared_data / "instruments" / "fcsparser" / "sample_header.fcs"
    with pytest.raises(FcsTruncatedError, match="0 whole events of 20,000 are there"):
        read_fcs(path)
    events = read_fcs(path, strictness=Strictness.SALVAGE)
    assert (events.n_events, events.n_channels) == (0, 27)
