"""``immunoprofile export``: a results folder to the formats of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.options import file_argument, out_option, verbosity_options
from immunoprofile.cli.paths import PATH

_FORMATS = ("wide", "xpt", "stata", "cp", "immport", "h5ad", "loaders", "r", "sas", "python")


@click.command()
@file_argument("folder", "DIR")
@click.option(
    "--to",
    "target",
    type=click.Choice(_FORMATS),
    required=True,
    help="wide: CSV for spreadsheets; xpt: SAS transport 5; stata; cp: CDISC SDTM; immport; h5ad: AnnData, a file a "
    "sample; loaders: scripts that read the tables in R, SAS and Python (or one of r, sas, python).",
)
@click.option("--study", type=PATH, metavar="STUDY.toml", help="For h5ad: the study with the FCS files.")
@out_option("Folder for the files.  [default: DIR/export]", own_guard=True)
@click.option("--force", is_flag=True, help="Write over files that exist.")
@verbosity_options
def export(folder: Path, target: str, study: Path | None, out: Path | None, force: bool) -> None:
    """Write a results folder in another format.

    What the format cannot carry is said on standard error.
    """  # fmt: skip
    from immunoprofile.report import load_results
    from immunoprofile.report.exports import export_results

    to = folder / "export" if out is None else out
    if target == "h5ad":
        from immunoprofile.report.exports import export_events
        from immunoprofile.study import load_study

        if study is None:
            raise click.UsageError("--to h5ad needs --study: events are in the FCS files, not in the results.")
        done = export_events(load_study(study), to, force=force)
    else:
        done = export_results(load_results(folder), target, to, force=force)
    for note in done.notes:
        tell(f"Note: {note}.")
    for path in done.paths:
        show(str(path))
