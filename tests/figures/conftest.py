"""A small simulated study, run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.cohort import run_study
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study


@pytest.fixture(scope="package")
def finished(tmp_path_factory) -> Path:
    """Results of a simulated study, six subjects, two visits and the tube of Treg; not to be changed."""
    folder = tmp_path_factory.mktemp("figures")
    study = simulate_cohort(
        folder / "cohort", seed=5, n_subjects=6, visits=("BL", "W4"), events_per_sample=2_000, panels=("treg",)
    )
    run_study(load_study(study), out=folder / "results", jobs=2)
    return folder / "results"
