"""``immunoprofile reproduce``: do the same results come out again?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import shortened, show, show_json, show_progress
from immunoprofile.cli.options import file_argument, jobs_option, json_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import PATH, TEMPLATE
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.verification import Rerun


@click.command()
@file_argument("folder", "DIR")
@click.option("--study", type=PATH, metavar="STUDY.toml", help="The study that was run.")
@click.option("--samples", type=PATH, metavar="SAMPLES.csv", help="The samples that were profiled.")
@click.option("--template", type=TEMPLATE, metavar="ID|PATH", help="The template of a profile.")
@click.option("--overrides", type=PATH, metavar="FILE.csv", help="The moved gates of a profile.")
@click.option(
    "--deidentify", "key", type=PATH, metavar="KEYFILE",
    help="The key that the results were made with.",
)  # fmt: skip
@jobs_option
@json_option
@verbosity_options
@click.pass_context
def reproduce(
    context: click.Context,
    folder: Path,
    *,
    study: Path | None,
    samples: Path | None,
    template: str | None,
    overrides: Path | None,
    key: Path | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Run the work of a results folder again and compare.

    It runs in a temporary folder; tables are compared byte for byte. Exit code 7 if anything comes out differently;
    the rows that do are listed.
    """
    from immunoprofile.cohort import Hands, count_jobs
    from immunoprofile.study import load_samples, load_study
    from immunoprofile.verification import reproduce_profile, reproduce_study

    if (study is None) == (samples is None or template is None):
        raise click.UsageError("Give --study, or --samples with --template.")
    with show_progress("gating") as progress:
        if study is not None:
            rerun = reproduce_study(folder, load_study(study), jobs=count_jobs(jobs), progress=progress, deidentify=key)
        else:
            assert samples is not None
            assert template is not None
            hands = Hands(count_jobs(jobs), progress=progress)
            rerun = reproduce_profile(folder, load_samples(samples), template, hands, overrides, key)
    _show(rerun, as_json=as_json)
    context.exit(Outcome.DONE if rerun.same else Outcome.DIFFERENT)


def _show(rerun: Rerun, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "folder": str(rerun.folder),
                "same": rerun.same,
                "n_files": rerun.n_files,
                "differences": list(rerun.differences),
                "reasons": list(rerun.reasons),
            }
        )
        return
    show(*shortened([printable(d, 1_000) for d in rerun.differences], "differences"))
    show(*(f"perhaps because {printable(reason, 400)}" for reason in rerun.reasons))
    show(
        f"{rerun.n_files} files compared: " + ("all come out the same." if rerun.same else "they do not all come out.")
    )
