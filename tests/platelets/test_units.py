"""Units and counts as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from immunoprofile.platelets.units import UNITS, plain_number, read_amount, unit_factor

SAME = [*UNITS[:7], "10⁹/L", "x 10^9/L", "×10⁹/L", "10*9/L", "10**9/L", "1e9/l", "10^9/l", "10³/µL", "10^3/μL", "k/ul"]
SAME += ["10^3/mm3", "K/mm³", "x10^6/mL", "Gpt/L", "/nL", "1000/uL"]
THOUSANDTH = ["/uL", "/mm3", "/mm³", "/µL", "cells/uL", "1/mm^3", "10^6/L"]
UNKNOWN = ["g/L", "10e9/L", "10^9", "L", "", "mg/dL", "10^12/L", "109/L", "%"]


@pytest.mark.parametrize("unit", SAME)
def test_unit__of_giga_per_litre_is_one(unit):
    assert unit_factor(unit) == 1


@pytest.mark.parametrize("unit", THOUSANDTH)
def test_unit__of_single_cells_is_a_thousandth(unit):
    assert unit_factor(unit) == Decimal("0.001")


@pytest.mark.parametrize("unit", UNKNOWN)
def test_unit__that_is_not_named_is_not_guessed(unit):
    assert unit_factor(unit) is None


READ = [
    ("12", "12", ""),
    (" 12.5 ", "12.5", ""),
    ("0", "0", ""),
    ("<10", "10", "<"),
    ("< 10", "10", "<"),
    ("<=5", "5", "<="),
    ("≤5", "5", "<="),
    ("1e2", "100", ""),
]


@pytest.mark.parametrize(("text", "value", "qualifier"), READ)
def test_amount__is_read_exactly(text, value, qualifier):
    amount = read_amount(text)
    assert amount is not None
    assert (amount.value, amount.qualifier) == (Decimal(value), qualifier)


@pytest.mark.parametrize("text", ["12,5", "1,200", "-3", "+3", ">450", "nan", "inf", "1_0", "low", "", "1e999", "٣"])
def test_amount__that_must_be_guessed_is_not_read(text):
    assert read_amount(text) is None


@pytest.mark.parametrize(
    ("value", "text"), [("30.00", "30"), ("1E+2", "100"), ("0.5", "0.5"), ("0", "0"), ("100", "100")]
)
def test_number__is_shown_as_people_write_it(value, text):
    assert plain_number(Decimal(value)) == text
