"""Run days and their controls: what they share, what each control shows, and how the study reads them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.controls import spillover_from_controls
from immunoprofile.fcs import read_fcs
from immunoprofile.simulation import SimulatedTube, draw_trial, load_panel, load_parameters, simulate_cohort
from immunoprofile.simulation.controls import PlannedControl, draw_control, plan_controls
from immunoprofile.simulation.visits import batch_shift
from immunoprofile.study import load_study

N = 20_000
# The medians and slopes of some 15,000 bright cells with a CV of 25 %: a thousandth of the bright stain.
SPILL_ERROR = 0.003


def _draw(control: str, panel: str = "treg", batch: str = "B01") -> SimulatedTube:
    planned = PlannedControl("x", control, load_panel(panel), batch)
    return draw_control(load_parameters(), 1, planned, N)


def _compensated(tube: SimulatedTube) -> np.ndarray:
    return np.linalg.solve(tube.panel.spill.T, tube.values[:, 3:-1].astype(float).T).T


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cohort(
        tmp_path_factory.mktemp("controls"), n_subjects=3, visits=("BL", "W4", "W8"), events_per_sample=6_000,
        panels=("treg", "tbnk"), batch_days=42, controls=True, jobs=2,
    ).parent  # fmt: skip


@pytest.mark.parametrize("panel", ["tbnk", "immune14"])
def test_single_stains__give_the_true_matrix_back(panel: str, tmp_path: Path) -> None:
    folder = simulate_cohort(
        tmp_path, n_subjects=1, visits=("BL",), events_per_sample=20_000, panels=(panel,), controls=True
    ).parent
    shown = load_panel(panel)
    stains = {
        d: folder / "fcs" / f"CONTROL-B01_{panel}_single-{m}.fcs"
        for d, m in zip(shown.detectors, shown.markers, strict=True)
    }
    found = spillover_from_controls(stains, folder / "fcs" / f"CONTROL-B01_{panel}_unstained.fcs")
    order = [shown.detectors.index(d) for d in found.detectors]
    assert np.abs(found.matrix - shown.spill[np.ix_(order, order)]).max() < SPILL_ERROR


@pytest.mark.parametrize("marker", ["CD25", "CD127", "HLA-DR"])
def test_fmo__lacks_one_marker_and_has_the_others(marker: str) -> None:
    fmo, full = _draw(f"fmo:{marker}"), _draw("bridge")
    j = fmo.panel.markers.index(marker)
    own = np.linalg.solve(fmo.panel.spill.T, fmo.panel.autofluorescence)
    lymph = fmo.mask("lymphocytes")
    without = _compensated(fmo)[lymph]
    # Nothing but autofluorescence is left: its median to within some units of its noise.
    assert np.median(without[:, j]) == pytest.approx(own[j], abs=10)
    assert np.percentile(_compensated(full)[full.mask("lymphocytes"), j], 98) > 3 * np.percentile(without[:, j], 98)
    others = [k for k, m in enumerate(fmo.panel.markers) if m not in (marker, "Viability")]
    ratio = np.percentile(without, 95, axis=0) / np.percentile(_compensated(full)[full.mask("lymphocytes")], 95, axis=0)
    assert ratio[others] == pytest.approx(1, abs=0.1)


def test_unstained__shows_autofluorescence_alone() -> None:
    tube = _draw("unstained")
    own = np.linalg.solve(tube.panel.spill.T, tube.panel.autofluorescence)
    assert np.median(_compensated(tube)[tube.mask("lymphocytes")], axis=0) == pytest.approx(own, abs=3)


def test_bridge__donor_is_the_same_and_the_run_day_moves_its_brightness() -> None:
    first, second = _draw("bridge", batch="B01"), _draw("bridge", batch="B02")
    assert first.shares == second.shares
    panel, p = first.panel, load_parameters()
    for marker, bright in [("CD3", "t"), ("CD4", "cd4"), ("CD25", "treg")]:
        j = panel.markers.index(marker)
        shift = batch_shift(p, 1, "B02", panel, marker) - batch_shift(p, 1, "B01", panel, marker)
        medians = [np.median(_compensated(t)[t.mask(bright), j]) for t in (first, second)]
        # Some 400 regulatory cells with an SD of 0.5: five standard errors of the difference of two medians.
        assert np.log(medians[1] / medians[0]) == pytest.approx(shift, abs=5 * 1.2533 * 0.5 * np.sqrt(2 / 350))


def test_batches__samples_of_a_run_day_share_their_shift_and_others_do_not() -> None:
    plain, shifted = (draw_trial(1, 6, ("BL", "W4"), panels=("th",), batch_days=b) for b in (None, 28))
    extra = {
        s.sample_id: (s.batch, tuple(np.round(np.subtract(s.marker_shift, t.marker_shift), 9)))
        for s, t in zip(shifted.samples, plain.samples, strict=True)
    }
    assert len({batch for batch, _ in extra.values()}) > 2
    assert len({shift for _, shift in extra.values()}) == len({batch for batch, _ in extra.values()})
    assert {s.batch for s in plain.samples} == {None}


def test_batch_shift__has_the_spread_that_was_asked_for() -> None:
    p, panel = load_parameters(), load_panel("th")
    drawn = [batch_shift(p, seed, "B01", panel, m) for seed in range(60) for m in panel.markers]
    assert np.std(drawn) == pytest.approx(0.10, rel=4 / np.sqrt(2 * len(drawn)))


def test_controls__each_panel_and_run_day_has_all_of_them() -> None:
    planned = plan_controls((load_panel("treg"), load_panel("tbnk")), ("B01", "B02"))
    # treg: 7 single stains, 6 left out (never the viability dye), unstained and bridge; tbnk: 6 and 6 and 2.
    assert len(planned) == 2 * ((7 + 6 + 2) + (6 + 6 + 2))
    assert len({c.sample_id for c in planned}) == len(planned)


def test_sheet__study_reads_controls_and_beads(cohort: Path) -> None:
    study = load_study(cohort / "study.toml")
    controls = [s for s in study.samples if s.control]
    assert {s.control for s in controls} >= {"bridge", "unstained", "single:CD25", "fmo:CD127"}
    assert all(s.file.is_file() for s in study.samples)
    assert {s.batch for s in controls} == {s.batch for s in study.samples if not s.control}
    assert {s.beads_added for s in study.samples if not s.control and s.panel == "tbnk"} == {51500}
    assert {s.beads_added for s in study.samples if s.panel == "treg"} == {None}


def test_beads__give_the_true_concentration(cohort: Path) -> None:
    """Single platform by labels: cells by beads times beads by volume is the concentration of the truth table."""
    with (cohort / "truth" / "populations.csv").open(encoding="utf-8", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["panel"] == "tbnk"]
    counts = {(r["sample_id"], r["pop_id"]): int(r["true_count"]) for r in rows}
    checked = 0
    for row in rows:
        n, beads = int(row["true_count"]), counts[row["sample_id"], "beads"]
        if row["pop_id"] in ("t", "cd4", "nk") and row["denom_id"] == "lymphocytes":
            found = n / beads * 51500 / 50
            assert np.log(found / float(row["expected_cells_per_ul"])) == pytest.approx(
                0, abs=5 * np.sqrt(1 / n + 1 / beads)
            )
            checked += 1
    assert checked >= 21


def test_blood_count__lymphocytes_are_its_share_of_leukocytes(cohort: Path) -> None:
    study = load_study(cohort / "study.toml")
    with (cohort / "truth" / "populations.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(r["sample_id"], r["pop_id"]): r for r in csv.DictReader(stream) if r["denom_id"] == "leukocytes"}
    for s in study.samples:
        if s.panel == "tbnk" and not s.control:
            row = rows[s.sample_id, "lymphocytes"]
            # Dead cells are leukocytes too, 0.4 % of events.
            assert float(row["expected_frac"]) == pytest.approx(s.lymph_abs_1e9_per_l / s.wbc_1e9_per_l, rel=0.02)


def test_fcs__controls_say_nothing_that_is_true(cohort: Path) -> None:
    for file in sorted((cohort / "fcs").glob("*.fcs"))[:20]:
        keywords = read_fcs(file).keywords
        assert keywords["$COM"].startswith("SIMULATED")
        text = " ".join(keywords.values())
        assert not [label for label in load_panel("treg").labels if len(label) > 3 and label in text]
