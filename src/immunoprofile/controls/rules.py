"""What a control must show: the limits, and every code of a finding with what it means."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from immunoprofile.fcs import Finding
from immunoprofile.fcs.catalogue import Severity

FINDINGS: MappingProxyType[str, tuple[Severity, str]] = MappingProxyType(
    {
        "SPILL-FEW-EVENTS": ("info", "the control holds fewer events than is good practice"),
        "SPILL-FEW-POSITIVES": ("warning", "few positive events carry the row"),
        "SPILL-DIM": ("warning", "the positives are dim: stain as bright as the samples, or brighter"),
        "SPILL-SATURATED": ("warning", "many events are above the range of a detector and were left out"),
        "SPILL-NO-VALLEY": ("info", "no valley between positives and negatives; the unstained control parts them"),
        "SPILL-NO-SCATTER": ("warning", "no forward and side scatter: debris could not be left out"),
        "SPILL-UNSTAINED-UNLIKE": ("warning", "the unstained control does not fit this control"),
        "SPILL-NEGATIVE": ("warning", "a coefficient is below zero: more than the stain differs from the background"),
        "SPILL-BRIGHTER-ELSEWHERE": ("warning", "another detector sees the fluorochrome better than its own"),
        "SPILL-UNCERTAIN": ("warning", "a coefficient is not well known"),
        "SPILL-RESIDUAL": ("warning", "after compensation positives and background still differ in another detector"),
        "SPILL-CONDITION": ("warning", "compensation will magnify noise"),
        "SPILL-UNCONTROLLED": ("warning", "detectors without a control are not in the matrix"),
        "SPILL-INSTRUMENT": ("warning", "the controls were not all recorded on one cytometer"),
    }
)  # fmt: skip
"""Code to severity and meaning. Codes are stable."""


@dataclass(frozen=True, slots=True)
class ControlRules:
    """Limits for controls; defaults are common practice, and may be set by the laboratory.

    Parameters
    ----------
    min_events
        Events in a control (5,000 is usual practice); fewer are a finding.
    min_positives, few_positives
        Positive events: below the first the control is refused, below the second there is a finding.
    min_background
        Events that give the background; fewer do not.
    min_separation
        Robust standard deviations of the background between it and the median of the positives. 10 of them are a
        stain index of 5.
    max_coefficient
        Above this the control is refused: it most likely belongs to another detector.
    max_standard_error, min_coefficient
        A coefficient less certain, or further below zero, is a finding.
    max_residual
        Difference between medians of positives and background in another detector after compensation, as a fraction
        of the brightness in its own; more is a finding where it also exceeds the background's robust SD.
    max_condition
        Condition number of the matrix; more is a finding.
    max_saturated
        Saturated events as a fraction of saturated and positive ones; more is a finding.

    References
    ----------
    Maecker HT, Frey T, Nomura LE, Trotter J. Selecting fluorochrome conjugates for maximum sensitivity. Cytometry A
    2004;62A:169-173, doi 10.1002/cyto.a.20092: the stain index.
    """

    min_events: int = 5_000
    min_positives: int = 100
    few_positives: int = 500
    min_background: int = 200
    min_separation: float = 10.0
    max_coefficient: float = 1.5
    max_standard_error: float = 0.01
    min_coefficient: float = -0.01
    max_residual: float = 0.01
    max_condition: float = 50.0
    max_saturated: float = 0.05


def note(code: str, where: str, message: str) -> Finding:
    """A finding of the catalogue, said of a control or of the matrix."""
    return Finding(code, FINDINGS[code][0], where, message)
