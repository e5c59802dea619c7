"""Reference ranges: what the file holds, and which of them stand beside a value."""

from __future__ import annotations

import re

import pytest

from immunoprofile.populations import find_ranges, load_ranges

CD4, TREG, LYMPHOCYTES, CENTRAL_MEMORY = "CL:0000624", "CL:0000815", "CL:0000542", "CL:0000904"


@pytest.mark.parametrize("found", load_ranges(), ids=lambda r: f"{r.population} {r.unit} {r.source} {r.sex or ''}")
def test_ranges__are_whole(found) -> None:
    assert re.fullmatch(r"CL:\d{7}", found.cl_id)
    assert 0 <= found.low < found.high
    assert (found.unit == "frac") == (found.of_cl_id is not None)
    assert found.unit != "frac" or found.high <= 1
    assert found.method
    assert found.ancestry
    assert found.source


def test_find__treg_of_cd4_in_the_trials_population() -> None:
    """2.17-7.94 % of CD4+ in 150 Han Chinese of 20-70 years; 2.6-6.3 % in a clinical laboratory."""
    found = find_ranges(TREG, CD4)
    assert [(r.low, r.high) for r in found] == [(0.0217, 0.0794), (0.026, 0.063)]
    assert found[0].describe() == "2.17-7.94 % (Han Chinese, Shanxi, 20-70 y, n = 150; whole blood; S-EPMC7397677)"


def test_find__another_denominator_gives_nothing() -> None:
    assert find_ranges(TREG, LYMPHOCYTES) == ()
    assert all(r.unit == "cells_per_ul" for r in find_ranges(TREG))


def test_find__sex_and_age_leave_others_out() -> None:
    both = find_ranges(CD4)
    women = find_ranges(CD4, sex="F")
    assert {r.sex for r in both} == {"M", "F", None}
    assert {r.sex for r in women} == {"F", None}
    assert {r.ancestry for r in find_ranges(CD4, age=65)} == {"Singapore multiracial", "Han Chinese, Shanxi"}


@pytest.mark.parametrize(("age", "found"), [(69.9, 2), (70.5, 2), (71.0, 1), (19.0, 1)])
def test_find__ages_include_the_last_year(age: float, found: int) -> None:
    assert len(find_ranges(TREG, CD4, age=age)) == found


def test_find__without_an_ontology_id_there_is_no_range() -> None:
    assert find_ranges(None) == ()
