"""Histograms of gates: the right events on the right axes, and text that comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest

import strategies as our
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Gate,
    GatingTemplate,
    Marker,
    Polygon,
    Rectangle,
    compile_plan,
    run_plan,
)
from immunoprofile.gating.gates import Boolean, Ratio, Term
from immunoprofile.populations.picture_files import picture_name
from immunoprofile.populations.pictures import MOST_EVENTS, axis_scale, picture_sample, unpack_counts
from immunoprofile.scales import Identity, Linear, Logicle
from immunoprofile.spillover import Spillover
from twins import ArrayEvents

LOGICLE = Logicle(262144, 0.5, 4.5)


def gate(name, parent, shape):
    path = name if parent == ROOT else f"{parent}/{name}"
    return Gate(name, path, parent, name.lower(), shape)


def template():
    x, y = our.Dimension("M1", LOGICLE), our.Dimension("M2", LOGICLE)
    z = our.Dimension("M3", Linear(262144.0))
    gates = (
        gate("High", ROOT, Rectangle((x, y), ((0.5, None), (None, None)))),
        gate("Low", ROOT, Rectangle((x, y), ((None, 0.5), (None, None)))),
        gate("Deep", "High", Rectangle((z,), ((0.5, None),))),
        gate("Not", "High", Boolean("and", (Term("High/Deep", True),))),
    )
    markers = tuple(Marker(m, (m,)) for m in ("M1", "M2", "M3"))
    return GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), gates)


def events(n=500, seed=1):
    values = np.random.default_rng(seed).normal(2_000, 4_000, (n, 5))
    values[:, 3] = np.random.default_rng(seed + 1).uniform(0, 262143, n)
    return ArrayEvents(values, our.panel())


def pictured(source, chosen=None, **more):
    chosen = chosen or template()
    members = run_plan(compile_plan(chosen, source.channels, source.spillover), source)
    return json.loads(picture_sample(members, source, "S1", **more)), members


def test_picture__gates_of_one_parent_and_axes_share_a_plot():
    text, members = pictured(events())
    assert [[g["pop_id"] for g in p["gates"]] for p in text["plots"]] == [["high", "low"], ["deep"]]
    assert [p["n_parent"] for p in text["plots"]] == [500, members.count("High")]
    assert [g["n"] for g in text["plots"][0]["gates"]] == [members.count("High"), members.count("Low")]


def test_picture__counts_are_those_of_numpy_on_the_scaled_axes():
    source = events()
    text, _ = pictured(source)
    plot = text["plots"][0]
    counts = unpack_counts(plot["counts"], (plot["bins"],) * 2)
    x, y = (LOGICLE(source.values[:, i]) for i in (1, 2))
    clipped = [np.clip(v, 0, np.nextafter(1, 0)) for v in (y, x)]
    expected, *_ = np.histogram2d(*clipped, bins=plot["bins"], range=((0, 1), (0, 1)))
    np.testing.assert_array_equal(counts, expected)


def test_picture__parent_decides_whose_events_are_drawn():
    source = events()
    text, members = pictured(source)
    plot = text["plots"][1]
    counts = unpack_counts(plot["counts"], (plot["bins"],))
    scaled = source.values[members.mask("High"), 3] / 262144
    np.testing.assert_array_equal(counts, np.histogram(scaled, bins=plot["bins"], range=(0, 1))[0])


def test_picture__populations_below_are_shown_on_the_plots_above():
    text, members = pictured(events())
    back = {b["pop_id"]: unpack_counts(b["counts"], (b["bins"],) * 2).sum() for b in text["plots"][0]["back"]}
    assert back == {"deep": members.count("Deep"), "not": members.count("Not")}


def test_picture__of_a_large_parent_so_many_events_are_drawn():
    text, _ = pictured(events(3 * MOST_EVENTS))
    plot = text["plots"][0]
    assert plot["n_drawn"] == MOST_EVENTS == unpack_counts(plot["counts"], (plot["bins"],) * 2).sum()
    assert plot["n_parent"] == 3 * MOST_EVENTS


def test_picture__is_the_same_each_time():
    assert pictured(events())[0] == pictured(events())[0]


def test_picture__removed_events_are_not_drawn():
    source = events()
    members = run_plan(compile_plan(template(), source.channels, None), source).without(np.arange(500) < 200)
    text = json.loads(picture_sample(members, source, "S1"))
    assert text["plots"][0]["n_drawn"] == 300


def test_picture__tells_the_matrix_in_use():
    matrix = Spillover(("FL1", "FL2"), np.array([[1.0, 0.1], [0.0, 1.0]]))
    assert pictured(events(), in_use=matrix)[0]["spillover"] == [["FL1", "FL2"], [[1.0, 0.1], [0.0, 1.0]]]
    assert pictured(events())[0]["spillover"] is None


def test_picture__values_are_compensated_as_the_gates_saw_them():
    source = events()
    detectors = tuple(c.detector for c in our.panel())[1:3]
    matrix = Spillover(detectors, np.array([[1.0, 0.5], [0.0, 1.0]]))
    source = ArrayEvents(source.values, source.channels, matrix)
    text, _ = pictured(source, compensated())
    counts = unpack_counts(text["plots"][0]["counts"], (128,))
    # The second fluorochrome loses half of the first.
    scaled = LOGICLE(source.values[:, 2] - 0.5 * source.values[:, 1])
    np.testing.assert_array_equal(
        counts, np.histogram(np.clip(scaled, 0, np.nextafter(1, 0)), bins=128, range=(0, 1))[0]
    )


def compensated():
    shape = Rectangle((our.Dimension("M2", LOGICLE),), ((0.5, None),))
    return GatingTemplate(
        "t", "1", "", "draft", (Marker("M2", ("M2",)),), Compensation("file"), (gate("A", ROOT, shape),)
    )


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        (our.Dimension("M1", Identity()), (0.0, 262144.0)),
        (our.Dimension("M1", LOGICLE), (0.0, 1.0)),
        (our.Dimension(Ratio("M1", "M2"), Identity()), (-1.0, 5.0)),
    ],
    ids=["linear-units", "scaled", "ratio"],
)
def test_picture__axes_hold_the_scale_or_the_channel(dimension, expected):
    shape = Rectangle((dimension,), ((1.0, 3.0),))
    markers = tuple(Marker(m, (m,)) for m in ("M1", "M2"))
    chosen = GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), (gate("A", ROOT, shape),))
    axis = pictured(events(), chosen)[0]["plots"][0]["axes"][0]
    assert (axis["low"], axis["high"]) == expected


def test_picture__polygon_keeps_its_vertices():
    x, y = our.Dimension("M1", LOGICLE), our.Dimension("M2", LOGICLE)
    shape = Polygon((x, y), ((0.1, 0.1), (0.9, 0.2), (0.5, 0.8)))
    markers = tuple(Marker(m, (m,)) for m in ("M1", "M2"))
    chosen = GatingTemplate("t", "1", "", "draft", markers, Compensation("none"), (gate("A", ROOT, shape),))
    drawn = pictured(events(), chosen)[0]["plots"][0]["gates"][0]
    assert drawn["vertices"] == [[0.1, 0.1], [0.9, 0.2], [0.5, 0.8]]
    assert drawn["origin"] == "template"


def test_picture_name__is_a_file_name_of_its_own_for_every_sample():
    names = ["a", "A", "a/b", "a\\b", "..", ".a", "a b", "a\0", "x" * 300, "é"]
    files = [picture_name(n) for n in names]
    assert files[0] == "a.json"
    assert len({f.casefold() for f in files}) == len(files)
    assert all(f.endswith(".json") and "/" not in f and not f.startswith(".") and len(f) < 120 for f in files)


@pytest.mark.parametrize(
    "text", ["", "AAAA", "!", "eJwDAAAAAAE="], ids=["empty", "no-deflate", "no-base64", "too-short"]
)
def test_unpack_counts__refuses_what_does_not_fit(text):
    with pytest.raises(ValueError):
        unpack_counts(text, (4, 4))


def test_axis_scale__reads_what_a_template_writes():
    assert axis_scale(dict(LOGICLE.settings)) == LOGICLE
    with pytest.raises(ValueError, match="unknown scale"):
        axis_scale({"kind": "magic"})
