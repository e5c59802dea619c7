"""A trial before anything is written: people, their platelets, their samples, and what each sample holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from immunoprofile.errors import InputError, Problem, printable
from immunoprofile.simulation.acquisition import STEADY, Acquisition, join_faults
from immunoprofile.simulation.cells import BEAD, DEAD, DOUBLET
from immunoprofile.simulation.composition import BloodCount, Tree, build_tree, expected_shares, fit_blood
from immunoprofile.simulation.course import Course, draw_course
from immunoprofile.simulation.panel import Panel, load_panel
from immunoprofile.simulation.parameters import Parameters, load_parameters
from immunoprofile.simulation.scenarios import AGED_DEAD_FACTOR, AGED_HOURS, Scenario, find_scenario
from immunoprofile.simulation.streams import Purpose, open_stream
from immunoprofile.simulation.subjects import Subject, draw_subjects
from immunoprofile.simulation.visits import PlannedSample, SamplePlan, plan_samples, read_visits

MOST_SUBJECTS = 999
DEFAULT_PANELS = ("immune14",)


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that is true of a simulated trial, but the events themselves.

    Parameters
    ----------
    days
        Day of each visit, in order.
    end_day
        Last day of observation.
    courses
        One a subject, in the order of `subjects`.
    shares
        Sample to label to probability: what each tube is drawn from.
    """

    seed: int
    parameters: Parameters
    scenario: Scenario
    panels: tuple[Panel, ...]
    days: Mapping[str, int]
    end_day: int
    subjects: tuple[Subject, ...]
    courses: tuple[Course, ...]
    samples: tuple[PlannedSample, ...]
    shares: Mapping[str, Mapping[str, float]]

    def viability_of(self, sample_id: str) -> float:
        """Live cells among single cells: what the lab's viability count would say."""
        shares = self.shares[sample_id]
        return 1 - shares[DEAD] / (1 - shares[DOUBLET] - shares.get(BEAD, 0.0))

    def hours_to_stain(self, sample: PlannedSample) -> float:
        """Age of the sample's blood when it was stained."""
        return AGED_HOURS if "aged_blood" in sample.faults else self.scenario.hours_to_stain

    def run_of(self, sample: PlannedSample) -> Acquisition:
        """How the sample's tube ran through the cytometer."""
        names = sorted(sample.faults & {"clog", "drift"})
        return join_faults(names) if names else STEADY


def draw_trial(
    seed: int,
    n_subjects: int,
    visits: Sequence[str],
    scenario: str = "trial",
    *,
    panels: Sequence[str] = DEFAULT_PANELS,
    parameters: str | PathLike[str] | None = None,
    batch_days: int | None = None,
) -> Trial:
    """Draw people, platelet courses and samples; thousands of subjects a minute, for questions about methods.

    Parameters
    ----------
    panels
        Ids of panels, or paths of panel files; one tube of each at every visit.
    parameters
        A file with the keys of `trial.toml`; None for that file.
    batch_days
        Length of a run period whose samples share a shift of brightness; None for no such shift.

    Raises
    ------
    InputError
        Unknown scenario, panel or visit, or a number outside its limits.
    """
    plan, days = find_scenario(scenario), read_visits(visits)
    check_limits({"seed": (seed, 0, None), "n_subjects": (n_subjects, 1, MOST_SUBJECTS)})
    if batch_days is not None:
        check_limits({"batch_days": (batch_days, 1, None)})
    p = load_parameters(parameters).model_copy(update=dict(plan.changes))
    tubes = _load_panels(panels)
    end_day = max(p.follow_up_days, *days.values())
    subjects = draw_subjects(p, seed, n_subjects)
    samples = plan_samples(SamplePlan(p, seed, plan, days, tubes, batch_days), subjects)
    trees = {panel.id: build_tree(p, panel) for panel in tubes}
    return Trial(
        seed=seed,
        parameters=p,
        scenario=plan,
        panels=tubes,
        days=days,
        end_day=end_day,
        subjects=subjects,
        courses=tuple(draw_course(p, open_stream(seed, Purpose.PLATELETS, s.number), s, end_day) for s in subjects),
        samples=samples,
        shares={s.sample_id: _expect(trees[s.panel.id], s, plan) for s in samples},
    )


def _load_panels(names: Sequence[str]) -> tuple[Panel, ...]:
    panels = tuple(load_panel(name) for name in names)
    ids = [panel.id for panel in panels]
    if not ids or len(set(ids)) < len(ids):
        raise InputError(
            f"{printable(', '.join(ids)) or 'no panel'} is no choice of panels", where="panels",
            remedy="Name at least one, each once.", code="SIMULATE-OPTION",
        )  # fmt: skip
    return panels


def _expect(tree: Tree, sample: PlannedSample, scenario: Scenario) -> dict[str, float]:
    shares = expected_shares(
        tree,
        sample.subject,
        sample.day,
        with_effects=scenario.effects,
        visit_noise=sample.noise,
        panel_noise=sample.panel_noise,
        dead_factor=AGED_DEAD_FACTOR if "aged_blood" in sample.faults else scenario.dead_factor,
    )
    if not sample.panel.whole_blood:
        return shares
    p = tree.parameters
    blood = BloodCount(sample.lymph_abs_1e9_per_l, sample.wbc_1e9_per_l, p.beads_added, p.sample_volume_ul)
    return fit_blood(shares, sample.panel, blood)


def check_limits(options: Mapping[str, tuple[int, int, int | None]]) -> None:
    """Each option with its lowest and highest value; all that are outside are reported at once.

    Raises
    ------
    InputError
        One problem for each option outside its limits.
    """
    problems = []
    for name, (value, low, high) in options.items():
        limits = f"{low} or more" if high is None else f"{low} to {high}"
        if value < low or (high is not None and value > high):
            problems.append(
                Problem(
                    f"{name} is {value}",
                    where=name,
                    expected=limits,
                    found=str(value),
                    remedy=f"Give {limits}.",
                    code="SIMULATE-OPTION",
                )
            )
    if problems:
        raise InputError.of(problems)
