"""``immunoprofile selftest``: does this installation compute what is known?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from immunoprofile.cli.console import show, show_json, tell
from immunoprofile.cli.options import force_option, json_option, out_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome


@click.command()
@out_option("Also write the text to this file.", metavar="FILE")
@force_option
@json_option
@verbosity_options
@click.pass_context
def selftest(context: click.Context, out: Path | None, force: bool, as_json: bool) -> None:
    """Check this installation against known answers.

    Reads FCS files of every known kind and runs a study whose answers are known. Nothing is asked, no network is used,
    nothing is left behind. Prints a text to be signed and kept; exit code 7 if anything is wrong.
    """
    from immunoprofile.provenance import refuse_existing, write_text
    from immunoprofile.selftest.installation import check_installation, render_certificate

    if out is not None and not force:
        refuse_existing(out, remedy="Give another name, or --force to write over it.")
    certificate = check_installation(lambda name: tell(f"checking: {name}"))
    text = render_certificate(certificate)
    if out is not None:
        write_text(out, text)
    if as_json:
        show_json({**asdict(certificate), "passed": certificate.passed})
    else:
        show(text.rstrip("\n"))
    context.exit(Outcome.DONE if certificate.passed else Outcome.DIFFERENT)
