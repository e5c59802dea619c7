"""Memberships become tables: counts with every denominator, fractions with intervals, and what they can carry.

`layout` works out a template's rows once; `tabulate` fills them for a sample; `absolute` turns counts into cells per
microlitre; `states` and `status` say what treatment, biology and counting leave of each row; `intensities` says how
brightly each population shines, `fmo` compares that with its controls; `settings` holds the thresholds and treatment
states, each with its source, `flags` their meaning in words, `references` the ranges that may stand beside a value;
`pictures` keeps the histograms that a report draws its gates on, in `picture_files`. What reads events is imported when
first asked for: it brings the compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from immunoprofile.populations.absolute import Reference, choose_references, references_of
from immunoprofile.populations.flags import barring_flags, population_flags, status_meanings
from immunoprofile.populations.fmo import compare_fmo, fmo_marker
from immunoprofile.populations.picture_files import PICTURES, picture_name
from immunoprofile.populations.references import ReferenceRange, find_ranges, load_ranges
from immunoprofile.populations.settings import (
    State,
    TableSettings,
    Threshold,
    default_settings,
    load_settings,
    load_states,
    load_thresholds,
)
from immunoprofile.populations.states import Given, Holding, describe_states, states_at
from immunoprofile.populations.tabulate import count_populations, resolved_gates, tabulate

if TYPE_CHECKING:
    from immunoprofile.populations.intensities import measure_intensities
    from immunoprofile.populations.pictures import picture_sample

_LATER = {
    "measure_intensities": "intensities",
    "picture_sample": "pictures",
}

__all__ = [
    "PICTURES",
    "Given",
    "Holding",
    "Reference",
    "ReferenceRange",
    "State",
    "TableSettings",
    "Threshold",
    "barring_flags",
    "choose_references",
    "compare_fmo",
    "count_populations",
    "default_settings",
    "describe_states",
    "find_ranges",
    "fmo_marker",
    "load_ranges",
    "load_settings",
    "load_states",
    "load_thresholds",
    "measure_intensities",
    "picture_name",
    "picture_sample",
    "population_flags",
    "references_of",
    "resolved_gates",
    "states_at",
    "status_meanings",
    "tabulate",
]


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
