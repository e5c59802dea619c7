"""The shipped templates as text: every name, id, term and denominator is what the laboratory and its readers expect."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from immunoprofile.gating import GatingTemplate, load_template
from immunoprofile.gating.library import template_ids, templates_folder
from immunoprofile.gating.paths import ROOT

IDS = ("bcell", "immune14", "tbnk", "tcell_memory", "th", "treg")

# Cell types that names of the HIPC form begin with (Overton JA et al. BMC Bioinformatics 2019;20:182).
HIPC_TYPES = {
    "leukocyte", "lymphocyte", "T cell", "CD4+ T cell", "CD8+ T cell", "B cell", "natural killer cell", "plasmablast",
    "transitional stage B cell",
}  # fmt: skip
HIPC_LEVELS = ("+", "-", "hi", "lo")

STEPS = {"singlets", "live", "cells"}
"""Gates that only clear the way: no cell type, no row in the tables."""

# Wanted at least: pop_id to the denominators beside its parent's (domain notes 3.9: every one that makes sense).
DENOMINATORS = {
    "tbnk": {"cd4": {"t", "lymphocytes", "leukocytes"}, "b": {"lymphocytes", "leukocytes"}, "nk": {"lymphocytes"}},
    "treg": {"treg": {"cd4", "t", "lymphocytes"}, "treg_naive": {"treg", "cd4"}, "treg_memory": {"treg", "cd4"}},
    "tcell_memory": {"cd4_cm": {"cd4", "t", "lymphocytes"}, "cd8_temra": {"cd8", "t", "lymphocytes"}},
    "th": {"th17": {"cd4_memory", "cd4_memory_conventional", "cd4", "lymphocytes"}, "tfh": {"cd4_memory", "cd4"}},
    "bcell": {"b_naive": {"b_mature", "b", "lymphocytes"}, "plasmablast": {"b", "lymphocytes"}},
    "immune14": {"treg": {"cd4", "lymphocytes"}, "b_naive": {"b_mature", "b"}},
}


@pytest.fixture(params=IDS)
def template(request: pytest.FixtureRequest) -> GatingTemplate:
    return load_template(request.param)


@pytest.fixture(scope="module")
def terms() -> dict[str, str]:
    with (templates_folder() / "cell_ontology.csv").open(encoding="utf-8", newline="") as stream:
        return {row["cl_id"]: row["label"] for row in csv.DictReader(stream)}


def test_templates__are_these() -> None:
    assert template_ids() == IDS


def test_template__is_called_as_its_file(template: GatingTemplate) -> None:
    assert template.source is not None
    assert template.source.stem == template.id
    assert template.title
    assert template.status == "draft"


def test_template__ids_are_unique_and_short(template: GatingTemplate) -> None:
    ids = [g.id for g in template.gates]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9_]{1,32}", i) for i in ids)


def test_template__cell_ontology_terms_are_known_and_each_means_one_population(
    template: GatingTemplate, terms: dict[str, str]
) -> None:
    found = [g.cell_ontology for g in template.gates if g.cell_ontology is not None]
    assert all(re.fullmatch(r"CL:\d{7}", t) for t in found)
    assert set(found) <= set(terms)
    assert len(set(found)) == len(found)


def test_templates__one_id_means_one_cell_type_wherever_it_stands() -> None:
    meanings: dict[str, set[tuple[str | None, str | None]]] = {}
    for name in IDS:
        for gate in load_template(name).gates:
            meanings.setdefault(gate.id, set()).add((gate.cell_ontology, gate.name_hipc))
    assert {i: m for i, m in meanings.items() if len(m) > 1} == {}


def test_template__hipc_names_begin_with_a_known_type_and_name_its_own_markers(template: GatingTemplate) -> None:
    markers = sorted((m.name for m in template.markers), key=len, reverse=True)
    token = re.compile(f"({'|'.join(map(re.escape, markers))})({'|'.join(map(re.escape, HIPC_LEVELS))})")
    for gate in template.gates:
        if gate.name_hipc is None:
            continue
        kind, _, levels = gate.name_hipc.partition(" & ")
        assert kind in HIPC_TYPES, gate.path
        assert all(token.fullmatch(part) for part in levels.split()), gate.path


def test_template__all_but_steps_and_residuals_have_a_hipc_name(template: GatingTemplate) -> None:
    assert {g.id for g in template.gates if g.name_hipc is None} <= STEPS | {"beads", "b_mature"}


def test_template__roles_are_given_once(template: GatingTemplate) -> None:
    roles = [g.role for g in template.gates if g.role is not None]
    assert len(set(roles)) == len(roles)
    assert {"singlets", "lymphocytes"} <= set(roles)


def test_template__reports_every_population_over_its_parent_and_the_usual_denominators(
    template: GatingTemplate,
) -> None:
    reported = {template.id_of(p): {template.id_of(d) for d in ds} for p, ds in template.reported().items()}
    for pop, wanted in DENOMINATORS[template.id].items():
        assert wanted <= reported[pop], pop
    assert reported.keys().isdisjoint({"singlets", "cells"})


@pytest.mark.parametrize("name", [i for i in IDS if i != "immune14"])
def test_template__says_where_its_definitions_come_from(name: str) -> None:
    template = load_template(name)
    assert template.source is not None
    head = template.source.read_text(encoding="utf-8").partition("[template]")[0]
    assert len(re.findall(r"\b(19|20)\d\d;\d+", head)) >= 2


@pytest.mark.parametrize("name", IDS)
def test_readme__has_a_row_for_each_template(checkout: Path, name: str) -> None:
    text = (checkout / "gates" / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{name}` \|", text, flags=re.MULTILINE)


def test_limits__are_those_of_the_laboratory() -> None:
    bcell, treg = (dict(load_template(t).limits) for t in ("bcell", "treg"))
    subsets = [limit for path, limit in bcell.items() if path.startswith(("Singlets/Live/Lymphocytes/B cells/",))]
    assert {(x.warn_denominator_below, x.not_evaluable_denominator_below) for x in subsets} == {(500, 100)}
    assert len(subsets) == 8
    regulatory = next(limit for path, limit in treg.items() if path.endswith("/Treg"))
    assert regulatory.warn_denominator_below == 5000


def test_order__plasmablasts_and_transitional_cells_are_taken_out_before_the_memory_quadrants() -> None:
    template = load_template("bcell")
    parents = {g.id: template.id_of(g.parent) for g in template.gates}
    assert parents["plasmablast"] == parents["transitional"] == parents["b_mature"] == "b"
    assert {parents[q] for q in ("b_naive", "b_unswitched", "b_switched", "b_dn")} == {"b_mature"}


def test_order__helper_cells_are_memory_cells_without_regulatory_ones() -> None:
    template = load_template("th")
    for pop in ("tfh", "th1", "th2", "th17", "th17_1"):
        ids = {template.id_of(p) for p in template.ancestors(template.find(pop))}
        assert {"cd4_memory_conventional", "cd4_memory", "cd4"} <= ids


def test_order__beads_come_before_every_other_gate() -> None:
    template = load_template("tbnk")
    beads = template.gate(template.find("beads"))
    assert beads.parent == ROOT
    assert template.gates[0] is beads
    assert all(p in {"Beads", "Cells"} or p.startswith("Cells/") for p in template.paths[1:])
