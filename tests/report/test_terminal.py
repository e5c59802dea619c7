"""The table at the end of a run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from immunoprofile.report.terminal import render_table


@pytest.mark.parametrize("width", [72, 80, 120])
def test_table__fits_the_terminal(results, width):
    assert max(map(len, render_table(results, width=width))) <= width


def test_table__long_names_are_cut_not_the_numbers(small):
    rows = [r | {"pop_label": "x" * 200} for r in small.populations()]
    lines = render_table(small.results(rows))
    assert max(map(len, lines)) <= 80
    assert re.match(r"x+\.\. of CD4\+ T cells +6 ", lines[2])


def test_table__primary_first_with_medians_in_percent(results):
    lines = render_table(results)
    assert lines[0].split() == ["Quantity", "n", "before", "after", "change", "interval", "adj.", "p"]
    row = lines[2]
    assert row.startswith("Regulatory T .. of CD4+ T cells")
    n, before, after, change, interval, p = row.split()[-6:]
    # Of 10,000: before 300, 400, 350, 300, 420, 380 and after 600, 820, 700, 330, 450, 400 events.
    assert (n, before, after) == ("6", "3.65", "5.25")
    primary = results.association.query("role == 'primary'").iloc[0]
    assert float(change) == pytest.approx(primary["effect"], abs=0.005)
    assert interval == f"{primary['effect_lo']:.2f}-{primary['effect_hi']:.2f}"
    assert float(p) == pytest.approx(primary["p_adj"], abs=0.0005)


def test_table__is_not_there_where_nothing_was_compared(results):
    assert render_table(replace(results, association=None)) == []


def test_table__many_rows_are_counted(results, monkeypatch):
    monkeypatch.setattr("immunoprofile.report.terminal._MOST", 1)
    assert any("1 more in association.csv" in line for line in render_table(results))
