"""Studies with hostile or personal content, small enough to be run whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from immunoprofile.cli import program
from immunoprofile.selftest.known import write_known_study


@pytest.fixture
def known_study(tmp_path: Path) -> Path:
    """The study with known answers, freshly written; the path of its study.toml."""
    return write_known_study(tmp_path / "study")


@pytest.fixture(scope="session")
def run_program() -> Callable[..., Result]:
    """Run the program with these arguments."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(program, [str(a) for a in arguments])

    return run


@pytest.fixture
def immunoprofile(run_program: Callable[..., Result]) -> Callable[..., Result]:
    """The same."""
    return run_program
