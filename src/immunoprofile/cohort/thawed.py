"""Frozen gates that a study names: read and checked before anything is gated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from immunoprofile.errors import Problem, StudyError, printable
from immunoprofile.gating import GatingTemplate
from immunoprofile.provenance import digest_of_bytes
from immunoprofile.study import Sample, Study
from immunoprofile.study.deidentify import code_of

if TYPE_CHECKING:
    from immunoprofile.gating.automatic import FrozenFile, FrozenGate

Frozen = dict[str, dict[str, "FrozenGate"]]
_FROZEN = "taken from frozen gates; words are left out"


@dataclass(frozen=True, eq=False)
class Thawed:
    """The frozen gates that a study names, by panel, and the digests of their files."""

    gates: Mapping[str, Frozen] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


def thaw_study(study: Study, templates: Mapping[str, GatingTemplate]) -> Thawed:
    """Read the frozen gates that a study names.

    Raises
    ------
    StudyError
        They cannot be read, or belong to another version of the template: nothing was done.
    """
    gates: dict[str, Frozen] = {}
    inputs: dict[str, str] = {}
    for name, template in templates.items():
        folder = study.panels[name].frozen
        if folder is not None:
            samples = [s for s in study.samples if s.panel == name and s.control is None]
            gates[name] = _thaw_panel(folder, name, template, samples, inputs)
    return Thawed(gates, inputs)


def code_thawed(thawed: Thawed, study: Study, key: bytes) -> Thawed:
    """The frozen gates of a study under the codes of its samples and subjects: where they stand, and no words.

    Parameters
    ----------
    study
        With its names.
    """
    inputs = dict(thawed.inputs)
    for panel in thawed.gates:
        for subject in {s.subject_id for s in study.samples if s.subject_id is not None}:
            digest = inputs.pop(frozen_input(panel, subject), None)
            if digest is not None:
                inputs[frozen_input(panel, code_of(key, "person", subject))] = digest
    gates = {
        panel: {
            code_of(key, "sample", name): {path: _coded_gate(gate, key) for path, gate in held.items()}
            for name, held in frozen.items()
        }
        for panel, frozen in thawed.gates.items()
    }
    return Thawed(gates, inputs)


def _coded_gate(gate: FrozenGate, key: bytes) -> FrozenGate:
    kind, name = gate.pool
    return replace(
        gate,
        fit=replace(gate.fit, words=_FROZEN),
        pool=(kind, code_of(key, "person" if kind == "subject" else kind, name)),
        fitted=tuple(code_of(key, "sample", sample) for sample in gate.fitted),
        words=_FROZEN,
    )


def frozen_input(panel: str, subject_id: str) -> str:
    """What a manifest calls a subject's file of frozen gates."""
    return f"frozen gates {panel} {subject_id}"


def frozen_name(panel: str, subject_id: str) -> str:
    """Name of a subject's file: letters and digits as they are, a digest behind where others had to be replaced."""
    plain = ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part)[:60] for part in (panel, subject_id))
    exact = plain == f"{panel}.{subject_id}"
    return f"{plain}.json" if exact else f"{plain}.{digest_of_bytes(f'{panel}/{subject_id}'.encode())[:8]}.json"


def _thaw_panel(
    folder: Path, panel: str, template: GatingTemplate, samples: Sequence[Sample], inputs: dict[str, str]
) -> Frozen:
    """The frozen gates of a panel; a subject without a file has none, and is settled anew."""
    from pydantic import ValidationError

    from immunoprofile.gating.automatic import FrozenFile, thaw

    found: Frozen = {}
    problems: list[Problem] = []
    by_subject: dict[str, list[str]] = {}
    for sample in samples:
        if sample.subject_id is not None:
            by_subject.setdefault(sample.subject_id, []).append(sample.sample_id)
    for subject, names in sorted(by_subject.items()):
        path = folder / frozen_name(panel, subject)
        if not path.is_file():
            continue
        try:
            data = path.read_bytes()
            held = FrozenFile.model_validate(json.loads(data))
        except (OSError, ValueError, ValidationError, RecursionError) as problem:
            what = f"is no file of frozen gates ({printable(str(problem).splitlines()[0], 80)})"
            remedy = "Write it again with `immunoprofile gates freeze`, or take it away."
            problems.append(Problem(what, str(path), remedy=remedy, code="FROZEN-SYNTAX"))
            continue
        wrong = _mismatch(held, path, subject, panel, template)
        if wrong is not None:
            problems.append(wrong)
            continue
        inputs[frozen_input(panel, subject)] = digest_of_bytes(data)
        found |= thaw(held, template, names, path.name)
    if problems:
        raise StudyError.of(problems)
    return found


def _mismatch(held: FrozenFile, path: Path, subject: str, panel: str, template: GatingTemplate) -> Problem | None:
    """Why a file is not this subject's of this template, if it is not."""
    if (held.subject_id, held.panel) != (subject, panel):
        what = f"holds the gates of subject {printable(held.subject_id)} in panel {printable(held.panel)}"
        remedy = f"Those of {printable(subject)} belong here: freeze them again."
        return Problem(what, str(path), expected=subject, found=held.subject_id, remedy=remedy, code="FROZEN-WHO")
    if held.template_sha256 == template.digest:
        return None
    frozen = f"{printable(held.template_id)} {printable(held.template_version)} (content {held.template_sha256[:16]})"
    now = f"{printable(template.id)} {printable(template.version)} (content {template.digest[:16]})"
    remedy = "Use the template that the gates were frozen with, or freeze anew into another folder."
    what = f"was frozen with template {frozen}, the study has {now}"
    return Problem(
        what, str(path), expected=held.template_sha256, found=template.digest, remedy=remedy, code="FROZEN-TEMPLATE"
    )
