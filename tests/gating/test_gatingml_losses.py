"""What Gating-ML 2.0 cannot say is refused; what others changed in a file of ours counts, or contradicts itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from gatingml_files import DIMS, RANGE, a_gate, back, made

from immunoprofile.errors import OutputError, TemplateInvalidError
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Dimension,
    Ellipsoid,
    GatingTemplate,
    Limit,
    Marker,
    Polygon,
    Rectangle,
    Report,
    read_gatingml,
)
from immunoprofile.gating.formats.gatingml import template_of
from immunoprofile.gating.formats.gatingml_write import render_gatingml, write_gatingml
from immunoprofile.gating.formats.xmlfile import parse_xml_bytes
from immunoprofile.scales import FlowJoBiex, Identity
from immunoprofile.spillover import Spillover

# -- never at a loss ---------------------------------------------------------------------------------------------------


def test_biex__is_refused_with_every_gate_that_uses_it(tmp_path: Path) -> None:
    biex = Rectangle((Dimension("A", FlowJoBiex(0.0, -100.0, 4.418, 262144.0)),), ((1000.0, None),))
    with pytest.raises(TemplateInvalidError) as caught:
        write_gatingml(made(a_gate(biex, "one"), a_gate(RANGE, "two"), a_gate(biex, "three")), tmp_path / "t.xml")
    assert [(p.where, p.code) for p in caught.value.problems] == [
        ('gate "one"', "GATINGML-SCALE"),
        ('gate "three"', "GATINGML-SCALE"),
    ]
    assert "its flowjo_biex scale is none of Gating-ML 2.0's" in str(caught.value)
    assert not (tmp_path / "t.xml").exists()


LOSSES = {
    "infinite bound": (made(a_gate(Rectangle(DIMS[:1], ((0.0, float("inf")),)))), "GATINGML-NUMBER",
        "inf is no number"),
    "NaN vertex": (made(a_gate(Polygon(DIMS, ((0, 0), (1, 0), (float("nan"), 1))))), "GATINGML-NUMBER",
        "nan is no number"),
    "outline on FlowJo's grid": (
        made(a_gate(Polygon(DIMS, ((0, 0), (1, 0), (0, 1)), bins=256))), "GATINGML-BINS", "FlowJo's grid of 256 steps"),
    "one fluorochrome": (
        made(a_gate(RANGE), compensation=Compensation("file", matrices=(("m", Spillover(("A",), np.eye(1))),))),
        "GATINGML-MATRIX", 'matrix "m" has one fluorochrome'),
    "ellipsoid on a line": (
        made(a_gate(Ellipsoid(DIMS[:1], (0.5,), ((1.0,),), 1.0))), "GATINGML-SHAPE", "two dimensions or more"),
    "channel name that XML cannot hold": (
        made(a_gate(RANGE), markers=(Marker("A", ("A\x00",)), Marker("B", ("B",)))), "GATINGML-NAME",
        'XML cannot hold the channel name "A\\x00"'),
    "id that no table takes": (
        made(dataclasses.replace(a_gate(RANGE), id="Not An Id")), "GATINGML-LOSS",
        "without loss (id: String should match"),
    "one id twice": (
        made(*(dataclasses.replace(a_gate(RANGE, n), id="x") for n in "ab")), "GATINGML-LOSS",
        '"x" is used more than once'),
    "denominator that is no ancestor": (
        made(a_gate(RANGE, "a"), a_gate(RANGE, "b"), reports=(Report("a", ("b",)),)), "GATINGML-LOSS",
        '"b" does not contain "a"'),
    "empty gate": (made(a_gate(Rectangle(DIMS[:1], ((1.0, 0.0),)))), "GATINGML-LOSS", "is not below max"),
    "no gate": (made(), "GATINGML-LOSS", "holds no gate"),
    "path that is not its names": (
        made(dataclasses.replace(a_gate(RANGE), path="elsewhere")), "GATINGML-LOSS",
        "its gates would not come back equal"),
    "gate of more than two thousand": (
        made(*(a_gate(RANGE, f"g{i}") for i in range(2001))), "GATINGML-LOSS", "more than 2,000 gates"),
}  # fmt: skip


@pytest.mark.parametrize(("template", "code", "words"), LOSSES.values(), ids=LOSSES)
def test_template__that_cannot_be_said_is_refused(template: GatingTemplate, code: str, words: str) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        render_gatingml(template)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_file__is_not_written_over(tmp_path: Path) -> None:
    target = tmp_path / "t.xml"
    target.write_text("mine")
    with pytest.raises(OutputError, match=r"exists already and is not overwritten\. Choose another name") as caught:
        write_gatingml(made(a_gate(RANGE)), target)
    assert caught.value.code == "OUTPUT-EXISTS"
    assert target.read_text() == "mine"


def test_file__is_written_over_when_the_caller_says_so(tmp_path: Path) -> None:
    target = tmp_path / "t.xml"
    target.write_text("old")
    write_gatingml(made(a_gate(RANGE)), target, overwrite=True)
    assert read_gatingml(target) == made(a_gate(RANGE))


# -- edited by others --------------------------------------------------------------------------------------------------


def edited(template: GatingTemplate, *changes: tuple[str, str]) -> bytes:
    text = render_gatingml(template).decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def test_edited_geometry__is_what_counts() -> None:
    found = back(edited(made(a_gate(RANGE)), ('gating:min="0.5"', 'gating:min="0.75"')))
    assert found == made(a_gate(Rectangle(DIMS[:1], ((0.75, None),))))


CONTRADICTIONS = {
    "channel": (('data-type:name="A"', 'data-type:name="Z"'), '"A" in custom_info and in the gate differ'),
    "compensation": (('compensation-ref="FCS"', 'compensation-ref="uncompensated"'), "the compensation in custom_info"),
    "unknown report": (('"reports": []', '"reports": [{"population": "gone", "of": []}]'),
        'no population has the path "gone"'),
    "default matrix": (('"source": "file"', '"source": "matrix"'), "default is none of the matrices"),
    "number of axes": (('"axes": [', '"axes": [{"markers": ["B"]}, '),
        "custom_info speaks of 2 dimensions, the gate has 1"),
    "number of channels": (('"markers": ["A"]', '"markers": ["A", "B"]'), "the number of channels in custom_info"),
    "key of a later version": (('"id": "made"', '"id": "made", "colour": "red"'),
        "colour: Extra inputs are not permitted"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_edited_file__that_contradicts_itself_is_refused(change: tuple[str, str], words: str) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        back(edited(made(a_gate(RANGE)), change))
    assert words in str(caught.value)
    assert caught.value.code == "GATINGML-CUSTOM"


GATE_OF_OTHERS = (
    '<gating:RectangleGate gating:id="new"><gating:dimension gating:compensation-ref="FCS" gating:min="1">'
    '<data-type:fcs-dimension data-type:name="{}"/></gating:dimension></gating:RectangleGate></gating:Gating-ML>'
)


def test_gate_added_by_another_program__uses_the_markers_that_are_there() -> None:
    found = back(edited(made(a_gate(RANGE)), ("</gating:Gating-ML>", GATE_OF_OTHERS.format("A"))))
    assert found.gate("new").geometry == Rectangle((Dimension("A", Identity(), "file"),), ((1.0, None),))
    assert found.markers == made().markers


def test_gate_added_by_another_program__brings_its_detector() -> None:
    found = back(edited(made(a_gate(RANGE)), ("</gating:Gating-ML>", GATE_OF_OTHERS.format("FSC-A"))))
    assert found.markers == (*made().markers, Marker("FSC-A", ("FSC-A",), by_detector=True))


def test_gate_added_by_another_program__on_a_name_of_two_meanings_is_refused() -> None:
    two = made(a_gate(RANGE), markers=(Marker("A", ("one",)), Marker("B", ("one",))))
    with pytest.raises(TemplateInvalidError, match='"one" could be any of A, B or a detector'):
        back(edited(two, ("</gating:Gating-ML>", GATE_OF_OTHERS.format("one"))))


def test_reports_on_a_broken_gate__are_left_out_with_it() -> None:
    gates = a_gate(RANGE, "a"), a_gate(RANGE, "b")
    template = made(*gates, reports=(Report("a"), Report("b", (ROOT,))), limits=(("b", Limit(5)),))
    data = edited(template, ('gating:id="b"', 'gating:id="b" gating:parent_id="nobody"'))
    found = template_of(parse_xml_bytes(data, None), Path("t.xml"), broken="skip")
    assert found == dataclasses.replace(template, gates=gates[:1], reports=(Report("a"),), limits=())
    assert [p.where for p in found.refused if p.code == "GATINGML-RESTS"] == [
        "custom_info.reports[1]",
        "custom_info.limits[0]",
    ]


def test_missing__the_caller_overrules_the_file() -> None:
    data = render_gatingml(made(a_gate(RANGE), compensation=Compensation("file", missing="allow")))
    root = parse_xml_bytes(data, None)
    assert back(data).compensation.missing == "allow"
    assert template_of(root, Path("t.xml"), missing="error").compensation.missing == "error"
