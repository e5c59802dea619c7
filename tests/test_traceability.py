"""From what is promised to the tests that show it: every requirement has one, and the page is true.

``python tests/test_traceability.py`` writes docs/reference/traceability.md anew.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs" / "reference" / "traceability.md"
HEAD = """# From requirements to tests

What the program promises, and the tests that show it. Made by `python tests/test_traceability.py` of the marks in the
tests and of `tests/requirements.toml`; a test fails where this page is not what they say, where a requirement has no
test, and where a test it names does not exist. A laboratory that validates the program cites the id and runs the tests
beside it:

    python -m pytest -q tests/verification tests/security

"""


def requirements() -> dict[str, dict]:
    return tomllib.loads((CHECKOUT / "tests" / "requirements.toml").read_text(encoding="utf-8"))


@cache
def known_tests() -> dict[str, list[str]]:
    """Every test of the checkout by its id, with the requirements that it is marked with."""
    found = {}
    for file in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [name for decorator in node.decorator_list for name in marked(decorator)]
                found[f"{file.relative_to(CHECKOUT).as_posix()}::{node.name}"] = marks
    return found


def marked(decorator: ast.expr) -> list[str]:
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
        return [ast.literal_eval(a) for a in decorator.args]
    return []


def traced() -> dict[str, list[str]]:
    """The tests of each requirement, in the order of their files."""
    known = known_tests()
    listed = {name: list(entry.get("tests", [])) for name, entry in requirements().items()}
    for test, marks in known.items():
        for name in marks:
            listed.setdefault(name, []).append(test)
    return {name: sorted(set(tests)) for name, tests in listed.items()}


def render() -> str:
    found = traced()
    lines = ["| requirement | says | shown by |", "|---|---|---|"]
    for name, entry in requirements().items():
        tests = "<br>".join(f"`{t.removeprefix('tests/')}`" for t in found[name])
        lines.append(f"| {name} | {entry['says']} | {tests} |")
    return HEAD + "\n".join(lines) + "\n"


def test_requirement__each_has_a_test() -> None:
    assert [name for name, tests in traced().items() if not tests] == []


def test_requirement__each_test_named_exists() -> None:
    known = known_tests()
    assert [t for tests in traced().values() for t in tests if t not in known] == []


def test_mark__each_names_a_requirement() -> None:
    assert set(traced()) == set(requirements())


def test_page__is_what_marks_and_requirements_say() -> None:
    # renew with: python tests/test_traceability.py
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
