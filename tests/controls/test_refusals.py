"""Controls that would make a matrix wrong are refused, with file, place and remedy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drawn_controls import DETECTORS, PLAIN, TOP, draw_values, specs, write_control, write_set
from immunoprofile.controls import ControlRules, fit_controls
from immunoprofile.errors import FcsAccessError, SpilloverError
from immunoprofile.fcs import ChannelSpec, write_fcs


@pytest.fixture
def pair(tmp_path):
    """Two controls that fit and an unstained one, for tests that spoil something."""
    single, unstained = write_set(tmp_path)
    return {d: single[d] for d in DETECTORS[:2]}, unstained


def refusal(single, unstained=None, rules=None) -> SpilloverError:
    with pytest.raises(SpilloverError) as caught:
        fit_controls(single, unstained, rules=rules)
    return caught.value


def test_refusal__one_control_is_no_matrix(pair):
    single, unstained = pair
    error = refusal({"B1-A": single["B1-A"]}, unstained)
    assert error.code == "SPILL-CONTROLS"
    assert str(error) == (
        "one single-stained control makes no matrix. Give one control for each fluorochrome of the panel."
    )


def test_refusal__no_control_at_all(pair):
    assert "no single-stained control was given" in str(refusal([], pair[1]))


def test_refusal__a_file_given_twice(pair):
    single, unstained = pair
    error = refusal({**single, "V1-A": single["B2-A"]}, unstained)
    assert (error.code, error.path) == ("SPILL-DOUBLED", str(single["B2-A"]))
    assert "is given as more than one control. Give each file once." in str(error)


def test_refusal__two_controls_of_one_detector(pair, tmp_path):
    single, unstained = pair
    again = write_control(tmp_path / "again.fcs", "B1-A", 88)
    error = refusal([*single.values(), again], unstained)
    assert error.code == "SPILL-DOUBLED"
    assert "B1-A.1.fcs and again.fcs are both brightest in B1-A." in str(error)


def test_refusal__a_detector_that_the_file_lacks(pair):
    single, unstained = pair
    error = refusal({"B1-A": single["B1-A"], "B3-A": single["B2-A"]}, unstained)
    assert (error.code, error.path, error.found) == ("SPILL-DETECTOR", str(single["B2-A"]), "B3-A")
    assert 'has no fluorescence detector "B3-A". Did you mean' in str(error)


def test_refusal__a_marker_in_place_of_a_detector(pair, tmp_path):
    single, _ = pair
    marked = tmp_path / "marked.fcs"
    write_fcs(marked, draw_values(1, None, PLAIN), [*specs()[:-1], ChannelSpec(DETECTORS[-1], "CD4", TOP)])
    assert '"CD4" is the marker of R1-A.' in str(refusal({"B1-A": single["B1-A"], "CD4": marked}))


def test_refusal__controls_of_different_panels(pair, tmp_path):
    single, unstained = pair
    other = tmp_path / "other.fcs"
    write_fcs(other, draw_values(1, None, PLAIN), specs(("B1-A", "B2-A", "V2-A", "R1-A")))
    error = refusal({**single, "R1-A": other}, unstained)
    assert (error.code, error.path) == ("SPILL-PANEL", str(other))
    assert "V1-A, V2-A is not a detector of both this control and B1-A.1.fcs." in str(error)


def test_refusal__another_voltage(tmp_path):
    volts = {f"$P{n}V": "450" for n in range(1, 7)}
    single = {
        "B1-A": write_control(tmp_path / "a.fcs", "B1-A", 1, keywords=volts),
        "B2-A": write_control(tmp_path / "b.fcs", "B2-A", 2, keywords=volts | {"$P5V": "475"}),
    }
    error = refusal(single)
    assert (error.code, error.path) == ("SPILL-VOLTAGE", str(tmp_path / "b.fcs"))
    assert "V1-A has another voltage than in a.fcs." in str(error)


def test_refusal__an_unstained_tube_as_a_control(pair, tmp_path):
    single, unstained = pair
    blank = write_control(tmp_path / "blank.fcs", None, 55)
    error = refusal({**single, "V1-A": blank}, unstained)
    assert error.code in {"SPILL-SEPARATION", "SPILL-POSITIVES"}
    assert str(error).startswith(f"{blank}: detector V1-A: ")
    assert "Check that the tube was stained, and that this is its detector" in str(error)


def test_refusal__no_valley_and_no_unstained_control(tmp_path):
    single, _ = write_set(tmp_path, drawing=replace(PLAIN, positive=1.0))
    error = refusal(single)
    assert {p.code for p in error.problems} == {"SPILL-SEPARATION"}
    assert len(error.problems) == len(DETECTORS)
    assert "positives do not part from background. Give an unstained control of the same cells or beads." in str(error)


def test_refusal__too_few_positives(pair, tmp_path):
    single, unstained = pair
    rare = write_control(tmp_path / "rare.fcs", "V1-A", 5, replace(PLAIN, positive=0.01))
    error = refusal({**single, "V1-A": rare}, unstained)
    assert (error.code, error.expected) == ("SPILL-POSITIVES", "at least 100")
    assert f"{error.found} of " in str(error)
    assert "events are positive, too few for a slope." in str(error)


def test_refusal__too_few_negatives_and_no_unstained_control(pair, tmp_path):
    single, _ = pair
    rich = write_control(tmp_path / "rich.fcs", "V1-A", 5, replace(PLAIN, positive=0.85, n=2_500))
    error = refusal({**single, "V1-A": rich})
    assert (error.code, error.path, error.expected) == ("SPILL-BACKGROUND", str(rich), "at least 200")
    assert "are negative, too few for a background. Give an unstained control" in str(error)


def test_refusal__controls_of_swapped_detectors(pair):
    single, unstained = pair
    error = refusal({"B1-A": single["B2-A"], "B2-A": single["B1-A"]}, unstained)
    assert [(p.code, p.path) for p in error.problems] == [
        ("SPILL-COEFFICIENT", str(single[d])) for d in ("B2-A", "B1-A")
    ]
    swapped = error.problems[1]
    assert (swapped.where, swapped.expected) == ("detector B2-A", "at most 1.5")
    # The truth is a ratio of 1 / 0.22 = 4.55.
    assert float(swapped.found) == pytest.approx(1 / 0.22, rel=0.05)
    assert "times as bright in B1-A as in B2-A. Check whether it is the control of B1-A" in str(swapped)


def test_refusal__a_control_whose_detector_is_not_clear(pair, tmp_path):
    single, unstained = pair
    both = tmp_path / "both.fcs"
    write_fcs(both, draw_values(4, np.array([0.0, 0.0, 1.0, 0.9]), PLAIN), specs())
    error = refusal([*single.values(), both], unstained)
    assert (error.code, error.path) == ("SPILL-DETECTOR", str(both))
    assert "is about as bright in V1-A and R1-A, so its detector is not clear. Name the detector." in str(error)


def test_refusal__a_control_without_usable_events(pair, tmp_path):
    single, unstained = pair
    full = tmp_path / "full.fcs"
    write_fcs(full, np.full((500, 6), TOP - 1.0), specs())
    error = refusal({**single, "V1-A": full}, unstained)
    assert (error.code, error.path) == ("SPILL-EVENTS", str(full))
    assert "none of 500 events is finite and within the range of its detectors." in str(error)


def test_refusal__a_file_without_fluorescence(pair, tmp_path):
    scatter = tmp_path / "scatter.fcs"
    write_fcs(scatter, draw_values(1, None, PLAIN)[:, :2], specs(()))
    error = refusal([*pair[0].values(), scatter])
    assert (error.code, error.path) == ("SPILL-DETECTOR", str(scatter))
    assert "has no fluorescence detector. Give the file of a stained control." in str(error)


def test_refusal__a_file_that_is_not_there(pair, tmp_path):
    with pytest.raises(FcsAccessError, match=r"gone\.fcs"):
        fit_controls({**pair[0], "V1-A": tmp_path / "gone.fcs"})


def test_refusal__limits_are_the_laboratorys(pair):
    error = refusal(*pair, rules=ControlRules(min_positives=5_000))
    assert error.expected == "at least 5000"
