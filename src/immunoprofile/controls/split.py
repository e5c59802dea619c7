"""One control parted into positives and background of the same scatter, or refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immunoprofile.controls.read import Control, locate_detector
from immunoprofile.controls.rules import ControlRules, note
from immunoprofile.controls.scatter import ScatterRegion, find_regions
from immunoprofile.controls.separate import Threshold, find_threshold
from immunoprofile.controls.slope import robust_spread
from immunoprofile.errors import SpilloverError, printable
from immunoprofile.fcs import Finding


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positives and background of one control.

    Parameters
    ----------
    positives, background : (n, n_detectors)
        Linear values in every fluorescence detector of the control.
    origin
        Where the background is from: ``own`` or ``unstained``.
    n_cells
        Events of the control with the scatter of its positives.
    threshold, median_background, median_positive
        In the stained detector, linear units.
    separation
        Between those medians, in robust standard deviations of the background.
    findings
        What speaks against the control so far.
    """

    positives: NDArray[np.float64] = field(repr=False)
    background: NDArray[np.float64] = field(repr=False)
    origin: str
    n_cells: int
    threshold: float
    median_background: float
    median_positive: float
    separation: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Cluster:
    """Events of one scatter cluster: of the control, of the unstained one, and where positives begin."""

    cells: NDArray[np.float64]
    like: NDArray[np.float64] | None
    threshold: Threshold | None
    n_positive: int
    cut_off: bool


def split_control(control: Control, detector: str, unstained: Control | None, rules: ControlRules) -> Split:
    """Part a control into positives and background of the same scatter.

    Raises
    ------
    SpilloverError
        Nothing parts positives from background, or there are too few of either.

    Notes
    -----
    Of the clusters in the scatter plane the one with the most positives is taken; one that the acquisition threshold
    cuts off, as it does debris, only where no other has enough.
    """
    column = locate_detector(control, detector)
    cluster = _choose_cluster(control, column, unstained, rules)
    cells, threshold = cluster.cells, cluster.threshold
    if threshold is None or cluster.n_positive < rules.min_positives:
        raise _no_positives(control, detector, cluster, rules)
    positives = cells[cells[:, column] > threshold.value]
    background, origin = _choose_background(control, column, cluster, threshold, rules)
    centre = float(np.median(background[:, column]))
    bright = float(np.median(positives[:, column]))
    spread = robust_spread(background[:, column])
    separation = (bright - centre) / spread if spread > 0 else float("inf")
    findings = _check_events(control, rules) + _check_scatter(control, unstained, cluster)
    findings += _check_positives(control, len(positives), separation, threshold, rules)
    return Split(
        positives, background, origin, len(cells), threshold.value, centre, bright, separation, tuple(findings)
    )


def _choose_cluster(control: Control, column: int, unstained: Control | None, rules: ControlRules) -> _Cluster:
    regions: list[ScatterRegion | None] = []
    if control.scatter is not None and (unstained is None or unstained.scatter is not None):
        regions += find_regions(control.scatter)
    clusters = [_look_at(region, control, column, unstained, rules) for region in regions or [None]]
    return max(clusters, key=lambda c: (c.n_positive >= rules.min_positives, not c.cut_off, c.n_positive))


def _look_at(
    region: ScatterRegion | None, control: Control, column: int, unstained: Control | None, rules: ControlRules
) -> _Cluster:
    cells, like = control.values, None if unstained is None else _in_order(unstained, control)
    if region is not None and control.scatter is not None:
        cells = cells[region.holds(control.scatter)]
        if like is not None and unstained is not None and unstained.scatter is not None:
            like = like[region.holds(unstained.scatter)]
    like = like if like is not None and len(like) >= rules.min_background else None
    cut_off = region is not None and region.cut_off
    if len(cells) < rules.min_positives:
        return _Cluster(cells, like, None, 0, cut_off)
    values = cells[:, column]
    threshold = find_threshold(values, None if like is None else like[:, column], rules.min_positives)
    n_positive = 0 if threshold is None else int((values > threshold.value).sum())
    return _Cluster(cells, like, threshold, n_positive, cut_off)


def _in_order(unstained: Control, control: Control) -> NDArray[np.float64]:
    """Values of the unstained control with the columns of the control."""
    return unstained.values[:, [unstained.detectors.index(d) for d in control.detectors]]


def _no_positives(control: Control, detector: str, cluster: _Cluster, rules: ControlRules) -> SpilloverError:
    place = f"detector {printable(detector)}"
    if cluster.threshold is None and len(cluster.cells) >= rules.min_positives:
        other = "Give an unstained control of the same cells or beads. " if cluster.like is None else ""
        return SpilloverError(
            "positives do not part from background", path=control.path, where=place,
            remedy=f"{other}Check that the tube was stained, and that this is its detector.", code="SPILL-SEPARATION",
        )  # fmt: skip
    return SpilloverError(
        f"{cluster.n_positive:,} of {len(cluster.cells):,} events are positive, too few for a slope",
        path=control.path, where=place, expected=f"at least {rules.min_positives}", found=str(cluster.n_positive),
        code="SPILL-POSITIVES",
        remedy="Check that the tube was stained, and that this is its detector; record more events.",
    )  # fmt: skip


def _choose_background(
    control: Control,
    column: int,
    cluster: _Cluster,
    threshold: Threshold,
    rules: ControlRules,
) -> tuple[NDArray[np.float64], str]:
    """The control's own negatives where a valley parts them and they suffice, else the unstained control."""
    values = cluster.cells[:, column]
    negative = values <= threshold.value
    if threshold.valley and int(negative.sum()) >= rules.min_background:
        return cluster.cells[negative], "own"
    if cluster.like is not None:
        return cluster.like, "unstained"
    detector = printable(control.detectors[column])
    raise SpilloverError(
        f"{int(negative.sum()):,} events with the scatter of the positives are negative, too few for a background",
        path=control.path, where=f"detector {detector}", expected=f"at least {rules.min_background}",
        found=str(int(negative.sum())), code="SPILL-BACKGROUND",
        remedy="Give an unstained control of the same cells or beads, with more events.",
    )  # fmt: skip


def _check_events(control: Control, rules: ControlRules) -> list[Finding]:
    if control.n_events >= rules.min_events:
        return []
    return [note("SPILL-FEW-EVENTS", control.name, f"{control.n_events:,} events, {rules.min_events:,} are usual")]


def _check_scatter(control: Control, unstained: Control | None, cluster: _Cluster) -> list[Finding]:
    if control.scatter is None or (unstained is not None and unstained.scatter is None):
        return [note("SPILL-NO-SCATTER", control.name, "positives and background may be of different cells")]
    if unstained is not None and cluster.like is None:
        said = f"{unstained.name} was not used: it has hardly any events with the scatter of these positives"
        return [note("SPILL-UNSTAINED-UNLIKE", control.name, said)]
    return []


def _check_positives(
    control: Control, n_positive: int, separation: float, threshold: Threshold, rules: ControlRules
) -> list[Finding]:
    findings = []
    if n_positive < rules.few_positives:
        said = f"{n_positive:,} positives, {rules.few_positives:,} are wanted"
        findings.append(note("SPILL-FEW-POSITIVES", control.name, said))
    if separation < rules.min_separation:
        said = f"{separation:.1f} standard deviations above the background, {rules.min_separation:g} are wanted"
        findings.append(note("SPILL-DIM", control.name, said))
    if not threshold.valley:
        findings.append(note("SPILL-NO-VALLEY", control.name, f"positive above {threshold.value:,.0f}"))
    if control.n_saturated > rules.max_saturated * (control.n_saturated + n_positive):
        said = f"{control.n_saturated:,} saturated beside {n_positive:,} positive events"
        findings.append(note("SPILL-SATURATED", control.name, said))
    return findings
