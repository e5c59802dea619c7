"""Everything that is wrong with a template comes at once: shape and sense in one reading."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunoprofile.errors import TemplateSyntaxError
from immunoprofile.gating import load_template
from immunoprofile.gating.formats.parts import read_parts
from immunoprofile.gating.formats.toml import judge_parts, judge_toml

TEMPLATE = """
[template]
id = "small"
version = "1"
[markers]
CD3 = { scale = "fluorescence" }
CD4 = { scale = "fluorescence" }
[scales]
fluorescence = { kind = "logicle", t = 262144, w = 0.5, m = 4.5, a = 0 }
[[gate]]
name = "T"
range = { x = "CD3", min = 0.5 }
[[gate]]
name = "CD4+"
parent = "T"
range = { x = "CD4", min = 0.5 }
[[gate]]
name = "Box"
parent = "CD4+"
polygon = { x = "CD3", y = "CD4", vertices = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]] }
[[report]]
population = "CD4+"
of = ["T"]
[intensities]
populations = ["CD4+"]
[[test]]
sample = "a.fcs"
expect."CD4+" = { count = 3 }
"""

ONE_CAUSE = {
    "a misspelt key of a marker": ("scale = ", "scael = ", {"KEY-UNKNOWN", "KEY-MISSING"}),
    "a misspelt kind of scale": ("logicle", "logical", {"VALUE"}),
    "a misspelt name": ('name = "T"', 'nmae = "T"', {"KEY-UNKNOWN"}),
    "a misspelt shape": ("polygon = ", "polygn = ", {"KEY-UNKNOWN"}),
    "a misspelt bound": ("min = 0.5", "mni = 0.5", {"KEY-UNKNOWN"}),
    "an unknown key in a shape": ("min = 0.5", "lower = 0.5", {"KEY-UNKNOWN"}),
    "a bound that is no number": ("min = 0.5", 'min = "high"', {"VALUE"}),
    "an id that is none": ('name = "CD4+"', 'name = "CD4+"\nid = "CD4 +"', {"VALUE"}),
    "a parent that is no text": ('parent = "T"', "parent = 3", {"VALUE"}),
    "a report without population": ('population = "CD4+"\n', "", {"KEY-MISSING"}),
    "no scales": ("[scales]", "[scale]", {"KEY-UNKNOWN", "KEY-MISSING"}),
}


def judged(tmp_path: Path, text: str):
    path = tmp_path / "small.toml"
    path.write_text(text)
    return judge_toml(path)


def test_template__as_it_stands_has_no_problem(tmp_path: Path) -> None:
    assert judged(tmp_path, TEMPLATE).problems == ()


@pytest.mark.parametrize(("old", "new", "codes"), ONE_CAUSE.values(), ids=ONE_CAUSE)
def test_problems__what_rests_on_an_ill_formed_part_is_not_complained_of(
    tmp_path: Path, old: str, new: str, codes: set[str]
) -> None:
    """Each change is one mistake: nothing that refers to the part is a second one."""
    assert {p.code for p in judged(tmp_path, TEMPLATE.replace(old, new)).problems} == codes


SENSE = {
    "unknown marker": ('x = "CD4", min', 'x = "CD44", min', "MARKER-UNKNOWN", "gate[1].CD44"),
    "unknown parent": ('parent = "T"', 'parent = "TT"', "PARENT-UNKNOWN", "gate[1].parent"),
    "empty range": ('"CD4", min = 0.5 }', '"CD4", min = 0.5, max = 0.4 }', "GATE-SHAPE", "gate[1]"),
    "unknown report": ('population = "CD4+"', 'population = "B"', "POPULATION-UNKNOWN", "report[0].population"),
    "unknown test": ('expect."CD4+"', 'expect."B"', "POPULATION-UNKNOWN", "test[0].expect.B"),
    "unknown intensity": ('populations = ["CD4+"]', 'populations = ["B"]', "POPULATION-UNKNOWN", "intensities"),
}
SHAPE = {
    "id": ('id = "small"', 'id = "Small one"', "template.id"),
    "marker": ('CD3 = { scale = "fluorescence" }', 'CD3 = { scale = "fluorescence", by = 3 }', "markers.CD3.by"),
    "vertex": ("[0.8, 0.8]", '[0.8, "high"]', "gate[2].polygon.vertices[2][1]"),
    "limit": ("[[report]]", "[limits]\nT = { warn = 3 }\n[[report]]", "limits.T.warn"),
}


@pytest.mark.parametrize("shape", SHAPE)
@pytest.mark.parametrize("sense", SENSE)
def test_problems__of_shape_and_sense_come_together(tmp_path: Path, shape: str, sense: str) -> None:
    ill, replaced, place = SHAPE[shape]
    old, new, code, where = SENSE[sense]
    (tmp_path / "small.toml").write_text(TEMPLATE.replace(ill, replaced).replace(old, new))
    with pytest.raises(TemplateSyntaxError) as caught:
        load_template(tmp_path / "small.toml")
    problems = caught.value.problems
    assert [p for p in problems if p.where == place]
    assert [p for p in problems if p.code == code and str(p.where).startswith(where)]
    assert len(problems) == 2


def test_problems__inside_a_misspelt_shape_are_named_as_well(tmp_path: Path) -> None:
    text = (
        TEMPLATE.replace("polygon = ", "polygn = ")
        .replace("[0.8, 0.8]", '[0.8, "high"]')
        .replace('"CD4", ver', '"CD8", ver')
    )
    told = [str(p) for p in judged(tmp_path, text).problems]
    assert any('gate[2].polygn: unknown key "polygn". Did you mean "polygon"?' in t for t in told)
    assert any("gate[2].polygon.vertices[2][1]: input should be a valid number" in t for t in told)
    assert any('gate[2].polygon: no marker named "CD8"' in t for t in told)


def test_problems__of_a_block_as_a_whole_are_named_although_a_part_is_wrong(tmp_path: Path) -> None:
    text = TEMPLATE.replace("[0.8, 0.8]", '[0.8, "high"]').replace(
        'parent = "CD4+"', 'range = { x = "CD3", min = 0.1 }'
    )
    told = [str(p) for p in judged(tmp_path, text).problems]
    assert any("gate[2]: give exactly one of range, rectangle" in t for t in told)


def test_problems__every_one_has_file_place_and_remedy(tmp_path: Path) -> None:
    text = TEMPLATE
    for old, new, *_ in (*SHAPE.values(), *SENSE.values()):
        text = text.replace(old, new)
    problems = judged(tmp_path, text).problems
    assert len(problems) > len(SHAPE)
    assert [p for p in problems if not (p.path and p.where and p.remedy)] == []


def test_standing__are_the_gates_that_rest_on_sound_ones(tmp_path: Path) -> None:
    misspelt = judged(tmp_path, TEMPLATE.replace('"CD4", min = 0.5', '"CD4", mni = 0.5'))
    assert misspelt.standing is not None
    assert misspelt.standing.paths[1:] == ("T", "T/CD4+", "T/CD4+/Box")
    unreadable = judged(tmp_path, TEMPLATE.replace('"CD4", min = 0.5', '"CD4", min = "x"'))
    assert unreadable.standing is not None
    assert unreadable.standing.paths[1:] == ("T",)


NO_TEMPLATE = ("gate = 3", "markers = []\ngate = [3]\n[scales]", "gate = [3]\n[markers]\n[scales]", "template = 1")


@pytest.mark.parametrize("text", NO_TEMPLATE)
def test_refusal__of_what_is_no_template_at_all_is_about_its_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.toml").write_text(text)
    with pytest.raises(TemplateSyntaxError, match=r'"template" is missing|template: input should be'):
        load_template(tmp_path / "odd.toml")


def places(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Keys and numbers that lead to every part of a file but itself."""
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, part in inside:
        yield (*at, key)
        yield from places(part, (*at, key))


def has(content: Any, key: Any) -> bool:
    return key in content if isinstance(content, dict) else isinstance(content, list) and key in range(len(content))


WHOLE = tomllib.loads(TEMPLATE)
ODD = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=4), st.just([]), st.just({"x": ["CD3"]}))


@given(st.lists(st.tuples(st.sampled_from(list(places(WHOLE))), ODD), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_template__of_whatever_shape_is_a_template_or_has_problems_with_remedies(changes: list[Any]) -> None:
    """Any part may be gone (None) or be anything: the answer is never a crash."""
    content = copy.deepcopy(WHOLE)
    for place, value in changes:
        above: Any = content
        for key in place[:-1]:
            above = above[key] if has(above, key) else None
        if has(above, place[-1]):
            above[place[-1]] = value
            if value is None:
                del above[place[-1]]
    judged_now = judge_parts(read_parts(content, "small.toml"), Path("small.toml"))
    assert (judged_now.template is None) == bool(judged_now.problems)
    assert [p for p in judged_now.problems if not (p.path and p.remedy and p.where is not None)] == []
