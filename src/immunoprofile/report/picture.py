"""Paired shifts of the primary population: a line a subject, from baseline to window, in groups by response.

Groups differ in colour (Okabe and Ito's palette) and in shape. Positions are computed here, the template draws them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.names import Names, own_definition, split_definitions
from immunoprofile.report.numbers import absent, counted

WIDTH, HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 52, 34
_INSET = 44
"""Space between a panel's edge and its two columns of points."""

_GROUPS = (
    ("Responders", "responder", "circle"),
    ("Non-responders", "non-responder", "triangle"),
    ("Response not known", "not known", "square"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One subject's line in the coordinates of the picture, and what is said of it."""

    x0: float
    y0: float
    x1: float
    y1: float
    words: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One group: where it stands, its name, its shape and its lines."""

    title: str
    shape: str
    left: float
    right: float
    x0: float
    x1: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the template draws of one primary population."""

    title: str
    unit: str
    window: str
    ticks: tuple[tuple[float, str], ...]
    panels: tuple[Panel, ...]
    caption: str
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def draw_pictures(results: Results, names: Names) -> list[Picture]:
    """A picture for every primary population that has at least one pair."""
    if results.change is None or results.association is None:
        return []
    found = []
    primary = results.association[results.association["role"] == "primary"]
    for asked in primary.to_dict("records"):
        rows = results.change[
            (results.change["pop_id"] == asked["pop_id"])
            & (results.change["denom_id"] == asked["denom_id"])
            & (results.change["measure"] == asked["scale"])
            & results.change["include_primary"].fillna(False)
        ]
        if len(rows):
            found.append(_draw(rows, _groups(results), names))
    return found


def _groups(results: Results) -> dict[str, int]:
    """Subject to the number of its group; empty where no response is known at all."""
    if results.response is None:
        return {}
    mine, _ = split_definitions(results.response, own_definition(results))
    pairs = zip(mine["subject_id"], mine["responder"], strict=True)
    return {str(s): 2 if absent(r) else 0 if r else 1 for s, r in pairs}


def _draw(rows: pd.DataFrame, groups: Mapping[str, int], names: Names) -> Picture:
    records = [{str(k): v for k, v in r.items()} for r in rows.to_dict("records")]
    first = records[0]
    measure = str(first["measure"])
    values = [float(r[c]) for r in records for c in ("baseline_value", "post_value")]
    low, high = _padded(min(values), max(values))
    members = [[r for r in records if groups.get(str(r["subject_id"]), 2) == g] for g in range(len(_GROUPS))]
    present = [g for g, rows_of in enumerate(members) if rows_of]
    step = (WIDTH - _LEFT - _RIGHT) / len(present)
    panels = [
        _panel(g, members[g], (_LEFT + i * step, _LEFT + (i + 1) * step), (low, high), named=bool(groups))
        for i, g in enumerate(present)
    ]
    return Picture(
        title=names.measured(first, "measure"),
        unit="%" if measure == "logit_frac" else names.measured(first, "measure").rpartition(", ")[2],
        window=printable(first["window"], 40),
        ticks=tuple((_height(scaled_value(measure, t), low, high), f"{t:g}") for t in axis_ticks(measure, low, high)),
        panels=tuple(panels),
        caption=_caption(measure, str(first["window"]), [(g, len(members[g])) for g in present], named=bool(groups)),
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.06 * (high - low) or 0.1
    return low - pad, high + pad


def _height(value: float, low: float, high: float) -> float:
    return round(HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _BOTTOM - _TOP), 1)


def _panel(
    group: int,
    records: Sequence[Mapping[str, Any]],
    sides: tuple[float, float],
    span: tuple[float, float],
    *,
    named: bool,
) -> Panel:
    title, _, shape = _GROUPS[group] if named else ("All subjects", "", "circle")
    x0, x1 = round(sides[0] + _INSET, 1), round(sides[1] - _INSET, 1)
    lines = tuple(
        Line(x0, _height(float(r["baseline_value"]), *span), x1, _height(float(r["post_value"]), *span), _words(r))
        for r in records
    )
    return Panel(f"{title} (n = {len(lines)})", shape, round(sides[0], 1), round(sides[1], 1), x0, x1, lines)


def _words(record: Mapping[str, Any]) -> str:
    measure = str(record["measure"])
    before, after = (shown_value(measure, float(record[c])) for c in ("baseline_value", "post_value"))
    unit = " %" if measure == "logit_frac" else ""
    return f"{printable(record['subject_id'], 60)}: {before:.3g} to {after:.3g}{unit}"


def shown_value(measure: str, value: float) -> float:
    """A value of the analysis scale in the unit of the axis: percent of a fraction, else the quantity itself."""
    return 100.0 / (1.0 + math.exp(-value)) if measure == "logit_frac" else math.exp(value)


def scaled_value(measure: str, shown: float) -> float:
    """The inverse of `shown_value`."""
    return math.log(shown / (100.0 - shown)) if measure == "logit_frac" else math.log(shown)


def axis_ticks(measure: str, low: float, high: float) -> list[float]:
    """Round numbers inside the axis: 1-2-5 steps over more than a decade, evenly spaced ones below."""
    first, last = shown_value(measure, low), shown_value(measure, high)
    if last > 10 * first:
        decades = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
        wanted = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    else:
        rough = (last - first) / 7
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
        wanted = [step * k for k in range(math.ceil(first / step), math.floor(last / step) + 1)]
    most = 100.0 if measure == "logit_frac" else math.inf
    return [float(f"{t:.6g}") for t in wanted if first <= t <= last and 0 < t < most]


def _caption(measure: str, window: str, sizes: Sequence[tuple[int, int]], *, named: bool) -> str:
    total = sum(n for _, n in sizes)
    scale = "log-odds, with half an event added to each count" if measure == "logit_frac" else "logarithms"
    groups = "; ".join(f"{_GROUPS[g][2]}s: {counted(n, _GROUPS[g][1], _GROUPS[g][0].lower())}" for g, n in sizes)
    shapes = f" {groups[0].upper()}{groups[1:]}." if named else ""
    return (
        f"Each line is one subject, from the baseline sample to the mean of the window ({printable(window, 80)}), on "
        f"the scale of {scale}. n = {counted(total, 'pair')}.{shapes} Subjects that could not be paired are listed "
        "under Samples and subjects."
    )
