"""The end of a run on the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immunoprofile.columns import RESPONSE, TABLES
from immunoprofile.report import render_response, render_summary
from immunoprofile.tables import build_frame


def text_of(results) -> str:
    """The summary as one line, so that sentences can be looked for."""
    return re.sub(r"\s+", " ", " ".join(render_summary(results, width=100)))


def test_summary__primary_n_estimate_interval_p_and_method_in_this_order(results):
    # Six pairs that all rise: exact two-sided p = 2 / 2^6 = 0.03125; R: wilcox.test(d, exact = TRUE)$p.value
    row = results.association.query("role == 'primary'").iloc[0]
    wanted = (
        f"Regulatory T cells of CD4+ T cells, W4 against baseline: 6 pairs, odds ratio {row['effect']:.2f} "
        f"(96.9 % CI {row['effect_lo']:.2f} to {row['effect_hi']:.2f}); p = 0.031 (exact); "
        "Wilcoxon signed-rank"
    )
    assert wanted in text_of(results)


def test_summary__odds_ratio_is_that_of_the_counts(small):
    # One common odds ratio for all subjects, so the Hodges-Lehmann estimate must be it: odds 1/9 to 2/8 is 2.25.
    # Half an event on each side moves it to (2000.5 / 8000.5) / (1000.5 / 9000.5) = 2.249.
    counts = dict.fromkeys(small.counts, (1_000, 2_000))
    assert "odds ratio 2.25 " in text_of(small.results(small.populations(counts)))


def test_summary__answer_stands_first_and_reminder_last(results):
    titles = [line for line in render_summary(results)[1:] if line and not line.startswith(" ")]
    assert titles[:2] == ["Primary endpoint", "Association with response"]
    assert titles[-1] == "Reminder"
    assert "no control arm: a change is not an effect" in text_of(results)


def test_summary__difference_by_response_has_both_views_and_group_sizes(results):
    # 3 against 3 distinguishable labels: the smallest exact p is 2 / choose(6, 3) = 0.1, reached here.
    text = text_of(results)
    wanted = "change associated with response (responders against non-responders): 3 responders and 3 non-responders, "
    assert re.search(re.escape(wanted) + r"ratio of odds ratios [^;]*; p = 0\.10 \(exact\)", text)
    assert "The same, adjusted for baseline: 3 responders and 3 non-responders, ratio of odds ratios" in text
    assert "MIN_P_ABOVE_ALPHA: with these numbers no data could have given p at or below 0.05" in text


def test_summary__too_few_pairs_are_said_in_numbers(small):
    counts = dict(list(small.counts.items())[:4])
    text = text_of(small.results(small.populations(counts), small.responses(counts)))
    assert "not tested: 4 pairs, at least 5 are needed" in text
    assert "p = " not in text.split("Primary endpoint")[1].split("Association")[0]


def test_summary__too_few_in_a_group_are_said_in_numbers(small):
    response = [small.response(s, "R" if s in {"P1", "P2"} else "NR") for s in small.counts]
    text = text_of(small.results(response=response))
    assert "not tested: 2 responders and 4 non-responders, at least 3 of each are needed" in text
    assert "(described only)" in text


def test_summary__rate_has_both_denominators_and_exact_limits(small):
    # R: binom.test(3, 5)$conf.int is 0.1466 to 0.9473; binom.test(3, 6)$conf.int is 0.1181 to 0.8819
    response = [small.response(s, "R" if s.startswith("P") else "NE" if s == "N3" else "NR") for s in small.counts]
    text = text_of(small.results(response=response))
    assert "Evaluable subjects (iwg-2009): 3 of 5 responded, 60.0 % (95 % CI 14.7 to 94.7 %, exact)" in text
    assert "counted as non-response: 3 of 6 responded, 50.0 % (95 % CI 11.8 to 88.2 %, exact)" in text


def test_summary__other_definitions_stand_beside(results):
    assert "By other definitions, responders of evaluable: iwg-2009-lenient 3 of 6." in text_of(results)


def test_summary__failed_samples_are_counted_and_named(small):
    failure = {
        "item_id": "P9-BL", "item_kind": "sample", "stage": "read", "code": "FCS-MISSING",
        "message": "P9.fcs: file does not exist. Check the path.",
    }  # fmt: skip
    text = text_of(small.results(failures=[failure]))
    assert "13 samples asked for; 1 failed." in text
    assert "Failed (read): P9-BL: P9.fcs: file does not exist. Check the path." in text


def test_summary__one_cause_is_told_once_with_all_it_struck(small):
    failures = [
        {
            "item_id": name, "item_kind": "sample", "stage": "gate", "code": "PANEL-MISSING",
            "message": f'{name}.fcs: panel: template th needs "CCR6", which this file has not.',
        }
        for name in ("P9-BL", "P9-W4")
    ]  # fmt: skip
    text = text_of(small.results(failures=failures))
    assert "2 failed." in text
    assert "Failed (gate): P9-BL, P9-W4: P9-BL.fcs: panel: template th needs" in text
    assert text.count("template th needs") == 1


def test_summary__subjects_without_a_pair_are_named_with_the_reason(small):
    rows = [r for r in small.populations() if r["sample_id"] != "N3-W4"]
    text = text_of(small.results(rows))
    assert "Regulatory T cells of CD4+ T cells: 5 of 6 subjects included." in text
    assert "Left out: N3: no sample in the window." in text


def test_summary__subjects_without_any_sample_are_counted(small):
    text = text_of(small.results(response=[*small.responses(), small.response("N4", "NR")]))
    assert "6 of 7 subjects included." in text
    assert "Left out: 1 subject without any sample at these visits." in text


def test_summary__response_that_cannot_be_judged_says_why(small):
    response = [small.response(s, "R" if s.startswith("P") else "NR") for s in small.counts if s != "N3"]
    response.append(small.response("N3", "NE", reason="no_baseline"))
    assert "Response not evaluable: N3: no usable count before treatment." in text_of(small.results(response=response))


def test_summary__fractions_not_evaluable_are_counted_with_the_reason(small):
    rows = small.populations()
    barred = {"status": "not_evaluable", "flags": "DENOMINATOR_TOO_SMALL", "frac": None, "count": 1, "denom_count": 8}
    rows = [r | barred if r["sample_id"] == "P1-W4" and r["pop_id"] == "b" else r for r in rows]
    text = text_of(small.results(rows))
    assert "1 fraction of 24 in 1 sample (B cells). DENOMINATOR_TOO_SMALL: too few events to divide by" in text


def test_summary__flags_of_subjects_are_explained_and_named(small):
    response = [r | ({"flags": "BASELINE_OLD"} if r["subject_id"] == "P2" else {}) for r in small.responses()]
    assert "BASELINE_OLD: the baseline is older than a week (P2)." in text_of(small.results(response=response))


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("warn", "warn LYMPHOSUM in 1 of 1 sample (P1-BL); furthest 0.93, limit 0.95. T, B and NK of lymphocytes."),
        ("pass", "All laboratory checks passed in 1 sample."),
    ],
)
def test_summary__quality_gives_value_and_limit(small, level, words):
    check = {
        "sample_id": "P1-BL", "rule_id": "lymphosum", "value": 0.93, "threshold": 0.95, "level": level,
        "flag": "LYMPHOSUM", "detail": "T, B and NK of lymphocytes",
    }  # fmt: skip
    assert words in text_of(small.results(qc=[check]))


def test_summary__exploratory_family_is_counted_with_its_smallest_adjusted_p(results):
    assert "Exploratory, change in all subjects: 1 of 1 other quantity tested" in text_of(results)


def test_summary__p_has_a_floor(results):
    association = results.association.assign(p_raw=1e-9, p_adj=1e-9)
    text = text_of(replace(results, association=association))
    assert "p < 0.0001 (exact)" in text
    assert not re.search(r"p = 0\.0000|1e-", text)


@pytest.mark.parametrize("word", ["significant", "proves", "caused by", "improve", "*", "trend"])
def test_summary__claims_nothing(results, word):
    assert word not in text_of(results)


def test_summary__an_effect_is_spoken_of_only_to_deny_it(results):
    assert re.findall(r"[^.]*\beffects?\b[^.]*\.", text_of(results)) == [
        " Reminder There is no control arm: a change is not an effect, and an association is not its cause."
    ]


def test_summary__text_from_files_cannot_drive_the_terminal(small):
    rows = [
        r | {"pop_label": "Treg\x1b[2J\u202e" if r["pop_id"] == "treg" else r["pop_label"]} for r in small.populations()
    ]
    response = [small.response(s, "NE", reason="bell\x07") for s in small.counts]
    text = "\n".join(render_summary(small.results(rows, response, study_id="S\x1b]0;x")))
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "Treg\\x1b[2J\\u202e" in text


@given(width=st.integers(20, 120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_summary__is_never_wider_than_asked(small, width):
    rows = [r | {"pop_label": "Extraordinarily/long-name " * 3} for r in small.populations()]
    assert max(map(len, render_summary(small.results(rows), width=width))) <= width


def test_summary__without_clinical_tables_has_no_reminder(results):
    bare = replace(results, response=None, response_counts=None, change=None, association=None)
    text = text_of(bare)
    assert text.startswith("Study S-1 Samples and subjects 12 samples asked for, none failed.")
    assert "Reminder" not in text


def test_summary__empty_tables_are_no_error(results):
    empty = {
        name: build_frame(TABLES[name], [])
        for name in ("populations", "samples_qc", "response", "change", "association")
    }
    assert render_summary(replace(results, n_samples=0, **empty)) == [
        "Study S-1",
        "",
        "Reminder",
        "  There is no control arm: a change is not an effect, and an association is not",
        "    its cause.",
    ]


def test_summary__tables_of_others_need_no_labels(results):
    bare = results.populations[["subject_id", "visit", "pop_id", "count", "denom_count"]]
    assert "treg of cd4, W4 against baseline" in text_of(replace(results, populations=bare))


def test_render_response__names_the_definition_that_decides(small):
    lines = render_response(build_frame(RESPONSE, small.responses()))
    assert lines[0] == "Response rate"
    assert "Evaluable subjects (iwg-2009): 3 of 6 responded" in " ".join(line.strip() for line in lines)


def test_render_response__without_a_definition_is_no_error():
    frame = pd.DataFrame({"subject_id": ["A", "B"], "responder": pd.array([True, None], dtype="boolean")})
    text = " ".join(render_response(frame))
    assert "Evaluable subjects: 1 of 1 responded" in text


def test_render_response__nobody_evaluable_has_no_rate(small):
    frame = build_frame(RESPONSE, [small.response("A", "NE")])
    assert "Evaluable subjects (iwg-2009): none, no rate." in " ".join(render_response(frame))


def test_summary__a_sample_is_counted_once_however_often_a_rule_asks(results):
    row = {"sample_id": "P1-BL", "rule_id": "gate_fallback", "level": "warn", "flag": "GATE_FALLBACK", "value": 1.0,
           "threshold": 0.0, "detail": "the fallback was used"}  # fmt: skip
    asked = build_frame(TABLES["samples_qc"], [row | {"item": gate} for gate in ("CD4", "CD8")])
    assert "warn GATE_FALLBACK in 1 of 1 sample (P1-BL);" in text_of(replace(results, samples_qc=asked))
