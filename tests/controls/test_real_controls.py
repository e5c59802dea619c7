"""Real cells: seven single stains, the matrix that their author computed, and the one of the instrument."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.controls import SpilloverFit, fit_controls
from immunoprofile.errors import SpilloverError
from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs

pytestmark = pytest.mark.shared

AGREE_AUTHOR = {
    "Alexa Fluor 488-A": 0.005,
    "PE-A": 0.005,
    "Alexa Fluor 647-A": 0.01,
    "Alexa Fluor 700-A": 0.03,
    "7-AAD-A": 0.05,
    "APC-Cy7-A": 0.08,
}
"""Largest difference of a row from the author's. The first three controls are bright, and medians and slopes see the
same line. The last three are dim smears: there the author's medians carry the autofluorescence of the brightest cells,
and the next test says which of the two is nearer to the instrument's matrix."""

AGREE_GATED = AGREE_AUTHOR | {"Alexa Fluor 647-A": 0.005, "Alexa Fluor 700-A": 0.015, "APC-Cy7-A": 0.02}
"""The same where the author's own gates chose the cells: the difference that is left is medians or slopes."""


def read_rows(path: Path) -> tuple[list[str], np.ndarray]:
    """Header and numbers of a stored matrix; a first column of names is left out."""
    rows = list(csv.reader(path.open(encoding="utf-8")))
    named = rows[0][0] == ""
    return rows[0][named:], np.array([row[named:] for row in rows[1:]], dtype=float)


@pytest.fixture(scope="module")
def stains(shared_data: Path) -> Path:
    return shared_data / "membership" / "single_stains"


@pytest.fixture(scope="module")
def files(stains: Path, tmp_path_factory) -> dict[str, Path]:
    """Detector (empty: unstained) to the decompressed file."""
    folder = tmp_path_factory.mktemp("stains")
    found = {}
    for row in csv.DictReader((stains / "index.csv").open(encoding="utf-8")):
        found[row["stained_channel"]] = folder / row["file"].removesuffix(".gz")
        found[row["stained_channel"]].write_bytes(gzip.decompress((stains / row["file"]).read_bytes()))
    return found


def fit(files: dict[str, Path]) -> SpilloverFit:
    return fit_controls({d: f for d, f in files.items() if d}, files[""])


@pytest.fixture(scope="module")
def fitted(files) -> SpilloverFit:
    return fit(files)


def differences(fitted: SpilloverFit, stored: Path) -> dict[str, np.ndarray]:
    """Absolute differences of each row from a stored matrix, its own detector left out."""
    detectors, matrix = read_rows(stored)
    return {
        c.detector: np.abs(c.coefficients[[c.detectors.index(d) for d in detectors]] - matrix[own])[
            np.arange(len(detectors)) != own
        ]
        for c in fitted.controls
        for own in [detectors.index(c.detector)]
    }


def test_real_controls__rows_are_the_authors_where_the_stain_is_bright(fitted, stains):
    found = differences(fitted, stains / "spillover_computed_by_source.csv")
    assert {d: bool(v.max() < AGREE_AUTHOR[d]) for d, v in found.items()} == dict.fromkeys(AGREE_AUTHOR, True)
    assert np.median(np.concatenate(list(found.values()))) < 0.005


def test_real_controls__come_nearer_to_the_instruments_matrix_than_the_authors_do(fitted, stains):
    applied = stains.parent / "truth" / "spillover_applied.csv"
    ours = np.concatenate(list(differences(fitted, applied).values()))
    author = read_rows(stains / "spillover_computed_by_source.csv")[1] - read_rows(applied)[1]
    stained = [read_rows(applied)[0].index(c.detector) for c in fitted.controls]
    theirs = np.abs(author[stained])
    assert ours.max() < 0.025
    assert theirs.max() > 0.07
    assert ours.mean() < 0.5 * theirs.sum() / ours.size


def test_real_controls__within_the_authors_scatter_gates_agree_as_well(files, stains, tmp_path):
    gates = json.loads((stains / "gates.json").read_text(encoding="utf-8"))["gates"]
    counts = {r["stained_channel"]: int(r["single_cells"]) for r in csv.DictReader((stains / "index.csv").open())}
    gated = {d: write_gated(f, gates, tmp_path / f.name) for d, f in files.items()}
    assert {d: n for d, (_, n) in gated.items()} == counts
    found = differences(fit({d: f for d, (f, _) in gated.items()}), stains / "spillover_computed_by_source.csv")
    assert {d: bool(v.max() < AGREE_GATED[d]) for d, v in found.items()} == dict.fromkeys(AGREE_GATED, True)
    assert np.median(np.concatenate(list(found.values()))) < 0.002


def write_gated(path: Path, gates: list[dict], target: Path) -> tuple[Path, int]:
    """The fluorescence of the events within the author's gates, without scatter: those gates alone choose cells."""
    events = read_fcs(path)
    columns = {c.detector: c.index for c in events.channels}
    values = events.linear()
    inside = np.ones(len(values), dtype=bool)
    for gate in gates:
        inside &= within(values[:, [columns[d] for d in gate["channels"]]], np.array(gate["vertices"]))
    kept = [c for c in events.channels if c.kind == "fluorescence"]
    specs = [ChannelSpec(c.detector, None, int(c.range)) for c in kept]
    write_fcs(target, values[inside][:, [c.index for c in kept]], specs)
    return target, int(inside.sum())


def within(points: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Even-odd inside of a polygon."""
    inside = np.zeros(len(points), dtype=bool)
    for (x1, y1), (x2, y2) in zip(vertices, np.roll(vertices, 1, axis=0), strict=True):
        crosses = (y1 > points[:, 1]) != (y2 > points[:, 1])
        inside ^= crosses & (points[:, 0] < (x2 - x1) * (points[:, 1] - y1) / (y2 - y1) + x1)
    return inside


def test_real_controls__weak_controls_are_said_to_be_weak(fitted):
    weak = {f.where for f in fitted.findings if f.code in {"SPILL-FEW-POSITIVES", "SPILL-DIM"}}
    assert weak == {"Compensation-7AAD.fcs", "Compensation-APC-Cy7.fcs"}
    assert not [f for f in fitted.findings if f.where in {"Compensation-FITC.fcs", "Compensation-PE.fcs"}]


def test_real_controls__compensation_leaves_little_in_other_detectors(fitted):
    assert max(c.residual for c in fitted.controls) < 0.01
    assert fitted.spillover.condition < 2


def test_real_controls__detectors_are_found_without_being_named(files, fitted):
    named = fit_controls([f for d, f in files.items() if d], files[""]).spillover
    assert named == fitted.spillover


def test_real_controls__three_smears_need_the_unstained_control(files):
    with pytest.raises(SpilloverError) as caught:
        fit_controls({d: f for d, f in files.items() if d})
    refused = {Path(p.path).name for p in caught.value.problems}
    assert refused == {f"Compensation-{n}.fcs" for n in ("7AAD", "APC", "APC-Cy7")}
