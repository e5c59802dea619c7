"""A spillover matrix that the sample sheet names is an input like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from immunoprofile.cohort import profile_cohort
from immunoprofile.controls.render import render_spillover
from immunoprofile.fcs import read_fcs
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study
from immunoprofile.verification import Sources, verify_folder


def test_matrix_of_the_sheet__is_digested_and_verified(tmp_path: Path) -> None:
    study = simulate_cohort(tmp_path / "c", seed=3, n_subjects=1, events_per_sample=300)
    sheet = study.parent / "samples.csv"
    rows = pd.read_csv(sheet, dtype=str)
    matrix = study.parent / "matrix.csv"
    matrix.write_text(render_spillover(read_fcs(study.parent / rows["file"][0]).spillover), encoding="utf-8")
    rows.assign(spillover=["matrix.csv"] + [None] * (len(rows) - 1)).to_csv(sheet, index=False)
    profile_cohort(load_study(study), tmp_path / "out")
    name = f"spillover {rows['sample_id'][0]}"
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"][name] == digest_of_file(matrix)
    given = Sources.of_study(load_study(study))
    assert verify_folder(tmp_path / "out", given).holds
    matrix.write_text(matrix.read_text().replace("1", "2", 1))
    assert [d.name for d in verify_folder(tmp_path / "out", given).differences] == [name]
