"""Every command that a how-to or an explanation prints runs as printed, in the order in which it stands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from immunoprofile.cli import program
from immunoprofile.cohort import run_study
from immunoprofile.selftest.known import write_known_study
from immunoprofile.study import load_study

PAGES = (
    "how-to/figures", "how-to/import_sas", "how-to/share_without_names", "explanation/automatic_gates",
    "explanation/response", "explanation/security", "explanation/simulation",
)  # fmt: skip
# Leaves a finding: exit code 7 is its answer.
FINDS = {"scan-phi": {0, 7}}


def commands(text: str) -> list[str]:
    """Lines of code that call the program, with or without a prompt; a redirection belongs to the shell."""
    found = re.findall(r"^(?: {4,}|\$ )?(immunoprofile [^\n`]*)$", text, flags=re.MULTILINE)
    return [line.partition(" > ")[0] for line in found]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has at hand: a study, its results, a key."""
    folder = tmp_path_factory.mktemp("desk")
    run_study(load_study(write_known_study(folder)), folder / "results")
    (folder / "lab.key").write_bytes(bytes(range(32)))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_page__its_commands_run_as_printed(
    checkout: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    asked = commands((checkout / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    assert asked
    for command in asked:
        words = shlex.split(command)
        answer = CliRunner().invoke(program, words[1:])
        assert answer.exit_code in FINDS.get(words[1], {0}), f"{command}\n{answer.output}"
