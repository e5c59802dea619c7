"""What the room refuses, in words; batches; the hierarchy of populations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison.batches import cramers_v
from immunoprofile.comparison.guards import (
    check_before_response,
    check_held_out,
    check_one_denominator,
    check_unpaired,
)
from immunoprofile.comparison.hierarchy import hierarchical_min_p
from immunoprofile.comparison.stepdown import step_down_min_p
from immunoprofile.errors import AnalysisError, PairingError


def test_check_unpaired__two_groups_that_share_subjects_are_refused():
    with pytest.raises(PairingError, match=r"2 subjects are in both groups .* compare changes instead"):
        check_unpaired(["S1", "S2", "S3"], ["S2", "S3", "S4"])


def test_check_unpaired__separate_groups_pass():
    check_unpaired(["S1"], ["S2"])


def test_check_one_denominator__a_mixture_is_refused():
    with pytest.raises(PairingError, match="fractions of cd3 and of cd4 cannot stand in one contrast"):
        check_one_denominator(["cd4", "cd3", "cd4"])


def test_check_before_response__a_sample_from_onset_on_is_refused():
    with pytest.raises(
        AnalysisError, match=r"subject S2: predictor of day 28 against a response of day 14\..*landmark"
    ):
        check_before_response({"S1": 0, "S2": 28, "S3": 28}, {"S1": 7, "S2": 14})


def test_check_before_response__the_baseline_is_always_before():
    check_before_response({"S1": 0, "S2": -1}, {"S1": 0, "S2": 5})


@pytest.mark.parametrize(
    ("day", "onset"), [(35, 50), (14, 20)], ids=["sample after the landmark", "response before it"]
)
def test_check_before_response__with_a_landmark_both_sides_are_held(day, onset):
    with pytest.raises(AnalysisError, match="predictor of day"):
        check_before_response({"S1": day}, {"S1": onset}, landmark_day=28)


def test_check_held_out__scores_of_the_subjects_they_were_fitted_on_are_refused():
    with pytest.raises(AnalysisError, match="1 subjects were used to choose or fit the score"):
        check_held_out(["S1", "S2"], ["S2", "S3"])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("aabb", "xxyy", 1.0), ("abab", "xxyy", 0.0), ("aaab", "xxyy", np.sqrt(1 / 3)), ("aaaa", "xxyy", 0.0)],
    ids=["the same", "balanced", "between", "one level"],
)
def test_cramers_v__worked_examples(first, second, expected):
    # aaab by xxyy: expected 1.5, 1.5, 0.5, 0.5; chi-squared 4/3; V = sqrt(4/3 / 4).
    assert cramers_v(pd.Series(list(first)), pd.Series(list(second))) == pytest.approx(expected)


PARENTS = {"a1": "a", "a2": "a", "b1": "b", "a": "root", "b": "root"}


@pytest.fixture
def null() -> tuple[np.ndarray, np.ndarray]:
    statistics = np.abs(np.random.default_rng(3).normal(size=(400, 3)))
    statistics[0] = [3.2, 0.4, 0.8]
    return statistics, statistics[0]


def test_hierarchical_min_p__the_root_is_the_smallest_step_down_p(null):
    found = hierarchical_min_p(*null, ["a1", "a2", "b1"], PARENTS)
    assert found["root"] == pytest.approx((step_down_min_p(*null).min(),) * 2)


def test_hierarchical_min_p__a_node_pays_for_the_leaves_beside_it(null):
    found = hierarchical_min_p(*null, ["a1", "a2", "b1"], PARENTS)
    assert found["a"][1] == pytest.approx(max(found["a"][0] * 3 / 2, found["root"][1]))
    assert found["a1"][1] == pytest.approx(max(found["a1"][0] * 3, found["a"][1]))


def test_hierarchical_min_p__never_below_the_node_above(null):
    found = hierarchical_min_p(*null, ["a1", "a2", "b1"], PARENTS)
    assert all(found[node][1] >= found[PARENTS[node]][1] for node in PARENTS)
