"""The pages of the command line and the library are those that the program itself would write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import immunoprofile
from immunoprofile.cli.outcomes import Outcome


@pytest.fixture(scope="module")
def make_reference(checkout: Path) -> ModuleType:
    """The script docs/make_reference.py."""
    known = importlib.util.spec_from_file_location("make_reference", checkout / "docs" / "make_reference.py")
    assert known is not None
    assert known.loader is not None
    module = importlib.util.module_from_spec(known)
    known.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "render"), [("cli.md", "render_cli"), ("api.md", "render_api")])
def test_reference_page__is_current(checkout: Path, make_reference: ModuleType, page: str, render: str) -> None:
    text = (checkout / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert text == getattr(make_reference, render)(), "run: python docs/make_reference.py"


def test_cli_page__has_every_verb_and_exit_code(checkout: Path, make_reference: ModuleType) -> None:
    from immunoprofile.cli import program

    text = (checkout / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for verb in program.commands:
        assert f"\n## {verb}\n" in text
    for outcome in Outcome:
        assert f"\n| {outcome.value} | " in text


def test_api_page__has_every_public_name_with_its_words(checkout: Path) -> None:
    text = (checkout / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    for name in immunoprofile.__all__:
        if not name.startswith("__"):
            section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
            assert len(section.splitlines()) > 5, name


def test_pages__show_no_machine(checkout: Path) -> None:
    for page in ("cli.md", "api.md"):
        text = (checkout / "docs" / "reference" / page).read_text(encoding="utf-8")
        assert str(Path.home()) not in text
        assert " at 0x" not in text


def test_site__fetches_nothing(checkout: Path, tmp_path: Path) -> None:
    """No page asks another address for a script, style, font or picture."""
    import re
    import subprocess
    import sys

    pytest.importorskip("mkdocs", reason="the site needs the extra docs")
    configuration = checkout / "mkdocs.yml"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", configuration, "-d", tmp_path]
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)="https?:""", page.read_text("utf-8")), (
            page
        )
    for style in tmp_path.rglob("*.css"):
        assert not re.findall(r"""url\(["']?https?:|@import""", style.read_text("utf-8")), style
