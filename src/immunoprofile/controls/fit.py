"""Single-stain controls to a spillover matrix, with a record of what each control showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from immunoprofile.controls.read import Control, Source, check_panel, find_stained, locate_detector, read_control
from immunoprofile.controls.rules import ControlRules, note
from immunoprofile.controls.slope import fit_slopes
from immunoprofile.controls.split import Split, split_control
from immunoprofile.errors import Problem, SpilloverError, printable
from immunoprofile.fcs import Finding
from immunoprofile.spillover import Spillover


@dataclass(frozen=True, slots=True, eq=False)
class ControlFit:
    """What one control showed.

    Parameters
    ----------
    path, detector
        The file, and the detector that it is stained in.
    background
        ``own`` negatives, or the ``unstained`` control.
    n_events, n_saturated
        Events in the file, and those left out as saturated.
    n_cells
        Events with the scatter of the positives (all usable ones where scatter is not recorded).
    n_background, n_positive
        Events that gave the background, and the positives among `n_cells`.
    threshold, median_background, median_positive
        In the control's detector, linear units.
    separation
        Between those medians, in robust standard deviations of the background.
    detectors, coefficients, standard_errors
        The row of every fluorescence detector, of those without a control too; 1 in its own.
    residual
        Largest difference between compensated medians of positives and background in another detector of the matrix,
        as a fraction of that in its own.
    findings
        What speaks against the control.
    """

    path: str
    detector: str
    background: str
    n_events: int
    n_saturated: int
    n_cells: int
    n_background: int
    n_positive: int
    threshold: float
    median_background: float
    median_positive: float
    separation: float
    detectors: tuple[str, ...]
    coefficients: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    residual: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SpilloverFit:
    """A matrix with its controls, in the order of the matrix, and findings about all of them together."""

    spillover: Spillover
    controls: tuple[ControlFit, ...]
    matrix_findings: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of all controls, then those of the matrix."""
        return tuple(f for c in self.controls for f in c.findings) + self.matrix_findings


def spillover_from_controls(
    single_stains: Mapping[str, Source] | Sequence[Source],
    unstained: Source | None = None,
    *,
    rules: ControlRules | None = None,
) -> Spillover:
    """Spillover matrix of single-stain controls; `fit_controls` tells what speaks against it.

    Parameters and errors are those of `fit_controls`.
    """
    return fit_controls(single_stains, unstained, rules=rules).spillover


def fit_controls(
    single_stains: Mapping[str, Source] | Sequence[Source],
    unstained: Source | None = None,
    *,
    rules: ControlRules | None = None,
) -> SpilloverFit:
    """Spillover matrix of single-stain controls, with counts, medians and findings of each control.

    Parameters
    ----------
    single_stains
        Detector to events or path of its control; or controls alone, whose detector is then found by brightness.
    unstained
        Cells or beads without stain: the background of controls without negatives of their own.
    rules
        Limits; the defaults of `ControlRules` where absent.

    Returns
    -------
    SpilloverFit : rows and columns in the order of the channels. Only detectors with a control are in the matrix: of
    others nothing is known, and a finding names them.

    Raises
    ------
    SpilloverError
        A control does not separate, has too few positives, belongs to another detector, does not fit the others, or
        is given twice; all controls that fail are named. A matrix that cannot be inverted.
    FcsError
        A file cannot be read.

    Notes
    -----
    Saturated events are left out. Of the clusters in forward and side scatter the one with the most positives is
    taken; the background has the same scatter, and so about the same autofluorescence. It is the control's own
    negatives where a valley parts them, else the unstained control. Coefficients are slopes of least absolute
    deviations from the background through the positives (`slope.fit_slopes`); they are not clipped at zero, so that
    chance does not become bias. The order of the controls does not matter.

    References
    ----------
    Bagwell CB, Adams EG. Fluorescence spectral overlap compensation for any number of flow cytometry parameters. Ann N
    Y Acad Sci 1993;677:167-184, doi 10.1111/j.1749-6632.1993.tb38775.x.
    Roca C, Burton O, Gergelits V, et al. AutoSpill is a principled framework that simplifies the analysis of
    multichromatic flow cytometry data. Nature Communications 2021;12:2890, doi 10.1038/s41467-021-23126-8: regression
    in place of gated medians.
    """
    limits = rules or ControlRules()
    stained, blank = _read_controls(single_stains, unstained)
    fits, splits = _fit_rows(stained, blank, limits)
    detectors = tuple(stained)
    matrix = np.array([[f.coefficients[f.detectors.index(d)] for d in detectors] for f in fits])
    spillover = Spillover(detectors, matrix)
    controls = tuple(_check_residual(f, s, spillover, limits) for f, s in zip(fits, splits, strict=True))
    everything = [*stained.values(), *([] if blank is None else [blank])]
    return SpilloverFit(spillover, controls, tuple(_check_matrix(spillover, everything, limits)))


def _read_controls(
    single_stains: Mapping[str, Source] | Sequence[Source], unstained: Source | None
) -> tuple[dict[str, Control], Control | None]:
    """Detector to control, in channel order, and the unstained control; all of one panel."""
    wanted = tuple(single_stains) if isinstance(single_stains, Mapping) else ()
    sources = list(single_stains.values()) if isinstance(single_stains, Mapping) else list(single_stains)
    if len(sources) < 2:
        raise SpilloverError(
            "one single-stained control makes no matrix" if sources else "no single-stained control was given",
            code="SPILL-CONTROLS", remedy="Give one control for each fluorochrome of the panel.",
        )  # fmt: skip
    controls = [read_control(source, wanted) for source in sources]
    blank = None if unstained is None else read_control(unstained, wanted)
    everything = [*controls, *([] if blank is None else [blank])]
    problems = _check_twice(everything)
    for detector, control in zip(wanted, controls, strict=False):
        try:
            locate_detector(control, detector)
        except SpilloverError as error:
            problems.extend(error.problems)
    if problems := problems or check_panel(everything):
        raise SpilloverError.of(problems)
    names = wanted or find_stained(controls, blank)
    _check_one_each(names, controls)
    given = dict(zip(names, controls, strict=True))
    return {d: given[d] for d in controls[0].detectors if d in given}, blank


def _check_twice(controls: Sequence[Control]) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for control in controls:
        if control.path in seen:
            what, remedy = "is given as more than one control", "Give each file once."
            problems.append(Problem(what, control.path, remedy=remedy, code="SPILL-DOUBLED"))
        seen.add(control.path)
    return problems


def _check_one_each(names: Sequence[str], controls: Sequence[Control]) -> None:
    for detector in names:
        files = [c.name for n, c in zip(names, controls, strict=True) if n == detector]
        if len(files) > 1:
            raise SpilloverError(
                f"{' and '.join(files)} are both brightest in {printable(detector)}", code="SPILL-DOUBLED",
                remedy="Give one control a detector; where one of them is dim, name the detectors.",
            )  # fmt: skip


def _fit_rows(
    stained: Mapping[str, Control], blank: Control | None, rules: ControlRules
) -> tuple[list[ControlFit], list[Split]]:
    """A row of each control; every control that fails is named in one error."""
    fits, splits, problems = list[ControlFit](), list[Split](), list[Problem]()
    for detector, control in stained.items():
        try:
            split = split_control(control, detector, blank, rules)
            fits.append(_fit_row(control, detector, split, rules))
            splits.append(split)
        except SpilloverError as error:
            problems.extend(error.problems)
    if problems:
        raise SpilloverError.of(problems)
    return fits, splits


def _fit_row(control: Control, detector: str, split: Split, rules: ControlRules) -> ControlFit:
    column = locate_detector(control, detector)
    slopes, errors = fit_slopes(split.positives, split.background, column)
    _check_detector(control, detector, slopes, rules)
    return ControlFit(
        path=control.path, detector=detector, background=split.origin, n_events=control.n_events,
        n_saturated=control.n_saturated, n_cells=split.n_cells, n_background=len(split.background),
        n_positive=len(split.positives), threshold=split.threshold, median_background=split.median_background,
        median_positive=split.median_positive, separation=split.separation, detectors=control.detectors,
        coefficients=slopes, standard_errors=errors, residual=float("nan"),
        findings=(*split.findings, *_check_slopes(control, slopes, errors, rules)),
    )  # fmt: skip


def _check_detector(control: Control, detector: str, slopes: NDArray[np.float64], rules: ControlRules) -> None:
    brightest = int(np.argmax(slopes))
    if slopes[brightest] > rules.max_coefficient:
        other = printable(control.detectors[brightest])
        raise SpilloverError(
            f"is {slopes[brightest]:.3g} times as bright in {other} as in {printable(detector)}", path=control.path,
            where=f"detector {printable(detector)}", expected=f"at most {rules.max_coefficient:g}",
            found=f"{slopes[brightest]:.6g}", code="SPILL-COEFFICIENT",
            remedy=f"Check whether it is the control of {other}, and that the tube holds one stain.",
        )  # fmt: skip


def _check_slopes(
    control: Control, slopes: NDArray[np.float64], errors: NDArray[np.float64], rules: ControlRules
) -> list[Finding]:
    findings = []
    for name, slope, error in zip(control.detectors, slopes.tolist(), errors.tolist(), strict=True):
        said = f"{slope:.4f} (standard error {error:.4f}) in {printable(name)}"
        if slope > 1:
            findings.append(note("SPILL-BRIGHTER-ELSEWHERE", control.name, said))
        if slope < rules.min_coefficient and slope < -3 * error:
            findings.append(note("SPILL-NEGATIVE", control.name, said))
        if error > rules.max_standard_error:
            findings.append(note("SPILL-UNCERTAIN", control.name, said))
    return findings


def _check_residual(fit: ControlFit, split: Split, spillover: Spillover, rules: ControlRules) -> ControlFit:
    """The fit with what compensation leaves: medians of positives and background in the other detectors."""
    columns = [fit.detectors.index(d) for d in spillover.detectors]
    positives = split.positives[:, columns] @ spillover.inverse
    background = split.background[:, columns] @ spillover.inverse
    centre = np.median(background, axis=0)
    moved = np.median(positives, axis=0) - centre
    spread = 1.4826 * np.median(np.abs(background - centre), axis=0)
    own = spillover.detectors.index(fit.detector)
    share = np.abs(moved) / moved[own]
    share[own] = 0.0
    over = np.flatnonzero((share > rules.max_residual) & (np.abs(moved) > spread))
    findings = [
        note("SPILL-RESIDUAL", printable(fit.path.rsplit("/", 1)[-1], 60),
             f"{moved[j]:+.4g} in {printable(spillover.detectors[j])}, {share[j]:.1%} of the brightness")
        for j in over
    ]  # fmt: skip
    return replace(fit, residual=float(share.max()), findings=(*fit.findings, *findings))


def _check_matrix(spillover: Spillover, controls: Sequence[Control], rules: ControlRules) -> list[Finding]:
    findings = []
    lacking = [d for d in controls[0].detectors if d not in spillover.detectors]
    if lacking:
        findings.append(note("SPILL-UNCONTROLLED", "matrix", ", ".join(map(printable, lacking))))
    if spillover.condition > rules.max_condition:
        said = f"condition number {spillover.condition:.3g}, more than {rules.max_condition:g}"
        findings.append(note("SPILL-CONDITION", "matrix", said))
    instruments = sorted({" ".join(filter(None, c.instrument)) for c in controls})
    if len(instruments) > 1:
        shown = ", ".join(printable(i, 60) or "not stated" for i in instruments)
        findings.append(note("SPILL-INSTRUMENT", "matrix", shown))
    return findings
