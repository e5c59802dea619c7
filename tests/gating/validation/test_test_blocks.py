"""``[[test]]`` blocks in a template file: read, refused, written, and no part of the digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.errors import TemplateInvalidError, TemplateSyntaxError
from immunoprofile.gating import load_template, write_template
from immunoprofile.gating.expectations import Expectation, TemplateTest

BLOCKS = """
[[test]]
sample = "fcs/grid"
labels = "labels.csv"
label_column = "kind"
expect = { "Box" = { count = 54, f1 = 0.9, label = ["a", "b"] }, "Strip" = { frac_of_parent = 0.5, tolerance = 0.01 } }

[[test]]
sample = "fcs/one_event"
expect."Box" = { frac_of = { "All events" = 0.25 }, tolerance = 0.02 }
"""


def with_tests(folder: Path, blocks: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(MINIMAL + blocks)
    return path


MINIMAL = """
[template]
id = "grid"
version = "1"
[markers]
X = { scale = "plain" }
Y = { scale = "plain" }
[scales]
plain = { kind = "identity" }
[compensation]
source = "none"
[[gate]]
name = "Box"
rectangle = { X = { min = 2, max = 8 }, Y = { min = 3, max = 9 } }
[[gate]]
name = "Strip"
parent = "Box"
range = { x = "X", min = 4 }
"""


def test_test_block__is_read_with_whole_paths(tmp_path: Path) -> None:
    first, second = load_template(with_tests(tmp_path, BLOCKS)).tests
    assert first == TemplateTest(
        "fcs/grid",
        (
            Expectation("Box", "count", 54),
            Expectation("Box", "f1", 0.9, labels=("a", "b")),
            Expectation("Box/Strip", "frac_of_parent", 0.5, 0.01, "Box"),
        ),
        "labels.csv",
        "kind",
    )
    assert second.expectations == (Expectation("Box", "frac_of", 0.25, 0.02, "All events"),)


def test_test_block__changes_no_digest(tmp_path: Path) -> None:
    with_blocks = load_template(with_tests(tmp_path, BLOCKS))
    assert with_blocks.digest == load_template(with_tests(tmp_path, "")).digest


def test_test_block__is_written_and_read_back(tmp_path: Path) -> None:
    template = load_template(with_tests(tmp_path, BLOCKS))
    write_template(template, tmp_path / "again.toml")
    assert load_template(tmp_path / "again.toml") == template


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        ('"Box" = { tolerance = 1 }', "says nothing: give count, frac_of_parent, frac_of or f1"),
        ('"Box" = { count = 1, frac_of_parent = 0.1, tolerance = 0 }', "give a count or fractions, not both"),
        ('"Box" = { frac_of_parent = 0.1 }', "a fraction needs a tolerance"),
        ('"Box" = { f1 = 0.1 }', "f1 and label go together"),
        ('"Box" = { f1 = 0.1, tolerance = 0.1, label = "a" }', "f1 is the least that is accepted"),
        ('"Box" = { f1 = 0.1, label = "a" }', "f1 needs labels"),
        ('"Box" = { frac_of_parent = 1.1, tolerance = 0 }', "less than or equal to 1"),
        ('"Box" = { cout = 1 }', 'unknown key "cout". Did you mean "count"?'),
    ],
    ids=["empty", "both", "no tolerance", "no label", "f1 tolerance", "no labels", "percent", "key"],
)
def test_test_block__senseless_expectations_are_refused(tmp_path: Path, expect: str, what: str) -> None:
    path = with_tests(tmp_path, f'[[test]]\nsample = "a"\nexpect = {{ {expect} }}\n')
    with pytest.raises(TemplateSyntaxError) as error:
        load_template(path)
    assert what in str(error.value)
    assert "test[0]" in str(error.value)


def test_test_block__unknown_populations_are_all_named(tmp_path: Path) -> None:
    blocks = """
[[test]]
sample = "a"
expect."Bx" = { count = 1 }
expect."Box" = { frac_of = { "Nothing" = 0.1 }, tolerance = 0 }
expect."All events" = { frac_of_parent = 1, tolerance = 0 }
"""
    with pytest.raises(TemplateInvalidError) as error:
        load_template(with_tests(tmp_path, blocks))
    assert [p.where for p in error.value.problems] == [
        "test[0].expect.Bx",
        "test[0].expect.Box.frac_of",
        "test[0].expect.All events",
    ]
    assert 'Did you mean "Box"?' in str(error.value)
