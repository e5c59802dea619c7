"""Templates written as TOML come back: equal where the file can say all, gating alike where markers had to be split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import strategies as our
from immunoprofile.errors import OutputError, TemplateInvalidError
from immunoprofile.gating import (
    ROOT,
    Boolean,
    Compensation,
    Gate,
    GatingTemplate,
    Marker,
    Polygon,
    Rectangle,
    Term,
    compile_plan,
    load_template,
    run_plan,
    template_ids,
    write_template,
)


@pytest.mark.parametrize("name", template_ids())
def test_write_template__shipped_ones_come_back_equal(name: str, tmp_path: Path) -> None:
    template = load_template(name)
    write_template(template, tmp_path / "t.toml")
    assert load_template(tmp_path / "t.toml") == template
    assert load_template(tmp_path / "t.toml").digest == template.digest


@given(template=our.templates(), events=our.events())
def test_write_template__gates_alike(
    template: GatingTemplate, events, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("t") / "t.toml"
    try:
        write_template(template, file)
    except TemplateInvalidError as refusal:
        assert "one axis twice" in str(refusal)
        return
    back = load_template(file)
    assert back.paths == template.paths
    first, second = (run_plan(compile_plan(t, events.channels, events.spillover), events) for t in (template, back))
    for path in template.paths:
        np.testing.assert_array_equal(first.mask(path), second.mask(path), err_msg=path)


def test_write_template__flowjo_bins_and_matrices_come_back(tmp_path: Path) -> None:
    matrix = our.Spillover(("A1-A", "A2-A", "A3-A"), np.array([[1.0, 0.2, 0.1], [0.1, 1.0, 0.3]]), ("FITC", "PE"))
    dims = (
        our.Dimension("FITC", our.Logicle(our.TOP, 0.5, 4.5), "mix"),
        our.Dimension("PE", our.Linear(our.TOP, low=0.0), "mix"),
    )
    gate = Gate("p", "p", ROOT, "p", Polygon(dims, ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9)), bins=256), label="p")
    markers = (Marker("FITC", ("FITC",), by_detector=True), Marker("PE", ("PE",), by_detector=True))
    template = GatingTemplate(
        "t", "1", "", "draft", markers, Compensation("none", matrices=(("mix", matrix),)), (gate,)
    )
    files = write_template(template, tmp_path / "t.toml")
    assert [f.name for f in files] == ["t.toml", "t.mix.csv"]
    assert load_template(tmp_path / "t.toml") == template


def test_write_template__never_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_template(load_template("immune14"), tmp_path / "t.toml")
    assert (tmp_path / "t.toml").read_text() == "mine"
    write_template(load_template("immune14"), tmp_path / "t.toml", force=True)
    assert load_template(tmp_path / "t.toml").id == "immune14"


def test_write_template__what_it_cannot_say_is_refused(tmp_path: Path) -> None:
    plain = our.Dimension("M1", our.Identity())
    gate = Gate("!a", "!a", ROOT, "a", Rectangle((plain,), ((0.0, None),)))
    flip = Gate("b", "b", ROOT, "b", Boolean("and", (Term("!a"),)))
    template = GatingTemplate("t", "1", "", "draft", (Marker("M1", ("M1",)),), Compensation("none"), (gate, flip))
    with pytest.raises(TemplateInvalidError, match='begins with "!"'):
        write_template(template, tmp_path / "t.toml")
    assert not (tmp_path / "t.toml").exists()
