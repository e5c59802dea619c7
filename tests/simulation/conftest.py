"""One small simulated cohort for all tests of this room, and the trial it was written from."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.simulation import Trial, draw_trial, simulate_cohort

SEED = 1
VISITS = ("BL", "W4", "W8")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the default cohort: 8 subjects, 20 000 events a sample."""
    return simulate_cohort(tmp_path_factory.mktemp("cohort"), seed=SEED).parent


@pytest.fixture(scope="session")
def trial() -> Trial:
    """The same cohort before it was written."""
    return draw_trial(SEED, 8, VISITS)
