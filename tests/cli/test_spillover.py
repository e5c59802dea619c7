"""``immunoprofile spillover``."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from click.testing import CliRunner, Result

from drawn_controls import DETECTORS, TRUTH, write_control, write_set
from immunoprofile.cli import program
from immunoprofile.provenance import digest_of_file
from immunoprofile.spillover import read_spillover


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the verb; standard output and standard error apart."""
    return lambda *arguments: CliRunner().invoke(program, ["spillover", *map(str, arguments)])


@pytest.fixture
def sheet(tmp_path):
    """A sheet of four controls and an unstained one, beside their files."""
    single, unstained = write_set(tmp_path)
    rows = [f"{path.name},{detector},lot 7\n" for detector, path in single.items()]
    path = tmp_path / "controls.csv"
    path.write_text("file,detector,note\n" + "".join(rows) + f"{unstained.name},,\n", encoding="utf-8")
    return path


def test_spillover__writes_a_matrix_that_reads_back(run, sheet, tmp_path):
    outcome = run(sheet, "--out", tmp_path / "matrix.csv")
    assert outcome.exit_code == 0, outcome.stderr
    matrix = read_spillover(tmp_path / "matrix.csv")
    assert matrix.detectors == DETECTORS
    assert np.abs(matrix.matrix - TRUTH).max() < 0.005  # as the library's own test allows one set
    assert outcome.stderr.splitlines() == [
        f"Matrix: {tmp_path / 'matrix.csv'}", f"Record: {tmp_path / 'matrix.csv.json'}",
    ]  # fmt: skip


def test_spillover__shows_every_control_in_80_columns(run, sheet, tmp_path):
    lines = run(sheet, "--out", tmp_path / "matrix.csv").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["Detector", "Cells", "Positive", "Background", "Separation", "Most", "spill"]
    assert [line.split()[0] for line in lines[1:5]] == list(DETECTORS)
    assert lines[1].endswith("in B2-A")
    assert lines[-2].startswith("Matrix: 4 x 4, condition 1.")
    assert lines[-1] == "Findings: none"


def test_spillover__says_what_speaks_against_a_control(run, sheet, tmp_path):
    text = sheet.read_text()
    sheet.write_text("".join(line for line in text.splitlines(keepends=True) if "V1-A" not in line))
    shown = run(sheet, "--out", tmp_path / "matrix.csv").stdout
    assert "warning SPILL-UNCONTROLLED: detectors without a control are not in the matrix\n    matrix: V1-A\n" in shown


def test_spillover__as_json_is_the_record_beside_the_matrix(run, sheet, tmp_path):
    outcome = run(sheet, "--out", tmp_path / "matrix.csv", "--json")
    shown = json.loads(outcome.stdout)
    assert shown == json.loads((tmp_path / "matrix.csv.json").read_text())
    assert [c["detector"] for c in shown["controls"]] == list(DETECTORS)
    assert shown["origin"]["inputs"][str(sheet)] == digest_of_file(sheet)
    assert len(shown["origin"]["inputs"]) == 6
    assert shown["origin"]["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize("taken", ["matrix.csv", "matrix.csv.json"])
def test_spillover__overwrites_only_when_told_to(run, sheet, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    outcome = run(sheet, "--out", tmp_path / "matrix.csv")
    assert outcome.exit_code == 2
    assert f"{taken}: exists already and is not overwritten. Give another file with --out" in outcome.stderr
    assert (tmp_path / taken).read_text() == "mine"
    assert run(sheet, "--out", tmp_path / "matrix.csv", "--force").exit_code == 0
    assert (tmp_path / taken).read_text() != "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,marker\na.fcs,CD3\n", 'header: column detector is missing. Add it.'),
        ("file,detector,lot\na.fcs,B1-A,1\n", 'header: column "lot" is not known.'),
        ("file,detector\na.fcs,B1-A\nb.fcs,B1-A\n", "row 3, detector: B1-A has a control already, in row 2. Keep one"),
        ("file,detector\na.fcs,\nb.fcs,\n", "row 3, detector: is a second unstained control, in row 2. Keep one"),
        ("file,detector\n,B1-A\n", "row 2, file: is blank."),
        ("", "is empty."),
    ],
    ids=["no_detector", "unknown_column", "twice", "unstained_twice", "no_file", "empty"],
)  # fmt: skip
def test_spillover__a_wrong_sheet_is_refused_with_its_row(run, tmp_path, text, message):
    path = tmp_path / "controls.csv"
    path.write_text(text, encoding="utf-8")
    outcome = run(path, "--out", tmp_path / "matrix.csv")
    assert outcome.exit_code == 2
    assert f"controls.csv: {message}" in outcome.stderr
    assert not (tmp_path / "matrix.csv").exists()


def test_spillover__a_control_that_fails_leaves_no_matrix(run, sheet, tmp_path):
    (tmp_path / "B2-A.1.fcs").unlink()
    write_control(tmp_path / "B2-A.1.fcs", None, 3)
    outcome = run(sheet, "--out", tmp_path / "matrix.csv")
    assert outcome.exit_code == 2
    assert "B2-A.1.fcs: detector B2-A: " in outcome.stderr
    assert not (tmp_path / "matrix.csv").exists()
