"""The picture of paired shifts: positions, shapes and words."""

from __future__ import annotations

import math

import pytest

from immunoprofile.columns import CHANGE
from immunoprofile.report.names import Names
from immunoprofile.report.picture import HEIGHT, WIDTH, draw_pictures
from immunoprofile.tables import build_frame

NAMES = Names({"treg": "Treg", "cd4": "CD4"})
TENTH = 0.1
"""Positions are rounded to a tenth of a unit; two roundings may meet."""


def test_picture__groups_by_response_with_their_own_shapes(results):
    (picture,) = draw_pictures(results, NAMES)
    assert [(p.title, p.shape, len(p.lines)) for p in picture.panels] == [
        ("Responders (n = 3)", "circle", 3),
        ("Non-responders (n = 3)", "triangle", 3),
    ]


def test_picture__subjects_that_cannot_be_judged_have_a_third_shape(small):
    response = [small.response(s, "R" if s.startswith("P") else "NE" if s == "N1" else "NR") for s in small.counts]
    (picture,) = draw_pictures(small.results(response=response), NAMES)
    assert [(p.shape, len(p.lines)) for p in picture.panels] == [("circle", 3), ("triangle", 2), ("square", 1)]


def test_picture__positions_are_linear_in_the_log_odds(results):
    (picture,) = draw_pictures(results, NAMES)
    rows = results.change.query("pop_id == 'treg'").set_index("subject_id")
    values = [*rows["baseline_value"], *rows["post_value"]]
    pad = 0.06 * (max(values) - min(values))
    top, bottom = max(values) + pad, min(values) - pad
    for line in (line for panel in picture.panels for line in panel.lines):
        subject = line.words.partition(":")[0]
        for y, column in ((line.y0, "baseline_value"), (line.y1, "post_value")):
            share = (rows.loc[subject, column] - bottom) / (top - bottom)
            assert y == pytest.approx(picture.bottom - share * (picture.bottom - picture.top), abs=TENTH)


def test_picture__ticks_stand_at_their_percent(results):
    (picture,) = draw_pictures(results, NAMES)
    rows = results.change.query("pop_id == 'treg'")
    values = [*rows["baseline_value"], *rows["post_value"]]
    pad = 0.06 * (max(values) - min(values))
    span = max(values) - min(values) + 2 * pad
    assert len(picture.ticks) >= 3
    for y, label in picture.ticks:
        p = float(label) / 100
        share = (math.log(p / (1 - p)) - min(values) + pad) / span
        assert y == pytest.approx(picture.bottom - share * (picture.bottom - picture.top), abs=TENTH)


def test_picture__everything_stays_inside(results):
    (picture,) = draw_pictures(results, NAMES)
    for panel in picture.panels:
        assert 0 < panel.left < panel.x0 < panel.x1 < panel.right <= WIDTH
        assert all(0 < y < HEIGHT for line in panel.lines for y in (line.y0, line.y1))


def test_picture__words_give_subject_and_percent(results):
    (picture,) = draw_pictures(results, NAMES)
    # P1: 300.5 / 9700.5 are the odds, so 300.5 / 10001 = 3.0047 %; 600.5 / 10001 = 6.0044 %
    assert "P1: 3 to 6 %" in [line.words for line in picture.panels[0].lines]


def test_picture__caption_says_n_scale_and_shapes(results):
    (picture,) = draw_pictures(results, NAMES)
    caption = picture.caption.replace("\u00a0", " ")
    assert "n = 6 pairs. Circles: 3 responders; triangles: 3 non-responders." in caption
    assert "log-odds" in caption


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([(math.log(3), math.log(2_000))], {"5", "10", "20", "50", "100", "200", "500", "1000"}),
        ([(math.log(100), math.log(160))], {"100", "110", "120", "130", "140", "150", "160"}),
        ([(math.log(50), math.log(50))], {"50"}),
    ],
    ids=["decades", "narrow", "no-change"],
)
def test_picture__ticks_are_round_numbers_inside_the_axis(results, values, labels):
    rows = [
        {
            "subject_id": f"P{i}", "pop_id": "treg", "denom_id": "none", "measure": "log_cells_per_ul", "window": "W4",
            "baseline_value": a, "post_value": b, "include_primary": True,
        }
        for i, (a, b) in enumerate(values)
    ]  # fmt: skip
    association = results.association.assign(scale="log_cells_per_ul", denom_id="none")
    changed = type(results)(
        **{f: getattr(results, f) for f in results.__dataclass_fields__}
        | {"change": build_frame(CHANGE, rows), "association": association}
    )
    picture = draw_pictures(changed, NAMES)[0]
    assert picture.unit == "cells per microlitre"
    assert labels <= {label for _, label in picture.ticks}


def test_picture__without_pairs_there_is_none(small, results):
    rows = [r for r in small.populations() if r["visit"] == "BL"]
    extra = small.population("X", "W4", "treg", "cd4", 3, 100)
    assert draw_pictures(small.results([*rows, extra]), NAMES) == []
