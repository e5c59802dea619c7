"""Where automatic gates were put, sample after sample; where they fell back to the template is marked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.charts.chart import Chart
from immunoprofile.report.charts.strips import sample_order
from immunoprofile.report.svg import drawing, element, mark, path_of

WIDTH, HEIGHT = 760, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 26
_SHAPES = {"auto": "circle", "fallback": "triangle", "frozen": "square", "override": "diamond", "template": "square"}

CAPTION = (
    "Each mark is one sample, in the order of subjects and visits; lines part subjects. Height: the bound, on the "
    "gate's own scale. Circles: found in the data; triangles: the template's fallback, because nothing could be found; "
    "squares: frozen or the template's; diamonds: moved by a person. Gates that are lines or ellipses are shown by "
    "their centre on each axis."
)


def draw_thresholds(results: Results) -> list[Chart]:
    """A chart for each bound of each gate that is not the template's everywhere."""
    gates = results.gates_resolved
    if gates.empty:
        return []
    moved = set(gates.loc[gates["origin"].ne("template").fillna(False), "pop_path"])
    order, subjects = sample_order(results.populations)
    charts: list[Chart] = []
    for path, rows in gates[gates["pop_path"].isin(moved)].groupby("pop_path"):
        records = [{str(k): v for k, v in r.items()} for r in rows.to_dict("records")]
        records.sort(key=lambda r: (order.get(str(r["sample_id"]), len(order)), str(r["sample_id"])))
        read = [(r, _bounds(str(r["geometry"]))) for r in records]
        for bound in dict.fromkeys(name for _, found in read for name in found):
            points = [(r, found[bound]) for r, found in read if bound in found]
            charts.append(_chart(len(charts) + 1, str(path), bound, points, subjects))
    return charts


def _bounds(geometry: str) -> dict[str, float]:
    """Name and value of what can be drawn of a geometry, in scaled units."""
    try:
        shape = json.loads(geometry)
        names = [_channel(d["channel"]) for d in shape.get("dimensions", ())]
        if "bounds" in shape:
            ends = [(n, e, v) for n, pair in zip(names, shape["bounds"], strict=True)
                    for e, v in zip(("from", "to"), pair, strict=True)]  # fmt: skip
            return {f"{n}, {e}": float(v) for n, e, v in ends if v is not None}
        if "vertices" in shape:
            centre = [sum(v[i] for v in shape["vertices"]) / len(shape["vertices"]) for i in range(len(names))]
        else:
            centre = shape.get("center", [])
        return {f"{n}, centre": float(c) for n, c in zip(names, centre, strict=False)}
    except (ValueError, KeyError, TypeError, IndexError, ZeroDivisionError):
        return {}


def _channel(channel: Any) -> str:
    return f"{channel[0]} / {channel[1]}" if isinstance(channel, list) else str(channel)


def _chart(
    number: int,
    path: str,
    bound: str,
    points: Sequence[tuple[Mapping[str, Any], float]],
    subjects: Mapping[str, str],
) -> Chart:
    values = [v for _, v in points]
    low, high = min(values), max(values)
    pad = max(0.15 * (high - low), 0.02)
    span = (low - pad, high + pad)
    step = (WIDTH - _LEFT - _RIGHT) / len(points)
    parts = [_frame(span, bound)]
    last = None
    for i, (row, value) in enumerate(points):
        x = _LEFT + (i + 0.5) * step
        subject = subjects.get(str(row["sample_id"]), "")
        if last is not None and subject != last:
            parts.append(
                element("path", class_="axis", d=path_of([(x - step / 2, _TOP), (x - step / 2, HEIGHT - _BOTTOM)]))
            )
        last = subject
        parts.append(_mark(row, value, x, span))
    fallback = sum(str(r["origin"]) == "fallback" for r, _ in points)
    told = f"; {fallback} of {len(points)} fell back" if fallback else ""
    title = f"{printable(path, 120)}: {printable(bound, 80)}"
    svg = drawing(WIDTH, HEIGHT, f"{title}, from {low:.3g} to {high:.3g} over {len(points)} samples{told}", *parts)
    return Chart(f"threshold-{number}", title, svg, f"{low:.3g} to {high:.3g} over {len(points)} samples{told}",
                 population=printable(points[0][0]["pop_id"], 80))  # fmt: skip


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - _BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - _BOTTOM - _TOP)


def _frame(span: tuple[float, float], bound: str) -> Markup:
    parts = [element("path", class_="axis", d=f"M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}")]
    for share in (0.1, 0.5, 0.9):
        value = span[0] + share * (span[1] - span[0])
        parts.append(
            element("text", f"{value:.3g}", x=_LEFT - 5, y=_y(value, span) + 4, text_anchor="end", class_="small")
        )
    words = f"{printable(bound, 60)} (scaled); samples by subject and visit"
    parts.append(element("text", words, x=_LEFT, y=HEIGHT - 8, class_="small soft"))
    return element("g", *parts)


def _mark(row: Mapping[str, Any], value: float, x: float, span: tuple[float, float]) -> Markup:
    origin = str(row["origin"]) if str(row["origin"]) in _SHAPES else "template"
    words = f"{printable(row['sample_id'], 60)}: {value:.4g}, {origin}. {printable(row['reason'] or '', 200)}"
    return element(
        "g", element("title", words), mark(_SHAPES[origin], x, _y(value, span), f"gate-mark {origin}", size=3.2)
    )
