"""From drawn controls back to the matrix that they were drawn with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drawn_controls import DETECTORS, PLAIN, TRUTH, draw_values, specs, write_control, write_set
from immunoprofile.controls import fit_controls, spillover_from_controls
from immunoprofile.fcs import read_fcs, write_fcs
from immunoprofile.spillover import compensate

ROUNDING = 1e-9
"""Sums and ratios of values up to 262,144 in float64; the smallest coefficient is 0.001."""

OFF = ~np.eye(len(DETECTORS), dtype=bool)


@pytest.fixture
def pair(tmp_path):
    """Two controls that fit and an unstained one, for tests that spoil something."""
    single, unstained = write_set(tmp_path)
    return {d: single[d] for d in DETECTORS[:2]}, unstained


def codes(fit):
    return {f.code for f in fit.findings}


@pytest.mark.parametrize("positive", [0.4, 1.0], ids=["own_negatives", "all_positive"])
def test_fit__controls_without_noise_give_the_matrix_exactly(tmp_path, positive):
    single, unstained = write_set(tmp_path, drawing=replace(PLAIN, positive=positive).exactly())
    fit = fit_controls(single, unstained)
    assert fit.spillover.detectors == DETECTORS
    assert np.abs(fit.spillover.matrix - TRUTH).max() < ROUNDING
    assert {c.background for c in fit.controls} == {"own" if positive < 1 else "unstained"}


@pytest.mark.parametrize(
    ("drawing", "largest_bias", "largest_spread"),
    [
        # Autofluorescence of 140 in one detector, uneven by 35 % from cell to cell, is 1.75 % of this brightness.
        (PLAIN, 0.001, 0.0015),
        (replace(PLAIN, debris=0.6, n=10_000), 0.001, 0.0015),
        (replace(PLAIN, positive=1.0), 0.001, 0.0015),
        # Ten times dimmer: what is 0.001 above may be 0.01.
        (replace(PLAIN, brightness=800), 0.01, 0.015),
    ],
    ids=["plain", "mostly_debris", "all_positive", "dim"],
)
def test_fit__coefficients_over_seeds_have_little_bias_and_spread(tmp_path, drawing, largest_bias, largest_spread):
    found, stated = [], []
    for seed in range(12):
        single, unstained = write_set(tmp_path, seed, drawing)
        fit = fit_controls(single, unstained)
        found.append(fit.spillover.matrix)
        stated.append([c.standard_errors for c in fit.controls])
    spread = np.std(found, axis=0, ddof=1)[OFF]
    assert np.abs(np.mean(found, axis=0) - TRUTH).max() < largest_bias
    assert spread.max() < largest_spread
    # 12 draws know one standard deviation to 21 %, and the mean of 12 of them to 6 %.
    assert 0.7 < (spread / np.mean(stated, axis=0)[OFF]).mean() < 1.25


def test_fit__after_compensation_positives_and_background_agree_in_other_detectors(tmp_path):
    single, unstained = write_set(tmp_path)
    matrix = spillover_from_controls(single, unstained)
    for row, path in enumerate(single.values()):
        values = compensate(read_fcs(path), matrix)
        cells = values[1_800:, 2:]  # after the debris; the first 40 % of the rest are stained
        difference = np.median(cells[:1_680], axis=0) - np.median(cells[1_680:], axis=0)
        brightness = difference[row]
        assert brightness > 7_000
        assert np.abs(np.delete(difference, row)).max() < 0.003 * brightness


def test_fit__counts_and_medians_are_those_of_the_drawing(tmp_path):
    single, unstained = write_set(tmp_path)
    control = fit_controls(single, unstained).controls[0]
    assert (control.detector, control.n_events, control.n_saturated) == ("B1-A", 6_000, 0)
    assert control.n_positive / control.n_cells == pytest.approx(0.4, abs=0.03)
    assert control.n_positive + control.n_background == control.n_cells < 4_200
    assert control.median_background == pytest.approx(90, rel=0.1)
    assert control.median_positive == pytest.approx(8_090, rel=0.1)
    assert control.residual < 0.003


def test_fit__the_order_of_controls_does_not_matter(tmp_path):
    single, unstained = write_set(tmp_path)
    backwards = dict(reversed(single.items()))
    assert spillover_from_controls(backwards, unstained) == spillover_from_controls(single, unstained)


@pytest.mark.parametrize("with_unstained", [True, False])
def test_fit__finds_the_stained_detector_by_itself(tmp_path, with_unstained):
    single, unstained = write_set(tmp_path)
    given = [single[d] for d in ("R1-A", "B1-A", "V1-A", "B2-A")]
    reference = unstained if with_unstained else None
    assert spillover_from_controls(given, reference) == spillover_from_controls(single, reference)


def test_fit__takes_events_as_well_as_paths(tmp_path):
    single, unstained = write_set(tmp_path)
    events = {d: read_fcs(p) for d, p in single.items()}
    assert spillover_from_controls(events, str(unstained)) == spillover_from_controls(single, unstained)


def test_fit__debris_does_not_move_the_background(tmp_path):
    # Debris has a fifth of the autofluorescence: taken for negatives of dim controls it would raise coefficients.
    drawing = replace(PLAIN, brightness=1_500, n=12_000)
    clean = fit_controls(*write_set(tmp_path / "clean", drawing=replace(drawing, debris=0.0)))
    dirty = fit_controls(*write_set(tmp_path / "dirty", drawing=replace(drawing, debris=0.7, n=40_000)))
    assert np.abs(clean.spillover.matrix - dirty.spillover.matrix).max() < 0.006  # with debris as negatives: 0.05


def test_fit__cells_are_preferred_to_debris_that_took_up_more_stain(tmp_path):
    drawing = replace(PLAIN, debris=0.7, n=15_000)
    single, unstained = write_set(tmp_path, drawing=drawing)
    values = draw_values(5, TRUTH[2], drawing)
    n_debris, n_cells = 10_500, 4_500
    values[: n_debris // 2, 2:] += (
        20_000 * np.exp(np.random.default_rng(6).normal(0, 0.4, (n_debris // 2, 1))) * TRUTH[2]
    )
    single["V1-A"] = tmp_path / "sticky.fcs"
    write_fcs(single["V1-A"], values, specs())
    control = fit_controls(single, unstained).controls[2]
    assert control.n_cells < n_cells
    assert control.median_positive == pytest.approx(8_060, rel=0.1)


def test_fit__saturated_events_do_not_bend_the_line(tmp_path):
    bright = replace(PLAIN, brightness=250_000, width=0.8)
    single, unstained = write_set(tmp_path)
    single["B2-A"] = write_control(tmp_path / "bright.fcs", "B2-A", 77, bright)
    fit = fit_controls(single, unstained)
    control = fit.controls[1]
    assert control.n_saturated > 500
    assert control.coefficients == pytest.approx(TRUTH[1], abs=0.0005)
    assert "SPILL-SATURATED" in {f.code for f in control.findings}


def test_fit__heights_and_widths_beside_areas_are_left_out(tmp_path):
    named = ("B1-A", "B1-H", "B2-A", "B2-W")
    for seed, stained in enumerate((0, 1)):
        row = np.array([TRUTH[stained, 0], TRUTH[stained, 0], TRUTH[stained, 1], TRUTH[stained, 1]])
        write_fcs(tmp_path / f"{seed}.fcs", draw_values(seed, row, PLAIN), specs(named))
    fit = fit_controls([tmp_path / "0.fcs", tmp_path / "1.fcs"])
    assert fit.spillover.detectors == ("B1-A", "B2-A")
    assert fit.controls[0].detectors == ("B1-A", "B2-A")
    assert fit_controls({"B1-H": tmp_path / "0.fcs", "B2-A": tmp_path / "1.fcs"}).spillover.detectors == (
        "B1-H",
        "B2-A",
    )


def test_fit__good_controls_of_a_whole_panel_have_no_finding(tmp_path):
    assert codes(fit_controls(*write_set(tmp_path))) == set()


def test_fit__detectors_without_a_control_are_named(pair):
    fit = fit_controls(*pair)
    assert [(f.code, f.where, f.message) for f in fit.matrix_findings] == [
        ("SPILL-UNCONTROLLED", "matrix", "V1-A, R1-A")
    ]
    assert fit.controls[0].coefficients == pytest.approx(TRUTH[0], abs=0.003)
