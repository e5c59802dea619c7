"""A new study: the template that fits its panel, sheets that load, and what is refused."""

from __future__ import annotations

import pytest

from immunoprofile.errors import PanelMismatchError
from immunoprofile.gating import load_template, template_ids
from immunoprofile.study import load_study
from immunoprofile.study.starter import choose_template

PANELS = {
    "treg": "CD3, CD4, CD25, CD127, CD45RA, Viability, HLA-DR",
    "tbnk": "CD45, CD3, CD4, CD8, CD19, CD16+56",
    "bcell": "CD3, CD19, CD20, CD27, IgD, CD38, CD24, Viability",
}


@pytest.mark.parametrize("template", template_ids())
def test_init__each_shipped_template_gives_a_study_that_loads(immunoprofile, tmp_path, template):
    outcome = immunoprofile("init", tmp_path / "mine", "--template", template)
    assert outcome.exit_code == 0, outcome.stderr
    study = load_study(tmp_path / "mine" / "study.toml")
    assert [c.template for c in study.panels.values()] == [template]
    primary = study.analysis.primary[0]
    reported = load_template(template).reported()
    known = {load_template(template).id_of(p): p for p in reported}
    denominators = [load_template(template).id_of(d) for d in reported[known[primary.pop_id]]]
    assert primary.denom_id in denominators


@pytest.mark.parametrize(("template", "markers"), PANELS.items(), ids=list(PANELS))
def test_init__markers_choose_the_template_that_uses_most_of_them(template, markers):
    choice = choose_template(markers)
    assert choice.name == template
    assert "are all in the panel" in choice.why


def test_init__a_file_chooses_by_its_channels(immunoprofile, cohort, tmp_path):
    sample = next((cohort / "fcs").glob("*.fcs"))
    outcome = immunoprofile("init", tmp_path / "mine", "--panel", sample)
    assert outcome.stdout.startswith("Template immune14: its 14 markers are all in the panel")
    assert "tcell_memory, tbnk, treg fit too and use fewer" in outcome.stdout.replace("\n", " ")
    assert max(map(len, outcome.stdout.partition("study.toml")[0].splitlines()[:-1])) <= 80


def test_init__a_template_named_beside_the_panel_must_fit_it():
    with pytest.raises(PanelMismatchError, match='the nearest, bcell, lacks "Viability", "CD19"'):
        choose_template("CD3, CD4, CD25, CD127, CD45RA", template="bcell")


def test_init__a_panel_that_nothing_fits_names_the_nearest_and_what_it_lacks(immunoprofile, tmp_path):
    outcome = immunoprofile("init", tmp_path / "mine", "--panel", "CD3, CD4, CD-25, CD127, CD45RA, Viability")
    assert outcome.exit_code == 2
    assert 'no template fits; the nearest, treg, lacks "CD25". Did you mean "CD-25"?' in outcome.stderr
    assert not (tmp_path / "mine").exists()


def test_init__an_absent_file_is_said_to_be_absent(immunoprofile, tmp_path):
    outcome = immunoprofile("init", tmp_path / "mine", "--panel", tmp_path / "no.fcs")
    assert outcome.exit_code == 2
    assert "does not exist" in outcome.stderr


def test_init__a_panel_without_markers_is_refused(immunoprofile, tmp_path):
    outcome = immunoprofile("init", tmp_path / "mine", "--panel", " , ")
    assert outcome.exit_code == 2
    assert "names no marker" in outcome.stderr


def test_init__nothing_is_overwritten(immunoprofile, tmp_path):
    (tmp_path / "platelets.csv").write_text("mine\n")
    outcome = immunoprofile("init", tmp_path)
    assert outcome.exit_code == 2
    assert "platelets.csv: exists already" in outcome.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["platelets.csv"]
    assert (tmp_path / "platelets.csv").read_text() == "mine\n"


def test_init__says_what_to_replace_and_what_to_run(immunoprofile, tmp_path):
    told = immunoprofile("init", tmp_path / "mine").stdout
    assert "Replace EXAMPLE-01" in told
    assert f"immunoprofile run {tmp_path / 'mine' / 'study.toml'}" in told


def test_init__a_template_of_ones_own_is_named_as_seen_from_the_study(immunoprofile, checkout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_bytes((checkout / "gates" / "treg.toml").read_bytes())
    assert immunoprofile("init", "new", "--template", "mine.toml").exit_code == 0
    assert 'template = "../mine.toml"' in (tmp_path / "new" / "study.toml").read_text()
    load_study(tmp_path / "new" / "study.toml")


def test_init__the_study_runs_once_its_samples_are_there(immunoprofile, cohort, tmp_path):
    """The example rows name files; once those are there, the new study runs."""
    immunoprofile("init", tmp_path / "mine", "--template", "immune14")
    (tmp_path / "mine" / "fcs").mkdir()
    samples = sorted((cohort / "fcs").glob("*.fcs"))[:2]
    for sample, visit in zip(samples, ("BL", "W4"), strict=True):
        (tmp_path / "mine" / "fcs" / f"EXAMPLE-01_{visit}.fcs").write_bytes(sample.read_bytes())
    outcome = immunoprofile("run", tmp_path / "mine" / "study.toml", "--out", tmp_path / "results", "-q")
    assert "Traceback" not in outcome.stderr
    assert "2 samples asked for, none failed" in outcome.stdout.replace("\u00a0", " ")
