"""``immunoprofile gates import`` and ``export``: templates from and to the formats of other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from immunoprofile.cli.console import complain, show, tell
from immunoprofile.cli.options import file_argument, out_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import FCS, TEMPLATE
from immunoprofile.errors import InputError, printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.gating import Deviation, GatingTemplate

_OVERRIDES = ("sample_id", "gate", "dx", "dy", "geometry", "who", "date", "reason")


@click.command("import")
@file_argument("source", "FILE")
@out_option("The template to write.", required=True, metavar="FILE.toml")
@click.option(
    "--binning", type=click.Choice(["flowjo", "none"]), default="flowjo", show_default=True,
    help="Of a workspace: count outlines on FlowJo's grid, as FlowJo does, or as they are drawn.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over files that are there.")
@verbosity_options
@click.pass_context
def import_template(
    context: click.Context, source: Path, out: Path, *, binning: Literal["flowjo", "none"], force: bool
) -> None:
    """Turn a FlowJo 10 workspace (.wsp), Gating-ML 2.0 (.xml) or an openCyto template (.csv) into a template.

    Of a workspace, what most samples share becomes the template; what single samples have otherwise goes to
    overrides.csv beside it, under the names that the workspace gives its samples. What cannot be carried is listed by
    name and reason, and the exit code is 3.
    """
    from immunoprofile.gating import write_template
    from immunoprofile.provenance import refuse_existing

    template, deviations = _read(source, binning)
    overrides = out.with_name("overrides.csv")
    if deviations and not force:
        refuse_existing(overrides, remedy="Move it away, or give --force.")
    files = [*write_template(template, out, force=force)]
    if deviations:
        files.append(_write_overrides(deviations, overrides, template, source))
    for problem in template.refused:
        complain(f"not carried: {problem}")
    for deviation in (d for d in deviations if not _is_override(d, template)):
        tell(f"{printable(deviation.sample)}: {printable(deviation.path)}: {printable(deviation.what)}")
    show(
        f"{len(template.gates)} gates, {len(deviations)} deviations of single samples, "
        f"{len(template.refused)} not carried"
    )
    show(*(str(f) for f in files))
    context.exit(Outcome.PARTIAL if template.refused else Outcome.DONE)


def _read(source: Path, binning: Literal["flowjo", "none"]) -> tuple[GatingTemplate, Sequence[Deviation]]:
    from immunoprofile.gating import read_flowjo, read_gatingml, shared_template

    if source.suffix.lower() == ".wsp":
        return shared_template(read_flowjo(source, binning=binning))
    if source.suffix.lower() in {".xml", ".gml", ".gatingml"}:
        return read_gatingml(source, broken="skip"), ()
    if source.suffix.lower() == ".csv":
        from immunoprofile.gating.formats.opencyto import read_opencyto

        return read_opencyto(source), ()
    raise InputError(
        "is neither a FlowJo workspace (.wsp) nor Gating-ML (.xml) nor an openCyto template (.csv)",
        path=source, code="IMPORT-KIND",
        remedy="Give a file of one of these kinds, with its usual ending.",
    )  # fmt: skip


def _is_override(deviation: Deviation, template: GatingTemplate) -> bool:
    """True where one sample has a gate of the template otherwise; what it lacks, or has alone, no override can say."""
    return deviation.geometry is not None and deviation.path in template.paths


def _write_overrides(deviations: Sequence[Deviation], path: Path, template: GatingTemplate, source: Path) -> Path:
    """The deviations that overrides can say, drawn by the file they come from on the day it was last saved."""
    from immunoprofile.gating.template import describe_geometry
    from immunoprofile.provenance import write_text

    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(_OVERRIDES)
    saved = datetime.fromtimestamp(source.stat().st_mtime, tz=UTC).date().isoformat()
    for d in deviations:
        if _is_override(d, template):
            assert d.geometry is not None
            geometry = json.dumps(describe_geometry(d.geometry), sort_keys=True, separators=(",", ":"))
            writer.writerow([d.sample, d.path, "", "", geometry, source.name, saved, d.what])
    write_text(path, page.getvalue())
    return path


@click.command("export")
@click.argument("template", type=TEMPLATE, metavar="ID|PATH")
@out_option("The file to write.", required=True, metavar="FILE")
@click.option(
    "--panel", type=FCS, metavar="FILE.fcs",
    help="Write the detectors that this file has the markers on; Gating-ML knows detectors only.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@verbosity_options
@click.pass_context
def export_template(context: click.Context, template: str, out: Path, panel: FcsFile | None, force: bool) -> None:
    """Write a template as Gating-ML 2.0 (.xml), as an openCyto sheet (.csv), or as a copy of your own (.toml).

    What an openCyto sheet cannot say is listed by name and reason, and the exit code is then 3. The template's tests
    are in neither of the two.
    """
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import load_template, write_gatingml
    from immunoprofile.provenance import refuse_existing

    if not force:
        refuse_existing(out, remedy="Choose another name, or give --force.")
    if out.suffix.lower() == ".csv":
        context.exit(_export_opencyto(template, out))
    loaded = load_template(template)
    if out.suffix.lower() == ".toml":
        _copy(loaded, out)
        return
    channels = None if panel is None else read_fcs(panel).channels
    write_gatingml(loaded, out, channels=channels)
    _say_tests(loaded)
    show(str(out))


def _copy(template: GatingTemplate, out: Path) -> None:
    """The file as it is, comments and all: where a laboratory's own template begins."""
    from immunoprofile.provenance import write_bytes

    assert template.source is not None
    write_bytes(out, template.source.read_bytes())
    show(str(out))


def _say_tests(template: GatingTemplate) -> None:
    """That the tests stay behind: they change nothing that is gated, so the exit code does not say so."""
    if template.tests:
        number = len(template.tests)
        complain(f"not carried: the template's {number} test{'' if number == 1 else 's'}; keep the TOML file for them")


def _export_opencyto(name: str, out: Path) -> Outcome:
    from immunoprofile.gating import load_template
    from immunoprofile.gating.formats.opencyto_write import render_opencyto
    from immunoprofile.provenance import write_text

    template = load_template(name)
    text, problems = render_opencyto(template)
    write_text(out, text)
    _say_tests(template)
    for problem in problems:
        complain(f"not carried: {problem}")
    show(str(out))
    return Outcome.PARTIAL if problems else Outcome.DONE
