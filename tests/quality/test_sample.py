"""Rules over one sample: their values, and that an unanswerable rule is listed with its reason."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import GatingTemplate, Quality, apply_template, load_template
from immunoprofile.quality import check_sample, load_quality_rules, remove_events, survey_events
from immunoprofile.quality.counts import bead_spread
from immunoprofile.quality.judge import checks_of, judge
from immunoprofile.quality.preparation import diagonal, off_diagonal, spillover_in_use
from immunoprofile.simulation import simulate_cohort
from immunoprofile.spillover import Spillover


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory):
    study = simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=3, n_subjects=6, events_per_sample=20_000)
    events = read_fcs(sorted((study.parent / "fcs").glob("*.fcs"))[0])
    return apply_template(load_template("immune14"), events), events


@pytest.fixture(scope="module")
def checks(gated):
    return checks_of(*check_sample(*gated, {"sample_id": "s", "hours_to_stain": 3.0, "viability_frac": 0.97}))


def with_quality(members, **handling: str):
    """The same membership under a template with another [quality]."""
    template: GatingTemplate = dataclasses.replace(members.plan.template, quality=Quality(**handling))
    return dataclasses.replace(members, plan=dataclasses.replace(members.plan, template=template))


def test_check_sample__values_are_the_counts_ratios(gated, checks) -> None:
    members, rows = gated[0], checks.rows.set_index("rule_id")
    total = members.count("t") + members.count("b") + members.count("nk")
    assert rows.loc["lymphosum", "value"] == total / members.count("lymphocytes")
    assert rows.loc["cd4_cd8_of_t", "value"] == pytest.approx(
        (members.count("cd4") + members.count("cd8") - members.count("t")) / members.count("lymphocytes"), abs=1e-15
    )
    assert rows.loc["lymphocyte_events", "value"] == members.count("lymphocytes")
    assert rows.loc["viability", "value"] == members.count("live") / members.count("singlets")
    assert rows.loc["singlet_fraction", "value"] == members.count("singlets") / 20_000
    assert rows.loc["hours_to_stain", "value"] == 3.0


def test_check_sample__clean_simulation_passes_everything(checks) -> None:
    assert set(checks.rows["level"]) == {"pass"}
    assert set(checks.rows["flag"]) == {""}


def test_check_sample__what_cannot_be_asked_is_listed_with_its_reason(checks) -> None:
    reasons = checks.unanswered.set_index("rule_id")["reason"]
    assert reasons["bead_events"] == "no population, or not just one, has the role beads"
    assert reasons["events_removed"] == "the template's [quality] removes nothing"
    assert not set(reasons.index) & set(checks.rows["rule_id"])


def test_check_sample__every_rule_of_one_sample_is_answered_or_listed(checks) -> None:
    of_several = {"residual_spill", "identical_data", "cd3_across_tubes", "delta_check", "sample_swap", "lot_change"}
    of_several |= {"spillover_differs", "bridge_control", "bridge_2_2s"}
    asked = set(checks.rows["rule_id"]) | set(checks.unanswered["rule_id"])
    assert asked | of_several == {r.id for r in load_quality_rules().rules}


def test_quality__off_looks_at_nothing(gated) -> None:
    members = with_quality(gated[0], time="off", margins="off", doublets="off")
    found = checks_of(*check_sample(members, gated[1], {"sample_id": "s"})).unanswered.set_index("rule_id")["reason"]
    for rule in ("time_affected", "flow_stopped", "time_order", "margin_events", "singlet_fraction"):
        assert found[rule] == "the template's [quality] turns it off"


def test_remove_events__doublets_leave_every_population(gated) -> None:
    members = with_quality(gated[0], doublets="remove")
    cleaned = remove_events(members, gated[1], survey_events(members, gated[1], load_quality_rules()))
    singlets = members.count("singlets")
    assert cleaned.n_removed == cleaned.removed["doublets"] == 20_000 - singlets
    assert cleaned.members.count("All events") == cleaned.members.count("singlets") == singlets
    assert cleaned.members.counts()["Singlets/Live"] == members.count("live")
    row = checks_of(*check_sample(cleaned.members, gated[1], {"sample_id": "s"}, cleaned=cleaned)).rows.set_index(
        "rule_id"
    )
    assert row.loc["events_removed", "value"] == (20_000 - singlets) / 20_000
    assert (
        f"{20_000 - singlets:,} of 20,000 events (doublets {20_000 - singlets:,})"
        in row.loc["events_removed", "detail"]
    )


def test_without__counts_are_those_of_the_masks(gated) -> None:
    members, gone = gated[0], np.random.default_rng(1).random(20_000) < 0.3
    left = members.without(gone)
    for path, count in left.counts().items():
        assert np.array_equal(left.mask(path), members.mask(path) & ~gone)
        assert count == int((members.mask(path) & ~gone).sum())
    again = left.without(~gone)
    assert set(again.counts().values()) == {0}


SKEWED = Spillover(("A", "B"), np.array([[1.0, 0.2], [-0.01, 1.0]]))


@pytest.mark.parametrize(
    ("matrix", "value", "note"),
    [
        (np.array([[1.0, 0.2], [0.3, 1.0]]), 0.3, "B in A"),
        (np.array([[1.0, 0.2], [-0.01, 1.0]]), -0.01, "B in A"),
        (np.array([[1.0, 1.6], [-0.01, 1.0]]), 1.6, "A in B"),
    ],
    ids=["largest", "below zero", "farthest outside"],
)
def test_off_diagonal__is_the_entry_farthest_outside(matrix, value: float, note: str) -> None:
    found = off_diagonal(Spillover(("A", "B"), matrix), 0.0, 1.5)
    assert (found.value, found.note) == (value, note)


def test_diagonal__is_found_by_name_whatever_the_order_of_rows() -> None:
    swapped = Spillover(("A", "B"), np.array([[0.2, 1.0], [0.98, 0.3]]), ("B", "A"))
    assert diagonal(swapped).value == pytest.approx(0.02, abs=1e-15)
    assert isinstance(diagonal(None), str)


def test_spillover_in_use__replacement_comes_before_the_file(gated) -> None:
    members, events = gated
    template = members.plan.template
    assert spillover_in_use(template, events, None) == events.spillover
    assert spillover_in_use(template, events, SKEWED) == SKEWED


@pytest.fixture(scope="module")
def beaded(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("beads")
    study = simulate_cohort(folder / "c", seed=3, n_subjects=1, visits=("BL", "W4"), panels=("tbnk",))
    events = read_fcs(sorted((study.parent / "fcs").glob("*.fcs"))[0])
    return apply_template(load_template("tbnk"), events), events


def test_bead_spread__is_the_widest_robust_cv_of_the_beads(beaded) -> None:
    members, events = beaded
    values = events.linear()[members.mask("Beads")]
    markers = [c.index for c in events.channels if c.marker in {"CD19", "CD8", "CD16+56"}]
    low, median, high = np.percentile(values[:, markers], (15.8655253931457, 50, 84.1344746068543), axis=0)
    rows = checks_of(*check_sample(members, events, {"sample_id": "s"})).rows.set_index("rule_id")
    assert rows.loc["bead_spread", "value"] == pytest.approx(((high - low) / (2 * median)).max(), rel=1e-12)
    assert rows.loc["bead_spread", "level"] == "pass"


class Brighter:
    """The same events, half of them three quarters as bright again."""

    def __init__(self, events) -> None:
        self.events, self.n_events, self.channels = events, events.n_events, events.channels

    def linear_blocks(self, columns, size, start=0, stop=None):
        for first, block in self.events.linear_blocks(columns, size):
            yield first, block * np.where((first + np.arange(block.shape[1])) % 2, 1.0, 1.75)


def test_bead_spread__two_peaks_of_beads_warn(beaded) -> None:
    members, events = beaded
    found = bead_spread(members, Brighter(events))
    rule = load_quality_rules().find("bead_spread")
    assert judge(rule, found.value)[0] == "warn"
