"""One sample through reading, gating, tables and checks; what goes wrong is a row, not a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pandas as pd

from immunoprofile.errors import ImmunoprofileError, InputError, OutputError
from immunoprofile.fcs import Events, Strictness, read_fcs, read_fcs_datasets
from immunoprofile.gating import GatingTemplate, Plan, compile_plan, run_plan
from immunoprofile.populations import add_flags, resolved_gates, tabulate
from immunoprofile.quality import check_sample, failed_flags
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Sample


@dataclass(frozen=True, eq=False)
class Profiled:
    """The rows of one sample, or its failure."""

    sample_id: str
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    fcs_sha256: str | None = None


class Plans:
    """Plans made once a panel: a file of a known panel and spillover compiles nothing."""

    def __init__(self) -> None:
        self._made: dict[Any, Plan] = {}
        self._lock = Lock()

    def plan(self, template: GatingTemplate, events: Events, replacement: Spillover | None) -> Plan:
        """The plan of this template for the panel and spillover of these events."""
        panel = tuple((c.detector, c.marker) for c in events.channels)
        key = (template.digest, panel, events.spillover, replacement)
        with self._lock:
            if key not in self._made:
                self._made[key] = compile_plan(template, events.channels, events.spillover, replacement=replacement)
            return self._made[key]


def profile_sample(
    sample: Sample, template: GatingTemplate, study_id: str, plans: Plans, *, threads: int, strictness: Strictness
) -> Profiled:
    """Read, gate, tabulate and check one sample.

    An `ImmunoprofileError` that is about this sample becomes its failure; one about the output stays an error.
    """
    stage = "read"
    try:
        events = _read(sample, strictness)
        digest = events.sha256
        stage = "gate"
        replacement = None if sample.spillover is None else read_spillover(sample.spillover)
        members = run_plan(plans.plan(template, events, replacement), events, threads=threads)
        stage = "tabulate"
        described = _describe(sample, study_id, digest)
        checks = check_sample(members, events, sample.sample_id)
        tables = {
            "populations": add_flags(tabulate(members, described), failed_flags(checks)),
            "gates_resolved": resolved_gates(members, sample.sample_id),
            "samples_qc": checks,
        }
    except OutputError:
        raise
    except ImmunoprofileError as problem:
        return Profiled(
            sample.sample_id,
            failure=describe_failure(sample.sample_id, "sample", stage, problem, sample.file),
        )
    return Profiled(sample.sample_id, tables, fcs_sha256=digest)


def _read(sample: Sample, strictness: Strictness) -> Events:
    if sample.dataset is None:
        return read_fcs(sample.file, strictness=strictness)
    sets = read_fcs_datasets(sample.file, strictness=strictness)
    if not 1 <= sample.dataset <= len(sets):
        raise InputError(
            f"has {len(sets)} data sets, sample {sample.sample_id} asks for number {sample.dataset}",
            path=sample.file,
            code="DATASET",
            remedy="Correct the dataset column of the sample sheet.",
        )
    return sets[sample.dataset - 1]


def _describe(sample: Sample, study_id: str, digest: str) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "sample_id": sample.sample_id,
        "subject_id": sample.subject_id,
        "visit": sample.visit,
        "day": sample.day,
        "panel": sample.panel,
        "fcs_sha256": digest,
    }


def describe_failure(
    item_id: str, kind: str, stage: str, problem: ImmunoprofileError, file: Any = None
) -> dict[str, Any]:
    """A row of `failures`; the message names the file even where the error did not know it."""
    message = " ".join(str(problem).splitlines())
    if file is not None and problem.path is None:
        message = f"{file}: {message}"
    return {"item_id": item_id, "item_kind": kind, "stage": stage, "code": problem.code, "message": message}
