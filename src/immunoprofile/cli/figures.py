"""``immunoprofile figures``: a results folder to figures for papers."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.options import file_argument, out_option, verbosity_options


@click.command()
@file_argument("folder", "DIR")
@click.option(
    "--format", "kind", type=click.Choice(["svg", "pdf", "png"]), default="svg", show_default=True,
    help="svg and pdf keep text as text; png has 300 dots an inch.",
)  # fmt: skip
@click.option("--sample", metavar="SAMPLE", help="Whose gates to show.  [default: the first of the first subject]")
@out_option("Folder for the figures.  [default: DIR/figures]", own_guard=True)
@click.option("--force", is_flag=True, help="Write over figures that exist.")
@verbosity_options
def figures(folder: Path, kind: str, sample: str | None, out: Path | None, force: bool) -> None:
    """Draw the figures of a paper from a results folder.

    Changes before and after, estimates with intervals, platelets over time, and the gates of one sample; a text with n
    and method beside each. What cannot be drawn is said on standard error.
    """
    from immunoprofile.figures import write_figures
    from immunoprofile.report import load_results

    to = folder / "figures" if out is None else out
    drawn = write_figures(load_results(folder), folder, to, kind, sample=sample, force=force)
    for note in drawn.notes:
        tell(f"Note: {note}.")
    for path in drawn.paths:
        show(str(path))
