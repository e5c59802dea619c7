"""The shipped templates prove themselves: their tests hold, and notice when a boundary moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from immunoprofile.gating import load_template
from immunoprofile.gating.validation import read_fixtures, run_mutants, run_tests
from immunoprofile.simulation import PANELS

SHIFT, LEAST_NOTICED = 0.02, 0.95
"""2 % of the axis; the least share of such moves that a shipped template's tests must notice."""


@pytest.mark.parametrize("panel", PANELS)
def test_template__its_own_tests_hold(checkout: Path, panel: str) -> None:
    template = load_template(panel)
    verdicts = run_tests(template, read_fixtures(template, checkout / "fixtures"))
    assert len(verdicts) >= 25
    assert [v for v in verdicts if not v.met] == []


@pytest.mark.parametrize("panel", PANELS)
def test_template__its_tests_notice_a_boundary_that_moves(checkout: Path, panel: str) -> None:
    template = load_template(panel)
    fixtures = read_fixtures(template, checkout / "fixtures")
    notices = run_mutants(template, fixtures, shift=SHIFT)
    plain = run_mutants(template, [f for f in fixtures if "crowded" not in f.test.sample], shift=SHIFT)
    unnoticed = [n for n in notices if n.by is None]
    assert len(notices) >= 25
    assert 1 - len(unnoticed) / len(notices) >= LEAST_NOTICED, unnoticed
    said = (checkout / "gates" / "README.md").read_text(encoding="utf-8")
    row = (len(notices), len(notices) - len(unnoticed), sum(n.noticed for n in plain))
    assert f"| `{panel}` | {' | '.join(map(str, row))} |" in said


def test_readme__says_of_the_accuracy_what_the_benchmark_found(checkout: Path) -> None:
    result = json.loads((checkout / "benchmarks" / "results" / "template_accuracy.json").read_text(encoding="utf-8"))
    found = result["summary"]
    assert result["seeds"] >= 200
    assert len(result["rows"]) == found["fractions"] == found["accurate"] == found["steady"] == found["steady_pooled"]
    said = " ".join((checkout / "gates" / "README.md").read_text(encoding="utf-8").split())
    assert f"every one of the {found['fractions']} reported fractions" in said
    assert f"On {result['seeds']} simulated donors" in said
    assert f"{result['events']:,} events a tube" in said
