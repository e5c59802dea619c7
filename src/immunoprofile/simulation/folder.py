"""A simulated trial on disk: FCS files, study.toml with its sheets, and the truth in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np

from immunoprofile.errors import OutputError
from immunoprofile.provenance import write_text
from immunoprofile.simulation import sheets, truth
from immunoprofile.simulation.controls import PlannedControl, draw_control, list_control, plan_controls
from immunoprofile.simulation.faults import apply_faults
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.specimen import SimulatedTube, write_tube
from immunoprofile.simulation.streams import Purpose, key_of, open_stream
from immunoprofile.simulation.trial import DEFAULT_PANELS, Trial, check_limits, draw_trial
from immunoprofile.simulation.tube import draw_tube
from immunoprofile.simulation.visits import PlannedSample
from immunoprofile.spillover import Spillover

_ONLY_BATCH = "B01"
"""The run day of the controls where the cohort has no run days."""


def simulate_cohort(  # noqa: PLR0913 -- every option of a cohort, all but the first with a default
    out: str | PathLike[str],
    seed: int = 1,
    n_subjects: int = 8,
    visits: Sequence[str] = ("BL", "W4", "W8"),
    events_per_sample: int = 20_000,
    *,
    scenario: str = "trial",
    panels: Sequence[str] = DEFAULT_PANELS,
    parameters: str | PathLike[str] | None = None,
    batch_days: int | None = None,
    controls: bool = False,
    jobs: int = 1,
    force: bool = False,
) -> Path:
    """Write a trial cohort whose truth is known: FCS files, study.toml with its sheets, and the truth beside.

    Parameters
    ----------
    out
        Folder to write; made where absent, and empty unless `force`.
    seed
        Not negative. The same seed gives the same bytes, whatever the number of jobs, on one kind of machine
        with one NumPy (another may round the last bit of an exponential differently).
    n_subjects
        1 to 999; doses and responders keep the proportions of the trial (8 subjects: 4 responders).
    visits
        ``BL`` (the day before the first infusion) and ``W`` with a number of weeks.
    events_per_sample
        Events in each FCS file, 1 or more.
    scenario
        ``trial``, ``null`` (no effect in anybody), ``adversarial``, or a fault; see `SCENARIOS`.
    panels
        Ids of panels, or paths of panel files: one tube of each at every visit.
    parameters
        A file with the keys of `trial.toml`; None for that file.
    batch_days
        Length of a run period in days, whose samples share a shift of brightness; None for no such shift.
    controls
        Also write, for every panel and run period, unstained cells, single stains, tubes with one marker left out,
        and a bridging donor.
    jobs
        Threads that draw and write files.
    force
        Write into a folder that is not empty; FCS files and labels of an earlier simulation are removed
        first.

    Returns
    -------
    Path of study.toml, which is written last: where it stands, the cohort is whole.

    Raises
    ------
    InputError
        An option that makes no cohort.
    OutputError
        The folder is not empty, or cannot be written.

    Notes
    -----
    Everything says that it is simulated: study id, ``$COM`` and ``$PROJ``, the notes of samples, dates in the
    future. What a file's true cells are stands in ``truth/`` only.
    """
    check_limits({"events_per_sample": (events_per_sample, 1, None), "jobs": (jobs, 1, None)})
    trial = draw_trial(seed, n_subjects, visits, scenario, panels=panels, parameters=parameters, batch_days=batch_days)
    batches = sorted({s.batch or _ONLY_BATCH for s in trial.samples}) if controls else []
    planned = plan_controls(trial.panels, batches)
    listed, notes = apply_faults(trial, _list_sheets(trial, planned))
    folder = Path(out)
    _make_room(folder, force)
    place = _Place(folder, trial, events_per_sample)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        counted = [*pool.map(partial(_write_sample, place), trial.samples)]
        for _ in pool.map(partial(_write_control, place), planned):
            pass
    populations = [row for rows in counted for row in rows]
    for name, rows in listed.items():
        write_text(folder / f"{name}.csv", sheets.write_csv(sheets.columns_of(name, rows), rows))
    tables = {
        "subjects": truth.list_subject_truth(trial),
        "populations": populations,
        "scenario": truth.list_scenario(trial, notes),
    }
    for name, rows in tables.items():
        write_text(folder / "truth" / f"{name}.csv", sheets.write_csv(truth.COLUMNS[name], rows))
    write_text(folder / "study.toml", sheets.write_study(trial.seed, trial.days, trial.end_day, trial.panels))
    return folder / "study.toml"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where samples are written, and what they have in common."""

    folder: Path
    trial: Trial
    n_events: int

    def write(self, tube: SimulatedTube, name: str, declared: Spillover | None = None) -> None:
        write_tube(
            tube,
            self.folder / "fcs" / f"{name}.fcs",
            self.folder / "truth" / "labels" / f"{name}.parquet",
            name=name,
            project=f"SIMULATED-{self.trial.seed}",
            spillover=declared,
        )


def _list_sheets(trial: Trial, controls: Sequence[PlannedControl]) -> dict[str, list[Row]]:
    p = trial.parameters
    beads = (p.beads_added, p.sample_volume_ul)
    return {
        "samples": [
            *(
                sheets.list_sample(
                    s, trial.viability_of(s.sample_id), trial.hours_to_stain(s), beads if s.panel.has_beads else None
                )
                for s in trial.samples
            ),
            *(list_control(c) for c in controls),
        ],
        "subjects": sheets.list_subjects(p, trial.subjects, trial.end_day),
        "platelets": sheets.list_platelets(p, trial.subjects, trial.courses),
        "treatments": sheets.list_treatments(p, trial.subjects, trial.courses),
        "bleeding": sheets.list_bleeding(trial.subjects, trial.courses),
    }


def _make_room(folder: Path, force: bool) -> None:
    """Refuse to mix with what is there; with `force` take away what an earlier simulation left."""
    if folder.exists() and not folder.is_dir():
        raise OutputError("is not a folder", path=folder, remedy="Name another place with --out.", code="OUTPUT-EXISTS")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputError(
            "the folder is not empty",
            path=folder,
            remedy="Name an empty folder, or use --force to write over an earlier simulation.",
            code="OUTPUT-EXISTS",
        )
    kinds = ("fcs/SIM-*.fcs", "fcs/CONTROL-*.fcs", "truth/labels/SIM-*.parquet", "truth/labels/CONTROL-*.parquet")
    for file in (*(f for kind in kinds for f in folder.glob(kind)), folder / "study.toml"):
        file.unlink(missing_ok=True)


def _write_sample(place: _Place, sample: PlannedSample) -> list[Row]:
    """Draw one tube, write its file and its labels, and return its true counts."""
    trial = place.trial
    shares = trial.shares[sample.sample_id]
    tube = draw_tube(
        _open_events(trial, sample), sample.panel, shares, place.n_events, sample.marker_shift, run=trial.run_of(sample)
    )
    simulated = SimulatedTube(sample.panel, tube.values, tube.labels, shares)
    place.write(simulated, sample.sample_id, _declared_spillover(sample))
    return truth.list_population_truth(sample, tube.labels, shares)


def _open_events(trial: Trial, sample: PlannedSample) -> np.random.Generator:
    """The stream of one tube's events; the first panel that there was has no key of its own."""
    own = () if sample.panel.id == DEFAULT_PANELS[0] else (key_of(sample.panel.id),)
    return open_stream(trial.seed, Purpose.EVENTS, sample.subject.number, sample.day, *own)


def _write_control(place: _Place, planned: PlannedControl) -> None:
    tube = draw_control(place.trial.parameters, place.trial.seed, planned, place.n_events)
    place.write(tube, planned.sample_id)


def _declared_spillover(sample: PlannedSample) -> Spillover:
    """The true matrix, or for files with the wrong one its transpose."""
    true = sample.panel.true_spillover()
    return Spillover(true.detectors, true.matrix.T) if "wrong_spillover" in sample.faults else true
