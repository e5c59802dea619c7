"""``immunoprofile report``: a results folder to one page."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show
from immunoprofile.cli.options import file_argument, verbosity_options


@click.command()
@file_argument("folder", "DIR")
@verbosity_options
def report(folder: Path) -> None:
    """Write report.html from the tables of a results folder."""
    from immunoprofile.report import load_results, write_report

    show(str(write_report(load_results(folder), folder)))
