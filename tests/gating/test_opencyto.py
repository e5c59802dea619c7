"""openCyto template sheets: what maps, and what is listed instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.errors import TemplateInvalidError, TemplateSyntaxError
from immunoprofile.gating import load_template, write_template
from immunoprofile.gating.formats.opencyto import read_opencyto
from immunoprofile.gating.formats.opencyto_write import render_opencyto
from immunoprofile.gating.gates import Boolean, Rectangle, Term

HEADER = (
    "alias,pop,parent,dims,gating_method,gating_args,collapseDataForGating,groupBy,"
    "preprocessing_method,preprocessing_args\n"
)
SCATTER = 'nonDebris,+,root,FSC-A,mindensity,"gate_range=c(5e4,1e5)",,,,\n'
CD3 = "CD3,+,nonDebris,CD3,mindensity,,TRUE,PTID:VISITNO,,\n"


@pytest.fixture
def sheet(tmp_path: Path):
    def write(*rows: str) -> Path:
        path = tmp_path / "tcell.csv"
        path.write_text(HEADER + "".join(rows))
        return path

    return write


def test_opencyto__cuts_become_automatic_gates(sheet) -> None:
    template = read_opencyto(sheet(SCATTER, CD3))
    debris, t = (g.auto for g in template.gates)
    assert template.paths[1:] == ("nonDebris", "nonDebris/CD3")
    assert (debris.method, debris.keep, debris.between, debris.pool) == ("valley", "above", (5e4, 1e5), "sample")
    assert (t.method, t.pool, t.dimensions[0].scale.kind) == ("valley", "subject", "logicle")


@pytest.mark.parametrize(
    ("row", "method"),
    [
        ("a,+,root,CD3,tailgate,,,,,\n", "tail"),
        ("a,-,root,CD3,cytokine,,,,,\n", "tail"),
        ('a,+,root,CD3,quantileGate,"probs = 0.995",,,,\n', "quantile"),
        ("a,+,root,CD3,rangeGate,,,,,\n", "valley"),
        ('a,+,root,"FSC-A,FSC-H",singletGate,,,,,\n', "singlets"),
        ('a,+,root,"FSC-A,SSC-A",flowClust,"K=2,target=c(1e5,5e4)",,,,\n', "mixture"),
    ],
    ids=["tailgate", "cytokine", "quantile", "range", "singlets", "flowClust"],
)
def test_opencyto__each_method_that_maps(sheet, row: str, method: str) -> None:
    (gate,) = read_opencyto(sheet(row)).gates
    assert gate.auto is not None
    assert gate.auto.method == method


def test_opencyto__numbers_of_a_method_are_carried(sheet) -> None:
    cut, cloud = read_opencyto(
        sheet(
            'a,+,root,CD3,quantileGate,"probs = 0.995",,,,\n',
            'b,+,root,"FSC-A,SSC-A",flowClust,"K=3,target=c(1e5,5e4),quantile=0.95",,,,\n',
        )
    ).gates
    assert cut.auto.quantile == 0.995
    assert (cloud.auto.components, cloud.auto.target, cloud.auto.quantile) == (3, (1e5, 5e4), 0.95)


def test_opencyto__boundary_and_booleans_become_fixed_gates(sheet) -> None:
    template = read_opencyto(
        sheet(
            'boundary,+,root,"FSC-A,SSC-A",boundary,"min=c(0,0),max=c(2.5e5,2e5)",,,,\n',
            CD3.replace("nonDebris", "boundary"),
            "B,+,boundary,CD19,mindensity,,,,,\n",
            "rest,+,boundary,,boolGate,!CD3&!B,,,,\n",
        )
    )
    first, last = template.gates[0].geometry, template.gates[-1].geometry
    assert isinstance(first, Rectangle)
    assert first.bounds == ((0, 2.5e5), (0, 2e5))
    assert last == Boolean("and", (Term("boundary/CD3", True), Term("boundary/B", True)))


def test_opencyto__plus_and_minus_make_two_gates(sheet) -> None:
    template = read_opencyto(sheet("*,+/-,root,CD4,mindensity,,,,,\n"))
    assert [(g.name, g.auto.keep) for g in template.gates] == [("CD4+", "above"), ("CD4-", "below")]


def test_opencyto__several_parents_make_a_gate_each(sheet) -> None:
    rows = ("A,+,root,CD4,mindensity,,,,,\n", "B,+,root,CD8,mindensity,,,,,\n", 'R,+,"A,B",CD25,mindensity,,,,,\n')
    assert read_opencyto(sheet(*rows)).paths[3:] == ("A/R", "B/R")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a,++,root,\"CD3,CD4\",refGate,CD3:CD4,,,,\n", "reuses cuts of other gates"),
        ('a,+,root,CD4,mindensity,"gate_range=c(1,3)",,,,\n', "gate_range is on a scale that the sheet does not name"),
        ('a,+,root,"CD3,CD4",flowClust,K=2,,,,\n', "a mixture needs two axes in their own units and a target"),
        ("a,+,root,CD4,ownPlugin,,,,,\n", "the method is not known here"),
        ("a,+,root,,boolGate,A&B|C,,,,\n", "it mixes & and |"),
    ],
    ids=["refGate", "scale", "flowClust", "plugin", "boolean"],
)  # fmt: skip
def test_opencyto__what_does_not_map_is_listed_by_name_with_what_hangs_from_it(sheet, row: str, why: str) -> None:
    template = read_opencyto(sheet(SCATTER, row, "child,+,a,CD8,mindensity,,,,,\n"))
    lost = [str(p) for p in template.refused if p.code == "OPENCYTO-LOSS"]
    assert template.paths[1:] == ("nonDebris",)
    assert 'row 3: "a" (' in lost[0]
    assert why in lost[0]
    assert 'its parent "a" is not carried' in lost[1]


def test_opencyto__settings_without_a_counterpart_are_listed(sheet) -> None:
    template = read_opencyto(sheet('a,+,root,CD3,mindensity,"adjust=2",,,prior_flowClust,\n'))
    (problem,) = [p for p in template.refused if p.code == "OPENCYTO-SETTING"]
    assert '"a": adjust, preprocessing prior_flowClust is not carried' in str(problem)


def test_opencyto__every_fallback_is_to_be_placed(sheet) -> None:
    codes = [p.code for p in read_opencyto(sheet(SCATTER, CD3)).refused]
    assert codes == ["OPENCYTO-FALLBACK", "OPENCYTO-FALLBACK"]


def test_opencyto__the_template_is_written_and_read_back(sheet, tmp_path: Path) -> None:
    template = read_opencyto(sheet(SCATTER, CD3, "*,+/-,CD3,CD4,tailgate,,,,,\n"))
    write_template(template, tmp_path / "back.toml")
    assert load_template(tmp_path / "back.toml").digest == template.digest


def test_opencyto__another_sheet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sample_id,file\n")
    with pytest.raises(TemplateSyntaxError, match="is no openCyto template: columns alias, pop"):
        read_opencyto(tmp_path / "a.csv")


def test_opencyto__a_sheet_of_which_nothing_maps_says_why(sheet) -> None:
    with pytest.raises(TemplateInvalidError, match="the method is not known here"):
        read_opencyto(sheet("a,+,root,CD4,ownPlugin,,,,,\n"))


def test_gates_import__of_an_opencyto_sheet_exits_3_and_lists(sheet, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from immunoprofile.cli import program

    outcome = CliRunner().invoke(program, ["gates", "import", str(sheet(SCATTER)), "--out", str(tmp_path / "t.toml")])
    assert outcome.exit_code == 3, outcome.output
    assert "stands at an arbitrary place" in outcome.stderr


ROUND = (
    'boundary,+,root,"FSC-A,SSC-A",boundary,"min=c(0,0),max=c(2.5e5,2e5)",,,,\n',
    'debris,+,boundary,FSC-A,mindensity,"gate_range=c(5e4,1e5)",,,,\n',
    'single,+,debris,"FSC-A,FSC-H",singletGate,,,,,\n',
    'cells,+,single,"FSC-A,SSC-A",flowClust,"K=2,target=c(1e5,5e4)",,,,\n',
    "CD3,+,cells,CD3,mindensity,,TRUE,PTID,,\n",
    "low,-,cells,CD4,tailgate,,,,,\n",
    'high,+,cells,CD8,quantileGate,"probs=0.995",,,,\n',
    "rest,+,cells,,boolGate,!CD3&!low,,,,\n",
)


def test_opencyto__export_reads_back_as_the_same_gates(sheet, tmp_path: Path) -> None:
    """Fallbacks aside, of which the sheet has none: those of the import stand where the rule puts them."""
    template = read_opencyto(sheet(*ROUND))
    text, problems = render_opencyto(template)
    (tmp_path / "tcell.csv").write_text(text)
    again = read_opencyto(tmp_path / "tcell.csv")
    assert [(g.path, g.auto, g.geometry) for g in again.gates] == [(g.path, g.auto, g.geometry) for g in template.gates]
    assert {p.code for p in problems} == {"OPENCYTO-FALLBACK"}


def test_opencyto__export_lists_what_the_sheet_cannot_say() -> None:
    with pytest.raises(TemplateInvalidError) as error:
        render_opencyto(load_template("tcell_memory"))
    assert "Singlets: is not carried: a drawn polygon has no counterpart" in str(error.value)
    assert "nor is what rests on it (15): Singlets/Live, " in str(error.value)
    assert len(error.value.problems) == 1


def test_gates_export__writes_a_sheet_and_exits_3(sheet, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from immunoprofile.cli import program

    write_template(read_opencyto(sheet(SCATTER)), tmp_path / "own.toml")
    call = ["gates", "export", str(tmp_path / "own.toml"), "--out", str(tmp_path / "out.csv")]
    outcome = CliRunner().invoke(program, call)
    assert outcome.exit_code == 3, outcome.output
    assert "nonDebris: its fallback is not carried" in outcome.stderr
    assert CliRunner().invoke(program, call).exit_code == 2
