"""``immunoprofile init``: a study to start from."""

from __future__ import annotations

from pathlib import Path

import click

from immunoprofile.cli.console import WIDTH, show
from immunoprofile.cli.options import file_argument, verbosity_options
from immunoprofile.cli.paths import TEMPLATE
from immunoprofile.errors import printable


@click.command()
@file_argument("folder", "DIR", written=True)
@click.option(
    "--panel", metavar="FILE|MARKERS",
    help='An FCS file of the panel, or its markers: "CD3, CD4, CD25, CD127". The shipped template that fits best is '
    "chosen.",
)  # fmt: skip
@click.option(
    "--template",
    type=TEMPLATE,
    metavar="ID|PATH",
    help="The template, where you know it.  [default: treg without --panel]",
)
@verbosity_options
def init(folder: Path, panel: str | None, template: str | None) -> None:
    """Write a study to start from: study.toml and its sheets.

    The sheets hold an example subject to be replaced. Nothing is overwritten.
    """
    from immunoprofile.study.starter import choose_template, write_starter

    choice = choose_template(panel, template)
    written = write_starter(folder, choice)
    show(click.wrap_text(f"Template {printable(choice.template.id)}: {choice.why}.", WIDTH))
    show(*(str(path) for path in written))
    show(
        "",
        "Next:",
        "  1. Replace EXAMPLE-01 in the sheets by your subjects and samples; study.toml",
        "     says what each column means, and which lines to decide before the data.",
        f"  2. immunoprofile run {written[0]} --out {folder / 'results'}",
    )
