"""``gates import`` and ``gates export``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from immunoprofile.cli import program
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, load_template, read_gatingml


def call(*arguments: str | Path):
    return CliRunner().invoke(program, [str(a) for a in arguments])


def test_gates_export__gating_ml_comes_back_as_the_same_gates(tmp_path: Path, checkout: Path) -> None:
    fcs, own = checkout / "fixtures" / "fcs" / "grid.fcs", checkout / "fixtures" / "gates" / "grid.toml"
    outcome = call("gates", "export", own, "--out", tmp_path / "grid.xml", "--panel", fcs)
    assert outcome.exit_code == 0, outcome.output
    events = read_fcs(fcs)
    back = apply_template(read_gatingml(tmp_path / "grid.xml"), events)
    assert back.counts() == apply_template(load_template(own), events).counts()


def test_gates_export__says_that_tests_stay_behind(tmp_path: Path) -> None:
    outcome = call("gates", "export", "treg", "--out", tmp_path / "treg.xml")
    assert outcome.exit_code == 0, outcome.output
    assert f"not carried: the template's {len(load_template('treg').tests)} tests" in outcome.stderr


def test_gates_export__to_toml_is_a_copy_to_work_on(tmp_path: Path, checkout: Path) -> None:
    outcome = call("gates", "export", "treg", "--out", tmp_path / "mine.toml")
    assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "mine.toml").read_bytes() == (checkout / "gates" / "treg.toml").read_bytes()
    assert load_template(tmp_path / "mine.toml").digest == load_template("treg").digest


def test_gates_import__gating_ml_becomes_a_template_that_counts_alike(tmp_path: Path, checkout: Path) -> None:
    fcs, own = checkout / "fixtures" / "fcs" / "grid.fcs", checkout / "fixtures" / "gates" / "grid.toml"
    call("gates", "export", own, "--out", tmp_path / "grid.xml", "--panel", fcs)
    outcome = call("gates", "import", tmp_path / "grid.xml", "--out", tmp_path / "back.toml")
    assert outcome.exit_code == 0, outcome.output
    events = read_fcs(fcs)
    assert apply_template(load_template(tmp_path / "back.toml"), events).counts() == (
        apply_template(load_template(own), events).counts()
    )


@pytest.mark.shared
def test_gates_import__workspace_becomes_template_and_overrides(tmp_path: Path, shared_data: Path) -> None:
    outcome = call(
        "gates", "import", shared_data / "flowjo" / "flowsom_68983" / "gating.wsp", "--out", tmp_path / "spleen.toml"
    )
    assert outcome.exit_code in {0, 3}, outcome.output
    events = read_fcs(shared_data / "flowjo" / "flowsom_68983" / "68983.fcs")
    members = apply_template(load_template(tmp_path / "spleen.toml"), events)
    stored = pd_counts(shared_data / "flowjo" / "counts.csv")
    for path, count in stored.items():
        assert abs(members.count(path) - count) <= 3, path


def pd_counts(file: Path) -> dict[str, int]:
    """FlowJo's counts of the spleen workspace by our paths."""
    with file.open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["wsp"].endswith("flowsom_68983/gating.wsp")]
    found = {r["population"].removeprefix("root/"): r["flowjo_count"] for r in rows if r["gate_type"] != "sample"}
    return {path: int(n) for path, n in found.items() if n}


def test_gates_import__other_kinds_are_refused(tmp_path: Path) -> None:
    outcome = call("gates", "import", tmp_path / "gates.pdf", "--out", tmp_path / "t.toml")
    assert outcome.exit_code == 2
    assert "is neither a FlowJo workspace (.wsp) nor Gating-ML (.xml) nor an openCyto template (.csv)" in outcome.stderr


@pytest.mark.shared
def test_gates_import__nothing_is_written_where_overrides_stand_already(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "overrides.csv").write_text("mine")
    workspace = shared_data / "flowjo" / "8_color_data_set" / "8_color_ICS.wsp"
    outcome = call("gates", "import", workspace, "--out", tmp_path / "ics.toml")
    assert outcome.exit_code == 2, outcome.output
    assert "overrides.csv: exists already" in outcome.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["overrides.csv"]
