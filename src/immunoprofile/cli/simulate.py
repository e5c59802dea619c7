"""``immunoprofile simulate``: a trial cohort with known truth."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.options import jobs_option, out_option, verbosity_options


@click.command()
@out_option("Folder to write the cohort into.", required=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same files.")
@click.option("--subjects", type=int, default=8, show_default=True, help="People in the trial.")
@click.option("--events", type=int, default=20_000, show_default=True, help="Events in each FCS file.")
@click.option(
    "--scenario", default="trial", show_default=True, metavar="NAME",
    help='"trial", "null" (no effect in anybody), or a named fault.',
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over an earlier simulation.")
@jobs_option
@verbosity_options
def simulate(out: Path, seed: int, subjects: int, events: int, scenario: str, force: bool, jobs: int | None) -> None:
    """Write a simulated trial with known truth.

    FCS files, study.toml, clinical tables, and the truth beside. No person stands behind these data, and every file
    says so.
    """
    from immunoprofile.simulation import simulate_cohort

    tell(f"Simulating {subjects} subjects with {events} events a sample.")
    study = simulate_cohort(
        out, seed, subjects, events_per_sample=events, scenario=scenario, jobs=jobs or _cores(), force=force
    )
    show(str(study))


def _cores() -> int:
    import os

    return os.cpu_count() or 1
