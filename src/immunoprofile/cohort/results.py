"""What a run gives: its tables in memory, and where they were written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort.coded import refuse_other_names
from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.cohort.lock import LOCK
from immunoprofile.columns import TABLES
from immunoprofile.datapackage import write_descriptions
from immunoprofile.errors import OutputError
from immunoprofile.populations import PICTURES, picture_name
from immunoprofile.provenance import build_manifest, time_now, write_json
from immunoprofile.tables import write_table

MANIFEST = "manifest.json"
_STAGES = (
    "populations",
    "intensities",
    "sample_states",
    "samples_qc",
    "checks_unanswered",
    "control_shifts",
    "gates_resolved",
    "response",
    "response_counts",
    "change",
    "association",
    "failures",
)


@dataclass(frozen=True, eq=False)
class Results:
    """The tables of `columns` by name; None where a run does not reach that far.

    Attributes
    ----------
    folder
        Where they were written.
    n_samples
        Samples asked for, failures among them.
    inputs
        Name of each input to its SHA-256.
    plan
        Digests of templates and analysis, taken before any response was joined.
    again
        These are the results of an earlier run that rests on the same: nothing was done.
    counts_only
        Neither intensities nor pictures were made.
    """

    study_id: str
    folder: Path | None
    populations: pd.DataFrame
    samples_qc: pd.DataFrame
    gates_resolved: pd.DataFrame
    failures: pd.DataFrame
    n_samples: int
    inputs: dict[str, str]
    plan: dict[str, str]
    intensities: pd.DataFrame | None = None
    sample_states: pd.DataFrame | None = None
    checks_unanswered: pd.DataFrame | None = None
    control_shifts: pd.DataFrame | None = None
    response: pd.DataFrame | None = None
    response_counts: pd.DataFrame | None = None
    change: pd.DataFrame | None = None
    association: pd.DataFrame | None = None
    files: tuple[Path, ...] = ()
    again: bool = False
    counts_only: bool = False

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that exist, in the order of the work."""
        found = ((name, getattr(self, name)) for name in _STAGES)
        return {name: frame for name, frame in found if frame is not None}


def table_names() -> tuple[str, ...]:
    """Names of all tables that a run may give, in the order of the work."""
    return _STAGES


def prepare_folder(folder: Path, *, force: bool = False, mark: str | None = None) -> None:
    """Make sure that results may be written here; nothing is made yet.

    Parameters
    ----------
    mark
        Of the key under which codes are written for names (`coded.refuse_other_names`).

    Raises
    ------
    OutputError
        The folder holds something that is not results of this program (unless `force`), or results with other names
        (whatever `force` says), or cannot be made.
    """
    refuse_other_names(folder, mark)
    try:
        # Looked at once: another run may begin here between two looks, and its journal is no stranger's file.
        held = {p.name for p in folder.iterdir()} if folder.exists() else set()
        used = bool(held - {LOCK}) and not held & {MANIFEST, JOURNAL}
        nearest = _nearest(folder)
        _refuse_links(folder)
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{nearest} is a file")
        writable = os.access(nearest, os.W_OK)
    except OSError as problem:
        raise OutputError(
            f"cannot be used as results folder ({problem.strerror})",
            path=folder,
            code="OUTPUT-FOLDER",
            remedy="Give another folder with --out, or mend its permissions.",
        ) from problem
    if not writable:
        raise OutputError("may not be written", path=folder, code="OUTPUT-FOLDER", remedy="Mend its permissions.")
    if used and not force:
        raise OutputError(
            "holds files that are not results of immunoprofile",
            path=folder,
            code="OUTPUT-EXISTS",
            remedy="Give an empty folder with --out, or --force to write beside them.",
        )


def _refuse_links(folder: Path) -> None:
    """Refuse a folder in which what a run appends to or fills leads elsewhere; tables are renamed over links."""
    link = next((p for name in (JOURNAL, ".work", "pictures") if (p := folder / name).is_symlink()), None)
    if link is not None:
        raise OutputError(
            "is a link, and what it leads to is not written",
            path=link,
            code="OUTPUT-LINK",
            remedy="Remove the link, or give another folder with --out.",
        )


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(p for p in (folder, *folder.resolve().parents) if p.exists())


def write_results(results: Results, folder: Path, *, options: Mapping[str, Any], key: str | None = None) -> Results:
    """Write every table of `results`, their descriptions, then the manifest that digests them all.

    Parameters
    ----------
    key
        What the results rest on, as one digest (`finished`); None where that is not known to the last byte.

    Returns
    -------
    Results
        The same, with `folder` and `files`.
    """
    started = time_now()
    tables = results.tables()
    _remove_stale(folder, tables)
    files = [p for name, frame in tables.items() for p in write_table(name, frame, folder)]
    files += write_descriptions(tables, folder)
    files += _kept_pictures(folder, results.populations, drawn=not results.counts_only)
    manifest = build_manifest(
        inputs=results.inputs,
        outputs=files,
        folder=folder,
        options=options,
        plan=results.plan,
        times={"written": started},
    )
    if key is not None:
        manifest["run"] = {"key": key, "study_id": results.study_id, "n_samples": results.n_samples}
    write_json(folder / MANIFEST, manifest)
    return replace(results, folder=folder, files=(*files, folder / MANIFEST))


def _kept_pictures(folder: Path, populations: pd.DataFrame, *, drawn: bool) -> list[Path]:
    """The pictures of these samples; those of others, which earlier runs left, are taken away."""
    wanted = {picture_name(str(s)) for s in populations["sample_id"].dropna().unique()} if drawn else set()
    found = sorted((folder / PICTURES).glob("*.json"))
    for path in found:
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    return [p for p in found if p.name in wanted]


def _remove_stale(folder: Path, tables: Mapping[str, Any]) -> None:
    """Take away what an earlier run wrote here and this one does not: its tables would pass for this run's."""
    try:
        earlier = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["outputs"]
    except (OSError, ValueError, KeyError):
        return
    for name in earlier:
        stem, _, kind = str(name).partition(".")
        if stem in TABLES and kind in {"csv", "parquet"} and stem not in tables:
            (folder / f"{stem}.{kind}").unlink(missing_ok=True)
