"""The checks that need more than one sample, controls among them, and the flags of all checks on the populations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from immunoprofile.cohort.results import Results
from immunoprofile.cohort.sample import Profiled
from immunoprofile.columns import CHECKS_UNANSWERED, FAILURES, INTENSITIES, POPULATIONS, SAMPLES_QC
from immunoprofile.controls import fit_controls
from immunoprofile.errors import FcsError, SpilloverError
from immunoprofile.fcs import Events, read_fcs
from immunoprofile.gating import GatingTemplate
from immunoprofile.quality import (
    Checks,
    RuleSet,
    check_bridges,
    check_cohort,
    check_matrices,
    check_residual_spill,
    control_shifts,
    flag_populations,
    join_checks,
    spillover_in_use,
)
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Sample
from immunoprofile.tables import build_frame, join_frames, sort_frame

Work = Sequence[tuple[Sample, GatingTemplate]]
_SINGLE = "single:"


def bridge_controls(samples: Iterable[Sample], templates: Mapping[str, GatingTemplate]) -> Work:
    """The bridging controls of a sheet with the template of their panel."""
    found = ((s, templates.get(s.panel or "")) for s in samples if s.control == "bridge")
    return [(s, t) for s, t in found if t is not None]


def with_checks(
    results: Results,
    work: Work,
    profiled: Sequence[Profiled],
    rules: RuleSet,
    bridges: Work = (),
    found: Sequence[Profiled] = (),
    singles: Sequence[Sample] = (),
) -> Results:
    """The results with every check across samples made, and every flag where it belongs.

    Parameters
    ----------
    work, profiled
        The samples with their templates and what became of them, in the same order.
    bridges, found
        The bridging controls and what became of them, in the same order.
    singles
        Rows of the sheet that are single stains.
    """
    samples, templates = [s for s, _ in work], list({t.digest: t for _, t in (*work, *bridges)}.values())
    tables = {name: join_frames(t, (p.tables[name] for p in found if name in p.tables)) for name, t in _TABLES.items()}
    controls = [s for s, _ in bridges]
    checks = join_checks(
        [
            Checks(results.samples_qc, _unanswered(results)),
            Checks(tables["samples_qc"], tables["checks_unanswered"]),
            check_cohort(results.populations, samples, templates=templates, rules=rules),
            check_bridges(tables["populations"], controls, samples, intensities=tables["intensities"], rules=rules),
            check_matrices(_matrices(work, profiled), rules),
            check_singles(singles, work, rules),
        ]
    )
    shifts = control_shifts(results.populations, samples, tables["populations"], controls) if bridges else None
    lost = build_frame(FAILURES, [p.failure for p in found if p.failure is not None])
    return replace(
        results,
        populations=flag_populations(results.populations, checks.rows, templates, rules),
        samples_qc=checks.rows,
        checks_unanswered=checks.unanswered,
        control_shifts=shifts,
        failures=sort_frame(FAILURES, pd.concat([results.failures, lost])) if len(lost) else results.failures,
        inputs={**results.inputs, **{f"fcs {p.sample_id}": p.fcs_sha256 for p in found if p.fcs_sha256}},
        plan={**results.plan, "quality rules": rules.sha256},
    )


_TABLES = {t.name: t for t in (POPULATIONS, INTENSITIES, SAMPLES_QC, CHECKS_UNANSWERED)}


def _matrices(work: Work, profiled: Sequence[Profiled]) -> dict[str, dict[str, Spillover]]:
    """Panel to sample to the matrix in use."""
    panels: dict[str, dict[str, Spillover]] = {}
    for (sample, _), done in zip(work, profiled, strict=True):
        if done.spillover is not None:
            panels.setdefault(sample.panel or "", {})[sample.sample_id] = done.spillover
    return panels


def _unanswered(results: Results) -> pd.DataFrame:
    found = results.checks_unanswered
    return build_frame(CHECKS_UNANSWERED, []) if found is None else found


def check_singles(singles: Sequence[Sample], work: Work, rules: RuleSet) -> Checks:
    """Spill that single stains keep under the matrix that their panel's samples are compensated with."""
    parts = []
    for panel in dict.fromkeys(s.panel for s in singles):
        own = [s for s in singles if s.panel == panel]
        used = _matrix_of(panel, work)
        try:
            stains = _stains(own)
            fitted = fit_controls({d: s.file for d, s in stains.items()}).spillover
        except (FcsError, SpilloverError) as problem:
            reason = " ".join(str(problem).splitlines())
            parts += [check_residual_spill({s.sample_id: reason for s in own}, rules)]
            continue
        parts.append(check_residual_spill({s.sample_id: d for d, s in stains.items()}, rules, fitted, used))
    return join_checks(parts)


def _stains(singles: Sequence[Sample]) -> dict[str, Sample]:
    """Detector to its single stain."""
    found: dict[str, Sample] = {}
    for sample in singles:
        detector = _stained(sample, read_fcs(sample.file))
        if detector in found:
            raise SpilloverError(
                f"{detector} has two single stains: {found[detector].sample_id} and {sample.sample_id}",
                path=sample.file,
                remedy="Keep one a panel.",
                code="SPILL-DETECTOR",
            )
        found[detector] = sample
    return found


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


def _matrix_of(panel: str | None, work: Work) -> Spillover | None:
    """The matrix of the panel's first sample that has one."""
    for sample, template in work:
        if sample.panel == panel:
            try:
                replacement = None if sample.spillover is None else read_spillover(sample.spillover)
                used = spillover_in_use(template, read_fcs(sample.file), replacement)
            except (FcsError, SpilloverError):
                continue
            if used is not None:
                return used
    return None
