"""A trial cohort with known truth: events, platelets, rescue, bleeding.

`simulate_cohort` first draws a `Trial` (`trial`): `subjects` says who takes part and who truly responds,
`course` gives each of them platelets, rescue and bleeding, `visits` says which samples are drawn, and
`composition` what share of the cells each kind has that day. Then it writes the folder (`folder`): `tube`
turns shares into the numbers a cytometer would write, from the looks of `cells` through the light of
`panel`; `sheets` writes study.toml and what belongs to it; `truth` writes beside it what is true.
`scenarios` and `faults` make cohorts in which something is wrong on purpose. Every number that drives all
this stands in `parameters`, with its source. Effects are assumptions, not findings.
"""

from immunoprofile.simulation.folder import simulate_cohort
from immunoprofile.simulation.scenarios import SCENARIOS, Scenario
from immunoprofile.simulation.trial import Trial, draw_trial

__all__ = ["SCENARIOS", "Scenario", "Trial", "draw_trial", "simulate_cohort"]
