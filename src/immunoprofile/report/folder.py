"""A results folder read back from its tables and its manifest."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.columns import TABLES
from immunoprofile.errors import InputError
from immunoprofile.tables import build_frame, read_table

MANIFEST = "manifest.json"

_ALWAYS = ("populations", "samples_qc", "gates_resolved", "failures")
_LATER = tuple(f.name for f in fields(Results) if f.name in TABLES and f.name not in _ALWAYS)


def load_results(folder: Path) -> Results:
    """The results that a folder holds; tables that are absent are empty, or None where a run need not reach them.

    Raises
    ------
    InputError
        The folder holds no table of this program, or one that cannot be read.
    """
    present = {name: folder / f"{name}.csv" for name in (*_ALWAYS, *_LATER) if (folder / f"{name}.csv").is_file()}
    if not present:
        raise InputError(
            "holds no results", path=folder, expected="populations.csv and its companions", code="RESULTS-ABSENT",
            remedy="Give the folder that --out of run, profile, respond or compare named.",
        )  # fmt: skip
    tables = {name: read_table(name, path) for name, path in present.items()}
    manifest = read_manifest(folder) or {}
    always = {name: tables.get(name, build_frame(TABLES[name], [])) for name in _ALWAYS}
    later: dict[str, Any] = {name: tables.get(name) for name in _LATER}
    return Results(
        study_id=str(manifest.get("options", {}).get("study_id", "")),
        folder=folder,
        n_samples=_count_samples(always["populations"], always["failures"]),
        inputs={str(k): str(v) for k, v in manifest.get("inputs", {}).items()},
        plan={str(k): str(v) for k, v in manifest.get("plan", {}).items()},
        files=tuple(present.values()),
        **always,
        **later,
    )


def _count_samples(populations: pd.DataFrame, failures: pd.DataFrame) -> int:
    failed = failures.loc[failures["item_kind"] == "sample", "item_id"]
    return len(set(populations["sample_id"].dropna()) | set(failed.dropna()))


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """manifest.json of a results folder; None where there is none.

    Raises
    ------
    InputError
        It is there and is not what this program writes.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise _strange(path) from problem
    parts = ("options", "plan", "inputs", "outputs", "versions", "times")
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(p, {}), dict) for p in parts):
        raise _strange(path)
    return manifest


def _strange(path: Path) -> InputError:
    return InputError(
        "is not a manifest of immunoprofile", path=path, code="RESULTS-MANIFEST",
        remedy="Run the study again, or remove the file to go without provenance.",
    )  # fmt: skip
