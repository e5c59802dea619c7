"""``immunoprofile demo``: a simulated trial through the whole pipeline."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.flags import outcome_with_flags
from immunoprofile.cli.options import jobs_option, out_option, verbosity_options
from immunoprofile.cli.run import run_and_report, show_results
from immunoprofile.errors import OutputError

_SUBJECTS = 18
"""The trial that the simulation follows treated 18 people, 8 of whom responded."""

_EVENTS = 10_000
_SEED = 1


@click.command()
@out_option("Folder for the demonstration.  [default: demo]", default="demo")
@click.option("--force", is_flag=True, help="Draw the cohort again, into whatever folder.")
@jobs_option
@verbosity_options
@click.pass_context
def demo(context: click.Context, out: Path, force: bool, jobs: int | None) -> None:
    """Run everything on a small simulated trial.

    Simulates, gates, classifies response, compares, and shows the answer. Nothing is needed and nothing is asked; no
    person stands behind the data.
    """
    results = run_and_report(_cohort(out, force=force, jobs=jobs), out / "results", jobs=jobs, force=force)
    show("SIMULATED data: no person stands behind these numbers.", "")
    show_results(results, as_json=False)
    show(
        "", f"Study:  {out / 'study.toml'}", f"Tables: {out / 'results'}", f"Report: {out / 'results' / 'report.html'}"
    )
    context.exit(outcome_with_flags(results, fail_on_flag=False))


def _cohort(out: Path, *, force: bool, jobs: int | None) -> Path:
    """The study.toml of the demonstration: one that is there from before, or a new one."""
    from immunoprofile.simulation import simulate_cohort

    study = out / "study.toml"
    if study.exists() and not _is_simulated(study):
        raise OutputError(
            "holds a study that is not simulated", path=out, code="OUTPUT-EXISTS",
            remedy="Give another folder with --out; --force does not help here.",
        )  # fmt: skip
    if study.exists() and not force:
        tell(f"The cohort in {out} is used again; --force draws a new one.")
        return study
    tell(f"Simulating {_SUBJECTS} subjects in {out}.")
    return simulate_cohort(out, _SEED, _SUBJECTS, events_per_sample=_EVENTS, jobs=jobs or 1, force=force)


def _is_simulated(study: Path) -> bool:
    """Is there a whole simulated cohort? Its study.toml is written last, and its id says what it is."""
    try:
        found = tomllib.loads(study.read_text(encoding="utf-8"))["study"]["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return str(found).startswith("SIMULATED")
