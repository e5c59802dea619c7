"""The study with known answers, run once; copies of it that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from immunoprofile.cli import program
from immunoprofile.cohort import run_study
from immunoprofile.selftest.known import write_known_study
from immunoprofile.study import load_study


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and, in ``results``, what it gives; not to be changed."""
    folder = tmp_path_factory.mktemp("known") / "study"
    run_study(load_study(write_known_study(folder)), folder / "results", jobs=2)
    return folder


@pytest.fixture
def spoilable(known: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(known, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def immunoprofile() -> Callable[..., Result]:
    """Run the program with these arguments."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(program, [str(a) for a in arguments])

    return run
