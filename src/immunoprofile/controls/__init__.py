"""Single-stain controls to a spillover matrix: each control tells one row, and what speaks against it.

A control is read without its saturated events (`read`). Its positives are told from its background, first among all
events, then among those with the scatter of the positives, so that debris and other cells bias nothing (`separate`).
Each coefficient is the slope of a line from the background through the positives (`slope`). The rows become a matrix
(`fit`). Whatever is odd becomes a `Finding` with a code of one catalogue, whatever would make the matrix wrong is
refused (`rules`).
"""

from immunoprofile.controls.fit import ControlFit, SpilloverFit, fit_controls, spillover_from_controls
from immunoprofile.controls.rules import FINDINGS, ControlRules

__all__ = [
    "FINDINGS",
    "ControlFit",
    "ControlRules",
    "SpilloverFit",
    "fit_controls",
    "spillover_from_controls",
]
