"""What speaks against a control is said, with its name and numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from drawn_controls import DETECTORS, PLAIN, TRUTH, draw_values, specs, write_control, write_set
from immunoprofile.controls import FINDINGS, ControlRules, SpilloverFit, fit_controls
from immunoprofile.fcs import write_fcs

SPOILED = {
    "SPILL-FEW-EVENTS": ({"drawing": replace(PLAIN, n=3_000)}, r"3,000 events, 5,000 are usual"),
    "SPILL-FEW-POSITIVES": ({"drawing": replace(PLAIN, positive=0.1)}, r"\d{3} positives, 500 are wanted"),
    "SPILL-DIM": (
        {"drawing": replace(PLAIN, brightness=300, width=0.2, autofluorescence=(30.0,) * 4)},
        r"\d\.\d standard deviations above the background, 10 are wanted",
    ),
    "SPILL-NO-VALLEY": ({"drawing": replace(PLAIN, positive=1.0)}, r"positive above [\d,]+"),
    "SPILL-SATURATED": (
        {"drawing": replace(PLAIN, brightness=200_000)}, r"[\d,]+ saturated beside [\d,]+ positive events",
    ),
    "SPILL-NEGATIVE": (
        {"row": (0.05, 0.0, 1.0, -0.03)}, r"-0\.0\d+ \(standard error 0\.\d+\) in R1-A",
    ),
    "SPILL-BRIGHTER-ELSEWHERE": ({"row": (0.0, 0.0, 1.0, 1.2)}, r"1\.\d+ \(standard error 0\.\d+\) in R1-A"),
    "SPILL-UNCERTAIN": (
        {"drawing": replace(PLAIN, positive=0.1, brightness=3_000, autofluorescence=(90.0, 4_000.0, 60.0, 30.0))},
        r"-?\d\.\d+ \(standard error 0\.\d+\) in B2-A",
    ),
}  # fmt: skip


@pytest.fixture
def refit(tmp_path):
    """Fit a set in which the control of V1-A is drawn in another way."""

    def fit(drawing=PLAIN, row=TRUTH[2]) -> SpilloverFit:
        single, unstained = write_set(tmp_path)
        single["V1-A"] = tmp_path / "spoiled.fcs"
        write_fcs(single["V1-A"], draw_values(5, np.array(row), drawing), specs())
        return fit_controls(single, unstained)

    return fit


@pytest.mark.parametrize("code", SPOILED)
def test_finding__is_said_of_the_spoiled_control_alone(refit, code):
    changes, words = SPOILED[code]
    fit = refit(**changes)
    said = [f for f in fit.findings if f.code == code]
    assert said
    assert {f.where for f in said} == {"spoiled.fcs"}
    assert re.fullmatch(words, said[0].message)
    assert said[0].severity == FINDINGS[code][0]
    assert said[0] in fit.controls[2].findings


def test_finding__no_scatter(tmp_path):
    single, unstained = write_set(tmp_path)
    bare = tmp_path / "bare.fcs"
    write_fcs(bare, draw_values(5, TRUTH[2], replace(PLAIN, debris=0.0))[:, 2:], specs()[2:])
    fit = fit_controls({**single, "V1-A": bare}, unstained)
    assert [(f.code, f.where) for f in fit.findings] == [("SPILL-NO-SCATTER", "bare.fcs")]
    assert fit.controls[2].coefficients == pytest.approx(TRUTH[2], abs=0.003)


def test_finding__unstained_cells_do_not_serve_beads(tmp_path):
    single, unstained = write_set(tmp_path)
    beads = draw_values(5, TRUTH[2], replace(PLAIN, debris=0.0))
    beads[:, :2] += 100_000
    write_fcs(tmp_path / "beads.fcs", beads, specs())
    fit = fit_controls({**single, "V1-A": tmp_path / "beads.fcs"}, unstained)
    assert [(f.code, f.where) for f in fit.findings] == [("SPILL-UNSTAINED-UNLIKE", "beads.fcs")]
    assert fit.findings[0].message.startswith("unstained.1.fcs was not used: ")
    assert fit.controls[2].background == "own"


def test_finding__residual_where_positives_are_other_cells(tmp_path):
    # A tenth of the brightness is autofluorescence that the negatives lack; brightness varies, so no line fits.
    single, unstained = write_set(tmp_path)
    values = draw_values(5, TRUTH[2], replace(PLAIN, width=1.0, brightness=4_000))
    values[1_800 : 1_800 + 1_680, 2:] += np.array([0.0, 400.0, 0.0, 0.0])
    write_fcs(tmp_path / "other.fcs", values, specs())
    fit = fit_controls({**single, "V1-A": tmp_path / "other.fcs"}, unstained)
    said = [f for f in fit.findings if f.code == "SPILL-RESIDUAL"]
    assert [f.where for f in said] == ["other.fcs"]
    assert re.fullmatch(r"\+\d+(\.\d)? in B2-A, \d\.\d% of the brightness", said[0].message)
    assert fit.controls[2].residual > 0.01


def test_finding__condition_of_a_matrix_with_likenesses(tmp_path):
    rows = np.array([[1.0, 0.95, 0.0, 0.0], [0.97, 1.0, 0.0, 0.0]])
    for seed, row in enumerate(rows):
        write_fcs(tmp_path / f"{seed}.fcs", draw_values(seed, row, PLAIN), specs())
    fit = fit_controls({"B1-A": tmp_path / "0.fcs", "B2-A": tmp_path / "1.fcs"}, rules=ControlRules(max_condition=20))
    said = next(f for f in fit.matrix_findings if f.code == "SPILL-CONDITION")
    assert said.where == "matrix"
    assert re.fullmatch(r"condition number \d\d(\.\d)?, more than 20", said.message)


def test_finding__controls_of_two_instruments(tmp_path):
    single = {
        d: write_control(tmp_path / f"{d}.fcs", d, n, keywords={"$CYT": "Testometer", "$CYTSN": f"N{n % 2}"})
        for n, d in enumerate(DETECTORS)
    }
    said = fit_controls(single).matrix_findings
    assert [(f.code, f.message) for f in said] == [("SPILL-INSTRUMENT", "Testometer N0, Testometer N1")]


def test_findings__every_code_of_the_catalogue_has_a_test():
    elsewhere = {
        "SPILL-NO-SCATTER", "SPILL-UNSTAINED-UNLIKE", "SPILL-RESIDUAL", "SPILL-CONDITION", "SPILL-INSTRUMENT",
        "SPILL-UNCONTROLLED",
    }  # fmt: skip
    assert set(FINDINGS) == set(SPOILED) | elsewhere
