"""TOML templates: what they mean, and every mistake with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.errors import InputError, TemplateInvalidError, TemplateSyntaxError
from immunoprofile.gating import ROOT, Boolean, Polygon, Rectangle, Term, load_template, template_ids
from immunoprofile.gating.formats.toml_write import render_template

HEAD = """
[template]
id = "small"
version = "1"
[markers]
CD3 = { names = ["CD3", "CD3e"], scale = "fluorescence" }
CD4 = { scale = "fluorescence" }
CD8 = { scale = "fluorescence", optional = true }
[scales]
fluorescence = { kind = "logicle", t = 262144, w = 0.5, m = 4.5, a = 0 }
"""
T_CELLS = '[[gate]]\nname = "T"\nrange = { x = "CD3", min = 0.5 }\n'
CD4_CELLS = '[[gate]]\nname = "CD4+"\nparent = "T"\nrange = { x = "CD4", min = 0.5 }\n'


@pytest.fixture
def load(tmp_path: Path):
    def write_and_load(text: str):
        file = tmp_path / "small.toml"
        file.write_text(text)
        return load_template(file)

    return write_and_load


def test_template__gates_have_paths_ids_and_parents(load) -> None:
    template = load(HEAD + T_CELLS + CD4_CELLS)
    assert template.paths == (ROOT, "T", "T/CD4+")
    assert [g.id for g in template.gates] == ["t", "cd4_pos"]
    assert template.gate("T/CD4+").parent == "T"


def test_template__children_may_stand_before_their_parents(load) -> None:
    assert load(HEAD + CD4_CELLS + T_CELLS).paths == (ROOT, "T/CD4+", "T")


def test_template__slash_in_a_name_is_escaped_in_its_path(load) -> None:
    template = load(HEAD + T_CELLS + '[[gate]]\nname = "4/8"\nparent = "T"\nrange = { x = "CD4", min = 0.5 }\n')
    assert template.paths[-1] == "T/4\\/8"
    assert template.find("4\\/8") == "T/4\\/8"


def test_template__quadrant_parts_are_siblings_with_their_own_ids(load) -> None:
    quadrant = (
        '[[gate]]\nparent = "T"\nquadrant = { x = "CD4", y = "CD8", x_at = 0.5, y_at = 0.4, '
        'names = { "+-" = "helper", "-+" = "cytotoxic" }, ids = { "+-" = "cd4" } }\n'
    )
    template = load(HEAD + T_CELLS + quadrant)
    helper = template.gate("T/helper")
    assert (helper.id, helper.parent) == ("cd4", "T")
    assert isinstance(helper.geometry, Rectangle)
    assert helper.geometry.bounds == ((0.5, None), (None, 0.4))
    assert template.gate("T/cytotoxic").geometry.kind == "quadrant"


def test_template__not_of_several_is_none_of_them(load) -> None:
    text = HEAD + T_CELLS + CD4_CELLS + '[[gate]]\nname = "rest"\nboolean = { not = ["CD4+", "!T"] }\n'
    geometry = load(text).gate("rest").geometry
    assert geometry == Boolean("and", (Term("T/CD4+", True), Term("T", False)))


def test_template__digest_ignores_layout_and_comments_but_not_numbers(load) -> None:
    plain = load(HEAD + T_CELLS).digest
    assert load("# signed\n" + HEAD + "\n\n" + T_CELLS).digest == plain
    assert load(HEAD + T_CELLS.replace("0.5", "0.51")).digest != plain


def test_template__population_is_found_by_name_trailing_path_and_id(load) -> None:
    template = load(HEAD + T_CELLS + CD4_CELLS)
    assert {template.find(q) for q in ("CD4+", "T/CD4+", "cd4_pos")} == {"T/CD4+"}


def test_template__same_name_in_two_branches_needs_the_path(load) -> None:
    other = '[[gate]]\nname = "B"\nrange = { x = "CD3", max = 0.5 }\n'
    child = '[[gate]]\nname = "hi"\nparent = "{}"\nrange = {{ x = "CD4", min = 0.9 }}\n'
    template = load(HEAD + T_CELLS + other + child.format("T") + child.format("B"))
    assert template.find("B/hi") == "B/hi"
    with pytest.raises(InputError, match="could be any of 'T/hi', 'B/hi'"):
        template.find("hi")


@pytest.mark.parametrize("template", template_ids())
def test_shipped_template__loads(template: str) -> None:
    loaded = load_template(template)
    assert loaded.id == template
    assert loaded.reports


SYNTAX = {
    "misspelt key": (T_CELLS.replace("name", "nmae"), r'gate\[0\]\.nmae: unknown key "nmae". Did you mean "name"\?'),
    "unknown key in a shape": (
        T_CELLS.replace("min", "mni"),
        r'gate\[0\]\.range\.mni: unknown key "mni". Did you mean "min"\?',
    ),
    "two shapes": (T_CELLS + 'polygon = { x = "CD3", y = "CD4", vertices = [[0,0],[1,0],[1,1]] }', "exactly one of"),
    "no gate": ("", '"gate" is missing'),
    "wrong type": (T_CELLS.replace("0.5", '"high"'), r"gate\[0\]\.range\.min: input should be a valid number"),
    "not TOML": ("[[gate]\n", "is not TOML"),
    "infinite vertex": (T_CELLS.replace("0.5", "inf"), "finite number"),
    "bad ontology id": (T_CELLS + 'cell_ontology = "CL:1"\n', "pattern"),
}


@pytest.mark.parametrize(("gates", "words"), SYNTAX.values(), ids=SYNTAX)
def test_template__wrong_shape_is_one_clear_sentence(load, gates: str, words: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=words):
        load(HEAD + gates)


SENSE = {
    "unknown parent": (CD4_CELLS.replace('"T"', '"Tcells"'), r'gate\[0\]\.parent: no gate named "Tcells"'),
    "parent cycle": (
        '[[gate]]\nname = "a"\nparent = "b"\nrange = { x = "CD3", min = 0.1 }\n'
        '[[gate]]\nname = "b"\nparent = "a"\nrange = { x = "CD3", min = 0.1 }\n',
        "circle",
    ),
    "unknown marker": (T_CELLS.replace("CD3", "CD33"), r'no marker named "CD33". Did you mean "CD3"\?'),
    "two gates of one path": (T_CELLS + T_CELLS, 'two gates have the path "T"'),
    "id used twice": (T_CELLS + 'id = "x"\n' + CD4_CELLS + 'id = "x"\n', '"x" is used more than once'),
    "flat polygon": (
        '[[gate]]\nname = "p"\npolygon = { x = "CD3", y = "CD4", vertices = [[0, 0], [1, 1], [0, 0]] }\n',
        "three different",
    ),
    "empty range": (T_CELLS.replace("min = 0.5", "min = 0.5, max = 0.5"), "is not below max"),
    "no bound": (T_CELLS.replace(", min = 0.5", ""), "no bound at all"),
    "covariance": (
        '[[gate]]\nname = "e"\nellipse = { x = "CD3", y = "CD4", center = [0.5, 0.5], covariance = [[1, 2], [2, 1]], '
        "distance_square = 1 }\n",
        "symmetric and positive definite",
    ),
    "unknown term": (T_CELLS + '[[gate]]\nname = "n"\nboolean = { not = ["CD19"] }\n', 'no population named "CD19"'),
    "term in a circle": (
        '[[gate]]\nname = "n"\nboolean = { not = ["m"] }\n[[gate]]\nname = "m"\nboolean = { not = ["n"] }\n',
        "rests on itself",
    ),
    "unknown report": (T_CELLS + '[[report]]\npopulation = "B"\n', 'no population named "B"'),
    "denominator outside": (T_CELLS + CD4_CELLS + '[[report]]\npopulation = "T"\nof = ["CD4+"]\n', "does not contain"),
    "unknown limit": (T_CELLS + "[limits]\nB = { warn_denominator_below = 5 }\n", 'no population named "B"'),
}


@pytest.mark.parametrize(("gates", "words"), SENSE.values(), ids=SENSE)
def test_template__nonsense_is_one_clear_sentence(load, gates: str, words: str) -> None:
    with pytest.raises(TemplateInvalidError, match=words):
        load(HEAD + gates)


def test_template__all_problems_are_reported_at_once(load) -> None:
    text = HEAD + T_CELLS.replace("CD3", "CD33") + CD4_CELLS.replace('"T"', '"Tx"') + '[[report]]\npopulation = "B"\n'
    with pytest.raises(TemplateInvalidError) as caught:
        load(text)
    assert [p.code for p in caught.value.problems] == ["MARKER-UNKNOWN", "PARENT-UNKNOWN", "POPULATION-UNKNOWN"]


def test_load_template__unknown_id_lists_what_is_shipped() -> None:
    with pytest.raises(TemplateSyntaxError, match='no template "immune41" is shipped') as caught:
        load_template("immune41")
    assert "immune14" in str(caught.value)


def test_polygon__keeps_its_vertices(load) -> None:
    template = load(
        HEAD + '[[gate]]\nname = "p"\npolygon = { x = "CD3", y = "CD4", vertices = [[0, 0], [1, 0], [1, 1]] }\n'
    )
    geometry = template.gate("p").geometry
    assert isinstance(geometry, Polygon)
    assert geometry.vertices == ((0, 0), (1, 0), (1, 1))


def test_template__one_unknown_parent_is_one_problem(load) -> None:
    text = (
        HEAD
        + T_CELLS.replace('"T"', '"T"\nparent = "Lymph"')
        + CD4_CELLS
        + '[[report]]\npopulation = "CD4+"\nof = ["T"]\n'
    )
    with pytest.raises(TemplateInvalidError) as caught:
        load(text)
    assert [p.code for p in caught.value.problems] == ["PARENT-UNKNOWN"]


def test_template__what_hangs_from_an_unknown_parent_is_not_complained_of_again(load) -> None:
    """The path in the report is right once the parent is: the parent is the one cause."""
    with pytest.raises(TemplateInvalidError) as error:
        load(HEAD + T_CELLS + CD4_CELLS.replace('"T"', '"TT"') + '[[report]]\npopulation = "T/CD4+"\n')
    (problem,) = error.value.problems
    assert problem.where == "gate[1].parent"


def test_template__a_word_that_is_none_of_those_allowed_names_the_nearest(load) -> None:
    rule = '[[gate]]\nname = "A"\nauto = { method = "vally", x = "CD4" }\n'
    rule += 'fallback = { range = { x = "CD4", min = 0.5 } }\n'
    with pytest.raises(TemplateSyntaxError) as error:
        load(HEAD.replace('"logicle"', '"logical"') + T_CELLS + rule)
    scale, method, keep = map(str, error.value.problems)
    assert 'scales.fluorescence.kind: "logical" is not known here. Did you mean "logicle"?' in scale
    assert 'gate[1].auto.method: "vally" is not known here. Did you mean "valley"?' in method
    assert "gate[1].auto: keep is missing" in keep


def test_template__a_number_in_quotes_is_no_number(load) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"gate\[0\].range.min: .*number") as error:
        load(HEAD + T_CELLS.replace("0.5", '"0.5"'))
    assert "It says 0.5 now" in str(error.value)


def test_template__a_missing_fallback_is_said_without_the_whole_gate(load) -> None:
    with pytest.raises(TemplateSyntaxError) as error:
        load(HEAD + '[[gate]]\nname = "A"\nauto = { method = "valley", x = "CD4", keep = "above" }\n')
    assert "auto needs a fallback" in str(error.value)
    assert "It says" not in str(error.value)


def test_template__a_circle_of_parents_is_one_problem(load) -> None:
    loop = '[[gate]]\nname = "{}"\nparent = "{}"\nrange = {{ x = "CD3", min = 0.1 }}\n'
    with pytest.raises(TemplateInvalidError) as caught:
        load(HEAD + loop.format("a", "c") + loop.format("b", "a") + loop.format("c", "b"))
    assert [p.code for p in caught.value.problems] == ["PARENT-CYCLE"]


def test_intensities__names_become_paths_and_change_the_digest(load) -> None:
    text = HEAD + T_CELLS + CD4_CELLS
    asked = load(text + '[intensities]\npopulations = ["CD4+"]\nmarkers = ["CD4"]\n')
    assert asked.intensities.populations == ("T/CD4+",)
    assert asked.intensities.markers == ("CD4",)
    assert asked.digest != load(text).digest
    assert load(text + "[intensities]\n").digest == load(text).digest


def test_intensities__are_written_and_read_again(load) -> None:
    asked = load(HEAD + T_CELLS + CD4_CELLS + '[intensities]\npopulations = ["CD4+"]\n')
    assert load(render_template(asked)).digest == asked.digest


def test_intensities__every_unknown_name_is_named(load) -> None:
    report = '[[report]]\npopulation = "T"\n'
    wanted = '[intensities]\npopulations = ["B", "CD4+"]\nmarkers = ["CD44"]\n'
    with pytest.raises(TemplateInvalidError) as caught:
        load(HEAD + T_CELLS + CD4_CELLS + report + wanted)
    assert {(p.where, p.code) for p in caught.value.problems} == {
        ("intensities.populations[0]", "POPULATION-UNKNOWN"),
        ("intensities.populations[1]", "POPULATION-UNREPORTED"),
        ("intensities.markers[0]", "MARKER-UNKNOWN"),
    }
    assert 'Did you mean "CD4"?' in str(caught.value)
