"""One row in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison import associate, describe_association, describe_p

TREG = {"pop_id": "treg", "denom_id": "cd4", "measure": "logit_frac"}


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.00009, "p < 0.0001"),
        (0.0001, "p = 0.0001"),
        (0.00234, "p = 0.0023"),
        (0.0488, "p = 0.049"),
        (0.234, "p = 0.23"),
        (1.0, "p = 1.0"),
        (float("nan"), "no p"),
        (None, "no p"),
    ],
)
def test_describe_p__has_a_floor_and_no_stars(p, text):
    assert describe_p(p) == text


def row(**changed: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "question": "overall_change", "pop_id": "treg", "denom_id": "cd4", "scale": "logit_frac", "window": "W4+W8",
        "method": "wilcoxon_signed_rank_pratt", "n_total": 18, "effect": 1.42, "effect_lo": 1.1, "effect_hi": 1.84,
        "ci_level": 0.951, "ci_lo": 0.1, "ci_hi": 0.6, "p_raw": 0.012, "p_method": "exact", "p_adj": 0.012,
        "n_tests": 1, "flags": "",
    }  # fmt: skip
    return usual | changed


def test_describe_association__a_change():
    assert describe_association(row()) == (
        "treg of cd4, n = 18: the window W4+W8 was associated with odds 1.42 times those at baseline "
        "(95.1 % CI 1.10 to 1.84); p = 0.012 (exact). There is no control arm: a change, not an effect."
    )


def test_describe_association__a_difference_with_its_adjustment():
    told = describe_association(
        row(question="group_diff", method="change_score", n_resp=8, n_nonresp=10, n_tests=6, p_adj=0.06)
    )
    assert told == (
        "treg of cd4, n = 18 (8 responders, 10 non-responders): being a responder was associated with 1.42 times the "
        "relative change of odds seen in non-responders (95.1 % CI 1.10 to 1.84); p = 0.012 (exact); adjusted for "
        "6 tests p = 0.060. Association, not cause."
    )


def test_describe_association__what_was_not_tested_says_why():
    told = describe_association(row(p_raw=np.nan, ci_lo=np.nan, flags="LOW_N;TOO_FEW_PAIRS"))
    assert "(no interval); not tested (LOW_N;TOO_FEW_PAIRS)" in told


def test_describe_association__nothing_at_all():
    told = describe_association(row(effect=pd.NA, n_total=0, flags="TOO_FEW_PAIRS"))
    assert told == "treg of cd4, n = 0: nothing to describe (TOO_FEW_PAIRS)."


def test_describe_association__a_concentration_has_no_denominator():
    told = describe_association(row(scale="log_cells_per_ul", denom_id="none"))
    assert told.startswith("treg, n = 18: the window W4+W8 was associated with concentration 1.42 times that")


def test_describe_association__every_row_gives_n_before_estimate_before_p(change, response):
    deltas = np.random.default_rng(1).normal(0.2, 0.3, (18, 3))
    answer = associate(change(deltas, ("treg", "a", "b")), response(), primary=TREG)
    for _, each in answer.iterrows():
        told = describe_association(each)
        if each["question"] == "response_rate":
            assert "8 of 18" in told
            continue
        assert told.index("n = 18") < told.index("CI") < told.index("; p ")
        assert "associated with" in told
        assert "*" not in told
        assert "significant" not in told


def test_describe_association__control_characters_of_a_name_are_escaped():
    assert "\x1b" not in describe_association(row(pop_id="tr\x1b[31meg"))
