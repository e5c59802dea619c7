"""``gates check`` and ``gates lock`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TEMPLATE = """
[template]
id = "own"
version = "1"
title = "Own"
[markers]
B530-A = { scale = "plain" }
R670-A = { scale = "plain" }
[scales]
plain = { kind = "linear", t = 20 }
[compensation]
source = "none"
[[gate]]
name = "Box"
rectangle = { B530-A = { min = 0.2, max = 0.99 }, R670-A = { max = 0.5 } }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(TEMPLATE)
    return path


def test_gates_check__prints_levels_places_and_remedies(immunoprofile, own) -> None:
    outcome = immunoprofile("gates", "check", own)
    assert outcome.exit_code == 0, outcome.output
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith(f"warning: {own}: Box: the edge at 0.99 lies at the end of the axis B530-A")
    assert lines[-1].startswith(f"{own}: 1 warning: 1 gates, 2 markers, 3 notes, content ")


def test_gates_check__errors_exit_2(immunoprofile, own) -> None:
    own.write_text(TEMPLATE + '[[gate]]\nname = "Never"\nboolean = { and = ["Box", "!Box"] }\n')
    outcome = immunoprofile("gates", "check", own)
    assert outcome.exit_code == 2
    assert outcome.stdout.startswith("error: ")


def test_gates_check__sample_counts_events_outside(immunoprofile, own, checkout) -> None:
    outcome = immunoprofile("gates", "check", own, "--sample", checkout / "fixtures" / "fcs" / "grid.fcs")
    assert outcome.exit_code == 0, outcome.output
    assert "grid.fcs: " in outcome.stdout


def test_gates_check__sample_of_another_panel_is_an_error(immunoprofile, own, checkout) -> None:
    own.write_text(TEMPLATE.replace("R670-A", "CD99"))
    outcome = immunoprofile("gates", "check", own, "--sample", checkout / "fixtures" / "fcs" / "wrong_panel.fcs")
    assert outcome.exit_code == 2
    assert "error: " in outcome.stdout


def test_gates_check__sample_of_another_panel_is_an_error_without_outer_edges(immunoprofile, own, checkout) -> None:
    own.write_text(TEMPLATE.replace("R670-A", "CD99").replace("0.99", "0.6"))
    outcome = immunoprofile("gates", "check", own, "--sample", checkout / "fixtures" / "fcs" / "grid.fcs")
    assert outcome.exit_code == 2
    assert 'grid.fcs: panel: template own needs "CD99"' in outcome.stdout
    assert "no events just outside" not in outcome.stdout


def test_gates_check__json_has_everything(immunoprofile, own) -> None:
    page = json.loads(immunoprofile("gates", "check", own, "--json").stdout)
    assert [r["code"] for r in page["remarks"]] == ["LINT-EDGE", "LINT-REPORT-NONE", "LINT-CL", "LINT-TESTS"]
    assert len(page["template_sha256"]) == 64


def test_gates_check__json_of_a_template_that_cannot_be_read(immunoprofile, own) -> None:
    own.write_text(TEMPLATE.replace("min = 0.2", "mim = 0.2"))
    outcome = immunoprofile("gates", "check", own, "--json")
    assert outcome.exit_code == 2
    misspelt, edge = json.loads(outcome.stdout)["remarks"]
    assert (misspelt["code"], misspelt["where"]) == ("KEY-UNKNOWN", "gate[0].rectangle.B530-A.mim")
    assert (edge["code"], edge["where"]) == ("LINT-EDGE", "Box")


def test_gates_check__of_a_template_that_cannot_be_used_names_all_that_is_wrong(immunoprofile, own, checkout) -> None:
    grid = checkout / "fixtures" / "fcs" / "grid.fcs"
    own.write_text(TEMPLATE.replace('id = "own"', 'id = "My own"') + '[[report]]\npopulation = "Bix"\n')
    outcome = immunoprofile("gates", "check", own, "--sample", grid)
    assert outcome.exit_code == 2
    ill, unknown, edge, verdict = outcome.stdout.splitlines()
    assert "template.id: string should match pattern" in ill
    assert 'report[0].population: no population named "Bix". Did you mean "Box"?' in unknown
    assert edge.startswith("warning: ")
    assert verdict.endswith("2 errors, 1 warning: it cannot be used")
    assert "no sample was looked at: the template has errors" in outcome.stderr


def test_gates_lock__makes_runs_refuse_a_changed_template(immunoprofile, own, tmp_path, checkout) -> None:
    outcome = immunoprofile("gates", "lock", own, "--who", "A. Author")
    assert outcome.exit_code == 0, outcome.output
    assert "own 1 is locked by A. Author, 20" in outcome.stdout
    own.write_text(own.read_text().replace("min = 0.2", "min = 0.25"))
    (tmp_path / "samples.csv").write_text(f"sample_id,file\none,{checkout / 'fixtures' / 'fcs' / 'grid.fcs'}\n")
    outcome = immunoprofile("profile", tmp_path / "samples.csv", "--template", own, "--out", tmp_path / "out")
    assert outcome.exit_code == 2
    assert "is not what A. Author locked" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_gates_lock__what_comes_with_the_program_is_not_signed(immunoprofile, checkout):
    outcome = immunoprofile("gates", "lock", "treg", "--who", "A. Author")
    assert outcome.exit_code == 2
    assert "immunoprofile gates export treg --out treg.toml; then lock that file." in outcome.stderr
    assert not (checkout / "gates" / "treg.lock").exists()


def test_gates_lock__needs_somebody_who_stands_for_it(immunoprofile, own) -> None:
    outcome = immunoprofile("gates", "lock", own, "--who", " ")
    assert outcome.exit_code == 2
    assert "nobody is named as standing for the template. Give --who NAME." in outcome.stderr
    assert not own.with_suffix(".lock").exists()


def test_gates_lock__refuses_a_template_with_errors(immunoprofile, own) -> None:
    own.write_text(TEMPLATE + '[[gate]]\nname = "Never"\nboolean = { and = ["Box", "!Box"] }\n')
    outcome = immunoprofile("gates", "lock", own, "--who", "A. Author")
    assert outcome.exit_code == 2
    assert "it is never true" in outcome.stderr
    assert not own.with_suffix(".lock").exists()
