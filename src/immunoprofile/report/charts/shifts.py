"""Before and after, a panel a population, in the order of the gating tree: a line a subject, in its group's colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.charts.chart import GROUPS, Chart, response_groups
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import absent, counted
from immunoprofile.report.picture import axis_ticks, scaled_value, shown_value
from immunoprofile.report.svg import drawing, element, mark, path_of

WIDTH, HEIGHT = 250, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 40
_SHOWN = ("logit_frac", "log_cells_per_ul", "log_mfi")
"""Measures whose values have a unit that people read; the others are coordinates of a composition."""

CAPTION = (
    "Each line is one subject, from the baseline sample to the mean of the window. Thick line: the group's median. "
    "Circles and unbroken lines: responders; triangles and dashes: non-responders; squares and dots: response not "
    "known. Fractions are drawn on the scale of log-odds with half an event added to each count; every axis is its "
    "own. Populations stand in the order of the gating tree."
)

Row = Mapping[str, Any]


def draw_shifts(results: Results, names: Names, order: Sequence[str]) -> list[Chart]:
    """A chart for each population, denominator and measure that has pairs.

    Parameters
    ----------
    order
        pop_ids in the order of the gating tree; others follow by name.
    """
    if results.change is None or results.change.empty:
        return []
    place = {p: i for i, p in enumerate(order)}
    groups = response_groups(results)
    kept = results.change[results.change["include_primary"].fillna(False).astype(bool)]
    kept = kept[kept["measure"].isin(_SHOWN) & kept["baseline_value"].notna() & kept["post_value"].notna()]
    grouped = [(k, g) for k, g in kept.groupby(["pop_id", "denom_id", "measure"], dropna=False)]
    grouped.sort(key=lambda item: (place.get(str(item[0][0]), len(place)), *map(str, item[0])))
    return [
        _chart(number, [{str(k): v for k, v in r.items()} for r in rows.to_dict("records")], groups, names)
        for number, (_, rows) in enumerate(grouped, start=1)
    ]


def _chart(number: int, records: Sequence[Row], groups: Mapping[str, int], names: Names) -> Chart:
    first = records[0]
    measure = str(first["measure"])
    values = [float(r[c]) for r in records for c in ("baseline_value", "post_value")]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.1
    span = (low - pad, high + pad)
    mine = [groups.get(str(r["subject_id"]), 2) if groups else 0 for r in records]
    parts = [_frame(first, span)]
    for r, g in zip(records, mine, strict=True):
        parts.append(_line(r, g, span))
    parts += [m for g in sorted(set(mine)) if (m := _median(records, mine, g, span)) is not None]
    title = names.measured(first, "measure")
    counts = ", ".join(f"{mine.count(g)} {GROUPS[g].name}" for g in sorted(set(mine))) if groups else ""
    words = f"{counted(len(records), 'pair')}" + (f": {counts}" if counts else "")
    unit = "%" if measure == "logit_frac" else title.rpartition(", ")[2]
    svg = drawing(WIDTH, HEIGHT, f"{title}, {unit}, baseline to window, {words}", *parts)
    return Chart(f"shift-{number}", title, svg, words, population=printable(first["pop_id"], 80))


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - _BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - _BOTTOM - _TOP)


_X = (_LEFT + 34, WIDTH - _RIGHT - 34)


def _frame(row: Row, span: tuple[float, float]) -> Markup:
    measure = str(row["measure"])
    parts = []
    for tick in axis_ticks(measure, *span):
        at = _y(scaled_value(measure, tick), span)
        parts.append(element("path", class_="axis", d=path_of([(_LEFT, at), (WIDTH - _RIGHT, at)])))
        parts.append(element("text", f"{tick:g}", x=_LEFT - 5, y=at + 4, text_anchor="end", class_="small"))
    for x, words in zip(_X, ("baseline", printable(row["window"], 30)), strict=True):
        parts.append(element("text", words, x=x, y=HEIGHT - _BOTTOM + 18, text_anchor="middle", class_="small"))
    unit = "% (log-odds)" if measure == "logit_frac" else "logarithmic"
    parts.append(element("text", unit, x=_LEFT, y=HEIGHT - 6, class_="small soft"))
    return element("g", *parts)


def _line(row: Row, group: int, span: tuple[float, float]) -> Markup:
    shape, measure = GROUPS[group].shape, str(row["measure"])
    ends = [(x, _y(float(row[c]), span)) for x, c in zip(_X, ("baseline_value", "post_value"), strict=True)]
    before, after = (shown_value(measure, float(row[c])) for c in ("baseline_value", "post_value"))
    unit = " %" if measure == "logit_frac" else ""
    words = f"{printable(row['subject_id'], 60)}: {before:.3g} to {after:.3g}{unit}"
    if not absent(row.get("delta_se")):
        words += f"; counting error of the change {float(row['delta_se']):.2g} (log)"
    return element(
        "g", element("title", words), element("path", class_="shift", d=path_of(ends)),
        mark(shape, *ends[0], "before", size=2.6), mark(shape, *ends[1], "after", size=2.6),
        class_=shape, data_s=printable(row["subject_id"], 60),
    )  # fmt: skip


def _median(records: Sequence[Row], mine: Sequence[int], group: int, span: tuple[float, float]) -> Markup | None:
    own = [r for r, g in zip(records, mine, strict=True) if g == group]
    ends = [median(float(r[c]) for r in own) for c in ("baseline_value", "post_value")]
    if len(own) < 2 or not all(map(math.isfinite, ends)):
        return None
    line = element("path", class_="median", d=path_of([(x, _y(v, span)) for x, v in zip(_X, ends, strict=True)]))
    return element("g", element("title", f"median of {GROUPS[group].name}"), line, class_=GROUPS[group].shape)
