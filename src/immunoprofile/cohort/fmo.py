"""FMO controls of a study: gated like samples, for their intensities alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from immunoprofile.cohort.results import Results
from immunoprofile.cohort.sample import Profiled
from immunoprofile.cohort.task import Work
from immunoprofile.columns import FAILURES, INTENSITIES
from immunoprofile.gating import GatingTemplate
from immunoprofile.populations import compare_fmo, fmo_marker
from immunoprofile.study import Sample
from immunoprofile.tables import build_frame, join_frames, sort_frame


def fmo_controls(
    samples: Iterable[Sample], templates: Mapping[str, GatingTemplate]
) -> list[tuple[Sample, GatingTemplate]]:
    """The FMO controls of a sheet with the template of their panel."""
    found = ((s, templates[s.panel]) for s in samples if s.panel in templates and s.panel is not None)
    return [(s, t) for s, t in found if fmo_marker(s.control, t) is not None]


def with_fmo(results: Results, work: Work, controls: Work, found: Sequence[Profiled]) -> Results:
    """The results with every intensity beside that of its FMO control; a control that failed is among the failures.

    Parameters
    ----------
    work
        The samples and their templates.
    controls, found
        The FMO controls and what became of them, in the same order.
    """
    if not controls or results.intensities is None:
        return results
    usable = [
        (sample, fmo_marker(sample.control, template) or "", done.tables["intensities"])
        for (sample, template), done in zip(controls, found, strict=True)
        if "intensities" in done.tables
    ]
    samples = {s.sample_id: s for s, _ in work}
    parts = [
        compare_fmo(frame.reset_index(drop=True), samples[str(name)], usable)
        for name, frame in results.intensities.groupby("sample_id", sort=False)
    ]
    lost = build_frame(FAILURES, [p.failure for p in found if p.failure is not None])
    failures = sort_frame(FAILURES, pd.concat([results.failures, lost])) if len(lost) else results.failures
    read = {f"fcs {p.sample_id}": p.fcs_sha256 for p in found if p.fcs_sha256}
    return replace(
        results,
        intensities=join_frames(INTENSITIES, parts),
        failures=failures,
        inputs={**results.inputs, **read},
    )
