"""``gates test``: exit codes, the table of what differs, JSON and JUnit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.fcs import ChannelSpec, write_fcs

TEMPLATE = """
[template]
id = "square"
version = "2"
[markers]
X = { scale = "unit" }
[scales]
unit = { kind = "linear", t = 100 }
[compensation]
source = "none"
[[gate]]
name = "Right"
range = { x = "X", min = 0.4 }
[[test]]
sample = "line"
expect = { "Right" = { frac_of_parent = WANTED, tolerance = 0.001 } }
"""


@pytest.fixture
def template(tmp_path: Path):
    write_fcs(tmp_path / "line.fcs", [np.arange(100, dtype=np.float32)], [ChannelSpec("X", "X", 100)])

    def write(wanted: float) -> Path:
        path = tmp_path / "line.toml"
        path.write_text(TEMPLATE.replace("WANTED", str(wanted)))
        return path

    return write


def test_gates_test__holds(immunoprofile, template) -> None:
    outcome = immunoprofile("gates", "test", template(0.6))
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == "square 2: all 1 expectations of 1 test hold\n"


def test_gates_test__prints_what_differs_and_exits_5(immunoprofile, template, tmp_path: Path) -> None:
    outcome = immunoprofile("gates", "test", template(0.7), "--junit", tmp_path / "junit.xml")
    assert outcome.exit_code == 5
    assert "1 of 1 expectations of 1 test do not hold" in outcome.stdout
    flat = " ".join(outcome.stdout.split())
    assert "line fraction of Right in All events 0.7 ± 0.001 0.6 (60 of 100)" in flat
    assert '<testsuites name="square" tests="1" failures="1"' in (tmp_path / "junit.xml").read_text()


def test_gates_test__mutate_reports_the_share(immunoprofile, template) -> None:
    outcome = immunoprofile("gates", "test", template(0.6), "--mutate", "-q")
    assert outcome.exit_code == 0
    assert "2 of 2 boundaries moved by 0.02 of the axis are noticed (100.0%)" in outcome.stdout


def test_gates_test__least_fails_where_moves_go_unnoticed(immunoprofile, template) -> None:
    outcome = immunoprofile("gates", "test", template(0.6), "--mutate", "--shift", "0.0005", "--least", "0.9", "-q")
    assert outcome.exit_code == 5
    assert "not noticed by any test:" in outcome.stdout
    assert "Right: X min: 0.4 to 0.3995" in outcome.stdout


def test_gates_test__nothing_is_moved_while_tests_fail(immunoprofile, template) -> None:
    outcome = immunoprofile("gates", "test", template(0.7), "--mutate")
    assert outcome.exit_code == 5
    assert "No boundary was moved: the tests must hold first." in outcome.stderr


def test_gates_test__json_has_numerators_and_denominators(immunoprofile, template) -> None:
    outcome = immunoprofile("gates", "test", template(0.6), "--mutate", "--json", "-q")
    page = json.loads(outcome.stdout)
    assert (page["tests"][0]["numerator"], page["tests"][0]["denominator"]) == (60, 100)
    assert page["noticed_frac"] == 1
    assert page["moves"][0]["noticed_by"] == "test[0]: fraction of Right in All events"


def test_gates_test__missing_fixtures_are_an_error_of_arguments(immunoprofile, template, tmp_path: Path) -> None:
    path = template(0.6)
    (tmp_path / "line.fcs").unlink()
    outcome = immunoprofile("gates", "test", path)
    assert outcome.exit_code == 2
    assert 'test[0].sample: "line" is not there.' in outcome.stderr


def test_gates_test__a_proposed_block_holds(immunoprofile, template, tmp_path: Path) -> None:
    path = template(0.7)
    proposed = immunoprofile("gates", "test", path, "--propose", tmp_path / "line.fcs").stdout
    assert proposed == '[[test]]\nsample = "line.fcs"\nexpect."Right" = { count = 60 }\n'
    path.write_text(path.read_text().split("[[test]]")[0] + proposed)
    assert immunoprofile("gates", "test", path).exit_code == 0
