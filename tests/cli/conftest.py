"""The program run in this process, and a small simulated study to run it on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from immunoprofile.cli import program
from immunoprofile.simulation import simulate_cohort


@pytest.fixture
def immunoprofile() -> Callable[..., Result]:
    """Run the program with these arguments; standard output and standard error apart."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(program, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    """A simulated study, not to be changed: six subjects with two visits."""
    folder = tmp_path_factory.mktemp("cohort")
    simulate_cohort(folder, seed=3, n_subjects=6, visits=("BL", "W4"), events_per_sample=1_500)
    return folder


@pytest.fixture
def study(cohort, tmp_path) -> Path:
    """A copy of the simulated study that a test may spoil; the path of its study.toml."""
    shutil.copytree(cohort, tmp_path / "study", ignore=shutil.ignore_patterns("truth"))
    return tmp_path / "study" / "study.toml"


@pytest.fixture(scope="session")
def finished(cohort, tmp_path_factory) -> Path:
    """Results of the simulated study, not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "results"
    outcome = CliRunner().invoke(program, ["run", str(cohort / "study.toml"), "--out", str(out), "-q"])
    assert outcome.exit_code == 0, outcome.stderr
    return out
