"""The answers asked otherwise, times of response and associations with platelets, as sentences."""

from __future__ import annotations

import pytest

from immunoprofile.columns import ASSOCIATION
from immunoprofile.report.course import platelet_sentences, time_sentences
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import TIE
from immunoprofile.report.sensitivity import sensitivity_sentences

NAMES = Names({"treg": "Treg", "cd4": "CD4"})


def row(**more):
    return dict.fromkeys(ASSOCIATION.names) | {
        "analysis_id": "a", "pop_id": "treg", "denom_id": "cd4", "role": "sensitivity", "question": "overall_change",
        "scale": "logit_frac", "window": "W4", "method": "wilcoxon_signed_rank_pratt", "n_total": 9, "flags": "",
        "ci_level": 0.95,
    } | more  # fmt: skip


PRIMARY = row(role="primary", effect=1.2, p_raw=0.04)


def text_of(*rows) -> str:
    return " ".join(sensitivity_sentences([PRIMARY, *rows], NAMES)).replace(TIE, " ")


def test_sensitivity__lowest_and_highest_estimate_are_named_with_the_range_of_p():
    found = text_of(
        row(analysis_id="1", sensitivity="highest_dose", effect=1.1, p_raw=0.30),
        row(analysis_id="2", sensitivity="all_infusions", effect=1.4, p_raw=0.02),
        row(analysis_id="3", sensitivity="without_low_event_samples", effect=1.3, p_raw=0.06),
    )
    assert "asked in 3 other ways: odds ratio 1.10 (highest dose) to 1.40 (all infusions); p = 0.020 to 0.30" in found
    assert "p at or below 0.05 in 1 of 3: all infusions." in found


def test_sensitivity__gate_placement_says_when_the_conclusion_turns():
    placed = row(
        sensitivity="gate_placement", method="gate_placement_range", effect=1.2, effect_lo=1.1, effect_hi=1.3,
        note="24 placements; p from 0.01 to 0.2", flags="CONCLUSION_TURNS",
    )  # fmt: skip
    found = text_of(placed)
    assert "Gates placed elsewhere, change in all subjects: odds ratio 1.10 to 1.30; 24 placements" in found
    assert "the conclusion turns" in found
    assert "the conclusion turns" not in text_of(placed | {"flags": ""})


def test_sensitivity__another_quantity_is_not_mixed_with_the_odds():
    found = text_of(
        row(analysis_id="1", sensitivity="highest_dose", effect=1.1, p_raw=0.30),
        row(
            analysis_id="2", sensitivity="cells_per_ul", scale="log_cells_per_ul", denom_id="none", effect=3.0,
            effect_lo=2.0, effect_hi=4.0, p_raw=0.01,
        ),
    )  # fmt: skip
    assert "asked in 1 other way: odds ratio 1.10 (highest dose); p = 0.30; p at" in found
    assert (
        "In cells per microlitre, change in all subjects: 9 subjects, fold change 3.00 (95 % CI 2.00 to 4.00)" in found
    )


def test_sensitivity__definitions_without_enough_subjects_are_named():
    found = text_of(
        row(
            analysis_id="1", question="group_diff", sensitivity="definition_ash-2019-early", method="change_score",
            n_resp=0, n_nonresp=9, flags="TOO_FEW_PER_GROUP",
        )
    )  # fmt: skip
    assert "by 1 other definition: too few subjects for any." in found


def test_sensitivity__what_could_not_be_asked_is_listed_by_reason():
    found = text_of(
        *(
            row(
                analysis_id=name, sensitivity=name, method="none", note="could not be asked: no treatments are known",
                flags="NOT_AVAILABLE",
            )
            for name in ("without_recent_rituximab", "stable_concomitant_treatment")
        )
    )  # fmt: skip
    assert "Not asked: without recent rituximab, stable concomitant treatment: no treatments are known." in found


def test_time_to_response__n_estimate_interval_and_competing_rescue():
    told = row(
        question="time_to_response", estimate_label="cumulative_incidence_day_84", n_total=18, estimate=0.4444,
        ci_lo=0.2158, ci_hi=0.6512, note="8 responses, 4 rescued first",
    )  # fmt: skip
    text = " ".join(time_sentences([told])).replace(TIE, " ")
    assert "by day 84: 18 subjects, cumulative incidence 44.4 % (95 % CI 21.6 % to 65.1 %), rescue as competing" in text


@pytest.mark.parametrize(
    ("estimate", "words"),
    [(None, "8 responders, median not reached; 1 lost"), (63.0, "8 responders, median 63 days (no interval); 1 lost")],
    ids=["median beyond", "median"],
)
def test_duration__median_or_that_there_is_none(estimate, words):
    text = " ".join(time_sentences([row(question="duration", n_total=8, estimate=estimate, note="1 lost")]))
    assert words in text.replace(TIE, " ")


def test_platelets__association_is_said_with_n_before_estimate_and_p():
    told = row(
        question="correlation", scale="correlation", method="spearman", n_total=15, estimate=0.625, ci_lo=0.114,
        ci_hi=0.874, p_raw=0.0149, p_method="mc",
    )  # fmt: skip
    text = " ".join(platelet_sentences([told], NAMES)).replace(TIE, " ")
    wanted = "Treg of CD4, change associated with change of log platelets: 15 subjects, Spearman's rho 0.62 (95 % CI"
    assert wanted in text
    assert "p = 0.015 (Monte Carlo)" in text
