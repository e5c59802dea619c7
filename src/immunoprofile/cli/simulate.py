"""``immunoprofile simulate``: a trial cohort with known truth."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.options import jobs_option, out_option, verbosity_options
from immunoprofile.cli.paths import PATH


@click.command()
@out_option("Folder to write the cohort into.", required=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same files.")
@click.option("--subjects", type=int, default=8, show_default=True, help="People in the trial.")
@click.option("--events", type=int, default=20_000, show_default=True, help="Events in each FCS file.")
@click.option(
    "--visits", default="BL,W4,W8", show_default=True, metavar="LIST",
    help="Visits, separated by commas: BL, and W with a number of weeks.",
)  # fmt: skip
@click.option(
    "--panel", "panels", multiple=True, default=("immune14",), show_default=True, metavar="NAME",
    help="Panel, or the path of a panel file: tbnk, treg, tcell_memory, th, bcell, immune14. Give it several times for "
    "several tubes at every visit.",
)  # fmt: skip
@click.option(
    "--scenario", default="trial", show_default=True, metavar="NAME",
    help='"trial", "null" (no effect in anybody), "adversarial" (all faults at once), or a named fault.',
)  # fmt: skip
@click.option(
    "--parameters", type=PATH, metavar="FILE",
    help="A TOML file with the numbers of the trial.  [default: the program's own]",
)  # fmt: skip
@click.option(
    "--batch-days", type=int, metavar="DAYS",
    help="Length of a run period whose samples share a shift of brightness.  [default: no such shift]",
)  # fmt: skip
@click.option("--controls", is_flag=True, help="Also write unstained, single-stain, FMO and bridging controls.")
@click.option("--force", is_flag=True, help="Write over an earlier simulation.")
@jobs_option
@verbosity_options
def simulate(  # noqa: PLR0917 -- one argument for each option
    out: Path,
    seed: int,
    subjects: int,
    events: int,
    visits: str,
    panels: tuple[str, ...],
    scenario: str,
    parameters: Path | None,
    batch_days: int | None,
    controls: bool,
    force: bool,
    jobs: int | None,
) -> None:
    """Write a simulated trial with known truth.

    FCS files, study.toml, clinical tables, and the truth beside. No person stands behind these data, and every file
    says so.
    """
    from immunoprofile.simulation import simulate_cohort

    tell(f"Simulating {subjects} subjects with {events} events a sample.")
    study = simulate_cohort(
        out,
        seed,
        subjects,
        [v.strip() for v in visits.split(",") if v.strip()],
        events,
        scenario=scenario,
        panels=panels,
        parameters=parameters,
        batch_days=batch_days,
        controls=controls,
        jobs=jobs or _cores(),
        force=force,
    )
    show(str(study))


def _cores() -> int:
    import os

    return os.cpu_count() or 1
