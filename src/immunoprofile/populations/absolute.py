"""Cells per microlitre of blood: by counting beads in the same tube, or by the blood count of the same draw.

Both are one formula. A reference population (beads, lymphocytes or leukocytes) has a known concentration in blood, and
a population's is ``count / reference count x concentration of the reference``. The two are never mixed within a series
of one subject and panel.

References
----------
Mandy FF, Nicholson JKA, McDougal JS. Guidelines for performing single-platform absolute CD4+ T-cell determinations with
CD45 gating. MMWR Recomm Rep 2003;52(RR-2):1-13.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import Problem, StudyError, printable
from immunoprofile.gating import GatingTemplate
from immunoprofile.intervals import wilson
from immunoprofile.populations.layout import Layout, layout_of
from immunoprofile.populations.settings import TableSettings

Reference = Literal["beads", "lymph_abs", "wbc"]
Floats = NDArray[np.float64]

REFERENCES: tuple[Reference, ...] = ("beads", "lymph_abs", "wbc")
"""In the order in which a series takes them: the single platform first (MMWR 2003)."""
METHODS: Mapping[str, str] = {"beads": "single", "lymph_abs": "dual", "wbc": "dual"}
_ROLES: Mapping[str, str] = {"beads": "beads", "lymph_abs": "lymphocytes", "wbc": "leukocytes"}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "beads": ("beads_added", "sample_volume_ul"),
    "lymph_abs": ("lymph_abs_1e9_per_l",),
    "wbc": ("wbc_1e9_per_l",),
}
_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Concentrations:
    """Cells per microlitre of every population of a sample, in the order of the layout's paths; NaN where unknown.

    `flags` concern every row that would have had a concentration.
    """

    method: str
    cells: Floats
    low: Floats
    high: Floats
    flags: tuple[str, ...] = ()


def references_of(sample: Mapping[str, Any], template: GatingTemplate) -> tuple[Reference, ...]:
    """The references that a sample's sheet and template offer together, in the order of `REFERENCES`."""
    layout = layout_of(template)
    return tuple(
        r
        for r in REFERENCES
        if layout.path_of_role(_ROLES[r]) is not None and all(sample.get(c) is not None for c in _COLUMNS[r])
    )


def choose_references(
    samples: Iterable[Mapping[str, Any]], templates: Mapping[str, GatingTemplate], path: str | None = None
) -> dict[str, Reference]:
    """The reference of each sample, one for all samples of a subject and panel.

    Parameters
    ----------
    samples
        Mappings with sample_id, panel and what the sheet says of beads and blood count; subject_id and visit where
        known. A sample without a subject is a series of its own.
    templates
        By panel.
    path
        The sheet, for messages.

    Returns
    -------
    dict
        sample_id to reference. A sample that has none of what its series uses is left out: its concentrations are NA.

    Raises
    ------
    StudyError
        No one reference serves all samples of a series that have any: each series, with its visits.
    """
    series: dict[tuple[str, str], list[tuple[Mapping[str, Any], tuple[Reference, ...]]]] = {}
    for sample in samples:
        offered = references_of(sample, templates[sample.get("panel") or ""])
        subject = sample.get("subject_id") or f"\x00{sample['sample_id']}"
        if offered:
            series.setdefault((str(subject), str(sample.get("panel") or "")), []).append((sample, offered))
    chosen: dict[str, Reference] = {}
    problems = []
    for (subject, panel), members in series.items():
        common = next((r for r in REFERENCES if all(r in offered for _, offered in members)), None)
        if common is None:
            problems.append(_mixed(subject, panel, members, path))
        else:
            chosen |= {str(s["sample_id"]): common for s, _ in members}
    if problems:
        raise StudyError.of(problems)
    return chosen


def _mixed(
    subject: str, panel: str, members: list[tuple[Mapping[str, Any], tuple[Reference, ...]]], path: str | None
) -> Problem:
    told = ", ".join(f"{printable(s.get('visit') or s['sample_id'])} {'/'.join(offered)}" for s, offered in members)
    return Problem(
        f"subject {printable(subject)}, panel {printable(panel)}: absolute counts would mix methods ({told})",
        path,
        "samples",
        expected="one of beads, lymph_abs, wbc at every visit",
        found=told,
        remedy="Give the same at every visit, or clear the columns of the visits that differ: their cells per "
        "microlitre are then NA.",
        code="ABSOLUTE-MIXED",
    )


def concentrate(
    counts: NDArray[np.int64],
    layout: Layout,
    sample: Mapping[str, Any],
    reference: Reference,
    settings: TableSettings,
) -> Concentrations:
    """Cells per microlitre of every population that lies in the blood.

    Parameters
    ----------
    counts : (n_paths,)
        Events by the layout's paths; -1 where a population was left out.

    Notes
    -----
    A dual-platform concentration is given for the reference population and those below it. A single-platform one also
    for others beside the beads, but not for gates above lymphocytes or leukocytes, which hold debris as well.
    Limits combine the counting error of cells and reference with the variation of pipetting and bead lot, or of the
    blood count, as independent errors on the scale of logarithms; they leave out staining and gating.
    """
    path = layout.path_of_role(_ROLES[reference])
    nothing = np.full(counts.size, np.nan)
    index = layout.paths.index(path) if path is not None else -1
    total = int(counts[index]) if path is not None else -1
    method = METHODS[reference]
    least = settings["bead_events_min"] if reference == "beads" else settings["min_denominator"]
    if path is None or total < max(least, 1):
        flag = "BEADS_TOO_FEW" if reference == "beads" else "REFERENCE_TOO_SMALL"
        return Concentrations(method, nothing, nothing, nothing, (flag,))
    known = _in_blood(layout, path, reference) & (counts >= 0)
    concentration, variation, flags = _of_reference(sample, reference, total, settings)
    with np.errstate(invalid="ignore"):
        cells = np.where(known, counts / total * concentration, np.nan)
    taken = np.where(known, counts, 0)
    limits = _ratio_limits(taken, total) if reference == "beads" else _share_limits(taken, total, index)
    low, high = (np.where(known, v * concentration, np.nan) for v in limits)
    low, high = _widen(cells, low, high, _Z * variation)
    return Concentrations(method, cells, low, high, (*flags, *_check_platforms(cells, layout, sample, settings)))


def _of_reference(
    sample: Mapping[str, Any], reference: Reference, total: int, settings: TableSettings
) -> tuple[float, float, tuple[str, ...]]:
    """Concentration of the reference per microlitre, its coefficient of variation beside counting, and flags."""
    if reference == "beads":
        few = ("FEW_BEADS",) if total < settings["bead_events_warn"] else ()
        variation = math.hypot(settings["cv_pipetting"], settings["cv_bead_lot"])
        return float(sample["beads_added"]) / float(sample["sample_volume_ul"]), variation, few
    column = _COLUMNS[reference][0]
    value = float(sample[column])
    suspect = ("UNIT_SUSPECT",) if value > settings[f"{column}_suspect"] else ()
    return value * 1000.0, settings[f"cv_{reference}"], suspect


def _in_blood(layout: Layout, path: str, reference: Reference) -> NDArray[np.bool_]:
    """(n_paths,) populations that have a concentration."""
    if reference != "beads":
        return layout.within(path)
    # Gates that still hold debris have no concentration: those above leukocytes (or lymphocytes, where the template has
    # no leukocytes), above the beads, and singlets and live events where neither is gated.
    top = layout.path_of_role("leukocytes") or layout.path_of_role("lymphocytes")
    debris = [g.path for g in layout.template.gates if g.role in {"singlets", "live"}] if top is None else []
    above = {a for p in (path, top, *debris) if p is not None for a in layout.template.ancestors(p)} | set(debris)
    return np.asarray(~layout.within(path) & np.array([p not in above for p in layout.paths]))


def _ratio_limits(count: NDArray[np.int64], total: int) -> tuple[Floats, Floats]:
    """95 % limits of the ratio of two counts: those of the share of all events that are cells (Wilson), as odds."""
    low, high = wilson(count, count + total)
    with np.errstate(divide="ignore"):
        return low / (1 - low), high / (1 - high)


def _share_limits(count: NDArray[np.int64], total: int, reference: int) -> tuple[Floats, Floats]:
    """95 % limits of the share of the reference (Wilson); the reference itself is all of it, without error."""
    low, high = wilson(np.minimum(count, total), total)
    low[reference] = high[reference] = 1.0
    return low, high


def _widen(value: Floats, low: Floats, high: Floats, spread: float) -> tuple[Floats, Floats]:
    """Limits widened by an independent relative error of `spread` (half-width on the scale of logarithms)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = np.log(value / low), np.log(high / value)
        wide_low = value * np.exp(-np.hypot(down, spread))
        wide_high = value * np.exp(np.hypot(up, spread))
    zero = value == 0
    return np.where(zero, 0.0, wide_low), np.where(zero, high * math.exp(spread), wide_high)


def _check_platforms(
    cells: Floats, layout: Layout, sample: Mapping[str, Any], settings: TableSettings
) -> tuple[str, ...]:
    """Do lymphocytes by beads agree with those of the blood count, where both are known?"""
    path, counted = layout.path_of_role("lymphocytes"), sample.get("lymph_abs_1e9_per_l")
    if path is None or not counted:
        return ()
    ours, theirs = float(cells[layout.paths.index(path)]), float(counted) * 1000.0
    limit = settings["platform_ratio"]
    agrees = math.isnan(ours) or (ours > 0 and 1 / limit <= ours / theirs <= limit)
    return () if agrees else ("PLATFORMS_DISAGREE",)
