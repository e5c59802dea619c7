"""What a laboratory checks: every rule is data (`laboratory.toml`), every result a row.

`survey_events` walks once through a file's events: clock, signals, ends of the ranges. `remove_events` takes out what
the template's ``[quality]`` says, before anything is counted. `check_sample` asks the rules that one sample can answer,
`check_cohort` those that need several: tubes of one draw, a subject's visits, equal data, bridging controls. A rule
that cannot be asked gives no row but a reason. `flag_populations` puts flags on the rows of `populations` that a rule
concerns, and on no others.
"""

from immunoprofile.quality.cohort import check_bridges, check_cohort, check_matrices, check_residual_spill
from immunoprofile.quality.describe import describe_rules
from immunoprofile.quality.flags import flag_populations
from immunoprofile.quality.judge import Checks, join_checks
from immunoprofile.quality.preparation import spillover_in_use
from immunoprofile.quality.removal import Cleaned, remove_events
from immunoprofile.quality.ruleset import Rule, RuleSet, Variation, load_quality_rules
from immunoprofile.quality.sample import ask_sample, check_sample
from immunoprofile.quality.shifts import control_shifts
from immunoprofile.quality.survey import Survey, Watched, survey_events

__all__ = [
    "Checks",
    "Cleaned",
    "Rule",
    "RuleSet",
    "Survey",
    "Variation",
    "Watched",
    "ask_sample",
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
