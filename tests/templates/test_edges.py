"""The shipped templates where there is little to gate: no event, one, none with a number, the wrong tube."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import PanelMismatchError, SpilloverError
from immunoprofile.fcs import ChannelSpec, Events, read_fcs, write_fcs
from immunoprofile.gating import apply_template, load_template
from immunoprofile.populations import tabulate
from immunoprofile.simulation import PANELS, SimulatedTube, load_panel, simulate_tube
from immunoprofile.spillover import Spillover


def written(folder: Path, tube: SimulatedTube, values: np.ndarray, spillover: Spillover | None) -> Events:
    """A file with the panel of a tube and events of its own."""
    channels = [ChannelSpec(d, m, 262144) for d, m in zip(tube.detectors, tube.markers, strict=True)]
    write_fcs(folder / "a.fcs", values.astype(np.float32), channels, spillover=spillover)
    return read_fcs(folder / "a.fcs")


@pytest.mark.parametrize("panel", PANELS)
def test_no_event__gives_a_row_for_each_fraction_and_no_fraction(tmp_path: Path, panel: str) -> None:
    tube, template = simulate_tube(panel, 1), load_template(panel)
    members = apply_template(template, written(tmp_path, tube, tube.values[:0], tube.spillover))
    assert set(members.counts().values()) == {0}
    table = tabulate(members, {"sample_id": "S"})
    assert len(table) == sum(map(len, template.reported().values()))
    assert set(table["status"]) == {"not_evaluable"}
    assert table["frac"].isna().all()


@pytest.mark.parametrize("panel", PANELS)
def test_one_event__is_gated_as_in_the_full_tube(tmp_path: Path, panel: str) -> None:
    """Fixed gates look at no other event."""
    tube, template = simulate_tube(panel, 2000, seed=4), load_template(panel)
    whole = apply_template(template, written(tmp_path, tube, tube.values, tube.spillover))
    for event in range(0, 2000, 400):
        (tmp_path / "a.fcs").unlink()
        alone = apply_template(template, written(tmp_path, tube, tube.values[event : event + 1], tube.spillover))
        assert {p for p, n in alone.counts().items() if n} == {p for p in whole.paths if whole.mask(p)[event]}


@pytest.mark.parametrize("panel", PANELS)
def test_events_without_numbers__are_in_no_population_and_are_found(tmp_path: Path, panel: str) -> None:
    tube, template = simulate_tube(panel, 1000), load_template(panel)
    values = tube.values.copy()
    values[:, 3] = np.nan  # one detector of the matrix: no compensated channel has a number then
    members = apply_template(template, written(tmp_path, tube, values, tube.spillover))
    deepest = [g.path for g in template.gates if g.id in {"t", "b", "nk", "cd4", "cd8"}]
    assert [members.count(p) for p in deepest] == [0] * len(deepest)
    assert "GATE-NAN" in {f.code for f in members.findings}


@pytest.mark.parametrize(("panel", "other"), [("treg", "tbnk"), ("bcell", "treg"), ("tbnk", "th"), ("th", "bcell")])
def test_wrong_tube__is_refused_with_every_marker_that_is_missing(tmp_path: Path, panel: str, other: str) -> None:
    tube, template = simulate_tube(other, 10), load_template(panel)
    events = written(tmp_path, tube, tube.values, tube.spillover)
    with pytest.raises(PanelMismatchError) as caught:
        apply_template(template, events)
    optional = {m.name for m in template.markers if m.optional}
    missing = set(load_panel(panel).markers) - set(load_panel(other).markers) - optional
    assert missing
    assert all(f'"{m}"' in str(caught.value) for m in missing)


@pytest.mark.parametrize("panel", PANELS)
def test_no_spillover__is_an_error_and_not_uncompensated_counts(tmp_path: Path, panel: str) -> None:
    tube = simulate_tube(panel, 10)
    with pytest.raises(SpilloverError, match="own matrix; it declares none"):
        apply_template(load_template(panel), written(tmp_path, tube, tube.values, None))


def test_truth_table__is_that_of_the_label_files(checkout: Path) -> None:
    folder = checkout / "fixtures"
    with (folder / "expected" / "template_truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {r["sample"] for r in rows} == {f"{p}_blood" for p in PANELS}
    for panel in PANELS:
        with (folder / "templates" / f"{panel}_blood_labels.csv").open(encoding="utf-8", newline="") as stream:
            labels = np.array([row["label"] for row in csv.DictReader(stream)])
        known = load_panel(panel)
        for row in (r for r in rows if r["sample"] == f"{panel}_blood"):
            for pop, count in ((row["pop_id"], row["count"]), (row["denom_id"], row["denom_count"])):
                assert int(count) == np.isin(labels, sorted(known.labels_of(pop))).sum(), (panel, pop)
