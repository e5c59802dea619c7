"""Single-stain controls to a spillover matrix: each control tells one row, and what speaks against it.

A control is read without its saturated events (`read`). Of the clusters of cells or beads in the scatter plane
(`scatter`) the one with the most positives is taken, so that debris and other cells bias nothing, and its positives are
told from the background (`separate`, `split`). Each coefficient is the slope of a line from the background through the
positives (`slope`). The rows become a matrix (`fit`), which files and other programs take (`render`). Whatever is odd
becomes a `Finding` with a code of one catalogue, whatever would make the matrix wrong is refused (`rules`).
"""

from immunoprofile.controls.fit import ControlFit, SpilloverFit, fit_controls, spillover_from_controls
from immunoprofile.controls.render import describe_fit, render_spillover
from immunoprofile.controls.rules import FINDINGS, ControlRules

__all__ = [
    "FINDINGS",
    "ControlFit",
    "ControlRules",
    "SpilloverFit",
    "describe_fit",
    "fit_controls",
    "render_spillover",
    "spillover_from_controls",
]
