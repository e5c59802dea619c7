"""A trial cohort with known truth: events, platelets, rescue, bleeding.

`simulate_cohort` first draws a `Trial` (`trial`): `subjects` says who takes part and who truly responds, `course`
gives each of them platelets, rescue and bleeding, `visits` says which samples are drawn, and `composition` what
share of the events each kind of cell has that day. Then it writes the folder (`folder`): `tube` turns shares into
the numbers a cytometer would write, from the looks of `cells` through the light of `light`, as the tube ran
(`acquisition`); `controls` adds single stains, tubes with one marker left out and a bridging donor; `sheets` writes
study.toml and what belongs to it; `truth` writes beside it what is true. `scenarios` and `faults` make cohorts in
which something is wrong on purpose. `simulate_tube` (`specimen`) draws one tube in memory.

Everything is data, with its source: a `panel` is a file in `panels/`, cells stand in `cells.toml`, detectors in
`light.toml`, and the numbers of the trial in `trial.toml` (`parameters`). Effects are assumptions, not findings.
"""

from immunoprofile.simulation.acquisition import ACQUISITION_FAULTS, Acquisition
from immunoprofile.simulation.folder import simulate_cohort
from immunoprofile.simulation.panel import PANELS, Panel, load_panel
from immunoprofile.simulation.parameters import Parameters, load_parameters
from immunoprofile.simulation.scenarios import SCENARIOS, Scenario
from immunoprofile.simulation.specimen import SimulatedTube, simulate_tube, write_tube
from immunoprofile.simulation.trial import Trial, draw_trial

__all__ = [
    "ACQUISITION_FAULTS",
    "PANELS",
    "SCENARIOS",
    "Acquisition",
    "Panel",
    "Parameters",
    "Scenario",
    "SimulatedTube",
    "Trial",
    "draw_trial",
    "load_panel",
    "load_parameters",
    "simulate_cohort",
    "simulate_tube",
    "write_tube",
]
