"""Templates that prove themselves: what is wrong with one, what its tests say, what changed, who locked it.

`read_fixtures` finds the samples that a template's ``[[test]]`` blocks name and holds their events; `run_tests` gates
them and compares every expectation, and `render_junit` writes the verdicts for other programs. `list_mutants` moves
every boundary of a template a little, one at a time, and `run_mutants` asks which of these moves no test notices.
`check_template` reads a template without events (`check_standing` what stands of one that cannot be used), and
`count_outside` with those of one file. `compare_definitions` and `compare_events` tell two templates apart.
"""

from immunoprofile.gating.validation.changes import Change, Moved, Shift, compare_definitions, compare_events
from immunoprofile.gating.validation.fixtures import Fixture, read_fixtures
from immunoprofile.gating.validation.junit import render_junit
from immunoprofile.gating.validation.lint import Remark, check_standing, check_template, worst
from immunoprofile.gating.validation.mutants import Mutant, list_mutants
from immunoprofile.gating.validation.mutation import Notice, run_mutants
from immunoprofile.gating.validation.outside import Outside, count_outside
from immunoprofile.gating.validation.verdicts import Verdict, gate_alone, run_tests

__all__ = [
    "Change",
    "Fixture",
    "Moved",
    "Mutant",
    "Notice",
    "Outside",
    "Remark",
    "Shift",
    "Verdict",
    "check_standing",
    "check_template",
    "compare_definitions",
    "compare_events",
    "count_outside",
    "gate_alone",
    "list_mutants",
    "read_fixtures",
    "render_junit",
    "run_mutants",
    "run_tests",
    "worst",
]
