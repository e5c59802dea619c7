"""``immunoprofile spillover``: single-stain controls to a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import WIDTH, show, show_json, show_table, tell
from immunoprofile.cli.options import file_argument, json_option, out_option, verbosity_options
from immunoprofile.errors import Problem, StudyError, closest, printable

if TYPE_CHECKING:
    from immunoprofile.controls import SpilloverFit
    from immunoprofile.fcs import FcsFile, Finding
    from immunoprofile.platelets.cells import Row

_COLUMNS = ("file", "detector", "note")


@click.command()
@file_argument("controls", "CONTROLS.csv")
@out_option("Matrix as CSV; what it was made from stands beside it as FILE.json.", required=True, metavar="FILE")
@click.option("--force", is_flag=True, help="Write over an earlier matrix.")
@json_option
@verbosity_options
def spillover(*, controls: Path, out: Path, force: bool, as_json: bool) -> None:
    """Compute a spillover matrix from single stains.

    CONTROLS.csv needs file and detector; an empty detector is the unstained control. Files are relative to the sheet.
    """
    from immunoprofile.controls import describe_fit, fit_controls, render_spillover
    from immunoprofile.provenance import write_json, write_text

    record = out.with_name(out.name + ".json")
    if not force:
        _refuse_taken(out, record)
    stained, unstained = load_controls(controls)
    fit = fit_controls(stained, unstained)
    described = describe_fit(fit) | {"origin": _describe_origin(stained, unstained, controls)}
    text = render_spillover(fit.spillover)
    write_text(out, text)
    write_json(record, described)
    tell(f"Matrix: {out}", f"Record: {record}")
    if as_json:
        show_json(described)
    else:
        _show(fit)


def _refuse_taken(*paths: Path) -> None:
    from immunoprofile.provenance import refuse_existing

    refuse_existing(*paths, remedy="Give another file with --out, or --force to write over it.")


def load_controls(sheet: Path) -> tuple[dict[str, FcsFile], FcsFile | None]:
    """The controls of a sheet: detector to file, which may be a URL, and the file of the unstained control.

    Raises
    ------
    StudyError
        The sheet cannot be read, has unknown columns, or names a detector or the unstained control twice.
    """
    from immunoprofile.fcs import locate_file
    from immunoprofile.platelets.cells import check_columns, read_rows, text
    from immunoprofile.study.sheet import read_sheet

    problems: list[Problem] = []
    frame = read_sheet(sheet, problems)
    if frame is not None and check_columns(frame, ("file", "detector"), str(sheet), problems):
        _check_known(list(map(str, frame.columns)), sheet, problems)
    if frame is None or problems:
        raise StudyError.of(problems)
    files: dict[str | None, FcsFile] = {}
    lines: dict[str | None, int] = {}
    for row in read_rows(frame, str(sheet), problems):
        name, detector = text(row, "file", required=True), text(row, "detector")
        if detector in files:
            _report_twice(row, detector, lines[detector])
        elif name is not None:
            files[detector], lines[detector] = locate_file(name, sheet.parent), row.line
    if problems:
        raise StudyError.of(problems)
    unstained = files.pop(None, None)
    return {d: f for d, f in files.items() if d is not None}, unstained


def _check_known(names: list[str], sheet: Path, problems: list[Problem]) -> None:
    for name in names:
        if name not in _COLUMNS:
            what, remedy = f'column "{printable(name)}" is not known', closest(name, _COLUMNS)
            problems.append(Problem(what, str(sheet), "header", remedy=remedy, code="SHEET-COLUMN"))


def _report_twice(row: Row, detector: str | None, before: int) -> None:
    what = "is a second unstained control" if detector is None else f"{printable(detector)} has a control already"
    row.report(f"{what}, in row {before}", "detector", "Keep one of them.", "SHEET-TWICE")


def _describe_origin(stained: Mapping[str, FcsFile], unstained: FcsFile | None, sheet: Path) -> dict[str, Any]:
    """What a matrix was made from: digests of sheet and controls, and versions."""
    from immunoprofile.fcs import digest_of_fcs
    from immunoprofile.provenance import NUMERICS_VERSION, versions

    files = [sheet, *stained.values(), *([] if unstained is None else [unstained])]
    return {
        "inputs": {str(f): digest_of_fcs(f) for f in files},
        "numerics_version": NUMERICS_VERSION,
        "versions": versions(),
    }


def _show(fit: SpilloverFit) -> None:
    rows = (
        (
            printable(c.detector, 20), f"{c.n_cells:,}", f"{c.n_positive:,}", f"{c.n_background:,} {c.background}",
            f"{c.separation:.1f} SD", _most_spill(fit, index),
        )
        for index, c in enumerate(fit.controls)
    )  # fmt: skip
    show_table(("Detector", "Cells", "Positive", "Background", "Separation", "Most spill"), rows)
    size = len(fit.spillover.detectors)
    show("", f"Matrix: {size} x {size}, condition {fit.spillover.condition:.3g}", *_finding_lines(fit.findings))


def _most_spill(fit: SpilloverFit, row: int) -> str:
    others = fit.spillover.matrix[row].copy()
    others[row] = -1.0
    most = int(others.argmax())
    return f"{others[most]:.4f} in {printable(fit.spillover.detectors[most], 20)}"


def _finding_lines(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Findings by code: what the code means, then each control."""
    from textwrap import wrap

    from immunoprofile.controls import FINDINGS

    yield f"Findings: {len(findings) or 'none'}"
    for code in dict.fromkeys(f.code for f in findings):
        severity, meaning = FINDINGS[code]
        yield from wrap(f"{severity} {code}: {meaning}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        for finding in (f for f in findings if f.code == code):
            said = f"{finding.where}: {printable(finding.message, 400)}"
            yield from wrap(said, WIDTH, initial_indent="    ", subsequent_indent="      ")
