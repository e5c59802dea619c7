"""Templates that prove themselves: what is wrong with one, what its tests say, what changed, who locked it.

`read_fixtures` finds the samples that a template's ``[[test]]`` blocks name and holds their events; `run_tests` gates
them and compares every expectation, and `render_junit` writes the verdicts for other programs. `list_mutants` moves
every boundary of a template a little, one at a time, and `run_mutants` asks which of these moves no test notices.
`check_template` reads a template without events (`check_standing` what stands of one that cannot be used), and
`count_outside` with those of one file. `compare_definitions` and `compare_events` tell two templates apart. What gates
is imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from immunoprofile.gating.validation.lint import Remark, check_standing, check_template, worst

if TYPE_CHECKING:
    from immunoprofile.gating.validation.changes import Change, Moved, Shift, compare_definitions, compare_events
    from immunoprofile.gating.validation.fixtures import Fixture, read_fixtures
    from immunoprofile.gating.validation.junit import render_junit
    from immunoprofile.gating.validation.mutants import Mutant, list_mutants
    from immunoprofile.gating.validation.mutation import Notice, run_mutants
    from immunoprofile.gating.validation.outside import Outside, count_outside
    from immunoprofile.gating.validation.verdicts import Verdict, gate_alone, run_tests

_LATER = {
    "Change": "changes",
    "Fixture": "fixtures",
    "Moved": "changes",
    "Mutant": "mutants",
    "Notice": "mutation",
    "Outside": "outside",
    "Shift": "changes",
    "Verdict": "verdicts",
    "compare_definitions": "changes",
    "compare_events": "changes",
    "count_outside": "outside",
    "gate_alone": "verdicts",
    "list_mutants": "mutants",
    "read_fixtures": "fixtures",
    "render_junit": "junit",
    "run_mutants": "mutation",
    "run_tests": "verdicts",
}

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


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
