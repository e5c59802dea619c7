"""Shares of kinds: closure, effects, spreads and depletion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from immunoprofile.simulation import Trial, draw_trial, load_panel, load_parameters
from immunoprofile.simulation.composition import build_tree, effect_share, expected_shares, fraction_of
from immunoprofile.simulation.subjects import Subject

CLOSURE = 1e-12  # sums of 23 float64 numbers of order 1
EXACT = 1e-9  # ratios of such sums through log and exp
IMMUNE14 = load_panel("immune14")
TREE = build_tree(load_parameters(), IMMUNE14)
MEMBERS = IMMUNE14.members
N_PARTS = len(load_parameters().part_names)
QUIET = (0.0,) * N_PARTS


@pytest.fixture(scope="module")
def many() -> Trial:
    """999 subjects, enough to see the spreads that were asked for."""
    return draw_trial(7, 999, ("BL", "W8"), scenario="null")


def _plain(subject: Subject, **changes: object) -> Subject:
    """The subject without deviations of its own."""
    quiet = {"deviations": QUIET, "treg_z": 0.0, "b_depleted": False}
    return dataclasses.replace(subject, **{**quiet, **changes})


def _fraction(subject: Subject, day: int, pop: str, denom: str, *, with_effects: bool = True) -> float:
    shares = expected_shares(TREE, subject, day, with_effects=with_effects, visit_noise=QUIET)
    return fraction_of(shares, MEMBERS[pop], MEMBERS[denom])


def _odds_ratio(subject: Subject, pop: str, denom: str, *, with_effects: bool = True) -> float:
    before, after = (_fraction(subject, d, pop, denom, with_effects=with_effects) for d in (-1, 56))
    return after / (1 - after) / (before / (1 - before))


@given(seed=st.integers(0, 2**32), day=st.integers(-1, 400), dead=st.floats(0.1, 50))
@rules(deadline=None, max_examples=30)
def test_shares__close_to_one_in_label_order(seed: int, day: int, dead: float) -> None:
    subject = draw_trial(seed, 1, ("BL",)).subjects[0]
    noise = np.random.default_rng(seed).standard_normal(N_PARTS)
    shares = expected_shares(TREE, subject, day, with_effects=True, visit_noise=noise, dead_factor=dead)
    assert tuple(shares) == IMMUNE14.labels
    assert sum(shares.values()) == pytest.approx(1, rel=CLOSURE)
    assert min(shares.values()) > 0


@pytest.mark.parametrize(
    ("response", "pop", "ratio"),
    [
        pytest.param("CR", "treg", 1.50, id="treg-responder"),
        pytest.param("NR", "treg", 1.08, id="treg-non-responder"),
        pytest.param("R", "cd8", 1.0, id="cd8-odds-among-cd4-free-siblings"),
    ],
)
def test_effect__is_the_stated_odds_ratio_at_week_8(trial: Trial, response: str, pop: str, ratio: float) -> None:
    subject = _plain(trial.subjects[0], response=response)
    if pop == "cd8":  # a part without effect keeps its ratio to a sibling without effect
        before, after = (_fraction(subject, d, "cd8", "nk") for d in (-1, 56))
        assert after / before == pytest.approx(ratio, rel=EXACT)
    else:
        assert _odds_ratio(subject, pop, "cd4") == pytest.approx(ratio, rel=EXACT)


def test_effect__heterogeneity_multiplies_the_ratio(trial: Trial) -> None:
    subject = _plain(trial.subjects[0], response="R", treg_z=1.0)
    assert _odds_ratio(subject, "treg", "cd4") == pytest.approx(1.5 * np.exp(0.20), rel=EXACT)


def test_effect__null_cohort_changes_nothing(trial: Trial) -> None:
    subject = _plain(trial.subjects[0], response="CR", treg_z=2.0)
    for pop, denoms in IMMUNE14.denominators.items():
        if denoms[0] in MEMBERS:
            assert _odds_ratio(subject, pop, denoms[0], with_effects=False) == pytest.approx(1, rel=EXACT)


@pytest.mark.parametrize(("day", "share"), [(-7, 0), (0, 0), (14, 0.5), (28, 0.9), (56, 1.0), (196, 0.4), (999, 0.4)])
def test_effect_share__follows_its_days(day: int, share: float) -> None:
    assert effect_share(load_parameters(), day) == pytest.approx(share, rel=EXACT)


@pytest.mark.parametrize(
    ("pop", "denom", "percent"),
    [
        ("treg", "cd4", 4.0),
        ("treg_naive", "treg", 30.0),
        ("cd4", "lymphocytes", 36.7),
        ("nk", "lymphocytes", 13.3),
    ],
)
def test_baseline__is_the_stated_share(trial: Trial, pop: str, denom: str, percent: float) -> None:
    # 36 and 13 of 98 parts: 36.7 % and 13.3 %
    assert 100 * _fraction(_plain(trial.subjects[0]), -1, pop, denom) == pytest.approx(percent, abs=0.05)


def test_depletion__leaves_less_than_one_percent_b_cells(trial: Trial) -> None:
    subject = _plain(trial.subjects[0], b_depleted=True)
    assert _fraction(subject, -1, "b", "lymphocytes") < 0.01


def test_spread__between_and_within_subjects_is_what_was_asked_for(many: Trial) -> None:
    """Treg: SD between 0.35 and within 0.13 on the logit scale, so a pre-post correlation of 0.879."""
    logits = np.array(
        [
            [
                np.log(f / (1 - f))
                for v in ("BL", "W8")
                if (f := fraction_of(many.shares[f"{s.subject_id}_{v}"], MEMBERS["treg"], MEMBERS["cd4"]))
            ]
            for s in many.subjects
            if f"{s.subject_id}_W8" in many.shares
        ]
    )
    n = len(logits)
    between, within = 0.35, 0.13
    # Standard error of an SD is SD / sqrt(2 n); of a correlation (1 - r^2) / sqrt(n). Four of each.
    assert logits[:, 0].std() == pytest.approx(np.hypot(between, within), rel=4 / np.sqrt(2 * n))
    assert (logits[:, 1] - logits[:, 0]).std() == pytest.approx(within * np.sqrt(2), rel=4 / np.sqrt(2 * n))
    r = between**2 / (between**2 + within**2)
    assert np.corrcoef(logits.T)[0, 1] == pytest.approx(r, abs=4 * (1 - r**2) / np.sqrt(n))


def test_link__platelet_rise_goes_half_with_the_change_of_regulatory_cells(many: Trial) -> None:
    pairs = np.array([[s.treg_z, s.rise_z] for s in many.subjects])
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.5, abs=4 * 0.75 / np.sqrt(len(pairs)))
