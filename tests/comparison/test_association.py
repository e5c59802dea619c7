"""The answers: which questions, which subjects, which families, which flags."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from immunoprofile.columns import ASSOCIATION
from immunoprofile.comparison import (
    ancova,
    associate,
    group_difference,
    holm,
    paired_change,
    rank_sum,
    relabelings,
    signed_rank,
    step_down_min_p,
)
from immunoprofile.comparison.questions import disagree, standardised_difference
from immunoprofile.errors import InputError, PairingError
from immunoprofile.tables import read_table, write_table

TREG = {"pop_id": "treg", "denom_id": "cd4", "measure": "logit_frac"}
DOUBLE = 1e-12  # the same numbers by the same route
GROUP = np.arange(18) < 8


@pytest.fixture
def deltas():
    return np.random.default_rng(2).normal(0.2, 0.3, 18) + 0.35 * GROUP


def pick(answer: pd.DataFrame, question: str, method: str = "", pop: str = "treg") -> pd.Series:
    rows = answer[(answer["question"] == question) & (answer["pop_id"] == pop)]
    return rows[rows["method"].str.startswith(method)].iloc[0]


def test_associate__primary_is_the_signed_rank_test_of_all_subjects(change, response, deltas):
    row = pick(associate(change(deltas), response(), primary=TREG), "overall_change")
    expected = signed_rank(deltas)
    assert (row["p_raw"], row["estimate"], row["ci_lo"]) == (expected.p, expected.estimate, expected.ci_lo)
    assert row["effect"] == pytest.approx(math.exp(expected.estimate), abs=DOUBLE)
    assert (row["role"], row["n_total"], row["adj_method"], row["n_tests"]) == ("primary", 18, "none", 1)
    assert row["p_adj"] == row["p_raw"]


def test_associate__the_contrast_stands_beside_its_two_other_views(change, response, deltas):
    before = np.random.default_rng(4).normal(-3, 0.4, 18)
    answer = associate(change(deltas, baseline=before), response(), primary=TREG)
    plain, adjusted, ranked = (pick(answer, "group_diff", m) for m in ("change_score", "ancova", "mann_whitney"))
    post = before + deltas
    assert plain["p_raw"] == group_difference(post - before, GROUP).p
    assert adjusted["p_raw"] == ancova(post, before, GROUP).p
    assert ranked["p_raw"] == rank_sum(deltas[GROUP], deltas[~GROUP]).p
    assert list(answer[answer["question"] == "group_diff"]["role"]) == ["sensitivity", "secondary", "sensitivity"]
    assert (adjusted["p_method"], adjusted["df"]) == ("relabel_fixed_covariate", 15)
    assert (plain["n_resp"], plain["n_nonresp"], plain["n_perm"]) == (8, 10, 43_758)


def test_associate__response_rate_has_both_denominators(change, response, deltas):
    answer = associate(change(deltas), response(n_unknown=2), primary=TREG)
    rates = answer[answer["question"] == "response_rate"].set_index("denom_id")
    # R: binom.test(8, 16) and binom.test(8, 18)
    assert rates.loc["evaluable", ["n_resp", "n_total", "n_missing"]].tolist() == [8, 16, 2]
    assert rates.loc["all_treated", ["n_resp", "n_total", "n_nonresp"]].tolist() == [8, 18, 10]
    assert rates.loc["all_treated", ["ci_lo", "ci_hi"]].tolist() == pytest.approx([0.215302, 0.692428], abs=5e-7)


def test_associate__unknown_response_leaves_the_contrast_and_is_counted(change, response, deltas):
    answer = associate(change(deltas), response(n_unknown=4), primary=TREG)
    row = pick(answer, "group_diff", "change_score")
    assert (row["n_total"], row["n_missing"]) == (14, 4)
    assert "MISSING_OVER_20_PERCENT" in row["flags"].split(";")
    assert pick(answer, "overall_change")["n_total"] == 18


def test_associate__treated_subjects_without_any_sample_are_missing(change, response, deltas):
    row = pick(associate(change(deltas[:16]), response(18), primary=TREG), "overall_change")
    assert (row["n_total"], row["n_missing"]) == (16, 2)


def test_associate__says_of_everyone_left_out_why(change, response, deltas):
    # S16 has no verdict, S17 neither a window nor a response row, S18 a verdict only, S19 not even that.
    labels = response(20, 9, 1).drop(index=17)
    labels.loc[16, "responder"] = pd.NA
    known = change(np.append(deltas[:17], np.nan)).assign(exclude_reason=["NA"] * 17 + ["no_window"])
    answer = associate(known, labels, primary=[TREG])
    note = pick(answer, "group_diff", "change_score")["note"]
    assert note == (
        "left out: 1 no_window, 2 response not evaluable, 1 not in the response table, 1 without any sample of it"
    )


def test_associate__without_response_only_the_change_is_asked(change, deltas):
    answer = associate(change(deltas), primary=TREG)
    assert list(answer["question"]) == ["overall_change"]


def test_associate__has_the_columns_and_key_of_its_table(populations, response, tmp_path):
    frame = paired_change(populations(names=("treg", "th17", "tfh")), baseline="BL", window=["W4", "W8"])
    answer = associate(frame, response(), primary=TREG)
    assert tuple(answer.columns) == ASSOCIATION.names
    assert answer["flags"].notna().all()
    assert write_table("association", answer, tmp_path)[0].stat().st_size > 0


def test_associate__does_not_depend_on_the_order_of_rows(change, response, deltas):
    table = change(np.column_stack([deltas, -deltas[::-1]]), ("treg", "th17"))
    labels = response()
    there = associate(table, labels, primary=TREG)
    back = associate(table.sample(frac=1, random_state=1), labels.sample(frac=1, random_state=2), primary=TREG)
    pd.testing.assert_frame_equal(there, back)


def test_associate__swapping_the_labels_flips_the_sign(change, response, deltas):
    labels = response()
    there = pick(associate(change(deltas), labels, primary=TREG), "group_diff", "change_score")
    flipped = labels.assign(responder=~labels["responder"])
    back = pick(associate(change(deltas), flipped, primary=TREG), "group_diff", "change_score")
    assert back["estimate"] == pytest.approx(-there["estimate"], abs=DOUBLE)
    assert back["p_raw"] == there["p_raw"]


@pytest.mark.parametrize("n", [0, 1, 4])
def test_associate__too_few_pairs_are_described_not_tested(change, n):
    table = change(np.where(np.arange(8) < n, 0.5, np.nan))
    row = pick(associate(table, primary=TREG), "overall_change")
    assert np.isnan(row["p_raw"])
    assert np.isnan(row["ci_lo"])
    assert (row["n_total"], row["n_missing"]) == (n, 8 - n)
    assert np.isnan(row["estimate"]) if n == 0 else row["estimate"] == 0.5
    assert {"TOO_FEW_PAIRS", "LOW_N"} <= set(row["flags"].split(";"))


def test_associate__too_few_in_a_group_are_described_not_tested(change, response, deltas):
    answer = associate(change(deltas), response(n_responders=2), primary=TREG)
    row = pick(answer, "group_diff", "change_score")
    assert np.isnan(row["p_raw"])
    assert row["estimate"] == pytest.approx(deltas[:2].mean() - deltas[2:].mean(), abs=DOUBLE)
    assert "TOO_FEW_PER_GROUP" in row["flags"]
    assert not np.isnan(pick(answer, "overall_change")["p_raw"])


def test_associate__five_pairs_cannot_reach_the_level_and_say_so(change):
    row = pick(associate(change([0.1, 0.2, 0.3, 0.4, 0.5]), primary=TREG), "overall_change")
    assert row["p_raw"] == row["min_attainable_p"] == 0.0625
    assert {"MIN_P_ABOVE_ALPHA", "CI_BELOW_LEVEL"} <= set(row["flags"].split(";"))


def test_associate__influence_of_one_subject_is_the_worst_of_all(change, response, deltas):
    deltas[3] = 2.5
    row = pick(associate(change(deltas), response(), primary=TREG), "group_diff", "change_score")
    left = [group_difference(np.delete(deltas, i), np.delete(GROUP, i)) for i in range(18)]
    whole = group_difference(deltas, GROUP).estimate
    assert row["loo_p_max"] == pytest.approx(max(a.p for a in left), abs=DOUBLE)
    assert row["loo_max_shift"] == pytest.approx(max(abs(a.estimate - whole) for a in left), abs=DOUBLE)


def test_associate__baseline_imbalance_and_disagreement_are_flagged(change, response):
    # Window values do not depend on the label, baselines do: the change score differs, the adjusted one does not.
    generator = np.random.default_rng(3)
    before = generator.normal(0, 0.3, 18) + 1.0 * GROUP
    after = generator.normal(0, 0.1, 18)
    answer = associate(change(after - before, baseline=before), response(), primary=TREG)
    row = pick(answer, "group_diff", "change_score")
    assert {"BASELINE_IMBALANCE", "CHANGE_ANCOVA_DISAGREE"} <= set(row["flags"].split(";"))


def test_associate__balanced_baselines_are_not_flagged(change, response, deltas):
    row = pick(associate(change(deltas), response(), primary=TREG), "group_diff", "change_score")
    assert "BASELINE_IMBALANCE" not in row["flags"]


def test_standardised_difference__worked_example():
    # means 2 and 4, variances 1 and 4: -2 / sqrt(2.5)
    found = standardised_difference(np.array([1.0, 2, 3, 2, 4, 6]), np.arange(6) < 3)
    assert found == pytest.approx(-2 / math.sqrt(2.5), abs=DOUBLE)


def test_associate__zero_counts_of_the_samples_reach_the_answer(change, deltas):
    table = change(deltas)
    table.loc[4, "flags"] = "LOW_EVENTS;ZERO_COUNTS;AGED_BLOOD"
    assert pick(associate(table, primary=TREG), "overall_change")["flags"] == "LOW_EVENTS;ZERO_COUNTS"


def others(deltas: np.ndarray, m: int = 6) -> tuple[np.ndarray, tuple[str, ...]]:
    noise = np.random.default_rng(9).normal(0, 0.3, (18, m))
    noise[:, 0] += 0.4 * GROUP
    return np.column_stack([deltas, noise]), ("treg", *(f"p{j}" for j in range(m)))


def test_associate__the_rest_is_one_exploratory_family_a_question(change, response, deltas):
    table, names = others(deltas)
    answer = associate(change(table, names), response(), primary=TREG)
    rest = answer[answer["role"] == "exploratory"]
    assert set(rest["family_id"]) == {"exploratory:overall_change", "exploratory:group_diff"}
    assert set(rest["n_tests"]) == {6}
    assert set(rest["adj_method"]) == {"westfall_young_min_p"}


def test_associate__exploratory_differences_are_stepped_down_over_common_relabelings(change, response, deltas):
    table, names = others(deltas)
    answer = associate(change(table, names), response(), primary=TREG)
    rest = answer[answer["family_id"] == "exploratory:group_diff"].sort_values("pop_id")
    null = np.abs(relabelings(GROUP).labels @ (table[:, 1:] - table[:, 1:].mean(axis=0)))
    expected = step_down_min_p(null, np.abs(GROUP @ (table[:, 1:] - table[:, 1:].mean(axis=0))))
    # Standardising can reorder relabelings that differ by rounding error: a few of 43,758.
    assert list(rest["p_adj"]) == pytest.approx(list(expected), abs=1e-4)
    assert (rest["p_adj"] > rest["p_raw"]).all()


def test_associate__exploratory_changes_are_stepped_down_over_common_flips(change, response, deltas):
    table, names = others(deltas)
    answer = associate(change(table, names), response(), primary=TREG)
    rest = answer[answer["family_id"] == "exploratory:overall_change"].sort_values("pop_id")
    ranks = rankdata(np.abs(table[:, 1:]), axis=0) * np.sign(table[:, 1:])
    signs = 1.0 - 2.0 * (np.arange(2**18)[:, None] >> np.arange(18) & 1)
    null = np.abs(signs @ ranks)
    assert list(rest["p_adj"]) == pytest.approx(list(step_down_min_p(null, null[0])), abs=DOUBLE)
    assert rest["p_adj"].min() > rest["p_raw"].min()


@pytest.mark.parametrize(
    ("p", "estimates", "expected"),
    [
        pytest.param((0.04, 0.06), (1, 1), True, id="either side of the level"),
        pytest.param((0.05, 0.05), (1, 1), False, id="both at the level"),
        pytest.param((0.01, 0.01), (1, -1), True, id="opposite signs"),
        pytest.param((0.6, 0.7), (1, -1), False, id="neither says anything"),
        pytest.param((0.6, None), (1, 1), False, id="one not tested"),
    ],
)
def test_disagree__is_about_the_conclusion(p, estimates, expected):
    rows = [{"p_raw": q, "estimate": e} for q, e in zip(p, estimates, strict=True)]
    assert disagree(*rows) is expected


def test_associate__influence_is_drawn_finely_enough_where_it_is_drawn(change, response):
    answer = associate(change(np.arange(40.0)), response(40, 20), primary=TREG)
    # The two groups do not overlap: only the observed labels are as extreme, whoever is left out.
    assert pick(answer, "group_diff", "change_score")["loo_p_max"] == pytest.approx(1 / 5_000, abs=DOUBLE)


def test_associate__a_population_with_few_subjects_leaves_the_family(change, response, deltas):
    table, names = others(deltas)
    table[3:13, 2] = np.nan
    answer = associate(change(table, names), response(), primary=TREG)
    row = pick(answer, "group_diff", pop="p1")
    assert (row["n_resp"], row["n_nonresp"]) == (3, 5)
    assert row["n_tests"] == 6
    table[13, 2] = np.nan
    row = pick(associate(change(table, names), response(), primary=TREG), "group_diff", pop="p1")
    assert not np.isnan(row["p_raw"])
    assert np.isnan(row["p_adj"])
    assert "NOT_IN_FAMILY" in row["flags"]


def test_associate__named_secondary_populations_are_adjusted_by_holm(change, response, deltas):
    table, names = others(deltas)
    answer = associate(change(table, names), response(), primary=TREG, secondary=[{"pop_id": "p0"}, {"pop_id": "p1"}])
    family = answer[answer["family_id"] == "secondary:group_diff"]
    assert sorted(family["pop_id"]) == ["p0", "p1", "treg"]
    assert list(family["p_adj"]) == pytest.approx(list(holm(family["p_raw"])), abs=DOUBLE)
    assert set(answer[answer["role"] == "exploratory"]["pop_id"]) == {"p2", "p3", "p4", "p5"}


def test_associate__strata_are_used_and_named(change, response, deltas):
    strata = {f"S{i:02d}": "rituximab" if i % 3 else "none" for i in range(18)}
    answer = associate(change(deltas), response(), primary=TREG, strata=strata)
    row = pick(answer, "group_diff", "change_score")
    expected = group_difference(deltas, GROUP, strata=[strata[f"S{i:02d}"] for i in range(18)])
    assert row["method"] == "change_score_stratified"
    assert (row["p_raw"], row["estimate"]) == (expected.p, expected.estimate)


def test_associate__strata_that_separate_the_groups_give_a_row_without_p(change, response, deltas):
    strata = {f"S{i:02d}": str(i < 8) for i in range(18)}
    row = pick(associate(change(deltas), response(), primary=TREG, strata=strata), "group_diff", "change_score")
    assert np.isnan(row["p_raw"])
    assert "NOT_TESTABLE" in row["flags"]


def test_associate__a_subject_without_a_stratum_is_refused(change, deltas):
    with pytest.raises(InputError, match="subject S17: has no stratum"):
        associate(change(deltas), primary=TREG, strata={f"S{i:02d}": "a" for i in range(17)})


def test_associate__of_several_definitions_iwg_2009_is_used_and_named(change, response, deltas):
    labels = response()
    both = pd.concat(
        [
            labels.assign(definition_id="ash-2019", responder=pd.array([True] * 18, dtype="boolean")),
            labels.assign(definition_id="iwg-2009"),
        ]
    )
    row = pick(associate(change(deltas), both, primary=TREG), "group_diff", "change_score")
    assert (row["n_resp"], row["contrast"]) == (8, "responder - non-responder (iwg-2009)")


def test_associate__an_unknown_definition_is_refused(change, response, deltas):
    with pytest.raises(InputError, match='no response by definition "ash-2011"'):
        associate(
            change(deltas),
            response().assign(definition_id="iwg-2009"),
            primary=TREG,
            definition="ash-2011",
        )


def test_associate__two_responses_of_a_subject_are_refused(change, response, deltas):
    twice = pd.concat([response(), response().head(1)])
    with pytest.raises(PairingError, match="subject S00: has several responses"):
        associate(change(deltas), twice, primary=TREG)


def test_associate__subjects_named_otherwise_in_the_response_table_are_refused(change, response, deltas):
    labels = response().assign(subject_id=[str(i) for i in range(18)])
    with pytest.raises(PairingError, match="no subject of the change table has a response") as refusal:
        associate(change(deltas), labels, primary=TREG)
    assert (refusal.value.expected, refusal.value.found) == ("S00, S01, S02", "0, 1, 10")


def test_associate__a_responder_in_words_is_refused(change, response, deltas):
    words = response().assign(responder="yes")
    with pytest.raises(InputError, match='responder "yes" is neither TRUE, FALSE nor NA'):
        associate(change(deltas), words, primary=TREG)


def test_associate__cells_as_replicates_are_refused(change, response, deltas):
    table = change(deltas)
    with pytest.raises(PairingError) as refusal:
        associate(pd.concat([table, table.head(1)]), response(), primary=TREG)
    assert str(refusal.value) == (
        "subject S00: has several rows of treg of cd4. Give one change a subject; cells or repeats are not subjects."
    )


def test_associate__several_windows_are_refused(change, deltas):
    table = pd.concat([change(deltas), change(deltas).assign(window="W12")])
    with pytest.raises(PairingError, match="the change table holds several windows"):
        associate(table, primary=TREG)


def test_associate__an_unknown_primary_population_is_refused_with_the_known_ones(change, deltas):
    with pytest.raises(InputError, match="pop_id tregs, denom_id cd4: no population") as refusal:
        associate(change(deltas), primary={"pop_id": "tregs", "denom_id": "cd4"})
    assert '"treg of cd4 (logit_frac)"' in str(refusal.value)


def test_associate__a_misspelt_field_of_the_plan_is_refused(change, deltas):
    with pytest.raises(InputError, match='primary: unknown name "denominator"'):
        associate(change(deltas), primary={"pop_id": "treg", "denominator": "cd4"})


def test_associate__a_change_table_without_its_columns_is_refused(change, deltas):
    with pytest.raises(InputError, match="column delta missing from the change table"):
        associate(change(deltas).drop(columns="delta"), primary=TREG)


def test_associate__an_empty_change_table_is_refused(change, deltas):
    with pytest.raises(InputError, match="the change table has no rows"):
        associate(change(deltas).head(0), primary=TREG)


def test_associate__the_digest_follows_the_values(change, response, deltas):
    first = pick(associate(change(deltas), response(), primary=TREG), "group_diff")
    again = pick(associate(change(deltas), response(), primary=TREG), "group_diff")
    moved = pick(associate(change(deltas + 1e-9), response(), primary=TREG), "group_diff")
    relabeled = pick(associate(change(deltas), response(n_responders=7), primary=TREG), "group_diff")
    assert first["inputs_sha256"] == again["inputs_sha256"]
    assert len({r["inputs_sha256"] for r in (first, moved, relabeled)}) == 3


def test_associate__the_seed_stands_where_labels_were_drawn(change, response):
    deltas = np.random.default_rng(1).normal(size=40)
    answer = associate(change(deltas), response(40, 20), primary=TREG, seed=20240501)
    row = pick(answer, "group_diff", "change_score")
    assert (row["p_method"], row["seed"], row["n_perm"]) == ("mc", 20240501, 19_999)
    assert pick(answer, "overall_change")["seed"] is pd.NA


def test_associate__a_table_read_back_from_disk_gives_the_same_answers(populations, response, tmp_path):
    frame = paired_change(populations(names=("treg", "th17", "tfh")), baseline="BL", window=["W4", "W8"])
    read = read_table("change", write_table("change", frame, tmp_path)[1])
    there, back = (associate(t, response(), primary=TREG) for t in (frame, read))
    pd.testing.assert_frame_equal(there, back)


def test_associate__all_concentrations_of_a_population_are_found_by_its_fraction_name(change, deltas):
    table = change(deltas).assign(denom_id="none", measure="log_cells_per_ul")
    row = pick(associate(table, primary=TREG | {"measure": "log_cells_per_ul"}), "overall_change")
    assert (row["denom_id"], row["scale"]) == ("none", "log_cells_per_ul")
