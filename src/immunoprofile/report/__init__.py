"""Results for people: the end of a run on the terminal, and one page that needs nothing but itself.

The room shows and computes nothing new. `answers` says what came out and `gaps` what is missing, both as sections of
sentences that `summary` lays out for the terminal and `page` for the browser; `terminal` ends a run with one table. The
page adds `charts` (flow, platelets, shifts, forest, quality, thresholds), tables of subjects (`tables`) and of samples
(`sample_tables`), the matrices (`compensation`), and every gate in every sample: `pictures` reads the histograms that
gating left behind, `png` and `gates_drawn` draw them, `gallery` lays them out as contact sheets. Wording is guarded
here: estimate and interval before p, no stars, "not tested" in numbers, and no word that calls a change an effect.
`meanings` explains every code, `names` and `numbers` write populations and figures. `folder` reads a results folder
back, so that a page can be made from tables alone. Text from files passes through `printable` and is escaped, in `svg`
or by Jinja. The page is imported when first asked for: a run that is finished ends on the terminal.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from immunoprofile.report.folder import load_results
from immunoprofile.report.summary import render_response, render_sections, render_summary
from immunoprofile.report.terminal import render_table

if TYPE_CHECKING:
    from immunoprofile.report.page import write_report

_LATER = {"write_report": "page"}

__all__ = ["load_results", "render_response", "render_sections", "render_summary", "render_table", "write_report"]


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
