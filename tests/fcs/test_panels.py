"""A panel that was read before is known again by all that its keywords say of it, and by nothing less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from immunoprofile.errors import FcsError
from immunoprofile.fcs import Strictness, panels, read_fcs
from immunoprofile.fcs.findings import Inspection
from immunoprofile.fcs.panels import read_panel

PLAIN = {
    "$BYTEORD": "1,2,3,4", "$DATATYPE": "F", "$MODE": "L", "$PAR": "3", "$TIMESTEP": "0.01",
    "$P1N": "FL1-A", "$P1B": "32", "$P1R": "1024", "$P1E": "0,0", "$P1S": "CD4", "$P1V": "450", "$P1G": "2.0",
    "$P2N": "FL2-A", "$P2B": "32", "$P2R": "1024", "$P2E": "0,0",
    "$P3N": "Time", "$P3B": "32", "$P3R": "1024", "$P3E": "0,0",
    "$SPILLOVER": "2,FL1-A,FL2-A,1,0.1,0.2,1", "$FIL": "a.fcs",
}  # fmt: skip
OTHER = ("", "0", "7", "D", "0,1", "4,3,2,1", "x", "2,FL1-A,FL2-A,1,0.3,0.2,1", "Logarithmic,4,0.1", "Time")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    panels._KNOWN.clear()
    yield
    panels._KNOWN.clear()


def outcome(keywords: Mapping[str, str], version: str = "FCS3.1", count: int = 3) -> object:
    inspection = Inspection("a.fcs", Strictness.REPORT)
    try:
        panel = read_panel(keywords, version, count, inspection)
        # As text: a range may be NaN, which does not equal itself.
        return repr((panel.layout, panel.channels, panel.scalings)), panel.spillover, inspection.findings
    except (FcsError, KeyError) as problem:
        return type(problem), str(problem), inspection.findings


def test_panel__is_known_again(fcs) -> None:
    first = read_panel(PLAIN, "FCS3.1", 3, Inspection("a.fcs", Strictness.REPORT))
    again = read_panel(PLAIN | {"$FIL": "b.fcs"}, "FCS3.1", 3, Inspection("b.fcs", Strictness.REPORT))
    assert again is first
    assert first.channels[0].marker == "CD4" and first.channels[0].voltage == 450
    path = fcs()
    assert read_fcs(path).channels is read_fcs(path).channels


ASKED = [
    *(k for k in PLAIN if k != "$FIL"),
    *(f"$P{i}{what}" for i in (1, 2, 3) for what in "SVGD"),
    *("$P1DATATYPE", "$P2TYPE", "$P3TYPE", "$P1CALIBRATION", "$P4N", "SPILL", "SPILLOVER", "$COMP", "$DFC1TO2"),
]


@pytest.mark.parametrize("key", dict.fromkeys(ASKED))
def test_panel__another_answer_is_another_panel(key: str) -> None:
    changed = [PLAIN | {key: value} for value in OTHER] + [{k: v for k, v in PLAIN.items() if k != key}]
    alone = []
    for keywords in changed:
        panels._KNOWN.clear()
        alone.append(outcome(keywords))
    panels._KNOWN.clear()
    outcome(PLAIN)
    assert [outcome(keywords) for keywords in changed] == alone
    assert [outcome(keywords) for keywords in reversed(changed)] == alone[::-1]


@pytest.mark.parametrize(("version", "count"), [("FCS2.0", 3), ("FCS3.2", 3), ("FCS3.1", 2)])
def test_panel__version_and_number_of_channels_count(version: str, count: int) -> None:
    alone = outcome(PLAIN, version, count)
    panels._KNOWN.clear()
    outcome(PLAIN)
    assert outcome(PLAIN, version, count) == alone


def test_panel__with_findings_is_read_anew_each_time() -> None:
    odd = PLAIN | {"$P1E": "4,1"}
    assert outcome(odd) == outcome(odd) and not panels._KNOWN
    strict = Inspection("a.fcs", Strictness.STRICT)
    with pytest.raises(FcsError):
        read_panel(odd, "FCS3.1", 3, strict)


def test_panel__few_are_remembered() -> None:
    for i in range(50):
        outcome(PLAIN | {"$P1S": f"CD{i}"})
    assert len(panels._KNOWN) == panels._MOST
