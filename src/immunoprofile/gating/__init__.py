"""Gates: a template is data, a plan is arrays, a membership is bits.

`load_template` and `read_gatingml` give a frozen `GatingTemplate`; `compile_plan` turns it and a panel into a `Plan`
once; `run_plan` walks the events of a file through it in blocks and gives a `Membership`. `apply_template` does the
last two for one file.
"""

from immunoprofile.gating.formats.gatingml import read_gatingml
from immunoprofile.gating.gates import Boolean, Dimension, Ellipsoid, Gate, Polygon, Ratio, Rectangle, Term
from immunoprofile.gating.library import load_template, template_ids
from immunoprofile.gating.membership import Membership, apply_template, run_plan
from immunoprofile.gating.paths import ROOT, join_path, split_path
from immunoprofile.gating.plan import Plan, compile_plan
from immunoprofile.gating.template import Compensation, GatingTemplate, Limit, Marker, Report

__all__ = [
    "ROOT",
    "Boolean",
    "Compensation",
    "Dimension",
    "Ellipsoid",
    "Gate",
    "GatingTemplate",
    "Limit",
    "Marker",
    "Membership",
    "Plan",
    "Polygon",
    "Ratio",
    "Rectangle",
    "Report",
    "Term",
    "apply_template",
    "compile_plan",
    "join_path",
    "load_template",
    "read_gatingml",
    "run_plan",
    "split_path",
    "template_ids",
]
