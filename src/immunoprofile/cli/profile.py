"""``immunoprofile profile``: samples and a template to population tables, without clinical data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import tell
from immunoprofile.cli.flags import outcome_with_flags
from immunoprofile.cli.hands import open_hands
from immunoprofile.cli.options import (
    deidentify_option,
    dry_run_option,
    fail_on_flag_option,
    file_argument,
    force_option,
    jobs_option,
    out_option,
    run_json_option,
    scheduler_option,
    strictness_option,
    verbosity_options,
    workers_option,
)
from immunoprofile.cli.paths import PATH, TEMPLATE
from immunoprofile.cli.run import show_forecast, show_results, shown_folder, tell_if_again

if TYPE_CHECKING:
    from immunoprofile.cohort.schedule import Workers


@click.command()
@file_argument("samples", "SAMPLES.csv")
@click.option("--template", required=True, type=TEMPLATE, metavar="ID|PATH", help="A shipped template, or a TOML file.")
@click.option(
    "--overrides", type=PATH, metavar="FILE.csv",
    help="Gates that stand elsewhere in single samples.",
)  # fmt: skip
@click.option("--counts-only", is_flag=True, help="Leave intensities and pictures out.")
@out_option("Folder for the tables.", required=True, own_guard=True)
@jobs_option
@workers_option
@scheduler_option
@dry_run_option
@force_option
@strictness_option
@deidentify_option
@fail_on_flag_option
@run_json_option
@verbosity_options
@click.pass_context
def profile(
    context: click.Context,
    samples: Path,
    template: str,
    *,
    overrides: Path | None,
    counts_only: bool,
    out: Path,
    jobs: int | None,
    workers: Workers,
    scheduler: str | None,
    dry_run: bool,
    force: bool,
    strictness: str,
    key: Path | None,
    fail_on_flag: bool,
    as_json: bool,
) -> None:
    """Gate samples and write population tables, without clinical data.

    SAMPLES.csv needs sample_id and file; subject_id, visit, day and panel may be given.
    Files are relative to the sheet.
    """
    from immunoprofile.cohort.lock import refuse_held

    if not dry_run:
        refuse_held(out)
    from immunoprofile.cohort import profile_samples
    from immunoprofile.fcs import Strictness
    from immunoprofile.study import load_samples
    from immunoprofile.study.deidentify import read_key

    loaded, strict = load_samples(samples), Strictness(strictness)
    secret = None if key is None else read_key(key, out)
    if dry_run:
        from immunoprofile.cohort import foresee_samples

        found = foresee_samples(
            loaded, template, out, force=force, strictness=strict, overrides=overrides, counts_only=counts_only,
            key=secret,
        )  # fmt: skip
        show_forecast(found, as_json=as_json)
        return
    with open_hands(jobs=jobs, workers=workers, scheduler=scheduler, as_json=as_json) as hands:
        results = profile_samples(
            loaded, template, out, hands, force=force, strictness=strict, overrides=overrides, counts_only=counts_only,
            key=secret,
        )  # fmt: skip
    tell_if_again(results)
    tell(f"Tables: {shown_folder(out, key)}")
    show_results(replace(results, folder=shown_folder(out, key)), as_json=as_json)
    context.exit(outcome_with_flags(results, fail_on_flag=fail_on_flag))
