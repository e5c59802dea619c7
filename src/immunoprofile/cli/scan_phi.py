"""``immunoprofile scan-phi``: what files would give away of persons, places and machines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from immunoprofile.cli.console import shortened, show, show_json
from immunoprofile.cli.options import json_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.errors import InputError, printable


@click.command("scan-phi")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|FILE...")
@json_option
@verbosity_options
@click.pass_context
def scan_phi(context: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """List what files would give away of persons.

    FCS keywords, names of files, columns of sheets and tables, dates, mail addresses, paths, user and machine names in
    any text. The list shows what it found: treat it like the files.
    """
    from immunoprofile.verification import scan_files

    missing = next((p for p in paths if not p.exists() and not p.is_symlink()), None)
    if missing is not None:
        raise InputError("does not exist", path=missing, code="SCAN-MISSING", remedy="Check the path.")
    found = scan_files(paths)
    if as_json:
        show_json([asdict(e) for e in found])
    else:
        lines = [
            f"{printable(e.path)}: {e.where}: {e.kind}: {printable(e.value, 60)}"
            + (f" ({e.n} times)" if e.n > 1 else "")
            for e in found
        ]
        show(*shortened(lines, "findings"))
        files = len({e.path for e in found})
        show(f"{len(found)} findings in {files} files. Results without them: --deidentify KEYFILE of run and profile.")
    context.exit(Outcome.DONE)
