"""Contact sheets: a plot a sample and gate, gates where their geometry says, outliers found."""

from __future__ import annotations

import json
import re

import pytest

from drawn_pictures import picture_text, write_pictures
from immunoprofile.errors import InputError
from immunoprofile.report.gallery import build_gallery, outlying
from immunoprofile.report.gates_drawn import INNER, LEFT, TOP, draw_plot
from immunoprofile.report.pictures import read_pictures

TENTH = 0.1
"""Percent of the plot; drawings round to a hundredth."""


def gallery_of(results, folder):
    return build_gallery(read_pictures(folder), results.populations)


def test_gallery__has_a_plot_for_every_sample_and_gate(results, pictured):
    gallery = gallery_of(results, pictured)
    assert [len(s.panels) for s in gallery.sheets] == [12] * 4
    assert gallery.n_plots == 48


def test_gallery__samples_stand_by_subject_and_day(results, pictured):
    panels = gallery_of(results, pictured).sheets[0].panels
    assert [(p.subject_id, p.visit) for p in panels[:4]] == [("N1", "BL"), ("N1", "W4"), ("N2", "BL"), ("N2", "W4")]


def test_gallery__axes_are_drawn_once(results, pictured):
    gallery = gallery_of(results, pictured)
    # Two axes or one: two frames for 48 plots.
    assert gallery.frames.count('id="axes-') == 2
    used = {re.search(r'href="#(axes-\d)"', p.svg).group(1) for s in gallery.sheets for p in s.panels}
    assert used == {"axes-1", "axes-2"}


def test_gallery__words_give_the_fraction_with_its_denominator(results, pictured):
    words = gallery_of(results, pictured).sheets[0].panels[0].words
    assert words == "CD4 25 % (250 of 1,000)."


def test_outlying__the_sample_unlike_the_others_lies_farthest(results, pictured):
    panels = gallery_of(results, pictured).sheets[0].panels
    farthest = max(panels, key=lambda p: p.distance)
    assert farthest.words.startswith("CD4 90 %")
    assert farthest.distance > 10 * sorted(p.distance for p in panels)[-2]


def test_outlying__equal_samples_do_not_differ(tmp_path):
    write_pictures(tmp_path, ["a"])
    (picture,) = read_pictures(tmp_path)
    assert outlying([picture.plots[0]] * 3) == [0.0] * 3


def path_in(svg: str) -> list[tuple[float, float]]:
    d = re.search(r'class="gate[^"]*" d="([^"]*)"', svg).group(1)
    return [tuple(map(float, p.split())) for p in re.findall(r"-?[\d.]+ -?[\d.]+", d)]


@pytest.fixture
def plots(tmp_path):
    write_pictures(tmp_path, ["a"])
    return {p.gates[0].pop_id: p for p in read_pictures(tmp_path)[0].plots}


def test_draw_plot__rectangle_runs_off_where_it_is_open(plots):
    assert path_in(draw_plot(plots["box"], "t", "axes-1")) == [(40, 120), (120, 120), (120, 50), (40, 50)]


def test_draw_plot__polygon_is_upright(plots):
    points = path_in(draw_plot(plots["poly"], "t", "axes-1"))
    assert points == [pytest.approx(p, abs=TENTH) for p in ((10, 90), (90, 90), (50, 10))]


def test_draw_plot__ellipse_is_two_standard_deviations_wide(plots):
    points = path_in(draw_plot(plots["ell"], "t", "axes-1"))
    # Covariance 0.01 and squared distance 4: a circle of radius 0.2.
    assert {round(((x - 50) ** 2 + (y - 50) ** 2) ** 0.5, 1) for x, y in points} == {20.0}


def test_draw_plot__range_has_its_bound_and_a_bar(plots):
    svg = draw_plot(plots["range"], "t", "axes-2")
    assert 'd="M40 0V100M40 4H100"' in svg


def test_draw_plot__share_stands_inside_its_gate(plots):
    svg = draw_plot(plots["box"], "t", "axes-1")
    x, y = map(float, re.search(r'<text x="([\d.]+)" y="([\d.]+)" class="share"', svg).groups())
    assert LEFT + 0.4 * INNER < x < LEFT + INNER
    assert TOP + 0.5 * INNER < y < TOP + INNER


@pytest.mark.parametrize("origin", ["auto", "fallback", "override", "frozen"])
def test_draw_plot__origin_is_a_style_and_a_word(results, tmp_path, origin):
    (tmp_path / "pictures").mkdir()
    text = picture_text("N1-BL", origin=origin)
    (tmp_path / "pictures" / "x.json").write_text(json.dumps(text), encoding="utf-8")
    panel = gallery_of(results, tmp_path).sheets[0].panels[0]
    assert f'class="gate {origin}"' in panel.svg
    assert f", {origin})" in panel.words


def test_read_pictures__leaves_out_samples_that_are_not_asked_for(tmp_path):
    write_pictures(tmp_path, ["a", "b"])
    assert [p.sample_id for p in read_pictures(tmp_path, ["b"])] == ["b"]


def test_read_pictures__no_folder_is_no_picture(tmp_path):
    assert read_pictures(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "other"}', '{"format": "immunoprofile picture 1", "plots": [{}]}'],
    ids=["empty", "list", "nothing", "format", "plot"],
)  # fmt: skip
def test_read_pictures__a_strange_file_is_an_error(tmp_path, text):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.json: is not a picture of immunoprofile\. Run the study again"):
        read_pictures(tmp_path)
