"""Single stains of a sheet: what each keeps in other detectors under the matrix of its run's samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from immunoprofile.cohort.task import Work
from immunoprofile.controls import fit_controls
from immunoprofile.errors import FcsError, SpilloverError
from immunoprofile.fcs import Events, FcsFile, read_fcs
from immunoprofile.quality import Checks, RuleSet, check_residual_spill, join_checks, spillover_in_use
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Sample

_SINGLE, _UNSTAINED = "single:", "unstained"
_ASKED = 5
"""Samples of a run whose matrices are looked at: the one that most of them share is in use."""


def check_singles(singles: Sequence[Sample], work: Work, rules: RuleSet) -> Checks:
    """Spill that the single stains of a run keep under the matrix that its samples are compensated with.

    A stain that says nothing (unreadable, dim, one of two for a detector) is left out with its reason; the others are
    judged without it.
    """
    parts = []
    for panel, batch in dict.fromkeys((s.panel, s.batch) for s in singles):
        own = [s for s in singles if (s.panel, s.batch) == (panel, batch)]
        blank = next((s.file for s in own if s.control == _UNSTAINED), None)
        stains, unable = _stains([s for s in own if s.control != _UNSTAINED])
        fitted = _fit(stains, blank, unable)
        parts.append(check_residual_spill(unable, rules))
        if fitted is not None:
            judged = {s.sample_id: d for d, s in stains.items() if s.sample_id not in unable}
            parts.append(check_residual_spill(judged, rules, fitted, _matrix_of(panel, batch, work)))
    return join_checks(parts)


def _stains(singles: Sequence[Sample]) -> tuple[dict[str, Sample], dict[str, str]]:
    """Detector to its single stain, and why others are none."""
    found: list[tuple[str, Sample]] = []
    unable: dict[str, str] = {}
    for sample in singles:
        try:
            found.append((_stained(sample, read_fcs(sample.file)), sample))
        except (FcsError, SpilloverError) as problem:
            unable[sample.sample_id] = _reason(problem, [sample])
    times = Counter(d for d, _ in found)
    for detector, sample in found:
        if times[detector] > 1:
            twins = " and ".join(s.sample_id for d, s in found if d == detector)
            unable[sample.sample_id] = f"{detector} has more than one single stain in this run: {twins}"
    return {d: s for d, s in found if times[d] == 1}, unable


def _stained(sample: Sample, events: Events) -> str:
    """The detector of a single stain, whose sheet names the marker or the detector."""
    wanted = str(sample.control).removeprefix(_SINGLE).strip().casefold()
    found = [c.detector for c in events.channels if wanted in {c.detector.casefold(), (c.marker or "").casefold()}]
    if len(found) == 1:
        return found[0]
    raise SpilloverError(
        f"{len(found)} channels are called as the control says",
        path=sample.file,
        where=f"single stain {sample.sample_id}",
        remedy="Name the marker or the detector as the file does.",
        code="SPILL-DETECTOR",
    )


def _fit(stains: dict[str, Sample], blank: FcsFile | None, unable: dict[str, str]) -> Spillover | None:
    """Rows of the stains over every detector of their files; those that cannot be fitted go to `unable`."""
    while stains:
        try:
            fits = fit_controls({d: s.file for d, s in stains.items()}, blank).controls
        except (FcsError, SpilloverError) as error:
            blamed = {str(p.path) for p in error.problems}
            lost = {d: s for d, s in stains.items() if str(s.file) in blamed} or dict(stains)
            unable |= {s.sample_id: _reason(error, [s]) for s in lost.values()}
            for detector in lost:
                del stains[detector]
            continue
        rows = np.array([f.coefficients for f in fits])
        return Spillover(fits[0].detectors, rows, tuple(f.detector for f in fits))
    return None


def _reason(error: FcsError | SpilloverError, about: Sequence[Sample]) -> str:
    """What the error says about these samples, files by their names alone: a table holds no path of a machine."""
    own = [str(p) for p in error.problems if p.path in {str(s.file) for s in about}] or [str(error)]
    text = " ".join(" ".join(own).split())
    for sample in about:
        text = text.replace(str(sample.file), sample.file.name)
    return text


def _matrix_of(panel: str | None, batch: str | None, work: Work) -> Spillover | None:
    """The matrix that most of the run's samples share; of the panel's first sample where the run has none.

    A single sample with a matrix of its own is found by `spillover_differs`, and does not judge the controls.
    """
    ordered = sorted((w for w in work if w[0].panel == panel), key=lambda item: item[0].batch != batch)
    used: list[Spillover] = []
    for sample, template in ordered:
        if len(used) == _ASKED or (used and sample.batch != batch):
            break
        try:
            replacement = None if sample.spillover is None else read_spillover(sample.spillover)
            found = spillover_in_use(template, read_fcs(sample.file), replacement)
        except (FcsError, SpilloverError):
            continue
        used += [] if found is None else [found]
    return max(used, key=lambda m: sum(m == other for other in used), default=None)
