"""The checks that need more than one sample, and the flags of all checks on the populations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from immunoprofile.cohort.results import Results
from immunoprofile.gating import GatingTemplate
from immunoprofile.quality import RuleSet, flag_populations


def with_flags(results: Results, templates: Iterable[GatingTemplate], rules: RuleSet) -> Results:
    """The results with every check made and flagged."""
    populations = flag_populations(results.populations, results.samples_qc, templates, rules)
    return replace(results, populations=populations, plan=results.plan | {"quality rules": rules.sha256})
