"""Each subject before and after, a panel a population: the primary population first, the rest in tree order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.figures.drawn import Drawn, Row, Subjects, rows_of, tree_order, wrapped
from immunoprofile.figures.style import FAINT, GROUPS, SOFT, legend_of_groups, new_figure, title_left
from immunoprofile.report.numbers import counted
from immunoprofile.report.picture import axis_ticks, scaled_value, shown_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, ROWS = 4, 5
_PANEL_HEIGHT = 1.62
"""Inches."""
_SHOWN = ("logit_frac", "log_cells_per_ul", "log_mfi")
"""Measures whose values have a unit that people read; the others are coordinates of a composition."""

_Panel = tuple[tuple[str, str, str], list[Row]]


def draw_shifts(results: Results, subjects: Subjects) -> list[Drawn]:
    """The figures of paired values, at most 20 panels a page; none where the results hold no pair."""
    panels = _panels(results)
    pages = [panels[i : i + COLUMNS * ROWS] for i in range(0, len(panels), COLUMNS * ROWS)]
    return [_page(page, number, len(pages), subjects) for number, page in enumerate(pages, start=1)]


def _panels(results: Results) -> list[_Panel]:
    """Rows of each population, denominator and measure that take part in the primary analysis."""
    if results.change is None:
        return []
    change = results.change
    kept = change[change["include_primary"].fillna(False).astype(bool) & change["measure"].isin(_SHOWN)]
    kept = kept[kept["baseline_value"].notna() & kept["post_value"].notna()]
    first, place = _named_first(results), tree_order(results)
    grouped = [
        ((str(k[0]), str(k[1]), str(k[2])), rows_of(rows))
        for k, rows in kept.groupby(["pop_id", "denom_id", "measure"], dropna=False)
    ]
    return sorted(grouped, key=lambda p: (p[0] not in first, place.get(p[0][0], len(place)), p[0]))


def _named_first(results: Results) -> set[tuple[str, str, str]]:
    """What the plan names as primary."""
    if results.association is None:
        return set()
    primary = results.association[results.association["role"] == "primary"]
    return {(str(r["pop_id"]), str(r["denom_id"]), str(r["scale"])) for r in rows_of(primary)}


def _page(panels: Sequence[_Panel], number: int, of: int, subjects: Subjects) -> Drawn:
    n_rows = math.ceil(len(panels) / COLUMNS)
    figure = new_figure(_PANEL_HEIGHT * n_rows + 0.3)
    seen: set[int] = set()
    for place, (_, rows) in enumerate(panels):
        axes = figure.add_subplot(n_rows, COLUMNS, place + 1)
        seen |= _panel(axes, rows, subjects)
        title_left(axes, wrapped(subjects.names.measured(rows[0], "measure"), 26, 3), 6.5)
    legend_of_groups(figure, sorted(seen))
    name = "shifts" if of == 1 else f"shifts-{number}"
    return Drawn(name, figure, _caption(panels, number, of, subjects))


def _panel(axes: Axes, rows: Sequence[Row], subjects: Subjects) -> set[int]:
    """Lines of subjects, medians of groups; the groups that were drawn."""
    measure = str(rows[0]["measure"])
    members = [subjects.group(r["subject_id"]) for r in rows]
    for row, number in zip(rows, members, strict=True):
        group, ends = GROUPS[number], [float(row[c]) for c in ("baseline_value", "post_value")]
        axes.plot([0, 1], ends, group.line, color=group.colour, linewidth=0.6, alpha=0.75)
        axes.plot([0, 1], ends, group.mark, color=group.colour, markersize=2.6, markeredgewidth=0)
    for number in sorted(set(members)):
        own = [r for r, m in zip(rows, members, strict=True) if m == number]
        if len(own) > 1:
            group = GROUPS[number]
            middle = [median(float(r[c]) for r in own) for c in ("baseline_value", "post_value")]
            axes.plot([0, 1], middle, "-", color="white", linewidth=3.4)
            axes.plot([0, 1], middle, group.line, color=group.colour, linewidth=2.2, dash_capstyle="butt")
    _scale(axes, rows, measure)
    return set(members)


def _scale(axes: Axes, rows: Sequence[Row], measure: str) -> None:
    values = [float(r[c]) for r in rows for c in ("baseline_value", "post_value")]
    room = 0.06 * (max(values) - min(values)) or 0.1
    low, high = min(values) - room, max(values) + room
    ticks = axis_ticks(measure, low, high)
    axes.set(xlim=(-0.3, 1.3), ylim=(low, high), xticks=[0, 1])
    axes.set_xticklabels(["baseline", printable(rows[0]["window"], 14)])
    axes.set_yticks([scaled_value(measure, t) for t in ticks], [f"{t:g}" for t in ticks], minor=False)
    axes.minorticks_off()
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_ylabel({"logit_frac": "% of denominator", "log_cells_per_ul": "cells/µl"}.get(measure, "intensity"))
    axes.set_xlabel(f"n = {len(rows)}", labelpad=1, color=SOFT, fontsize=6.5)


def _caption(panels: Sequence[_Panel], number: int, of: int, subjects: Subjects) -> tuple[str, ...]:
    part = f" (part {number} of {of})" if of > 1 else ""
    window = printable(panels[0][1][0]["window"], 60)
    rule = "" if subjects.definition is None else f" Response by {printable(subjects.definition, 60)}."
    head = (
        f"Change from baseline to {window}{part}. Each line is one subject: the baseline sample, and the mean of the "
        "samples of the window on the scale of the analysis (log-odds of fractions, with half an event added to count "
        "and rest; logarithms of anything else). Thick lines are the medians of groups. Circles and unbroken lines: "
        "responders; triangles and dashes: non-responders; squares and dots: response not known. Axes differ between "
        f"panels.{rule} Shown are the pairs of the primary analysis; change.csv names those left out, and why."
    )
    return (head, *(_described(rows, subjects) for _, rows in panels))


def _described(rows: Sequence[Row], subjects: Subjects) -> str:
    """One panel in words: who, and the medians."""
    measure, own = str(rows[0]["measure"]), [r["subject_id"] for r in rows]
    before, after = (shown_value(measure, median(float(r[c]) for r in rows)) for c in ("baseline_value", "post_value"))
    unit = " %" if measure == "logit_frac" else ""
    who = f"{counted(len(rows), 'pair')} ({subjects.split(own)})"
    title = subjects.names.measured(rows[0], "measure")
    return f"{title}: {who}; median {before:.3g}{unit} at baseline, {after:.3g}{unit} in the window."
