"""Automatic gates of a whole study: settled before the first sample is gated, kept in files, taken up again.

Templates without automatic gates come through untouched, and nothing is read for them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from immunoprofile.cohort.overrides import overridden
from immunoprofile.cohort.sample import read_sample
from immunoprofile.cohort.settled import settle_once
from immunoprofile.cohort.workplace import Workplace
from immunoprofile.errors import ImmunoprofileError, Problem, StudyError, printable
from immunoprofile.fcs import Events, Strictness
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.automatic import (
    FrozenFile,
    FrozenGate,
    PoolSample,
    Resolved,
    freeze,
    has_automatic_gates,
    resolve_template,
    thaw,
)
from immunoprofile.provenance import digest_of_bytes, refuse_existing, write_json
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Overrides, Sample, Study
from immunoprofile.study.deidentify import code_of

Frozen = dict[str, dict[str, FrozenGate]]
_FROZEN = "taken from frozen gates; words are left out"


@dataclass(frozen=True, eq=False)
class Cuts:
    """The settled templates of a run.

    Attributes
    ----------
    resolved
        Panel to sample id to template; panels without automatic gates are not in it.
    inputs
        Name of each file of frozen gates that was used to its SHA-256.
    overrides
        Gates that stand elsewhere in single samples; they come last.
    """

    resolved: Mapping[str, Mapping[str, Resolved]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=dict)

    def of(self, sample: Sample) -> Resolved | None:
        """How a sample's automatic gates were settled; None where its template has none."""
        return self.resolved.get(sample.panel or "", {}).get(sample.sample_id)

    def apply(self, work: Sequence[tuple[Sample, GatingTemplate]]) -> list[tuple[Sample, GatingTemplate]]:
        """Samples with their settled templates, overrides in place."""
        found = [(s, t, self.of(s)) for s, t in work]
        return [(s, overridden(t if r is None else r.template, s, self.overrides)) for s, t, r in found]


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


def settle_study(
    study: Study,
    templates: Mapping[str, GatingTemplate],
    thawed: Thawed | None = None,
    *,
    jobs: int = 1,
    strictness: Strictness = Strictness.REPORT,
    place: Workplace | None = None,
) -> Cuts:
    """Settle the automatic gates of every panel of a study; those that were frozen are taken up where given.

    Parameters
    ----------
    place
        Where they are kept, and found again.
    """
    frozen = thawed or Thawed()
    resolved = {
        name: settle_samples(
            [s for s in study.samples if s.panel == name],
            template,
            baseline=study.baseline,
            frozen=frozen.gates.get(name),
            jobs=jobs,
            strictness=strictness,
            place=place,
        )
        for name, template in templates.items()
        if has_automatic_gates(template)
    }
    return Cuts(resolved, frozen.inputs, study.overridden)


def settle_samples(
    samples: Sequence[Sample],
    template: GatingTemplate,
    *,
    baseline: str | None = None,
    frozen: Frozen | None = None,
    jobs: int = 1,
    strictness: Strictness = Strictness.REPORT,
    place: Workplace | None = None,
) -> dict[str, Resolved]:
    """Settle the automatic gates of one template; nothing where it has none."""
    if not has_automatic_gates(template):
        return {}

    def settle() -> dict[str, Resolved]:
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            opened = list(pool.map(lambda s: _open(s, strictness), samples))
        return resolve_template(template, opened, baseline=baseline, frozen=frozen, jobs=jobs)

    if place is None:
        return settle()
    return settle_once(
        settle, samples, template, place, jobs, baseline=baseline, frozen=frozen or {}, strictness=strictness
    )


def _open(sample: Sample, strictness: Strictness) -> PoolSample:
    """A sample as pooling sees it; one that cannot be read has no events here, and fails where it is gated."""
    events: Events | None
    matrix: Spillover | None
    try:
        events = read_sample(sample, strictness)
        matrix = None if sample.spillover is None else read_spillover(sample.spillover)
    except ImmunoprofileError:
        events, matrix = None, None
    return PoolSample(
        sample.sample_id, events, matrix, sample.subject_id, sample.visit, sample.batch, sample.day, sample.control
    )


def freeze_study(
    study: Study, templates: Mapping[str, GatingTemplate], out: Path, *, jobs: int | None = None, force: bool = False
) -> tuple[Path, ...]:
    """Write the settled gates of every subject, a file a subject and panel.

    Gates that the study has frozen already are written as they stand.

    Raises
    ------
    OutputError
        A file exists and `force` is not given.
    """
    cuts = settle_study(study, templates, jobs=jobs or os.cpu_count() or 1)
    files: dict[Path, dict[str, object]] = {}
    for panel, resolved in cuts.resolved.items():
        by_subject: dict[str, dict[str, Resolved]] = {}
        for sample in study.samples:
            if sample.panel == panel and sample.control is None and sample.subject_id is not None:
                by_subject.setdefault(sample.subject_id, {})[sample.sample_id] = resolved[sample.sample_id]
        for subject, held in sorted(by_subject.items()):
            files[out / frozen_name(panel, subject)] = freeze(templates[panel], subject, panel, held)
    if not force:
        refuse_existing(*files, remedy="Give another folder, or --force to replace frozen gates.")
    for path, content in files.items():
        write_json(path, content)
    return tuple(files)


def frozen_name(panel: str, subject_id: str) -> str:
    """Name of a subject's file: letters and digits as they are, a digest behind where others had to be replaced."""
    plain = ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part)[:60] for part in (panel, subject_id))
    exact = plain == f"{panel}.{subject_id}"
    return f"{plain}.json" if exact else f"{plain}.{digest_of_bytes(f'{panel}/{subject_id}'.encode())[:8]}.json"


def _thaw_panel(
    folder: Path, panel: str, template: GatingTemplate, samples: Sequence[Sample], inputs: dict[str, str]
) -> Frozen:
    """The frozen gates of a panel; a subject without a file has none, and is settled anew."""
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
