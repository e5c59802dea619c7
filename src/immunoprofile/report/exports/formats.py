"""The formats by name, and the one way to write any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.cohort.coded import refuse_names_among_codes
from immunoprofile.errors import InputError, OutputError
from immunoprofile.provenance import refuse_existing, write_bytes
from immunoprofile.report.exports.immport import to_immport
from immunoprofile.report.exports.loaders import to_loaders
from immunoprofile.report.exports.phenotype import to_cp
from immunoprofile.report.exports.ranges import to_ranges_csv
from immunoprofile.report.exports.spreadsheet import to_spreadsheet_csv
from immunoprofile.report.exports.transport import to_stata, to_xpt


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files of an export by name, not yet written, and what the format could not carry."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and what the format could not carry."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = field(default=())


def _wide(results: Results) -> Rendered:
    populations = _needed(results)
    files = {
        "populations_wide.csv": to_spreadsheet_csv(populations),
        "reference_ranges.csv": to_ranges_csv(populations),
    }
    return Rendered(files)


def _xpt(results: Results) -> Rendered:
    return Rendered(*to_xpt(results.tables()))


def _stata(results: Results) -> Rendered:
    return Rendered(*to_stata(results.tables()))


def _cp(results: Results) -> Rendered:
    return Rendered(*to_cp(_needed(results), results.intensities))


def _immport(results: Results) -> Rendered:
    return Rendered(*to_immport(_needed(results), results.intensities))


def _loaders(*kinds: str) -> Callable[[Results], Rendered]:
    return lambda results: Rendered(to_loaders(results.tables(), kinds))


FORMATS: Mapping[str, Callable[[Results], Rendered]] = {
    "wide": _wide,
    "xpt": _xpt,
    "stata": _stata,
    "cp": _cp,
    "immport": _immport,
    "loaders": _loaders("r", "sas", "python"),
    "r": _loaders("r"),
    "sas": _loaders("sas"),
    "python": _loaders("python"),
}
"""Name of a format to what renders it."""


def _needed(results: Results) -> pd.DataFrame:
    if results.populations.empty:
        raise InputError(
            "holds no populations to export",
            path=results.folder,
            remedy="Give the results folder of run or profile.",
            code="EXPORT-EMPTY",
        )
    return results.populations


def export_results(results: Results, to: str, out: Path, *, force: bool = False) -> Exported:
    """Write the results in another format.

    Parameters
    ----------
    to
        One of `FORMATS`.
    out
        Folder; made where it is missing.

    Raises
    ------
    InputError
        The results lack what the format needs.
    OutputError
        A file exists already (unless `force`), a library that the format needs is not installed, or the folder holds
        codes that the results would bring names among.
    """
    refuse_names_among_codes(out, made_of=results.folder)
    try:
        rendered = FORMATS[to](results)
    except ImportError as problem:
        raise OutputError(
            f'format "{to}" needs {problem.name}, which is not installed',
            path=out,
            remedy='Install it with: pip install "immunoprofile[sas]"',
            code="EXPORT-LIBRARY",
        ) from problem
    paths = [out / name for name in rendered.files]
    if not force:
        refuse_existing(*paths, remedy="Give another folder with --out, or --force to write over them.")
    for path, data in zip(paths, rendered.files.values(), strict=True):
        write_bytes(path, data)
    return Exported(tuple(paths), rendered.notes)
