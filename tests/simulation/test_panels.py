"""Panels as data: what their files say fits together, fits the templates, and is refused where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import InputError
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, load_template
from immunoprofile.simulation import PANELS, load_panel, simulate_tube, write_tube
from immunoprofile.simulation.panel import ALL_EVENTS
from immunoprofile.simulation.reading import HERE

MARKERS = {
    "tbnk": {"CD45", "CD3", "CD4", "CD8", "CD19", "CD16+56"},
    "treg": {"Viability", "CD3", "CD4", "CD25", "CD127", "CD45RA", "HLA-DR"},
    "tcell_memory": {"Viability", "CD3", "CD4", "CD8", "CD45RA", "CCR7", "CD38", "HLA-DR"},
    "th": {
        "Viability", "CD3", "CD4", "CD8", "CD45RA", "CD25", "CD127", "CXCR3", "CCR6", "CCR4", "CXCR5",
    },
    "bcell": {"Viability", "CD3", "CD19", "CD20", "CD27", "IgD", "CD38", "CD24"},
}  # fmt: skip
N_EVENTS = 60_000
# What gates may misplace where looks overlap: naive B cells reach into the transitional gate, dim plasmablasts fall out
# of theirs; without a viability dye dead cells and monocytes are among lymphocytes, and lymphocytes without a CD4 or
# CD8 of their own take in what others lose. Everything else is within 2 %.
GATE_ERROR = {"transitional": 0.10, "plasmablast": 0.08, "t_dn": 0.08, "lymphocytes": 0.035}
USUAL_GATE_ERROR = 0.02
COUNTING_ERRORS = 4.0


@pytest.mark.parametrize("name", MARKERS)
def test_panel__shows_its_markers(name: str) -> None:
    assert set(load_panel(name).markers) == MARKERS[name]


@pytest.mark.parametrize("name", PANELS)
def test_panel__populations_are_nested_and_made_of_known_labels(name: str) -> None:
    panel = load_panel(name)
    for pop_id, denominators in panel.denominators.items():
        assert panel.members[pop_id] <= frozenset(panel.labels)
        for denom_id in denominators:
            assert panel.members[pop_id] < panel.labels_of(denom_id), (pop_id, denom_id)


@pytest.mark.parametrize("name", PANELS)
def test_panel__spill_is_well_conditioned_and_not_symmetric(name: str) -> None:
    spill = load_panel(name).spill
    assert np.all(np.diag(spill) == 1)
    assert np.linalg.cond(spill) < 10
    assert np.abs(spill - spill.T).max() > 0.02


@pytest.mark.parametrize("name", PANELS)
def test_panel__has_the_populations_of_its_template(name: str) -> None:
    assert {gate.id for gate in load_template(name).gates} == set(load_panel(name).members)


@pytest.mark.parametrize("name", PANELS)
def test_panel__divides_each_reported_population_as_its_template_does(name: str) -> None:
    template, panel = load_template(name), load_panel(name)
    for report in template.reports:
        parent = template.gate(report.path).parent
        first = template.id_of(parent) if parent else ALL_EVENTS
        others = (template.id_of(path) for path in report.denominators)
        assert panel.denominators[template.id_of(report.path)] == tuple(dict.fromkeys((first, *others)))


@pytest.mark.parametrize("name", PANELS)
def test_panel__its_template_finds_the_true_populations(name: str, tmp_path: Path) -> None:
    tube = simulate_tube(name, N_EVENTS, composition={"bead": 0.1} if name == "tbnk" else {})
    write_tube(tube, tmp_path / "a.fcs", tmp_path / "a.parquet", name="a")
    members = apply_template(load_template(name), read_fcs(tmp_path / "a.fcs"))
    far = {}
    for pop in tube.panel.members:
        true, found = tube.count(pop), members.count(pop)
        share = GATE_ERROR.get(pop, USUAL_GATE_ERROR)
        # What is misplaced is itself a count with counting error.
        if abs(found - true) > share * true + COUNTING_ERRORS * np.sqrt(share * true):
            far[pop] = true, found
    assert far == {}


@pytest.mark.parametrize("name", ["treg", "tcell_memory", "th", "bcell"])
def test_panel__optional_marker_can_be_left_out_with_its_populations(name: str) -> None:
    marker = {"treg": "HLA-DR", "tcell_memory": "CD38", "th": "CD8", "bcell": "CD20"}[name]
    gone = {"treg": "treg_hladr", "tcell_memory": "cd8_activated", "th": "cd8", "bcell": "b_cd20"}[name]
    whole, less = load_panel(name), load_panel(name, (marker,))
    assert set(whole.markers) - set(less.markers) == {marker}
    assert gone in whole.members
    assert gone not in less.members
    assert less.labels == whole.labels
    assert simulate_tube(name, 100, without=(marker,)).values.shape == (100, len(whole.markers) + 3)


def test_panel__marker_that_is_needed_cannot_be_left_out() -> None:
    with pytest.raises(InputError, match=r'without: marker "CD4" of panel treg cannot be left out\. Known: "HLA-DR"'):
        load_panel("treg", ("CD4",))


def test_panel__unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r'panel: no panel is called "tregs"\. Did you mean "treg"\?'):
        load_panel("tregs")


def test_panel__may_be_a_file_of_the_caller_s(tmp_path: Path) -> None:
    text = (HERE / "panels" / "bcell.toml").read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('id = "bcell"', 'id = "mine"').replace('CD24 = "PE-A"', 'CD24 = "FITC-A"'))
    assert simulate_tube(str(file), 10).panel.detectors[6] == "FITC-A"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        pytest.param('"PE-A"', '"PEE-A"', 'detector "PEE-A" is not in light.toml', id="detector"),
        pytest.param('"PE-A"', '"APC-A"', "two markers are on one detector", id="detector-twice"),
        pytest.param('["b_dn"] }', '["b_gone"] }', '"b_gone" is neither a kind of cell nor a pop', id="no-such-cell"),
        pytest.param(
            'of = ["b", ', 'of = ["bees", ', 'is divided by "bees", which is no pop', id="no-such-denominator"
        ),
        pytest.param("[population]", "[population]\nx = 3", "population.x: ", id="not-a-population"),
        pytest.param("[panel]", "colour = 1\n[panel]", "colour: Extra inputs are not permitted", id="unknown-key"),
        pytest.param("[panel]", "[panel", "is not TOML", id="not-toml"),
        pytest.param(
            'id = "bcell"', 'id = "bcell"\nwhole_blood = true', "needs the population leukocytes", id="whole-blood"
        ),
        pytest.param(
            "[population]", '[kind.b_dn]\nlike = "b_dn"\n[population]', 'kind "b_dn" is like "b_dn"', id="like-itself"
        ),
    ],
)
def test_panel__file_that_does_not_fit_together_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = (HERE / "panels" / "bcell.toml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "wrong.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_panel(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert sentence in str(caught.value)


def test_panel__file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file or directory\. Name a file"):
        load_panel(str(tmp_path / "none.toml"))
