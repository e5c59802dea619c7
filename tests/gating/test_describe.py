"""A plan in words."""

from __future__ import annotations

import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import compile_plan, load_template
from immunoprofile.gating.describe import describe_plan
from immunoprofile.simulation import simulate_cohort


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    study = simulate_cohort(tmp_path_factory.mktemp("c") / "c", n_subjects=6, events_per_sample=500)
    events = read_fcs(next((study.parent / "fcs").glob("*.fcs")))
    plan = compile_plan(load_template("immune14"), events.channels, events.spillover)
    return describe_plan(plan, tuple(c.detector for c in events.channels))


def test_plan__says_what_is_read(lines: list[str]) -> None:
    assert lines[0].startswith("reads 17 of 18 channels: FSC-A, FSC-H, SSC-A, ")
    assert "Time" not in lines[0]


def test_plan__compensates_a_channel_for_those_who_ask(lines: list[str]) -> None:
    assert "PE-A* compensated from 14 detectors, for events of Singlets/Live/CD45+/Lymphocytes/T cells/CD4+" in lines


def test_plan__range_is_a_bound_in_linear_units(lines: list[str]) -> None:
    scale = load_template("immune14").gate("Singlets/Live").geometry.dimensions[0].scale
    bound = load_template("immune14").gate("Singlets/Live").geometry.bounds[0][1]
    assert f"Singlets/Live: eFluor780-A* < {scale.first_linear(bound):g}" in lines


def test_plan__polygon_says_how_much_needs_no_transform(lines: list[str]) -> None:
    treg = next(line for line in lines if "/Treg: polygon within" in line)
    assert "of its cells decided without a transform" in treg


def test_plan__boolean_names_its_terms(lines: list[str]) -> None:
    other = next(line for line in lines if "/Other B cells: all of" in line)
    assert "not Singlets/Live/CD45+/Lymphocytes/B cells/Plasmablasts" in other
