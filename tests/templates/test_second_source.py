"""The counts of the templates' own tests, counted again: by a plain reading of the rules, and by FlowKit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate_one_file import flowkits
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import GatingTemplate, load_template, write_gatingml
from immunoprofile.gating.expectations import TemplateTest
from immunoprofile.simulation import PANELS
from twins import ArrayEvents, Twin

TUBES = [(panel, tube) for panel in PANELS for tube in ("blood", "crowded")]


@pytest.fixture(scope="module")
def tubes(checkout: Path) -> Path:
    return checkout / "fixtures" / "templates"


def counts_of(test: TemplateTest) -> dict[str, int]:
    return {e.path: int(e.value) for e in test.expectations if e.quantity == "count" and e.tolerance == 0}


def expected(template: GatingTemplate, name: str) -> dict[str, int]:
    """Every population's count of one tube, as the template says."""
    found = next(t for t in template.tests if t.sample == f"templates/{name}" and counts_of(t))
    return counts_of(found)


@pytest.mark.parametrize(("panel", "tube"), TUBES, ids=lambda x: x)
def test_counts__are_those_of_a_plain_reading_of_the_rules(tubes: Path, panel: str, tube: str) -> None:
    template = load_template(panel)
    events = read_fcs(tubes / f"{panel}_{tube}.fcs")
    twin = Twin(template, ArrayEvents(events.linear(), events.channels, events.spillover))
    wanted = expected(template, f"{panel}_{tube}")
    assert wanted.keys() == set(template.paths[1:])
    assert {p: int(twin.masks[p].sum()) for p in wanted} == wanted


@pytest.mark.oracle
@pytest.mark.parametrize("panel", PANELS)
def test_counts__are_those_of_flowkit(tubes: Path, panel: str, tmp_path: Path) -> None:
    """No event lies on an edge, where FlowKit errs, and no value is missing."""
    template, fcs = load_template(panel), tubes / f"{panel}_crowded.fcs"
    write_gatingml(template, tmp_path / "gates.xml", channels=read_fcs(fcs).channels)
    found = flowkits(fcs, tmp_path / "gates.xml", cached=True)
    wanted = expected(template, f"{panel}_crowded")
    assert len(wanted) >= 9
    assert sorted(found.values()) == sorted(wanted.values())
