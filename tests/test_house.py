"""The house itself: sizes, documentation of columns, one test command, templates and rules inside the wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from immunoprofile.columns import TABLES

MAX_LINES = 400


def sources(checkout: Path) -> list[Path]:
    return sorted((checkout / "src" / "immunoprofile").rglob("*.py"))


def test_modules__are_small_and_say_what_they_are(checkout: Path) -> None:
    for file in sources(checkout):
        text = file.read_text()
        assert text.count("\n") <= MAX_LINES, file
        assert ast.get_docstring(ast.parse(text)), file


def test_kernels__alone_import_numba(checkout: Path) -> None:
    for file in sources(checkout):
        if "kernels" not in file.parts:
            assert not re.search(r"^\s*(from|import) numba\b", file.read_text(), flags=re.MULTILINE), file


def test_front_door__is_thin(checkout: Path) -> None:
    text = (checkout / "cli.py").read_text()
    assert text.count("\n") <= 12
    assert "def " not in text


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_columns__are_documented_once_and_fit_transport_files(table) -> None:
    assert len(set(table.names)) == len(table.names)
    aliases = [c.alias for c in table.columns]
    assert len(set(aliases)) == len(aliases)
    for column in table.columns:
        assert column.meaning
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,31}", column.name)
        assert re.fullmatch(r"[A-Z][A-Z0-9]{0,7}", column.alias)
    assert set(table.key) <= set(table.names)


def test_ci__runs_the_test_command_of_the_readme(checkout: Path) -> None:
    command = next(line for line in (checkout / ".ci" / "run").read_text().splitlines() if "pytest" in line)
    assert f"    {command}\n" in (checkout / "README.md").read_text()


def test_wheel__holds_templates_rules_and_pages(checkout: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(checkout)], check=True, capture_output=True)
    installed = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(installed)
    ask = (
        "import immunoprofile, sys; from immunoprofile.gating import load_template; "
        "from immunoprofile.platelets import load_rule; "
        "print(immunoprofile.__file__, load_template('immune14').source, load_rule('iwg-2009').id)"
    )
    # -P keeps the folder out of the path, so only the unpacked wheel and the libraries are there.
    answer = subprocess.run(
        [sys.executable, "-P", "-c", ask], cwd=tmp_path, env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert answer[0].startswith(str(installed))
    assert answer[1].startswith(str(installed))
    assert answer[2] == "iwg-2009"
    assert list((installed / "immunoprofile" / "report").rglob("*.html*"))
