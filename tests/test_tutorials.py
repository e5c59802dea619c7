"""Every command and every program of the tutorials runs as it is printed, in the order in which it stands."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from immunoprofile.cli.program import program

TUTORIALS = ("first_batch", "first_import", "first_template")


def steps(text: str) -> list[tuple[str, str]]:
    """Code blocks of a page: language and content."""
    return re.findall(r"```(console|python|toml)\n(.*?)```", text, flags=re.DOTALL)


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorial__works_as_printed(checkout: Path, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    text = (checkout / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    done = 0
    for language, block in steps(text):
        if language == "toml":
            Path("small.toml").write_text(block, encoding="utf-8")
        elif language == "python":
            Path("step.py").write_text(block, encoding="utf-8")
            runpy.run_path("step.py")
        for command in commands(block) if language == "console" else ():
            words = shlex.split(command)
            assert words[0] == "immunoprofile"
            answer = CliRunner().invoke(program, words[1:])
            assert answer.exit_code == 0, f"{command}\n{answer.output}"
        done += 1
    assert done >= 3


def test_site__every_page_is_in_the_table_of_contents(checkout: Path) -> None:
    listed = re.findall(r": ([\w/.-]+\.md)$", (checkout / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {p.relative_to(checkout / "docs").as_posix() for p in (checkout / "docs").rglob("*.md")}
    assert set(listed) == pages, "list the page in mkdocs.yml"


def test_site__links_and_pictures_lead_somewhere(checkout: Path) -> None:
    for page in (checkout / "docs").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_site__builds_without_a_warning(checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the site needs the extra docs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", str(checkout / "mkdocs.yml")]
    built = subprocess.run([*build, "-d", str(tmp_path)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "tutorials" / "first_batch" / "index.html").is_file()
