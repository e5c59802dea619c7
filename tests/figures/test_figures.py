"""Figures of a finished run: what is drawn, what the captions say, and that nothing in the bytes is of the day."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunoprofile.errors import InputError, OutputError
from immunoprofile.figures import draw_figures, write_figures
from immunoprofile.figures.drawn import Subjects, rows_of, wrapped
from immunoprofile.figures.forest import _chosen
from immunoprofile.figures.style import GROUPS, drawn_alike
from immunoprofile.report import load_results

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


@pytest.fixture(scope="module")
def results(finished: Path):
    """The tables of a small simulated study, with a few populations: laying out a page takes its time."""
    whole = load_results(finished)
    few = {"treg", "cd4"}
    return replace(
        whole,
        change=whole.change[whole.change["pop_id"].isin(few)].reset_index(drop=True),
        association=whole.association[whole.association["pop_id"].isin(few)].reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def drawn(results, finished: Path):
    """Its figures by name."""
    with drawn_alike():
        figures, _ = draw_figures(results, finished)
        for figure in figures:
            figure.figure.draw_without_rendering()
        yield {d.name: d for d in figures}


def _texts(figure) -> list[str]:
    from matplotlib.text import Text

    return [t.get_text() for t in figure.figure.findobj(Text) if t.get_text()]


def test_figures__all_four_kinds_are_drawn(drawn):
    assert {n.partition("-")[0] for n in drawn} == {"shifts", "forest", "platelets", "strategy"}


def test_shifts__draws_each_pair_at_its_values(drawn, results):
    first = drawn.get("shifts", drawn.get("shifts-1")).figure.axes[0]
    kept = results.change[results.change["include_primary"].fillna(False).astype(bool)]
    rows = kept[(kept["pop_id"] == "treg") & (kept["denom_id"] == "cd4") & (kept["measure"] == "logit_frac")]
    expected = {(r["baseline_value"], r["post_value"]) for r in rows.to_dict("records")}
    lines = {tuple(line.get_ydata()) for line in first.lines if line.get_marker() in {g.mark for g in GROUPS}}
    assert lines == expected
    assert first.get_xlabel() == f"n = {len(rows)}"


def test_shifts__medians_are_those_of_the_groups(drawn, results):
    first = drawn.get("shifts", drawn.get("shifts-1")).figure.axes[0]
    kept = results.change[results.change["include_primary"].fillna(False).astype(bool)]
    rows = kept[(kept["pop_id"] == "treg") & (kept["denom_id"] == "cd4") & (kept["measure"] == "logit_frac")]
    subjects = Subjects.of(results)
    thick = {tuple(line.get_ydata()) for line in first.lines if line.get_linewidth() == 2.2}
    expected = set()
    for group in {subjects.group(s) for s in rows["subject_id"]}:
        own = rows[[subjects.group(s) == group for s in rows["subject_id"]]]
        if len(own) > 1:
            expected.add(tuple(float(np.median(own[c])) for c in ("baseline_value", "post_value")))
    assert thick == expected


def test_forest__estimates_stand_at_the_effects_of_the_table(drawn, results):
    axes = drawn["forest"].figure.axes[0]
    asked = results.association
    rows = asked[(asked["question"] == "overall_change") & asked["sensitivity"].isna() & asked["effect"].notna()]
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in {"o", "D"}]
    assert set(marks) <= set(rows["effect"])
    assert len(marks) == len(rows[["pop_id", "denom_id", "scale"]].drop_duplicates())


def test_forest__a_sensitivity_analysis_never_stands_for_the_plan(results):
    rows = rows_of(results.association[results.association["sensitivity"].isna()])
    asked = [r for r in rows if (r["question"], r["pop_id"], r["denom_id"]) == ("group_diff", "treg", "cd4")]
    planned = next(r for r in asked if r["role"] == "secondary")
    other = {**planned, "role": "sensitivity", "method": "ancova", "effect": 9.0}
    chosen = _chosen([other, {**planned, "effect": 1.5}])
    assert [(r["role"], r["effect"]) for r in chosen.values()] == [("secondary", 1.5)]


def test_forest__every_row_names_its_denominator_and_its_n(drawn):
    caption = drawn["forest"].caption_text().replace("\n", " ")
    assert "Regulatory T cells (CD25hi CD127low) of CD4+ T cells, primary: " in caption
    assert re.search(r"n = \d+", caption)
    assert "not adjusted for the number of rows" in caption


def test_forest__an_interval_beyond_the_axis_gets_an_arrow(results, finished):
    wide = results.association.copy()
    row = wide.index[(wide["question"] == "overall_change") & (wide["role"] == "primary")][0]
    wide.loc[row, "effect_hi"] = wide["effect"].max() * 1e4
    with drawn_alike():
        figures, _ = draw_figures(replace(results, association=wide), finished)
    axes = next(d for d in figures if d.name == "forest").figure.axes[0]
    assert [line.get_marker() for line in axes.lines].count(">") == 1


def test_platelets__a_panel_a_subject_with_every_count(drawn, results):
    figure = drawn["platelets"].figure
    own = Subjects.of(results).definition
    counts = results.response_counts[results.response_counts["definition_id"] == own]
    titles = [axes.get_title(loc="left").partition(":")[0] for axes in figure.axes]
    assert sorted(titles) == sorted(set(counts["subject_id"]))
    for axes, subject in zip(figure.axes, titles, strict=True):
        courses = [line for line in axes.lines if line.get_marker() == "None" and line.get_linewidth() == 0.7]
        values = counts.loc[counts["subject_id"] == subject, "platelets_1e9_per_l"]
        np.testing.assert_array_equal(np.sort(courses[0].get_ydata()), np.sort(np.clip(values, 1, 1000)))


def test_platelets__responders_come_first(drawn, results):
    subjects = Subjects.of(results)
    titles = [axes.get_title(loc="left").partition(":")[0] for axes in drawn["platelets"].figure.axes]
    groups = [subjects.group(t) for t in titles]
    assert groups == sorted(groups)


def test_strategy__each_gate_stands_with_the_share_of_its_parent(drawn, results):
    sheet = drawn["strategy"]
    sample = re.search(r"Gating of sample (\S+) by template", sheet.caption[0])[1]
    rows = results.populations[(results.populations["sample_id"] == sample) & (results.populations["pop_id"] == "treg")]
    frac = float(rows.loc[rows["denom_id"] == "cd4", "frac"].iloc[0])
    assert any(t.endswith(f"\n{100 * frac:.3g} %") and t.startswith("Treg") for t in _texts(sheet))
    count = int(rows["count"].iloc[0])
    assert f"Treg {count:,} (" in " ".join(sheet.caption)


def test_strategy__the_first_sample_of_the_first_subject_unless_asked(results, finished, drawn):
    assert "SIM-001_BL" in drawn["strategy"].caption[0]
    with drawn_alike():
        figures, _ = draw_figures(replace(results, change=None, association=None), finished, sample="SIM-002_W4")
    assert "SIM-002_W4" in figures[-1].caption[0]


def test_strategy__an_unknown_sample_is_refused_with_the_nearest(results, finished, tmp_path):
    with pytest.raises(InputError, match=r'sample "SIM-02_W4" has no picture. Did you mean "SIM-002_W4"\?'):
        write_figures(results, finished, tmp_path, "svg", sample="SIM-02_W4")


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_write__bytes_are_the_same_again_and_bear_no_date(results, finished, tmp_path, kind):
    only = replace(
        results, association=None, response_counts=None, change=results.change[results.change["pop_id"] == "treg"]
    )
    for folder in ("a", "b"):
        # Pictures of events once: they take longest.
        write_figures(only, finished if kind == "svg" else tmp_path, tmp_path / folder, kind)
    first, again = ({p.name: p.read_bytes() for p in (tmp_path / f).iterdir()} for f in ("a", "b"))
    assert first == again
    for data in first.values():
        assert not re.search(rb"CreationDate|dc:date|Creation Time|\b20\d\d-\d\d-\d\d\b", data)


def test_write__a_caption_stands_beside_each_figure_and_fits_its_lines(results, finished, tmp_path):
    written = write_figures(results, finished, tmp_path, "svg")
    figures = [p for p in written.paths if p.suffix == ".svg"]
    assert [p.with_suffix(".txt") for p in figures] == [p for p in written.paths if p.suffix == ".txt"]
    for figure in figures:
        text = figure.with_suffix(".txt").read_text(encoding="utf-8")
        assert max(map(len, text.splitlines())) <= 100


def test_write__text_stays_text(results, finished, tmp_path):
    write_figures(replace(results, association=None, response_counts=None), tmp_path, tmp_path, "svg")
    svg = "".join(p.read_text(encoding="utf-8") for p in tmp_path.glob("shifts*.svg"))
    assert ">Regulatory T cells" in svg


def test_write__names_are_neither_formulas_nor_markup(results, finished, tmp_path):
    table = results.populations.copy()
    table["pop_label"] = table["pop_label"].mask(
        table["pop_id"] == "treg", "$\\frac{1$ <script>alert(1)</script> \x1b[2J"
    )
    write_figures(
        replace(results, populations=table, association=None, response_counts=None), tmp_path, tmp_path, "svg"
    )
    svg = "".join(p.read_text(encoding="utf-8") for p in tmp_path.glob("*.svg"))
    assert "<script" not in svg
    assert "\x1b" not in svg + "".join(p.read_text(encoding="utf-8") for p in tmp_path.glob("*.txt"))
    assert "$\\frac{1$" in svg


def test_write__refuses_to_write_over_figures(results, finished, tmp_path):
    only = replace(
        results, change=results.change[results.change["pop_id"] == "treg"], association=None, response_counts=None
    )
    (tmp_path / "shifts.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_figures(only, tmp_path, tmp_path, "png")
    assert (tmp_path / "shifts.txt").read_text() == "mine"
    write_figures(only, tmp_path, tmp_path, "png", force=True)


def test_write__says_what_could_not_be_drawn(results, tmp_path):
    written = write_figures(replace(results, association=None), tmp_path, tmp_path / "out", "svg")
    assert [n.partition(":")[0] for n in written.notes] == ["no forest", "no gating strategy"]


def test_write__nothing_to_draw_is_an_error(results, tmp_path):
    bare = replace(results, change=None, association=None, response=None, response_counts=None)
    with pytest.raises(InputError, match=r"holds nothing to draw\. Give the results folder of run"):
        write_figures(bare, tmp_path, tmp_path / "out", "svg")


def test_write__without_matplotlib_the_extra_is_named(results, finished, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        OutputError, match=r"figures need matplotlib, which is not installed. .*immunoprofile\[figures\]"
    ):
        write_figures(results, finished, tmp_path, "svg")


def test_write__users_own_settings_change_nothing(results, finished, tmp_path):
    import matplotlib as mpl

    only = replace(results, association=None, change=None)
    write_figures(only, tmp_path, tmp_path / "a", "svg")
    with mpl.rc_context({"font.size": 20, "text.usetex": True, "svg.hashsalt": "other"}):
        write_figures(only, tmp_path, tmp_path / "b", "svg")
    first, again = ({p.name: p.read_bytes() for p in (tmp_path / f).iterdir()} for f in ("a", "b"))
    assert first == again


def test_style__groups_differ_in_mark_and_line_and_not_in_colour_alone():
    assert len({g.mark for g in GROUPS}) == len({g.line for g in GROUPS}) == len(GROUPS)
    assert {g.colour for g in GROUPS[:2]} <= OKABE_ITO


def test_subjects__without_a_response_nobody_is_in_a_group(results):
    subjects = Subjects.of(replace(results, response=None))
    assert subjects.split(["A", "B"]) == "2 response not known"


@pytest.mark.parametrize(
    ("words", "width", "most", "expected"),
    [("Naive B of B cells", 40, 2, "Naive B of B cells"), ("Naive B of B cells", 8, 2, "Naive B\nof B ce…")],
)
def test_wrapped__words_keep_to_their_lines(words, width, most, expected):
    assert wrapped(words, width, most) == expected


def test_figures__a_missing_response_still_draws_the_shifts(results, finished):
    with drawn_alike():
        figures, notes = draw_figures(replace(results, response=None, response_counts=None), finished)
    assert figures[0].name.startswith("shifts")
    assert any(n.startswith("no platelets") for n in notes)
    assert isinstance(results.change, pd.DataFrame)
