"""Real files that the fcsparser wheel from PyPI carries for its own tests: the data only, its code is never run."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import FcsFormatError, FcsTruncatedError
from immunoprofile.fcs import Events, read_fcs_datasets
from immunoprofile.selftest.zoo import _events_of, _same_events
from reference_reader import read as read_slowly

# Data sets of each file as version, events x channels, findings without "FCS-"; looked at by hand.
FILES = {
    "Cytek_xP5.fcs": ["FCS3.0 23126x8 TRAILING"],
    "Sample_Well_A02.fcs": ["FCS2.0 37395x8 AMPLIFICATION TEXT-ENCODING TIMESTEP-ABSENT"],
    "facs_diva_test.fcs": ["FCS3.0 83411x12"],
    "FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs": ["FCS3.0 11585x11"],
    "Guava Muse.fcs": [
        "FCS3.0 108x10 AMPLIFICATION KEYWORD-UNKNOWN PAR-MORE",
        "FCS3.0 50081x10 AMPLIFICATION KEYWORD-UNKNOWN PAR-MORE",
        "FCS3.0 111496x10 AMPLIFICATION KEYWORD-UNKNOWN PAR-MORE",
        "FCS3.0 50037x10 AMPLIFICATION KEYWORD-UNKNOWN PAR-MORE TRAILING",
    ],
    "HTS_BD_LSR_II_Mixed_Specimen_001_D6_D06.fcs": ["FCS3.0 14945x11"],
    "EY_2013-07-19_PBS_FCS_2.0_Custom_Without_Add_Well_A1.001.fcs": ["FCS2.0 10000x16"],
    "FCS3.0_Custom_Compatible.fcs": ["FCS3.0 10000x16"],
    "EY_2013-07-19_PBS_FCS_3.1_Custom_Add_Well_A1.001.fcs": ["FCS3.1 10000x19 DATA-END SPILL-FORMAT"],
    "EY_2013-07-19_PBS_FCS_3.1_Custom_Without_Add_Well_A1.001.fcs": ["FCS3.1 10000x19 DATA-END SPILL-FORMAT"],
    "EY_2013-07-19_PBS_FCS_3.1_Well_A1.001.fcs": ["FCS3.1 10000x19 DATA-END SPILL-FORMAT"],
    "SG_2014-09-26_Duplicate_Names.fcs": ["FCS3.1 8129x9 DATA-END TEXT-DUPLICATE"],
    "cyflow_cube_8.fcs": ["FCS3.0 725x10 ACQUISITION STEXT"],
    "fcs1_cleaned.lmd": ["FCS2.0 50000x7 KEYWORD-UNKNOWN SPILL-OLD TRAILING"],
    "fake_large_fcs.fcs": ["FCS3.0 11585x11 TRAILING-BLANK"],
}
BY_SLOW_READER = {"Cytek_xP5.fcs", "fake_large_fcs.fcs"}  # FlowIO refuses them


@pytest.fixture(scope="module")
def carried() -> dict[str, Path]:
    found = importlib.util.find_spec("fcsparser")
    if found is None or found.origin is None:
        pytest.skip("the fcsparser wheel is not installed; it is in the extra test-files, for its data only")
    folder = Path(found.origin).parent / "tests" / "data"
    return {p.name: p for p in folder.rglob("*") if p.is_file() and p.suffix != ".txt"}


def _described(events: Events) -> str:
    codes = sorted({f.code.removeprefix("FCS-") for f in events.findings})
    return " ".join([events.version, f"{events.n_events}x{events.n_channels}", *codes])


def test_wheel__carries_the_known_files(carried: dict[str, Path]) -> None:
    assert carried.keys() == FILES.keys() | {"corrupted.fcs", "sample_header.fcs"}


@pytest.mark.parametrize("name", FILES)
def test_wheel__sets_and_findings_are_the_known_ones(name: str, carried: dict[str, Path]) -> None:
    assert [_described(s) for s in read_fcs_datasets(carried[name])] == FILES[name]


@pytest.mark.oracle
@pytest.mark.parametrize("name", [n for n in FILES if n not in BY_SLOW_READER])
def test_wheel__values_agree_with_flowio(name: str, carried: dict[str, Path]) -> None:
    flowio = pytest.importorskip("flowio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = flowio.read_multiple_data_sets(str(carried[name]), ignore_offset_error=True)
    sets = read_fcs_datasets(carried[name])
    assert len(others) == len(sets)
    for other, ours in zip(others, sets, strict=True):
        np.testing.assert_array_equal(np.reshape(other.events, (-1, other.channel_count)), ours.values)


@pytest.mark.parametrize("name", sorted(BY_SLOW_READER))
def test_wheel__values_agree_with_the_slow_reader(name: str, carried: dict[str, Path]) -> None:
    (ours,) = read_fcs_datasets(carried[name])
    (slow,) = read_slowly(carried[name].read_bytes())
    assert _same_events(slow, _events_of(ours))


def test_wheel__what_is_not_readable_is_refused(carried: dict[str, Path]) -> None:
    with pytest.raises(FcsFormatError, match="is not an FCS file"):
        read_fcs_datasets(carried["corrupted.fcs"])
    with pytest.raises(FcsTruncatedError, match="0 whole events of 20,000 are there"):
        read_fcs_datasets(carried["sample_header.fcs"])
