"""One control parted into positives and background of the same scatter, or refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immunoprofile.controls.read import Control, locate_detector
from immunoprofile.controls.rules import ControlRules, note
from immunoprofile.controls.separate import ScatterRegion, Threshold, find_region, find_threshold
from immunoprofile.controls.slope import robust_spread
from immunoprofile.errors import SpilloverError, printable
from immunoprofile.fcs import Finding

_HALF_WIDTH = 2.0
"""Own negatives lie within two robust standard deviations of their centre."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positives and background of one control.

    Parameters
    ----------
    positives, background : (n, n_detectors)
        Linear values in every fluorescence detector.
    origin
        Where the background is from: ``own`` or ``unstained``.
    n_cells
        Events of the control with the scatter of its positives.
    threshold, median_background, median_positive
        In the stained detector, linear units.
    separation
        Between those medians, in robust standard deviations of the background.
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


def split_control(control: Control, detector: str, unstained: Control | None, rules: ControlRules) -> Split:
    """Part a control into positives and background of the same scatter.

    Raises
    ------
    SpilloverError
        Nothing parts positives from background, there are too few of one of them, or both are as bright.
    """
    column = locate_detector(control, detector)
    blank = None if unstained is None else _in_order(unstained, control)
    whole = _find_threshold(control, column, control.values, blank, rules)
    region = _find_region(control, control.values[:, column] > whole.value)
    cells = control.values if region is None or control.scatter is None else control.values[region.holds(control.scatter)]
    like = _blank_of_region(unstained, blank, region)
    enough = like is not None and len(like) >= rules.min_background
    threshold = _find_threshold(control, column, cells, like if enough else None, rules)
    positives = cells[cells[:, column] > threshold.value]
    background, origin = _choose_background(control, column, cells, threshold, like, rules)
    findings = _check_control(control, len(positives), threshold, region, unstained is not None and not enough, rules)
    ...
