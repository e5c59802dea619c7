"""Every code has a meaning."""

from __future__ import annotations

import re

import pytest

import immunoprofile.comparison
from immunoprofile.comparison import change
from immunoprofile.platelets import REASONS, SUBJECT_FLAGS
from immunoprofile.report import meanings


def test_flags__every_flag_that_the_comparison_room_documents_has_a_meaning():
    documented = set(re.findall(r"``([A-Z][A-Z_0-9]+)``", immunoprofile.comparison.__doc__))
    assert len(documented) > 15
    assert documented <= set(meanings.FLAGS)


def test_methods__every_method_of_a_comparison_has_words(results):
    used = set(results.association["method"].dropna())
    assert used <= set(meanings.METHODS)


@pytest.mark.parametrize("code", [*SUBJECT_FLAGS, *meanings.FLAGS])
def test_explain_flag__gives_code_and_meaning(code):
    assert re.fullmatch(rf"{code}: \S.+[^.]", meanings.explain_flag(code))


def test_explain_flag__unknown_code_stays_visible_and_safe():
    assert meanings.explain_flag("NEW\x1b[31m") == "NEW\\x1b[31m"


def test_explain_method__says_that_strata_were_used():
    assert meanings.explain_method("change_score_stratified").endswith(", within strata")
    assert meanings.name_method("change_score_stratified") == "relabeling, strata"


def test_explain_exclusion__knows_every_reason_of_the_change_table():
    documented = re.sub(r"\s+", " ", change.paired_change.__doc__)
    listed = re.search(r"exclude_reason says why: (.*?); joined", documented).group(1)
    codes = set(re.findall(r"\b(?:no_baseline|no_window|(?:baseline|window)_[a-z_0-9]+)\b", listed))
    codes |= {
        f"{where}_{why}"
        for where in ("baseline", "window")
        for why in ("not_evaluable", "denominator_zero", "no_count")
    }
    codes -= {"baseline_", "window_"}
    assert len(codes) >= 8
    for code in codes:
        words = meanings.explain_exclusion(code)
        assert "_" not in words, code
        assert "{" not in words


def test_explain_exclusion__joins_several_reasons():
    words = meanings.explain_exclusion("no_baseline;window_not_evaluable")
    assert words == "no baseline sample and the window is not evaluable"


@pytest.mark.parametrize("reason", REASONS)
def test_explain_response__does_not_repeat_the_class(reason):
    words = meanings.explain_response(reason)
    assert words
    assert not words.startswith(("NE:", "NR:"))


def test_explain_flag__of_a_quality_rule_leads_to_the_rule():
    assert meanings.explain_flag("DELTA") == "DELTA: quality rule delta check was not met; see Quality"


def test_explain_flag__an_unknown_one_stands_as_it_is():
    assert meanings.explain_flag("NEVER_HEARD") == "NEVER_HEARD"
