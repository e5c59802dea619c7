"""Gates: a template is data, a plan is arrays, a membership is bits.

`load_template`, `read_gatingml` and `read_flowjo` give a frozen `GatingTemplate`; `compile_plan` turns it and a panel
into a `Plan` once; `run_plan` walks the events of a file through it in blocks and gives a `Membership`.
`apply_template` does the last two for one file. The file formats are imported when first asked for, because they bring
libraries that gating itself does not need; so is what walks through events, because it brings the compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from immunoprofile.gating.gates import Boolean, Dimension, Ellipsoid, Gate, Polygon, Ratio, Rectangle, Term
from immunoprofile.gating.library import load_template, template_ids
from immunoprofile.gating.paths import ROOT, join_path, split_path
from immunoprofile.gating.template import Compensation, GatingTemplate, Limit, Marker, Quality, Report

if TYPE_CHECKING:
    from immunoprofile.gating.formats.flowjo import read_flowjo
    from immunoprofile.gating.formats.flowjo_shared import Deviation, shared_template
    from immunoprofile.gating.formats.gatingml import read_gatingml
    from immunoprofile.gating.formats.gatingml_write import write_gatingml
    from immunoprofile.gating.formats.toml_write import write_template
    from immunoprofile.gating.membership import EventSource, Membership, apply_template, run_plan
    from immunoprofile.gating.plan import Plan, compile_plan

_LATER = {
    "Deviation": "formats.flowjo_shared",
    "EventSource": "membership",
    "Membership": "membership",
    "Plan": "plan",
    "apply_template": "membership",
    "compile_plan": "plan",
    "read_flowjo": "formats.flowjo",
    "read_gatingml": "formats.gatingml",
    "run_plan": "membership",
    "shared_template": "formats.flowjo_shared",
    "write_gatingml": "formats.gatingml_write",
    "write_template": "formats.toml_write",
}

__all__ = [
    "ROOT",
    "Boolean",
    "Compensation",
    "Deviation",
    "Dimension",
    "Ellipsoid",
    "EventSource",
    "Gate",
    "GatingTemplate",
    "Limit",
    "Marker",
    "Membership",
    "Plan",
    "Polygon",
    "Quality",
    "Ratio",
    "Rectangle",
    "Report",
    "Term",
    "apply_template",
    "compile_plan",
    "join_path",
    "load_template",
    "read_flowjo",
    "read_gatingml",
    "run_plan",
    "shared_template",
    "split_path",
    "template_ids",
    "write_gatingml",
    "write_template",
]

if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
