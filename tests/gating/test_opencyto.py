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
        ("a,CD3+,root,CD3,cytokine,,,,,\n", "tail"),
        ("a,-,root,CD3,tailgate,\"side = 'left'\",,,,\n", "tail"),
        ('a,+,root,CD3,quantileGate,"probs = 0.995",,,,\n', "quantile"),
        ("a,HLA-DR-,root,HLA-DR,mindensity,,,,,\n", "valley"),
        ("a,+,root,CD3,flowClust,K=2,,,,\n", "mixture"),
        ('a,+,root,CD3,flowClust.1d,"neg=1,pos=1",,,,\n', "mixture"),
        ('a,+,root,"FSC-A,FSC-H",singletGate,,,,,\n', "singlets"),
        ('a,lymph,root,"FSC-A,SSC-A",flowClust,"K=2,target=c(1e5,5e4)",,,,\n', "mixture"),
    ],
    ids=["tailgate", "cytokine", "left tail", "quantile", "hyphen", "flowClust 1d", "neg pos", "singlets", "flowClust"],
)
def test_opencyto__each_method_that_maps(sheet, row: str, method: str) -> None:
    (gate,) = read_opencyto(sheet(row)).gates
    assert gate.auto is not None
    assert gate.auto.method == method


def test_opencyto__below_a_right_tail_is_all_that_is_not_beyond_it(sheet) -> None:
    """`Live-` of a tail keeps the peak and loses its tail: a rule here that keeps below would do the opposite."""
    beyond, live = read_opencyto(sheet("Live,Live-,root,Live,tailgate,,,,,\n")).gates
    assert (beyond.name, beyond.auto.keep) == ("not_Live", "above")
    assert (live.name, live.geometry) == ("Live", Boolean("and", (Term("not_Live", True),)))


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
    high, low = read_opencyto(sheet("*,+/-,root,CD4,mindensity,,,,,\n")).gates
    assert (high.name, high.auto.keep) == ("CD4+", "above")
    assert (low.name, low.geometry) == ("CD4-", Boolean("and", (Term("CD4+", True),)))


QUARTERS = {
    "CD4+CD8+": (False, False), "CD4+CD8-": (False, True), "CD4-CD8+": (True, False), "CD4-CD8-": (True, True),
}  # fmt: skip
"""Name of each quarter, and whether it is the complement of CD4+ and of CD8+."""


@pytest.mark.parametrize("pop", ["+/-+/-", "cd4+/-cd8+/-", "CD4-/+CD8-/+"])
def test_opencyto__two_signs_make_a_cut_on_each_axis_and_the_four_quarters(sheet, pop: str) -> None:
    x, y, *quarters = read_opencyto(sheet(f'*,{pop},root,"CD4,CD8",mindensity,,,,,\n')).gates
    assert [(g.name, g.auto.method) for g in (x, y)] == [("CD4+", "valley"), ("CD8+", "valley")]
    assert {g.name: tuple(t.complement for t in g.geometry.terms) for g in quarters} == QUARTERS
    assert {tuple(t.path for t in g.geometry.terms) for g in quarters} == {("CD4+", "CD8+")}


def test_opencyto__one_quarter_has_the_name_of_its_row(sheet) -> None:
    gates = read_opencyto(sheet('helper,+-,root,"CD4,CD8",mindensity,,,,,\n')).gates
    assert [g.name for g in gates] == ["CD4+", "CD8+", "helper"]
    assert gates[2].geometry == Boolean("and", (Term("CD4+"), Term("CD8+", True)))


CUTS = ("low,CD4-,root,CD4,mindensity,,,,,\n", "high,CD8+,root,CD8,mindensity,,,,,\n")


@pytest.mark.parametrize(
    ("row", "terms"),
    [
        ('a,-+,root,"CD4,CD8",refGate,low:high,,,,\n', (Term("low"), Term("high"))),
        ('a,+-,root,"CD4,CD8",refGate,low:high,,,,\n', (Term("low", True), Term("high", True))),
        ('a,CD8+CD4-,root,"CD4,CD8",refGate,high:low,,,,\n', (Term("low"), Term("high"))),
        ("a,+,root,CD4,refGate,low,,,,\n", (Term("low", True),)),
        ("a,-,root,CD4,refGate,/low,,,,\n", (Term("low"),)),
    ],
    ids=["two", "other sides", "other order", "one", "path"],
)
def test_opencyto__cuts_that_are_reused_become_a_boolean(sheet, row: str, terms: tuple[Term, ...]) -> None:
    assert read_opencyto(sheet(*CUTS, row)).gates[-1].geometry == Boolean("and", terms)


def test_opencyto__a_cut_found_in_another_branch_is_reused_only_where_that_is_the_same(sheet) -> None:
    """CD20's cut is found in cells without CD3: it can say which of those are CD20+, and nothing of the others."""
    rows = (
        "T,CD3-,root,CD3,mindensity,,,,,\n",
        "B,CD20+,T,CD20,mindensity,,,,,\n",
        '*,CD3+/-CD20+/-,root,"CD3,CD20",refGate,T:B,,,,\n',
    )
    template = read_opencyto(sheet(*rows))
    assert template.paths[3:] == ("CD3-CD20+", "CD3-CD20-")
    lost = [str(p) for p in template.refused if p.code == "OPENCYTO-LOSS"]
    assert ['"CD3+CD20+"' in lost[0], '"CD3+CD20-"' in lost[1]] == [True, True]
    assert 'it uses the cut of "T/B" outside of "T", in which that cut is found' in lost[0]


def test_opencyto__or_of_ands_becomes_gates_of_their_own(sheet) -> None:
    part, either = read_opencyto(sheet(*CUTS, "a,x,root,,boolGate,low & !high | high,,,,\n")).gates[2:]
    assert (part.name, part.geometry) == ("a_part_1", Boolean("and", (Term("low"), Term("high", True))))
    assert either.geometry == Boolean("or", (Term("a_part_1"), Term("high")))


def test_opencyto__poly_functions_are_every_combination(sheet) -> None:
    gates = read_opencyto(sheet(*CUTS, "f,x,root,,polyFunctions,low:high,,,,\n")).gates[2:]
    assert [g.name for g in gates] == ["low&high", "low&!high", "!low&high", "!low&!high"]
    assert gates[1].geometry == Boolean("and", (Term("low"), Term("high", True)))


@pytest.mark.parametrize(
    ("group", "pool", "listed"),
    [
        ("PTID", "subject", False), ("VISITNO", "visit", False), ("BATCH", "batch", False), ("name", "sample", False),
        ("PTID:VISITNO", "subject", True), ("4", "sample", True),
    ],
)  # fmt: skip
def test_opencyto__pools_are_those_of_the_sheet_or_listed(sheet, group: str, pool: str, listed: bool) -> None:
    template = read_opencyto(sheet(f"a,+,root,CD3,mindensity,,TRUE,{group},,\n"))
    assert template.gates[0].auto.pool == pool
    assert [p.code == "OPENCYTO-SETTING" for p in template.refused if p.code != "OPENCYTO-FALLBACK"] == [True] * listed


def test_opencyto__a_window_on_an_unnamed_scale_is_listed(sheet) -> None:
    template = read_opencyto(sheet('a,+,root,CD4,mindensity,"gate_range=c(1,3)",,,,\n'))
    assert template.gates[0].auto.between is None
    assert "gate_range, on a scale that the sheet does not name, is not carried" in str(template.refused[1])


def test_opencyto__columns_may_stand_apart_by_tabs(tmp_path: Path) -> None:
    path = tmp_path / "tabs.csv"
    path.write_text((HEADER + SCATTER).replace('"gate_range=c(5e4,1e5)"', "").replace(",", "\t"))
    assert read_opencyto(path).paths[1:] == ("nonDebris",)


def test_opencyto__a_second_gate_of_one_name_is_listed_and_the_first_stays(sheet) -> None:
    template = read_opencyto(sheet(CUTS[0], CUTS[0]))
    assert template.paths[1:] == ("low",)
    assert "a row above makes a gate of that name there" in str(template.refused[-1])


def test_opencyto__several_parents_make_a_gate_each(sheet) -> None:
    rows = ("A,+,root,CD4,mindensity,,,,,\n", "B,+,root,CD8,mindensity,,,,,\n", 'R,+,"A,B",CD25,mindensity,,,,,\n')
    assert read_opencyto(sheet(*rows)).paths[3:] == ("A/R", "B/R")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('a,++,root,"CD3,CD4",refGate,CD3:CD4,,,,\n', 'the gate it refers to: no population named "CD3"'),
        ('a,++,root,"CD3,CD4",refGate,nonDebris:nonDebris,,,,\n', "other axes than its dims"),
        ('a,+,root,"CD3,CD4",flowClust,K=2,,,,\n', "a mixture needs two axes in their own units and a target"),
        ("a,+,root,CD3,flowClust,K=3,,,,\n", "it has 3 components, and a cut is found between two here"),
        ("a,+,root,CD3,flowClust,,,,,\n", "K is not given, and is chosen from the data"),
        ('a,*,root,"CD3,CD4",quadGate.seq,,,,,\n', "which of its two axes is cut first is decided in the data"),
        ('a,*,root,"CD3,CD4",quadGate.tmix,,,,,\n', "quantiles of a mixture of t distributions"),
        ("a,+,root,CD4,dummy,,,,,\n", "is drawn elsewhere"),
        ("a,+,root,CD4,ownPlugin,,,,,\n", "the method is not known here"),
        ("a,+,root,,boolGate,(nonDebris),,,,\n", "its expression has brackets"),
        ("a,+,root,,boolGate,A&B,,,,\n", 'a gate of its expression: no population named "A"'),
    ],
    ids=[
        "refGate", "refGate axes", "flowClust", "K", "no K", "sequence", "tmix", "dummy", "plugin", "brackets",
        "boolean",
    ],
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
    assert codes == ["OPENCYTO-FALLBACK", "OPENCYTO-FALLBACK", "OPENCYTO-SETTING"]


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
    "visit,+,cells,CD45,mindensity,,TRUE,VISITNO,,\n",
    "two,+,cells,CD38,flowClust,K=2,,,,\n",
    'left,-,cells,CD39,tailgate,side="left",,,,\n'.replace('side="left"', '"side=""left"""'),
    "rest,+,cells,,boolGate,!CD3&!low,,,,\n",
    '*,+/-+/-,cells,"CD20,CD21",mindensity,,,,,\n',
)


def test_opencyto__export_reads_back_as_the_same_gates(sheet, tmp_path: Path) -> None:
    """Fallbacks aside, of which the sheet has none: those of the import stand where the rule puts them."""
    template = read_opencyto(sheet(*ROUND))
    text, problems = render_opencyto(template)
    (tmp_path / "tcell.csv").write_text(text)
    again = read_opencyto(tmp_path / "tcell.csv")
    assert [(g.path, g.auto, g.geometry) for g in again.gates] == [(g.path, g.auto, g.geometry) for g in template.gates]
    assert {p.code for p in problems} == {"OPENCYTO-FALLBACK"}


def test_opencyto__export_gives_linear_axes_in_the_cytometers_numbers(tmp_path: Path) -> None:
    """A quarter of an axis of 262,144 is 65,536."""
    path = tmp_path / "cells.toml"
    path.write_text(
        '[template]\nid = "cells"\nversion = "1"\n[markers]\nFSC-A = { scale = "s" }\n'
        '[scales]\ns = { kind = "linear", t = 262144 }\n'
        '[[gate]]\nname = "cells"\nrange = { x = "FSC-A", min = 0.25, max = 0.5 }\n'
        '[[gate]]\nname = "big"\nauto = { method = "valley", x = "FSC-A", keep = "above", between = [0.25, 0.5] }\n'
        'fallback = { range = { x = "FSC-A", min = 0.3 } }\n'
    )
    text, problems = render_opencyto(load_template(path))
    assert 'cells,+,root,FSC-A,boundary,"min=65536.0,max=131072.0"' in text
    assert 'big,+,root,FSC-A,mindensity,"gate_range=c(65536.0,131072.0)"' in text
    assert [p.code for p in problems] == ["OPENCYTO-FALLBACK"]


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
