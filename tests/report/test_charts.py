"""Charts: positions that mean what they say, groups that differ in more than colour, everything in words."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from immunoprofile.columns import CHECKS_UNANSWERED, GATES_RESOLVED, RESPONSE_COUNTS
from immunoprofile.report.charts import (
    draw_forests,
    draw_shifts,
    draw_thresholds,
    draw_trajectories,
    forest,
    quality_strips,
    subject_flow,
    trajectories,
)
from immunoprofile.report.compensation import spillover_matrices, uncompensated
from immunoprofile.report.names import read_names
from immunoprofile.report.numbers import ratio
from immunoprofile.report.pictures import Picture, read_pictures
from immunoprofile.report.svg import drawing, element, mark, number, path_of
from immunoprofile.tables import build_frame

HUNDREDTH = 0.011
"""Drawings round to a hundredth."""


def names_of(results):
    return read_names(results.populations)


# -- elements


def test_element__escapes_text_and_attributes():
    made = element("text", '<b>&"', class_='x"y', data_s="<i>")
    assert made == '<text class="x&quot;y" data-s="&lt;i&gt;">&lt;b&gt;&amp;&quot;</text>'


def test_element__nests_what_is_escaped_already():
    assert element("g", element("path", d="M0 0"), "<") == '<g><path d="M0 0"/>&lt;</g>'


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (-0.001, "0"), (10.126, "10.13"), (100, "100"), (0.5, "0.5")])
def test_number__is_short(value, text):
    assert number(value) == text


def test_path__closes_when_asked():
    assert path_of([(0, 0), (1, 2)], closed=True) == "M0 0L1 2Z"


@pytest.mark.parametrize("shape", ["circle", "triangle", "down", "square", "diamond"])
def test_mark__stands_around_its_point(shape):
    text = mark(shape, 50.0, 50.0, "x")
    values = [float(v) for v in re.findall(r"[\d.]+", text)]
    assert all(40 <= v <= 60 for v in values if v > 10)


def test_drawing__has_a_name_for_screen_readers():
    assert 'role="img" aria-label="a &lt; b"' in drawing(1, 1, "a < b")


# -- flow


def test_flow__counts_down_from_samples_to_pairs(results):
    words = [s.words.replace("\u00a0", " ") for s in subject_flow(results, names_of(results))]
    assert words[0] == "12 samples asked for"
    assert "6 subjects treated" in words
    assert words[-1] == "6 pairs compared: 3 responders, 3 non-responders"


def test_flow__who_was_lost_is_named_with_the_reason(small):
    rows = [r for r in small.populations() if r["sample_id"] != "N3-W4"]
    failure = {"item_id": "N3-W4", "item_kind": "sample", "stage": "read", "code": "FCS-TRUNCATED", "message": "m"}
    results = small.results(rows, failures=[failure])
    steps = subject_flow(results, names_of(results))
    assert [w.replace("\u00a0", " ") for w in steps[0].lost] == ["1 sample failed to read (FCS-TRUNCATED)"]
    (lost,) = steps[-2].lost
    assert lost.replace("\u00a0", " ") == "1 subject: no sample in the window (N3)"
    assert steps[-1].words.replace("\u00a0", " ").startswith("5 pairs compared: 3 responders, 2 non-responders")


def test_flow__response_that_is_not_known_is_lost_there(small):
    response = [small.response(s, "NE" if s == "P1" else "R" if s.startswith("P") else "NR") for s in small.counts]
    results = small.results(response=response)
    (lost,) = [w for s in subject_flow(results, names_of(results)) for w in s.lost]
    assert "P1" in lost


# -- platelets


def count_row(day, platelets, **more):
    return {
        "subject_id": "P1", "definition_id": "iwg-2009", "day": day, "count_no": day + 100,
        "platelets_1e9_per_l": platelets, "qualifier": "", "eligible": True, "decision": f"count of {platelets}",
        "flags": "",
    } | more  # fmt: skip


@pytest.fixture
def platelets(small):
    counts = [
        count_row(-7, 10.0, eligible=False), count_row(7, 100.0), count_row(14, 1.0, qualifier="<"),
        count_row(28, 50.0, bleeding=True),
    ]  # fmt: skip
    response = [small.response(s, "R" if s.startswith("P") else "NR") for s in small.counts]
    response[0] |= {"first_response_day": 7, "loss_day": 14, "first_rescue_day": 21}
    return replace(small.results(response=response), response_counts=build_frame(RESPONSE_COUNTS, counts))


def test_trajectories__a_chart_for_every_subject_responders_first(platelets):
    charts = draw_trajectories(platelets)
    assert [c.subject for c in charts] == ["P1", "P2", "P3", "N1", "N2", "N3"]


def test_trajectories__counts_stand_on_a_logarithmic_axis(platelets):
    svg = draw_trajectories(platelets)[0].svg
    (y100,) = [float(y) for y in re.findall(r'<circle class="after" cx="[\d.]+" cy="([\d.]+)"', svg)][:1]
    bottom, top = trajectories.HEIGHT - 24, 8
    assert y100 == pytest.approx(bottom - math.log10(100) / 3 * (bottom - top), abs=HUNDREDTH)


def test_trajectories__what_may_not_count_is_open_and_bounds_point_down(platelets):
    svg = draw_trajectories(platelets)[0].svg
    assert svg.count('class="before"') == 1
    assert svg.count('<circle class="after"') == 2
    assert svg.count('<path class="after"') == 1


def test_trajectories__response_rescue_and_bleeding_are_marked(platelets):
    svg = draw_trajectories(platelets)[0].svg
    assert svg.count('class="span"') == 1
    assert "first rescue, day 21" in svg
    assert "bleeding, day 28" in svg
    assert "count of 50.0" in svg


def test_trajectories__none_without_counts(results):
    assert draw_trajectories(results) == []


# -- shifts


def test_shifts__a_chart_for_every_quantity_in_tree_order(results):
    charts = draw_shifts(results, names_of(results), ["b", "treg"])
    assert [c.population for c in charts] == ["b", "treg"]
    assert [c.population for c in draw_shifts(results, names_of(results), [])] == ["b", "treg"]


def test_shifts__groups_differ_in_shape_and_are_counted(results):
    chart = draw_shifts(results, names_of(results), ["treg"])[0]
    assert chart.svg.count('<circle class="before"') == 3
    assert chart.svg.count('<g class="triangle" data-s=') == 3
    assert chart.caption.replace("\u00a0", " ") == "6 pairs: 3 responders, 3 non-responders"


def test_shifts__words_tell_the_change_in_percent(results):
    chart = draw_shifts(results, names_of(results), ["treg"])[0]
    assert "P1: 3 to 6 %" in chart.svg


# -- forest


def test_forest__the_plans_own_row_stands_and_named_endpoints_come_first(results):
    chart = draw_forests(results, names_of(results), ["b", "treg"])[0]
    assert chart.anchor == "forest-group_diff"
    named = results.association.query("question == 'group_diff' and role == 'secondary'").iloc[0]
    assert named["method"] == "change_score"
    assert f">{ratio(float(named['effect']))} (" in chart.svg
    assert '<path class="estimate"' not in chart.svg
    assert chart.svg.index("Regulatory T cells of CD4+") < chart.svg.index("B cells of Lymphocytes")


def test_forest__adjusted_rows_are_diamonds_among_sensitivity_analyses(results):
    chart = next(c for c in draw_forests(results, names_of(results), []) if c.anchor == "forest-group_diff-sensitivity")
    assert chart.svg.count('<path class="estimate"') == 1
    assert re.search(r"<title>[^<]*ANCOVA[^<]*</title>", chart.svg)


def test_forest__estimate_and_interval_stand_at_their_effects(results):
    chart = next(c for c in draw_forests(results, names_of(results), []) if c.anchor == "forest-overall_change")
    ticks = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle" class="small">([\d.]+)<', chart.svg)
    at = {float(value): float(x) for x, value in ticks}
    row = results.association.query("question == 'overall_change' and role == 'primary'").iloc[0]
    per_log = (at[2.0] - at[1.0]) / math.log(2)
    found = float(re.search(r'<circle class="estimate" cx="([\d.]+)"', chart.svg).group(1))
    assert found == pytest.approx(at[1.0] + per_log * math.log(row["effect"]), abs=0.05)
    ends = re.search(r'class="interval" d="M([\d.]+) [\d.]+L([\d.]+)', chart.svg).groups()
    for end, column in zip(ends, ("effect_lo", "effect_hi"), strict=True):
        assert float(end) == pytest.approx(at[1.0] + per_log * math.log(row[column]), abs=0.05)


def test_forest__words_hold_p_and_its_adjustment(results):
    svg = draw_forests(results, names_of(results), [])[0].svg
    # Three against three in perfect order: 2 of 20 relabelings are as extreme, and no 95 % interval has an end.
    words = r"[\d.]+ \(no interval\); p\s=\s0.10, adjusted p\s=\s0.10; secondary, relabeling"
    assert re.search(rf"<title>Regulatory T cells of CD4\+ T cells: {words}</title>", svg)


def test_forest__ticks_are_round_and_inside():
    found = forest._ticks((math.log(0.21), math.log(9)))
    assert found == [0.5, 1.0, 2.0, 5.0]


# -- quality


def check_row(sample, rule, level, **more):
    return {"sample_id": sample, "rule_id": rule, "item": "", "value": 1.0, "threshold": 2.0, "level": level,
            "flag": "" if level == "pass" else "F", "detail": "why"} | more  # fmt: skip


def test_strips__a_cell_shows_the_worst_of_its_items_by_a_sign(small):
    rows = [
        check_row("P1-BL", "a", "pass"), check_row("P1-BL", "a", "fail", item="x"), check_row("P1-BL", "b", "warn"),
        check_row("P1-W4", "a", "info"),
    ]  # fmt: skip
    rules, strips = quality_strips(small.results(qc=rows))
    assert rules == ("a", "b")
    assert [[c.sign for c in s.cells] for s in strips] == [["✕", "!"], ["i", "–"]]
    assert strips[0].cells[0].words == "fail, x, value 1, limit 2: why"


def test_strips__a_check_that_was_not_made_is_no_pass(small):
    results = small.results(qc=[check_row("P1-BL", "a", "pass")])
    unanswered = [{"sample_id": "P1-BL", "rule_id": "b", "reason": "no beads"}]
    results = replace(results, checks_unanswered=build_frame(CHECKS_UNANSWERED, unanswered))
    rules, (strip,) = quality_strips(results)
    assert rules == ("a", "b")
    assert (strip.cells[1].level, strip.cells[1].words) == ("none", "not asked: no beads")


# -- thresholds


def gate_row(sample, low, origin):
    shape = f'{{"bounds":[[{low},null]],"dimensions":[{{"channel":"CD25"}}]}}'
    return {"sample_id": sample, "pop_id": "treg", "pop_path": "CD4/Treg", "kind": "rectangle", "geometry": shape,
            "origin": origin, "reason": "valley" if origin == "auto" else "too few"}  # fmt: skip


def test_thresholds__only_gates_that_moved_are_drawn_and_fallbacks_differ(results):
    rows = [gate_row("P1-BL", 0.5, "auto"), gate_row("P1-W4", 0.6, "fallback"), gate_row("P2-BL", 0.55, "auto")]
    (chart,) = draw_thresholds(replace(results, gates_resolved=build_frame(GATES_RESOLVED, rows)))
    assert chart.title == "CD4/Treg: CD25, from"
    assert chart.svg.count('<circle class="gate-mark auto"') == 2
    assert chart.svg.count('<path class="gate-mark fallback"') == 1
    assert chart.caption == "0.5 to 0.6 over 3 samples; 1 of 3 fell back"


def test_thresholds__none_where_the_template_decides(results):
    rows = [gate_row("P1-BL", 0.5, "template")]
    assert draw_thresholds(replace(results, gates_resolved=build_frame(GATES_RESOLVED, rows))) == []


# -- compensation


def test_matrices__samples_that_share_one_are_listed_with_it(pictured):
    (matrix,) = spillover_matrices(read_pictures(pictured))
    assert matrix.samples.replace("\u00a0", " ").startswith("12 samples: ")
    assert matrix.detectors == ("CD4", "FL2")
    name, entries = matrix.rows[0]
    assert name == "CD4"
    assert [(e.text, e.strength) for e in entries] == [("100", 5), ("12.00", 3)]


def test_matrices__samples_without_one_are_named():
    assert uncompensated([Picture("a", "t", ())]) == ["a"]
