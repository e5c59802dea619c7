"""Automatic gates of a whole study: settled before the first sample is gated, kept in files, taken up again.

Templates without automatic gates come through untouched, and nothing is read for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from immunoprofile.cohort.coded import refuse_names_among_codes
from immunoprofile.cohort.overrides import overridden
from immunoprofile.cohort.sample import read_sample
from immunoprofile.cohort.settled import settle_once
from immunoprofile.cohort.thawed import Frozen, Thawed, frozen_name
from immunoprofile.cohort.workplace import Workplace
from immunoprofile.errors import FcsError, ImmunoprofileError
from immunoprofile.fcs import PASSING, Events, Strictness
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.automatic import (
    PoolSample,
    Resolved,
    freeze,
    has_automatic_gates,
    resolve_template,
)
from immunoprofile.provenance import refuse_existing, write_json
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Overrides, Sample, Study


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
    """Settle the automatic gates of one template; nothing where it has none.

    Raises
    ------
    FcsError
        A file cannot be read for a reason that may pass (`fcs.PASSING`), and there is no `place` to note it: gates
        found without it would be others tomorrow.
    """
    if not has_automatic_gates(template):
        return {}

    def settle(lost: frozenset[str] = frozenset()) -> dict[str, Resolved]:
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            tried = list(pool.map(lambda s: _open(s, strictness, readable=s.sample_id not in lost), samples))
        opened = [t for t in tried if isinstance(t, PoolSample)]
        if len(opened) < len(tried):
            raise FcsError.of([p for t in tried if isinstance(t, FcsError) for p in t.problems])
        return resolve_template(template, opened, baseline=baseline, frozen=frozen, jobs=jobs)

    if place is None:
        return settle()
    return settle_once(
        settle, samples, template, place, jobs, baseline=baseline, frozen=frozen or {}, strictness=strictness
    )


def _open(sample: Sample, strictness: Strictness, *, readable: bool = True) -> PoolSample | FcsError:
    """A sample as pooling sees it; one that cannot be read has no events here, and fails where it is gated.

    An error that may pass is given back: whether the sample is one of the pool is not for a moment to decide.
    """
    events: Events | None = None
    matrix: Spillover | None = None
    if readable:
        try:
            found = read_sample(sample, strictness)
            matrix = None if sample.spillover is None else read_spillover(sample.spillover)
            events = found
        except ImmunoprofileError as problem:
            if isinstance(problem, FcsError) and problem.code in PASSING:
                return problem
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
        A file exists and `force` is not given, or the folder holds codes, and the files are called by their subjects.
    """
    refuse_names_among_codes(out)
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
