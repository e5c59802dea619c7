"""A simulated trial on disk: FCS files, study.toml with its sheets, and the truth in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np

from immunoprofile.errors import OutputError
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.provenance import write_bytes, write_text
from immunoprofile.simulation import sheets, truth
from immunoprofile.simulation.faults import apply_fault
from immunoprofile.simulation.panel import DYES, RANGE, TIMESTEP, channel_names, true_spillover
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.streams import Purpose, open_stream
from immunoprofile.simulation.trial import Trial, check_limits, draw_trial
from immunoprofile.simulation.tube import draw_tube
from immunoprofile.simulation.visits import PlannedSample
from immunoprofile.spillover import Spillover

_COMMENT = "SIMULATED data: no person stands behind these events"


def simulate_cohort(
    out: str | PathLike[str],
    seed: int = 1,
    n_subjects: int = 8,
    visits: Sequence[str] = ("BL", "W4", "W8"),
    events_per_sample: int = 20_000,
    *,
    scenario: str = "trial",
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
        ``trial``, ``null`` (no effect in anybody) or a fault; see `SCENARIOS`.
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
    trial = draw_trial(seed, n_subjects, visits, scenario)
    listed, notes = apply_fault(trial, _list_sheets(trial))
    folder = Path(out)
    _make_room(folder, force)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        counted = pool.map(partial(_write_sample, folder, trial, events_per_sample), trial.samples)
        populations = [row for rows in counted for row in rows]
    for name, rows in listed.items():
        write_text(folder / f"{name}.csv", sheets.write_csv(sheets.COLUMNS[name], rows))
    tables = {
        "subjects": truth.list_subject_truth(trial),
        "populations": populations,
        "scenario": truth.list_scenario(trial, notes),
    }
    for name, rows in tables.items():
        write_text(folder / "truth" / f"{name}.csv", sheets.write_csv(truth.COLUMNS[name], rows))
    write_text(folder / "study.toml", sheets.write_study(trial.seed, trial.days, trial.end_day))
    return folder / "study.toml"


def _list_sheets(trial: Trial) -> dict[str, list[Row]]:
    return {
        "samples": sheets.list_samples(
            trial.samples,
            {s.sample_id: trial.viability_of(s.sample_id) for s in trial.samples},
            trial.scenario,
        ),
        "subjects": sheets.list_subjects(trial.subjects, trial.end_day),
        "platelets": sheets.list_platelets(trial.subjects, trial.courses),
        "treatments": sheets.list_treatments(trial.subjects, trial.courses),
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
    old = (*folder.glob("fcs/SIM-*.fcs"), *folder.glob("truth/labels/SIM-*.csv.gz"), folder / "study.toml")
    for file in old:
        file.unlink(missing_ok=True)


def _write_sample(folder: Path, trial: Trial, n_events: int, sample: PlannedSample) -> list[Row]:
    """Draw one tube, write its file and its labels, and return its true counts."""
    rng = open_stream(trial.seed, Purpose.EVENTS, sample.subject.number, sample.day)
    shares = trial.shares[sample.sample_id]
    tube = draw_tube(rng, shares, n_events, np.array(sample.marker_shift))
    markers = {d.detector: d.marker for d in DYES}
    write_fcs(
        folder / "fcs" / f"{sample.sample_id}.fcs",
        tube.values,
        [ChannelSpec(name, markers.get(name), RANGE) for name in channel_names()],
        keywords={
            "$COM": _COMMENT,
            "$CYT": "SIMULATED",
            "$PROJ": f"SIMULATED-{trial.seed}",
            "$SMNO": sample.sample_id,
            "$TIMESTEP": str(TIMESTEP),
        },
        spillover=_declared_spillover(trial, sample),
    )
    write_bytes(folder / "truth" / "labels" / f"{sample.sample_id}.csv.gz", truth.pack_labels(tube.labels))
    return truth.list_population_truth(sample.sample_id, tube.labels, shares)


def _declared_spillover(trial: Trial, sample: PlannedSample) -> Spillover:
    """The true matrix, or for the wrong files of that scenario its transpose."""
    true = true_spillover()
    wrong = truth.carries_wrong_matrix(trial, sample)
    return Spillover(true.detectors, true.matrix.T) if wrong else true
