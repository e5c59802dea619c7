"""Numbers in words."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from immunoprofile.report import numbers

TIE = "\u00a0"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "1.00"),
        (0.5, "0.50"),
        (1.005, "1.00"),
        (12.345, "12.35"),
        (99.94, "99.94"),
        (0.0123, "0.012"),
        (0.095, "0.10"),
        (1234.0, "1.2e+03"),
        (0.0, "0.00"),
    ],
)
def test_ratio__keeps_two_digits_that_count(value, words):
    assert numbers.ratio(value) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 subjects"), (1, "1 subject"), (2, "2 subjects"), (24_000, "24,000 subjects")]
)
def test_counted__agrees_with_its_number(number, words):
    assert numbers.counted(number, "subject").replace(TIE, " ") == words


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.00002, "p < 0.0001"), (0.0488, "p = 0.049"), (0.25, "p = 0.25"), (math.nan, "no p"), (pd.NA, "no p")],
    ids=["floor", "small", "large", "nan", "na"],
)
def test_p_value__has_a_floor_and_never_breaks_over_a_line(p, words):
    assert numbers.p_value(p) == words.replace(" ", TIE)


def test_effect_interval__names_the_level_achieved():
    row = {"ci_level": 0.96875, "effect_lo": 0.932417, "effect_hi": 1.648468}
    assert numbers.effect_interval(row).replace(TIE, " ") == "(96.9 % CI 0.93 to 1.65)"


def test_effect_interval__says_where_there_is_none():
    assert numbers.effect_interval({"ci_level": None, "effect_lo": None, "effect_hi": None}) == "(no interval)"


@pytest.mark.parametrize(
    ("names", "words"), [(["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")]
)
def test_listed__counts_what_it_leaves_out(names, words):
    assert numbers.listed(names, 2) == words
