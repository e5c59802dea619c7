"""The project's own reference data: rebuilt byte for byte, and right."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest

from immunoprofile.errors import FcsError, PanelMismatchError
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, load_template
from immunoprofile.provenance import digest_of_file


@pytest.fixture(scope="module")
def fixtures(checkout: Path) -> Path:
    return checkout / "fixtures"


@pytest.fixture(scope="module")
def script(fixtures: Path):
    spec = importlib.util.spec_from_file_location("build_fixtures", fixtures / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fixtures__digests_are_theirs(fixtures: Path, script) -> None:
    found = {p.relative_to(fixtures).as_posix(): digest_of_file(p) for p in script.files(fixtures)}
    assert found == json.loads((fixtures / "digests.json").read_text())


def test_fixtures__are_rebuilt_byte_for_byte(fixtures: Path, script, tmp_path: Path) -> None:
    script.build(tmp_path)
    for file in script.files(fixtures):
        assert (tmp_path / file.relative_to(fixtures)).read_bytes() == file.read_bytes(), file.name


def test_fixtures__counts_are_those_worked_by_hand(fixtures: Path) -> None:
    members = apply_template(load_template(fixtures / "gates" / "grid.toml"), read_fcs(fixtures / "fcs" / "grid.fcs"))
    with (fixtures / "expected" / "grid_counts.csv").open() as stream:
        assert members.counts() == {row["path"]: int(row["count"]) for row in csv.DictReader(stream)}


def test_fixtures__file_without_events_has_empty_populations(fixtures: Path) -> None:
    members = apply_template(
        load_template(fixtures / "gates" / "grid.toml"), read_fcs(fixtures / "fcs" / "no_event.fcs")
    )
    assert set(members.counts().values()) == {0}


EDGES = ("one_event", "empty_populations", "all_on_boundaries", "nan_and_infinities")


def expected(folder: Path, table: str, sample: str) -> dict[str, int]:
    with (folder / "expected" / f"{table}.csv").open() as stream:
        return {row["path"]: int(row["count"]) for row in csv.DictReader(stream) if row["sample"] == sample}


@pytest.mark.parametrize("name", EDGES)
def test_edges__counts_are_those_worked_by_hand(fixtures: Path, name: str) -> None:
    members = apply_template(
        load_template(fixtures / "gates" / "grid.toml"), read_fcs(fixtures / "fcs" / f"{name}.fcs")
    )
    assert members.counts() == expected(fixtures, "edge_counts", name)


def test_edges__events_without_a_number_are_counted_and_found(fixtures: Path) -> None:
    members = apply_template(
        load_template(fixtures / "gates" / "grid.toml"), read_fcs(fixtures / "fcs" / "nan_and_infinities.fcs")
    )
    assert members.nan_counts["Half open"] == 3
    assert {"GATE-NAN"} <= {f.code for f in members.findings}


@pytest.mark.parametrize("name", ["grid", "grid_with_z"])
def test_optional_marker__its_gates_alone_are_left_out(fixtures: Path, name: str) -> None:
    members = apply_template(
        load_template(fixtures / "gates" / "grid_optional.toml"), read_fcs(fixtures / "fcs" / f"{name}.fcs")
    )
    assert members.counts() == expected(fixtures, "optional_counts", name)
    assert any("Right and bright" in f.message for f in members.findings) == (name == "grid")


def test_wrong_panel__is_refused_with_the_markers_that_are_missing(fixtures: Path) -> None:
    with pytest.raises(PanelMismatchError) as caught:
        apply_template(load_template(fixtures / "gates" / "grid.toml"), read_fcs(fixtures / "fcs" / "wrong_panel.fcs"))
    assert all(f'needs "{name}"' in str(caught.value) for name in "XY")


def test_fixtures__are_small(fixtures: Path, script) -> None:
    assert sum(p.stat().st_size for p in script.files(fixtures)) < 12_000_000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("truncated", "(?i)truncated|ends|cut"),
        ("text_called_fcs", "not an FCS file"),
        ("empty", "(?i)empty|not an FCS file"),
    ],
)
def test_malformed__is_refused_with_its_name(fixtures: Path, name: str, words: str) -> None:
    with pytest.raises(FcsError, match=words) as caught:
        read_fcs(fixtures / "malformed" / f"{name}.fcs")
    assert f"{name}.fcs" in str(caught.value)
