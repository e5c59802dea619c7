"""Immune profiling of flow cytometry trials: FCS files to population tables to platelet response.

Every fraction stands beside its denominator, and every result can be traced to the file, the template and the
version that gave it::

    import immunoprofile as ip

    events = ip.read_fcs("S014.fcs")                     # a file becomes events
    template = ip.load_template("immune14")              # a template is data
    members = ip.apply_template(template, events)        # events become populations
    table = ip.tabulate(members, {"sample_id": "S014"})  # populations become a table
    result = ip.run_study(ip.load_study("study.toml"), out="results/")

Names are imported when they are first used, so that ``immunoprofile --help`` loads no numerical library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immunoprofile.cohort import Results, profile_cohort, run_study
    from immunoprofile.comparison import associate, paired_change
    from immunoprofile.controls import spillover_from_controls
    from immunoprofile.errors import (
        AnalysisError,
        FcsAccessError,
        FcsError,
        FcsFormatError,
        FcsLimitError,
        FcsTruncatedError,
        FcsUnsupportedError,
        ImmunoprofileError,
        InputError,
        InsufficientDataError,
        OutputError,
        PairingError,
        PanelMismatchError,
        SpilloverError,
        StudyError,
        TemplateInvalidError,
        TemplateSyntaxError,
    )
    from immunoprofile.fcs import Channel, Events, Finding, Strictness, read_fcs, read_fcs_datasets
    from immunoprofile.gating import (
        GatingTemplate,
        Membership,
        apply_template,
        load_template,
        read_flowjo,
        read_gatingml,
        write_gatingml,
    )
    from immunoprofile.platelets import classify_response, explain_response
    from immunoprofile.populations import tabulate
    from immunoprofile.scales import Asinh, FlowJoBiex, Hyperlog, Linear, Log, Logicle
    from immunoprofile.simulation import simulate_cohort
    from immunoprofile.spillover import Spillover, compensate
    from immunoprofile.study import Study, load_study

    __version__: str

_ROOMS = {
    "cohort": ("Results", "profile_cohort", "run_study"),
    "comparison": ("associate", "paired_change"),
    "controls": ("spillover_from_controls",),
    "errors": (
        "AnalysisError",
        "FcsAccessError",
        "FcsError",
        "FcsFormatError",
        "FcsLimitError",
        "FcsTruncatedError",
        "FcsUnsupportedError",
        "ImmunoprofileError",
        "InputError",
        "InsufficientDataError",
        "OutputError",
        "PairingError",
        "PanelMismatchError",
        "SpilloverError",
        "StudyError",
        "TemplateInvalidError",
        "TemplateSyntaxError",
    ),
    "fcs": ("Channel", "Events", "Finding", "Strictness", "read_fcs", "read_fcs_datasets"),
    "gating": (
        "GatingTemplate",
        "Membership",
        "apply_template",
        "load_template",
        "read_flowjo",
        "read_gatingml",
        "write_gatingml",
    ),
    "platelets": ("classify_response", "explain_response"),
    "populations": ("tabulate",),
    "scales": ("Asinh", "FlowJoBiex", "Hyperlog", "Linear", "Log", "Logicle"),
    "simulation": ("simulate_cohort",),
    "spillover": ("Spillover", "compensate"),
    "study": ("Study", "load_study"),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AnalysisError",
    "Asinh",
    "Channel",
    "Events",
    "FcsAccessError",
    "FcsError",
    "FcsFormatError",
    "FcsLimitError",
    "FcsTruncatedError",
    "FcsUnsupportedError",
    "Finding",
    "FlowJoBiex",
    "GatingTemplate",
    "Hyperlog",
    "ImmunoprofileError",
    "InputError",
    "InsufficientDataError",
    "Linear",
    "Log",
    "Logicle",
    "Membership",
    "OutputError",
    "PairingError",
    "PanelMismatchError",
    "Results",
    "Spillover",
    "SpilloverError",
    "Strictness",
    "Study",
    "StudyError",
    "TemplateInvalidError",
    "TemplateSyntaxError",
    "__version__",
    "apply_template",
    "associate",
    "classify_response",
    "compensate",
    "explain_response",
    "load_study",
    "load_template",
    "paired_change",
    "profile_cohort",
    "read_fcs",
    "read_fcs_datasets",
    "read_flowjo",
    "read_gatingml",
    "run_study",
    "simulate_cohort",
    "spillover_from_controls",
    "tabulate",
    "write_gatingml",
]


def __dir__() -> list[str]:
    """The public names, whether imported yet or not."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> object:
        """A public name, imported from its room when it is first asked for (PEP 562)."""
        if name == "__version__":
            from importlib.metadata import version

            return version("immunoprofile")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"immunoprofile.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
