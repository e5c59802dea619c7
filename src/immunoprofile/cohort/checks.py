"""The checks that need more than one sample, controls among them, and the flags of all checks on the populations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pandas as pd

from immunoprofile.cohort.described import describe_failure
from immunoprofile.cohort.results import Results
from immunoprofile.cohort.sample import Profiled
from immunoprofile.cohort.single_stains import check_singles
from immunoprofile.cohort.store import join_tables
from immunoprofile.cohort.task import Work
from immunoprofile.cohort.worker import check_same
from immunoprofile.cohort.workplace import FileState, digested
from immunoprofile.columns import CHECKS_UNANSWERED, FAILURES, INTENSITIES, POPULATIONS, SAMPLES_QC
from immunoprofile.errors import FcsError
from immunoprofile.gating import GatingTemplate
from immunoprofile.quality import (
    Checks,
    RuleSet,
    check_bridges,
    check_cohort,
    check_matrices,
    control_shifts,
    flag_populations,
    join_checks,
)
from immunoprofile.spillover import Spillover
from immunoprofile.study import Sample
from immunoprofile.tables import build_frame, sort_frame


def spillover_controls(samples: Iterable[Sample]) -> list[Sample]:
    """The single stains and unstained controls of a sheet."""
    return [s for s in samples if s.control == "unstained" or str(s.control).startswith("single:")]


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
        Rows of the sheet that are single stains or unstained.
    """
    samples, templates = [s for s, _ in work], list({t.digest: t for _, t in (*work, *bridges)}.values())
    tables = join_tables(_TABLES, (p.tables for p in found))
    controls = [s for s, _ in bridges]
    stains = _ask_stains(singles, work, rules)
    checks = join_checks(
        [
            Checks(results.samples_qc, _unanswered(results)),
            Checks(tables["samples_qc"], tables["checks_unanswered"]),
            check_cohort(results.populations, samples, templates=templates, rules=rules),
            check_bridges(tables["populations"], controls, samples, intensities=tables["intensities"], rules=rules),
            check_matrices(_matrices(work, profiled), rules),
            stains.checks,
        ]
    )
    shifts = control_shifts(results.populations, samples, tables["populations"], controls) if bridges else None
    lost = build_frame(FAILURES, [*(p.failure for p in found if p.failure is not None), *stains.failures])
    return replace(
        results,
        populations=flag_populations(results.populations, checks.rows, templates, rules),
        samples_qc=checks.rows,
        checks_unanswered=checks.unanswered,
        control_shifts=shifts,
        failures=sort_frame(FAILURES, pd.concat([results.failures, lost])) if len(lost) else results.failures,
        inputs={
            **results.inputs,
            **{f"fcs {p.sample_id}": p.fcs_sha256 for p in found if p.fcs_sha256},
            **{f"fcs {name}": digest for name, digest in stains.digests.items()},
        },
        plan={**results.plan, "quality rules": rules.sha256},
    )


_TABLES = tuple(t.name for t in (POPULATIONS, INTENSITIES, SAMPLES_QC, CHECKS_UNANSWERED))


@dataclass(frozen=True, eq=False)
class _Stains:
    """What the single stains of a study say, the digests of the bytes that say it, and the failures of the others."""

    checks: Checks
    digests: Mapping[str, str]
    failures: Sequence[Mapping[str, Any]]


def _ask_stains(singles: Sequence[Sample], work: Work, rules: RuleSet) -> _Stains:
    """Check the single stains; all once more where one changed meanwhile, and without those that go on changing."""
    lost: dict[str, Mapping[str, Any]] = {}
    for attempt in count():
        asked = [s for s in singles if s.sample_id not in lost]
        states = {s.sample_id: state for s in asked if (state := _state(s)) is not None}
        checks = check_singles(asked, work, rules)
        changed = {s.sample_id: f for s in asked if (f := _change(s, states.get(s.sample_id))) is not None}
        if not changed:
            break
        lost |= changed if attempt else {}
    return _Stains(checks, {name: state.sha256 for name, state in states.items()}, list(lost.values()))


def _state(single: Sample) -> FileState | None:
    try:
        return digested(single.file, None)
    except (OSError, FcsError):
        # Its check says that it cannot be read.
        return None


def _change(single: Sample, before: FileState | None) -> Mapping[str, Any] | None:
    """The failure of a file that is not as it was; None where it is, or was never there."""
    try:
        if before is not None:
            check_same(single.file, before)
    except FcsError as problem:
        return describe_failure(single.sample_id, "sample", "read", problem, single.file)
    return None


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
