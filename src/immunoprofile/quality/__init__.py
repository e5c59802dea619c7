"""What a laboratory checks: every rule is data (`laboratory.toml`), every result a row.

`survey_events` walks once through a file's events: clock, signals, ends of the ranges. `remove_events` takes out what
the template's ``[quality]`` says, before anything is counted. `check_sample` asks the rules that one sample can answer,
`check_cohort` those that need several: tubes of one draw, a subject's visits, equal data, bridging controls. A rule
that cannot be asked gives no row but a reason. `flag_populations` puts flags on the rows of `populations` that a rule
concerns, and on no others. What looks at samples is imported when first asked for: a run that is finished asks only
what the rules are.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from immunoprofile.quality.describe import describe_rules
from immunoprofile.quality.flags import flag_populations
from immunoprofile.quality.judge import Checks, join_checks
from immunoprofile.quality.ruleset import Rule, RuleSet, Variation, load_quality_rules

if TYPE_CHECKING:
    from immunoprofile.quality.cohort import check_bridges, check_cohort, check_matrices, check_residual_spill
    from immunoprofile.quality.preparation import spillover_in_use
    from immunoprofile.quality.removal import Cleaned, remove_events
    from immunoprofile.quality.sample import check_sample
    from immunoprofile.quality.shifts import control_shifts
    from immunoprofile.quality.survey import Survey, Watched, survey_events

_LATER = {
    "Cleaned": "removal",
    "Survey": "survey",
    "Watched": "survey",
    "check_bridges": "cohort",
    "check_cohort": "cohort",
    "check_matrices": "cohort",
    "check_residual_spill": "cohort",
    "check_sample": "sample",
    "control_shifts": "shifts",
    "remove_events": "removal",
    "spillover_in_use": "preparation",
    "survey_events": "survey",
}

__all__ = [
    "Checks",
    "Cleaned",
    "Rule",
    "RuleSet",
    "Survey",
    "Variation",
    "Watched",
    "check_bridges",
    "check_cohort",
    "check_matrices",
    "check_residual_spill",
    "check_sample",
    "control_shifts",
    "describe_rules",
    "flag_populations",
    "join_checks",
    "load_quality_rules",
    "remove_events",
    "spillover_in_use",
    "survey_events",
]


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
