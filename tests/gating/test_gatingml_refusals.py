"""What a Gating-ML file may hold that must not become a number: each refused with its gate, its line and a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gatingml_files import (
    axis,
    boolean,
    cytobank,
    divider,
    ellipsoid,
    gate,
    gatingml,
    matrix,
    points,
    quadrant,
    ratio,
    rectangle,
    scale,
)

from immunoprofile.errors import TemplateInvalidError, TemplateSyntaxError
from immunoprofile.gating import ROOT, GatingTemplate, read_gatingml

GOOD = rectangle("good", axis("A", min=1))
TRIANGLE = points("vertex", (0, 0), (1, 0), (0, 1))
ARROW = '<d:custom_info><i:{kind} xmlns:i="urn:immunoprofile:gating-ml:{version}">{text}</i:{kind}></d:custom_info>'


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(*parts: str, **options) -> GatingTemplate:
        file = tmp_path / "gates.xml"
        file.write_bytes(gatingml(*parts))
        return read_gatingml(file, **options)

    return write_and_read


# Each stands on line 4, below a good gate, and its gate (or one that uses it) is called "bad".
BROKEN = {
    "min above max": (rectangle("bad", axis("A", min=3, max=1)), "min 3.0 of A is not below max 1.0"),
    "no bound": (rectangle("bad", axis("A")), "has no bound at all"),
    "no dimension": (rectangle("bad"), "a rectangle needs a dimension"),
    "not a number": (rectangle("bad", axis("A", min="0,5")), '"0,5" in <dimension> is not a number'),
    "a number of Python": (rectangle("bad", axis("A", min="1_0")), '"1_0" in <dimension> is not a number'),
    "NaN": (rectangle("bad", axis("A", min="NaN")), '"NaN" in <dimension> is not a number'),
    "a bound beyond all numbers": (rectangle("bad", axis("A", min="1e999")), "is not a number"),
    "a bound without its namespace": (
        rectangle("bad", axis("A", max=9)).replace("g:max", "min='1' g:max"),
        'the attribute "min" of <dimension> would be overlooked'),
    "a misspelt bound": (rectangle("bad", axis("A", min=1, mx=2)),
        'the attribute "mx" of <dimension> would be overlooked'),
    "a misspelt parent": (
        gate("Rectangle", "bad", axis("A", min=1), attributes=' g:parentId="good"'), 'Write "parent_id"'),
    "a misspelt dimension": (
        rectangle("bad", axis("A", min=1), axis("B", min=1, tag="dimenson")),
        "<dimenson> has no meaning inside <RectangleGate>"),
    "a dimension without its namespace": (
        rectangle("bad", axis("A", min=1), axis("B", min=1).replace("g:dimension", "dimension")),
        "<dimension> has no meaning"),
    "another word for complement": (
        boolean("bad", "and", "good", "good").replace('ref="good"', 'ref="good" g:complement="true"'),
        'the attribute "complement"'),
    "complement that is neither": (
        boolean("bad", "not", "!good").replace('"true"', '"yes"'),
        '"yes" in "use-as-complement" is neither true nor false'),
    "not of two": (boolean("bad", "not", "good", "good"), "not has 2 references"),
    "and of none": (boolean("bad", "and"), "and has 0 references"),
    "two operations": (
        boolean("bad", "and", "good").replace("</g:and>", "</g:and><g:or/>"), "holds one of and, or, not"),
    "a term that is not there": (boolean("bad", "and", "good", "goood"),
        'no gate with id "goood". Did you mean "good"?'),
    "a term that is the gate itself": (boolean("bad", "not", "bad"), '"bad" rests on itself'),
    "a parent that is not there": (rectangle("bad", axis("A", min=1), parent="goood"), 'no gate with id "goood"'),
    "a parent without a name": (
        gate("Rectangle", "bad", axis("A", min=1), attributes=' g:parent_id=""'), 'no gate with id ""'),
    "its own parent": (rectangle("bad", axis("A", min=1), parent="bad"), "its parents go in a circle"),
    "a transformation that is not there": (rectangle("bad", axis("A", scale="s", min=1)),
        'no transformation with id "s"'),
    "a ratio that is not there": (rectangle("bad", axis("ratio:r", min=1)), 'no ratio with id "r"'),
    "a matrix that is not there": (rectangle("bad", axis("A", comp="M", min=1)), 'no spectrum matrix with id "M"'),
    "no compensation": (
        rectangle("bad", axis("A", min=1)).replace(' g:compensation-ref="uncompensated"', ""),
        'lacks its attribute "compensation-ref"'),
    "two channels in a dimension": (
        rectangle("bad", axis("A", min=1, more='<d:fcs-dimension d:name="B"/>')), "names 2 channels, not one"),
    "no channel": (rectangle("bad", axis("", min=1)), 'lacks its attribute "name"'),
    "a channel of 2,000 letters": (rectangle("bad", axis("A" * 2000, min=1)), "longer than 1,000 characters"),
    "a polygon in three dimensions": (
        gate("Polygon", "bad", axis("A"), axis("B"), axis("C"), TRIANGLE), "a polygon has two dimensions"),
    "a vertex of three numbers": (
        gate("Polygon", "bad", axis("A"), axis("B"), points("vertex", (0, 0), (1, 0), (0, 1, 2))),
        "two coordinates a vertex"),
    "a polygon of two vertices": (
        gate("Polygon", "bad", axis("A"), axis("B"), points("vertex", (0, 0), (1, 0))), "three different vertices"),
    "a bound in a polygon": (
        gate("Polygon", "bad", axis("A", min=1), axis("B"), TRIANGLE), "min and max mean nothing in a PolygonGate"),
    "a mean of one number": (
        ellipsoid("bad", [axis("A"), axis("B")], (1,), [(1, 0), (0, 1)], 1), "center and covariance must have 2"),
    "an ellipsoid on a line": (ellipsoid("bad", [axis("A")], (1,), [(1,)], 1), "two dimensions or more"),
    "a covariance without inverse": (
        ellipsoid("bad", [axis("A"), axis("B")], (1, 1), [(1, 1), (1, 1)], 1), "covariance cannot be inverted"),
    "a negative distance": (
        ellipsoid("bad", [axis("A"), axis("B")], (1, 1), [(1, 0), (0, 1)], -1), "distance_square is not positive"),
    "two means": (
        ellipsoid("bad", [axis("A"), axis("B")], (1, 1), [(1, 0), (0, 1)], 1).replace(
            "<g:covarianceMatrix>", points("mean", (1, 1)) + "<g:covarianceMatrix>"), "has 2 <mean>, not one"),
    "a divider without values": (
        gate("Quadrant", "q", divider("x", "A"), quadrant("bad", x=1)), 'the divider "x" has no value'),
    "a divider that is not there": (
        gate("Quadrant", "q", divider("x", "A", 1), quadrant("bad", y=1)), 'no divider of this gate with id "y"'),
    "two dividers of one id": (
        gate("Quadrant", "q", divider("x", "A", 1), divider("x", "B", 1), quadrant("bad", x=1)),
        "its id is used twice"),
    "a quadrant without a position": (
        gate("Quadrant", "q", divider("x", "A", 1), quadrant("bad")), "a quadrant needs a position"),
    "a quadrant gate as parent": (
        gate("Quadrant", "q", divider("x", "A", 1), quadrant("p", x=1))
        + rectangle("bad", axis("A", min=1), parent="q"),
        '"q" is a quadrant gate, which is no population itself'),
    "a gate named as the root": (
        gate("Rectangle", "bad", cytobank(name="All events"), axis("A", min=1)),
        'two gates have the path "All events" (also the root)'),
    "a scale of impossible numbers": (
        scale("s", "logicle T=1000 W=3 M=4 A=0") + rectangle("bad", axis("A", scale="s", min=1)), "0 <= w <= m / 2"),
    "a scale without a number": (
        scale("s", "flog T=1000") + rectangle("bad", axis("A", scale="s", min=1)), '<flog> lacks its attribute "M"'),
    "a scale that is not known": (
        scale("s", "biex T=1000") + rectangle("bad", axis("A", scale="s", min=1)),
        "<biex> has no meaning inside <transformation>"),
    "a clip that is no number": (
        scale("s", "flin T=1 A=0", "boundMin=low") + rectangle("bad", axis("A", scale="s", min=1)),
        '"low" in <transformation>'),
    "a clip given twice": (
        scale("s", "flin T=1 A=0 boundMin=1", "boundMin=0") + rectangle("bad", axis("A", scale="s", min=1)),
        "boundMin is given twice"),
    "clips that cross": (
        scale("s", "flin T=1 A=0", "boundMin=1 boundMax=0") + rectangle("bad", axis("A", scale="s", min=1)),
        "boundMin 1.0 is above"),
    "two scales of one id": (
        scale("s", "flin T=1 A=0") + scale("s", "flin T=2 A=0") + rectangle("bad", axis("A", scale="s", min=1)),
        'the id "s" is used twice'),
    "a ratio of one channel": (
        ratio("r", "A", "B", 1, 0, 0).replace('<d:fcs-dimension d:name="B"/>', "")
        + rectangle("bad", axis("ratio:r", min=1)),
        'ratio "r" needs two channels'),
    "a matrix with a short row": (
        matrix("M", "A B", "A B", [[1.0, 0.0], [1.0]]) + rectangle("bad", axis("A", comp="M", min=1)),
        "has 2 rows of 1 or 2 numbers; its names ask for 2 of 2"),
    "a matrix with a row too many": (
        matrix("M", "A B", "A B", [[1.0, 0.0]] * 3) + rectangle("bad", axis("A", comp="M", min=1)),
        "its names ask for 2 of 2"),
    "a matrix without an inverse": (
        matrix("M", "A B", "A B", [[1.0, 1.0], [1.0, 1.0]]) + rectangle("bad", axis("A", comp="M", min=1)),
        "cannot be inverted"),
    "a matrix inverted by halves": (
        matrix("M", "A B", "A B", [[1.0, 0.0], [0.0, 1.0]], inverted=True).replace('"true"', '"maybe"')
        + rectangle("bad", axis("A", comp="M", min=1)), "neither true nor false"),
    "a matrix called FCS": (
        matrix("FCS", "A B", "A B", [[1.0, 0.0], [0.0, 1.0]]) + rectangle("bad", axis("A", comp="nil", min=1)),
        'may not have the id "FCS"'),
    "our information, mangled": (
        gate("Rectangle", "bad", ARROW.format(kind="gate", version=1, text='{"name": "x"}'), axis("A", min=1)),
        '"gate" in custom_info is not what this program writes (id: Field required)'),
    "our information, no JSON": (
        gate("Rectangle", "bad", ARROW.format(kind="gate", version=1, text="[" * 100_000), axis("A", min=1)),
        "is not what this program writes"),
    "our information of another version": (
        gate("Rectangle", "bad", ARROW.format(kind="gate", version=9, text="{}"), axis("A", min=1)),
        "is of another version of this program"),
}  # fmt: skip


@pytest.mark.parametrize(("part", "words"), BROKEN.values(), ids=BROKEN)
def test_gatingml__what_is_wrong_is_said_with_its_place(read, part: str, words: str) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        read(GOOD, part)
    message = str(caught.value)
    assert words in message
    assert "gates.xml: " in message
    assert "line 4" in message


@pytest.mark.parametrize("part", [p for p, _ in BROKEN.values()], ids=BROKEN)
def test_gatingml__one_broken_gate_leaves_the_others_usable(read, part: str) -> None:
    child, term = rectangle("child", axis("A", min=1), parent="bad"), boolean("term", "or", "good", "!bad")
    template = read(GOOD, part, child, term, broken="skip")
    usable = {g.name for g in template.gates}
    assert {"good"} <= usable <= {"good", "p"}
    listed = " ".join(str(p) for p in template.refused)
    for name in ("bad", "child", "term"):
        assert f'gate "{name}"' in listed


def test_gatingml__whatever_rests_on_a_broken_gate_is_named_with_it(read) -> None:
    template = read(
        rectangle("bad", axis("A", min=3, max=1)),
        rectangle("child", axis("A", min=1), parent="bad"),
        boolean("far", "not", "child"),
        GOOD,
        broken="skip",
    )
    assert template.paths == (ROOT, "good")
    assert [(p.where, p.code) for p in template.refused] == [
        ('gate "bad" (line 3)', "GATE-SHAPE"),
        ('gate "child" (line 4)', "GATINGML-RESTS"),
        ('gate "far" (line 5)', "GATINGML-RESTS"),
    ]
    assert 'rests on the gate "bad", which is refused' in template.refused[1].what


def test_gatingml__consequences_are_not_counted_as_errors_of_their_own(read) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        read(rectangle("bad", axis("A", min=3, max=1)), rectangle("child", axis("A", min=1), parent="bad"))
    assert [p.where for p in caught.value.problems] == ['gate "bad" (line 3)']


def test_gatingml__all_problems_are_reported_at_once(read) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        read(
            rectangle("first", axis("A", min=3, max=1)),
            scale("s", "flin T=0 A=0"),
            rectangle("second", axis("A", min="x")),
            rectangle("third", axis("A", min=1), parent="nobody"),
        )
    assert [p.where for p in caught.value.problems] == [
        "line 4",
        'gate "second" (line 5)',
        'gate "third" (line 6)',
        'gate "first" (line 3)',
    ]


def test_gatingml__skipping_changes_nothing_for_the_gates_that_are_left(read) -> None:
    sound = [GOOD, rectangle("child", axis("B", min=1), parent="good"), boolean("rest", "not", "child")]
    assert read(*sound, rectangle("bad", axis("A", min=3, max=1)), broken="skip") == read(*sound)


def test_gatingml__a_broken_quadrant_leaves_its_neighbours(read) -> None:
    parts = quadrant("lo", x=0), quadrant("bad", y=1), quadrant("hi", x=1)
    template = read(gate("Quadrant", "q", divider("x", "A", 1), *parts), broken="skip")
    assert template.paths == (ROOT, "lo", "hi")


def test_gatingml__gates_of_one_id_are_both_refused(read) -> None:
    twice = rectangle("bad", axis("A", min=1)), rectangle("bad", axis("A", min=2))
    with pytest.raises(TemplateInvalidError, match='the id "bad" is used 2 times'):
        read(GOOD, *twice)
    assert read(GOOD, *twice, broken="skip").paths == (ROOT, "good")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ('<g:PolytopeGate g:id="p"/>', "<PolytopeGate> is no gate, transformation or matrix of Gating-ML 2.0"),
        ('<t:compensationMatrix t:id="p"/>', "<compensationMatrix> is no gate, transformation or matrix"),
        (gate("Quadrant", "q", divider("x", "A", 1)), "a quadrant gate needs a Quadrant"),
        (rectangle("", axis("A", min=1)), '<RectangleGate> lacks its attribute "id"'),
        (scale("s", "flin T=0 A=0"), "t > 0"),
    ],
    ids=["gate of another version", "matrix of another version", "no quadrant", "no id", "scale that no gate uses"],
)
def test_gatingml__what_belongs_to_no_gate_is_refused_too(read, part: str, words: str) -> None:
    with pytest.raises(TemplateInvalidError, match=re.escape(words)):
        read(GOOD, part)
    template = read(GOOD, part, broken="skip")
    assert template.paths == (ROOT, "good")
    assert words in str(template.refused[0])


def test_gatingml__a_file_of_broken_gates_alone_is_refused_either_way(read) -> None:
    with pytest.raises(TemplateInvalidError) as caught:
        read(rectangle("bad", axis("A", min=3, max=1)), broken="skip")
    assert [p.code for p in caught.value.problems] == ["GATINGML-EMPTY", "GATE-SHAPE"]


def test_gatingml__a_file_without_gates_is_refused(read) -> None:
    with pytest.raises(TemplateInvalidError, match=r"holds no gate that can be used\. Export the gates too"):
        read(scale("s", "flin T=1 A=0"))


def test_gatingml__more_gates_than_a_person_made_are_refused(read) -> None:
    with pytest.raises(TemplateInvalidError, match="has more than 2,000 gates"):
        read(*(rectangle(f"g{i}", axis("A", min=1)) for i in range(2001)))


def test_gatingml__a_template_written_by_a_later_version_is_refused(read) -> None:
    with pytest.raises(TemplateSyntaxError, match="is of another version of this program"):
        read(ARROW.format(kind="template", version=2, text="{}"), GOOD, broken="skip")


def test_gatingml__two_thousand_gates_in_a_chain_are_read(read) -> None:
    chain = [rectangle(f"g{i}", axis("A", min=i), parent=f"g{i - 1}" if i % 100 else "") for i in range(2000)]
    template = read(*reversed(chain))
    assert len(template.gates) == 2000
    assert template.gate("/".join(f"g{i}" for i in range(100))).parent == "/".join(f"g{i}" for i in range(99))


def test_gatingml__a_chain_without_end_is_refused_where_its_path_is_too_long(read) -> None:
    chain = [rectangle(f"g{i:03}", axis("A", min=i), parent=f"g{i - 1:03}" if i else "") for i in range(900)]
    with pytest.raises(TemplateInvalidError, match=r'gate "g800" \(line 803\): its path is longer than 4,000'):
        read(*chain)
