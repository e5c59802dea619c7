"""Tests of a template run on a square of 10,000 events, whose counts are products of side lengths."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from square_template import BOX, STRIP

from immunoprofile.errors import TemplateInvalidError
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.gating import load_template
from immunoprofile.gating.formats.toml_write import render_template
from immunoprofile.gating.validation import read_fixtures, render_junit, run_tests

# 40 columns (20..59) of 50 rows (0..49); of them 20 columns from 40 on.
IN_BOX, IN_STRIP = 2000, 1000


def verdicts_of(path: Path, folder: Path | None = None):
    template = load_template(path)
    return run_tests(template, read_fixtures(template, folder))


def block(expect: str, more: str = "") -> str:
    return f'[[test]]\nsample = "square"\n{more}\nexpect = {{ {expect} }}\n'


@pytest.mark.parametrize(
    ("expect", "found", "met"),
    [
        (f'"Box" = {{ count = {IN_BOX} }}', IN_BOX, True),
        (f'"Box" = {{ count = {IN_BOX + 1} }}', IN_BOX, False),
        (f'"Box" = {{ count = {IN_BOX + 10}, tolerance = 10 }}', IN_BOX, True),
        (f'"Box" = {{ count = {IN_BOX + 11}, tolerance = 10 }}', IN_BOX, False),
        ('"Strip" = { frac_of_parent = 0.5, tolerance = 0 }', 0.5, True),
        ('"Strip" = { frac_of_parent = 0.52, tolerance = 0.01 }', 0.5, False),
        ('"Strip" = { frac_of = { "All events" = 0.1 }, tolerance = 0 }', 0.1, True),
    ],
    ids=["exact", "one off", "edge of tolerance", "beyond tolerance", "parent", "parent off", "of all"],
)
def test_expectation__is_met_within_its_tolerance(template_file, expect: str, found: float, met: bool) -> None:
    (verdict,) = verdicts_of(template_file(BOX, STRIP, block(expect)))
    assert verdict.found == pytest.approx(found, abs=1e-12)
    assert verdict.met is met


@pytest.mark.parametrize(("least", "met"), [(0.66, True), (0.67, False)])
def test_f1__is_worked_by_hand(template_file, least: float, met: bool) -> None:
    """30 columns of the box are "low left": TP 30 x 50; gated 2000, labelled 2500: F1 = 3000 / 4500."""
    expect = f'"Box" = {{ f1 = {least}, label = "low left" }}'
    (verdict,) = verdicts_of(template_file(BOX, block(expect, 'labels = "labels.csv"')))
    assert (verdict.numerator, verdict.denominator) == (3000, 4500)
    assert verdict.met is met


def test_f1__takes_several_labels_as_one(template_file) -> None:
    """Of both lower quarters all 2000 events of the box are true: F1 = 4000 / (2000 + 5000)."""
    expect = '"Box" = { f1 = 0.5, label = ["low left", "low right"] }'
    (verdict,) = verdicts_of(template_file(BOX, block(expect, 'labels = "labels.csv"')))
    assert (verdict.numerator, verdict.denominator) == (4000, 7000)


def test_f1__of_a_label_that_nobody_carries_is_undefined(template_file) -> None:
    (verdict,) = verdicts_of(template_file(BOX, block('"Box" = { f1 = 0, label = "x" }', 'labels = "labels.csv"')))
    assert math.isnan(verdict.found)
    assert not verdict.met
    assert verdict.came_out == "undefined: no event carries the label"


def test_fraction__of_nothing_is_undefined_and_not_met(template_file) -> None:
    nobody = '[[gate]]\nname = "Nobody"\nrange = { x = "X", min = 5 }\n'
    inside = '[[gate]]\nname = "Inside"\nparent = "Nobody"\nrange = { x = "Y", min = 0.5 }\n'
    expect = '"Inside" = { frac_of_parent = 0, tolerance = 1 }'
    (verdict,) = verdicts_of(template_file(nobody, inside, block(expect)))
    assert not verdict.met
    assert "denominator is empty" in verdict.came_out


def test_population__left_out_for_an_optional_marker_is_not_met(template_file) -> None:
    head = (
        '[template]\nid = "square"\nversion = "1"\n[markers]\nZ = { scale = "unit", optional = true }\n'
        '[scales]\nunit = { kind = "linear", t = 100 }\n[compensation]\nsource = "none"\n'
    )
    gate = '[[gate]]\nname = "Bright"\nrange = { x = "Z", min = 0.5 }\n'
    (verdict,) = verdicts_of(template_file(gate, block('"Bright" = { count = 0 }'), head=head))
    assert not verdict.met
    assert "optional marker" in verdict.came_out


def test_fixtures__in_a_folder_of_that_name_are_found(template_file, square: Path) -> None:
    path = template_file(BOX, block(f'"Box" = {{ count = {IN_BOX} }}'))
    (square.parent / "fixtures").mkdir()
    square.rename(square.parent / "fixtures" / "square.fcs")
    assert all(v.met for v in verdicts_of(path))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('labels = "none.csv"', '"none.csv" is not there'),
        ('labels = "labels.csv"\nlabel_column = "lable"', 'Did you mean "label"?'),
        ('labels = "short.csv"', "labels 1 events, not each of the 10000 of square once"),
    ],
    ids=["missing", "column", "short"],
)
def test_labels__that_do_not_fit_are_refused(template_file, square: Path, more: str, what: str) -> None:
    (square.parent / "short.csv").write_text("label\nlow left\n")
    path = template_file(BOX, block('"Box" = { f1 = 0, label = "low left" }', more))
    with pytest.raises(TemplateInvalidError) as error:
        verdicts_of(path)
    assert what in str(error.value)


def test_fixtures__that_are_missing_are_all_named(template_file) -> None:
    expect = 'expect = { "Box" = { count = 1 } }'
    path = template_file(BOX, f'[[test]]\nsample = "a"\n{expect}\n[[test]]\nsample = "b"\n{expect}\n')
    with pytest.raises(TemplateInvalidError) as error:
        verdicts_of(path)
    assert [p.where for p in error.value.problems] == ["test[0].sample", "test[1].sample"]
    assert "give the folder with --fixtures" in str(error.value)


def test_template__without_tests_is_refused_with_a_remedy(template_file) -> None:
    with pytest.raises(TemplateInvalidError, match=r"has no tests\. Write a \[\[test\]\] block"):
        verdicts_of(template_file(BOX))


def test_junit__has_a_case_an_expectation_and_says_what_failed(template_file) -> None:
    path = template_file(BOX, STRIP, block('"Box" = { count = 1 }, "Strip" = { count = 1000 }'))
    verdicts = verdicts_of(path)
    root = etree.fromstring(render_junit(load_template(path), verdicts))
    assert [root.get(k) for k in ("tests", "failures", "errors")] == ["2", "1", "0"]
    (suite,) = root
    bad, good = suite
    assert (bad.get("name"), good.get("name")) == ("count of Box", "count of Box/Strip")
    assert bad[0].get("message") == "expected 1, found 2000"
    assert len(good) == 0


FMO = (
    '[[gate]]\nname = "Right"\nauto = { method = "fmo", x = "X", keep = "above", quantile = 0.8 }\n'
    'fallback = { range = { x = "X", min = 0.5 } }\n'
)


@pytest.fixture
def dim(square: Path) -> Path:
    """A control with as many events at each X of 0..49: 39 is the first at which four fifths are reached."""
    x = np.repeat(np.arange(50, dtype=np.float32), 20)
    write_fcs(square.with_name("dim.fcs"), [x, x], [ChannelSpec(n, n, 100) for n in ("X", "Y")])
    return square.with_name("dim.fcs")


def test_control__that_a_test_names_places_the_gate(template_file, dim: Path) -> None:
    """Of the 100 columns of the square, the 61 from 39 on lie above the control's cut, which belongs to the gate."""
    named = 'controls = { "fmo:X" = "dim" }\n'
    (verdict,) = verdicts_of(template_file(FMO, block('"Right" = { count = 6100 }', named)))
    assert (verdict.met, verdict.found) == (True, 6100)


def test_control__that_no_test_names_leaves_the_fallback(template_file, dim: Path) -> None:
    (verdict,) = verdicts_of(template_file(FMO, block('"Right" = { count = 5000 }')))
    assert verdict.met


@pytest.mark.parametrize(
    ("controls", "what"),
    [
        ('{ "fmo:X" = "nowhere" }', 'test[0].controls.fmo:X: "nowhere" is not there'),
        ('{ "fmo:Z" = "dim" }', 'test[0].controls.fmo:Z: no marker named "Z"'),
        ('{ "bridge" = "dim" }', 'test[0].controls: "bridge" is no control of a test'),
    ],
    ids=["missing", "marker", "kind"],
)
def test_control__that_cannot_be_used_is_refused(template_file, dim: Path, controls: str, what: str) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        verdicts_of(template_file(FMO, block('"Right" = { count = 1 }', f"controls = {controls}\n")))
    assert what in str(caught.value)


def test_control__is_written_and_read_back(template_file, dim: Path) -> None:
    path = template_file(FMO, block('"Right" = { count = 1 }', 'controls = { "fmo:X" = "dim" }\n'))
    written = path.with_name("again.toml")
    written.write_text(render_template(load_template(path)))
    assert load_template(written).tests == load_template(path).tests
