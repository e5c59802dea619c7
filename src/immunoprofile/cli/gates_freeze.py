"""``immunoprofile gates freeze``: the automatic gates of a study into files that later runs take up unchanged."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.options import file_argument, jobs_option, out_option, verbosity_options


@click.command("freeze")
@file_argument("study", "STUDY.toml")
@out_option("Folder for the frozen gates.", required=True)
@jobs_option
@click.option("--force", is_flag=True, help="Replace frozen gates that are there.")
@verbosity_options
def freeze_gates(study: Path, out: Path, jobs: int | None, force: bool) -> None:
    """Settle the automatic gates of a study and keep them: one file a subject and panel.

    Name the folder in study.toml as frozen = "DIR" under [panels.NAME]: a new visit then never changes an old result.
    """
    from immunoprofile.cohort import freeze_study, study_templates
    from immunoprofile.study import load_study

    loaded = load_study(study)
    files = freeze_study(loaded, study_templates(loaded), out, jobs=jobs, force=force)
    if not files:
        tell("no template of this study has automatic gates: nothing to freeze")
    show(*(str(f) for f in files))
