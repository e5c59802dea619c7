"""How kernels are compiled: who may call them, when code on disk is outdated, what they load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

ACCELERATE = "immunoprofile.kernels.accelerate"
INNER = "from room.accelerate import part\n\n@part\ndef step(x):\n    return x + {step}\n"
OUTER = "from room.accelerate import kernel\nfrom room.inner import step\n\n@kernel\ndef walk(x):\n    return step(x)\n"


def run(code: str, folder: Path, **environment: str) -> str:
    made = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )
    return made.stdout.strip()


def imported_kernels(file: Path) -> list[tuple[str, str]]:
    """Module and name of whatever a file imports from the kernels."""
    nodes = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)]
    return [(n.module or "", a.name) for n in nodes for a in n.names if "immunoprofile.kernels." in (n.module or "")]


def test_parts__are_called_by_kernels_alone(checkout: Path) -> None:
    # A part has no door to Python: calling one from there ends the process.
    ours = checkout / "src" / "immunoprofile"
    rooms = [f for f in ours.rglob("*.py") if f.parent != ours / "kernels"] + [*(checkout / "tests").rglob("*.py")]
    found = {pair for file in rooms for pair in imported_kernels(file)}
    compiled = [getattr(import_module(module), name) for module, name in found]
    options = [c.targetoptions for c in compiled if hasattr(c, "targetoptions")]
    assert options
    assert not any(o.get("no_cpython_wrapper") for o in options)


def test_code_on_disk__is_outdated_by_a_part_in_another_file(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "accelerate.py").write_text(Path(import_module(ACCELERATE).__file__ or "").read_text())
    (room / "outer.py").write_text(OUTER)
    answers = []
    for step in (1, 1000):
        (room / "inner.py").write_text(INNER.format(step=step))
        answers.append(run("from room.outer import walk; print(walk(1))", tmp_path, NUMBA_CACHE_DIR=str(tmp_path)))
    assert answers == ["2", "1001"]


def test_code_on_disk__is_used_again(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "accelerate.py").write_text(Path(import_module(ACCELERATE).__file__ or "").read_text())
    (room / "inner.py").write_text(INNER.format(step=1))
    (room / "outer.py").write_text(OUTER)
    code = "from room.outer import walk; walk(1); print(len(walk.stats.cache_hits), len(walk.stats.cache_misses))"
    assert [run(code, tmp_path, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)] == ["0 1", "1 0"]


def test_kernels__load_no_linear_algebra_of_scipy(tmp_path: Path) -> None:
    code = (
        "import gc, sys; from immunoprofile.scales import Logicle; Logicle(262144, 0.5, 4.5)(1000.0);"
        "print('scipy.linalg' in sys.modules, 'pydantic' in sys.modules, gc.isenabled())"
    )
    assert run(code, tmp_path) == "False False True"


def test_linear_algebra__still_compiles_for_whoever_asks(tmp_path: Path) -> None:
    code = (
        f"import {ACCELERATE}; import numpy as np; from numba import njit\n"
        "print(njit(lambda a: (a @ a)[0, 0] + np.linalg.inv(a)[0, 0])(np.eye(2) * 2))"
    )
    assert run(code, tmp_path) == "4.5"
