"""Samples and failures as rows."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from immunoprofile.errors import ImmunoprofileError
from immunoprofile.fcs import FcsFile
from immunoprofile.gating import GatingTemplate
from immunoprofile.populations import Reference, choose_references
from immunoprofile.study import Sample


def describe_sample(sample: Sample, study_id: str, digest: str) -> dict[str, Any]:
    """What the tables say of a sample beside its events."""
    return {
        "study_id": study_id,
        "sample_id": sample.sample_id,
        "subject_id": sample.subject_id,
        "visit": sample.visit,
        "day": sample.day,
        "panel": sample.panel,
        "fcs_sha256": digest,
        "beads_added": sample.beads_added,
        "sample_volume_ul": sample.sample_volume_ul,
        "lymph_abs_1e9_per_l": sample.lymph_abs_1e9_per_l,
        "wbc_1e9_per_l": sample.wbc_1e9_per_l,
    }


def find_references(
    samples: Sequence[Sample], templates: Mapping[str, GatingTemplate], sheet: str | None = None
) -> dict[str, Reference]:
    """What the cells per microlitre of each sample rest on; `templates` by panel.

    Raises
    ------
    StudyError
        Concentrations would mix methods within a subject.
    """
    return choose_references([describe_sample(s, "", "") for s in samples], templates, sheet)


_OURS = Path(__file__).parents[1]


def unexpected_error(error: Exception, file: FcsFile) -> ImmunoprofileError:
    """A mistake of ours that one sample met, as its error: where it happened, and nothing that it may quote."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((f for f in reversed(frames) if Path(f.filename).is_relative_to(_OURS)), frames[-1])
    return ImmunoprofileError(
        f"met a mistake of this program ({type(error).__name__} in {Path(place.filename).name}, line {place.lineno})",
        path=file,
        remedy="Report it, with this message; no other sample is touched by it.",
        code="UNEXPECTED",
    )


def describe_failure(
    item_id: str, kind: str, stage: str, problem: ImmunoprofileError, file: FcsFile | None = None
) -> dict[str, Any]:
    """A row of `failures`; the message names the file even where the error did not know it.

    The file by its name alone: where it lies differs from machine to machine, and a table does not.
    """
    message = " ".join(str(problem).splitlines())
    if file is not None:
        message = message.replace(str(file), file.name) if problem.path is not None else f"{file.name}: {message}"
    return {"item_id": item_id, "item_kind": kind, "stage": stage, "code": problem.code, "message": message}
