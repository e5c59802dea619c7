"""Platelets over time, a panel a subject: counts, what may not count, rescue, bleeding, and the response."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.axes import nice_step
from immunoprofile.report.charts.chart import GROUPS, Chart, response_groups
from immunoprofile.report.meanings import explain_response
from immunoprofile.report.names import own_definition, split_definitions
from immunoprofile.report.numbers import absent
from immunoprofile.report.svg import drawing, element, mark, path_of

WIDTH, HEIGHT = 250, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 6, 8, 24
_LOW, _HIGH = 1.0, 1_000.0
"""10^9/L: the axis; counts beyond are drawn at its ends, and their words tell the count."""

_LEVELS = (30.0, 100.0)
"""10^9/L: response and complete response (Rodeghiero F et al. Blood 2009;113:2386-93)."""

CAPTION = (
    "Platelets (10⁹/L, logarithmic) by day since the first infusion. Filled: the count may speak for the treatment; "
    "open: it may not, its words say why. Pointing down: below the limit shown. Shaded: the response, from its onset "
    "to its loss. Crosses below: bleeding. Upright lines: first infusion (grey), first rescue (dashed). Level lines: "
    "30 and 100."
)

Row = Mapping[str, Any]


def draw_trajectories(results: Results) -> list[Chart]:
    """A chart a subject, responders first; none without the table of counts."""
    counts, response = results.response_counts, results.response
    if counts is None or response is None or counts.empty:
        return []
    own = own_definition(results)
    mine, _ = split_definitions(response, own)
    rows = counts[counts["definition_id"] == own] if own is not None else counts
    days = rows["day"].dropna().astype(float)
    if days.empty:
        return []
    span = (min(float(days.min()), 0.0), max(float(days.max()), 1.0))
    groups = response_groups(results)
    by_subject = {str(s): g for s, g in rows.groupby("subject_id")}
    answers = [{str(k): v for k, v in r.items()} for r in mine.to_dict("records")]
    answers.sort(key=lambda r: (groups.get(str(r["subject_id"]), 2), str(r["subject_id"])))
    return [_chart(a, by_subject.get(str(a["subject_id"])), span, groups) for a in answers]


def _chart(answer: Row, counts: pd.DataFrame | None, span: tuple[float, float], groups: Mapping[str, int]) -> Chart:
    subject = printable(answer["subject_id"], 60)
    group = GROUPS[groups.get(str(answer["subject_id"]), 2)]
    why = "" if absent(answer.get("reason")) else f", {explain_response(str(answer['reason']))}"
    title = f"{subject}: {printable(answer['best_response'], 40)}{why}"
    records = [] if counts is None else [{str(k): v for k, v in r.items()} for r in counts.to_dict("records")]
    known = [r for r in records if not (absent(r["day"]) or absent(r["platelets_1e9_per_l"]))]
    parts = [*_events(answer, span), _frame(span), *_bleeding(known, span), *_counts(known, span, group.shape)]
    return Chart(f"platelets-{subject}", title, drawing(WIDTH, HEIGHT, _words(title, answer, known), *parts),
                 subject=subject)  # fmt: skip


def _words(title: str, answer: Row, known: Sequence[Row]) -> str:
    onset, loss = answer.get("first_response_day"), answer.get("loss_day")
    when = "" if absent(onset) else f", from day {int(onset)}" + ("" if absent(loss) else f" to day {int(loss)}")  # type: ignore[arg-type]
    return f"Platelets of {title}{when}; {len(known)} counts"


def _x(day: float, span: tuple[float, float]) -> float:
    return _LEFT + (day - span[0]) / (span[1] - span[0]) * (WIDTH - _LEFT - _RIGHT)


def _y(count: float) -> float:
    share = math.log(min(max(count, _LOW), _HIGH) / _LOW) / math.log(_HIGH / _LOW)
    return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)


def _frame(span: tuple[float, float]) -> Markup:
    parts = [element("path", class_="axis", d=f"M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}")]
    for value in (1, 10, 100, 1000):
        parts.append(element("text", str(value), x=_LEFT - 4, y=_y(value) + 4, text_anchor="end", class_="small"))
    for level in _LEVELS:
        parts.append(element("path", class_="level", d=path_of([(_LEFT, _y(level)), (WIDTH - _RIGHT, _y(level))])))
    step = nice_step((span[1] - span[0]) / 6)
    step = 7 * max(1, round(step / 7))
    for k in range(math.ceil(span[0] / step), math.floor(span[1] / step) + 1):
        if abs(k) % 2 == 0:
            at = _x(k * step, span)
            parts.append(element("text", str(k * step), x=at, y=HEIGHT - 8, text_anchor="middle", class_="small"))
    return element("g", *parts)


def _events(answer: Row, span: tuple[float, float]) -> list[Markup]:
    """Response, infusion and rescue, behind the counts."""
    top, bottom = _TOP, HEIGHT - _BOTTOM
    parts = []
    onset, loss = answer.get("first_response_day"), answer.get("loss_day")
    if not absent(onset):
        last = span[1] if absent(loss) else float(loss)  # type: ignore[arg-type]
        start = _x(float(onset), span)  # type: ignore[arg-type]
        parts.append(element("rect", class_="span", x=start, y=top, width=max(_x(last, span) - start, 1),
                             height=bottom - top))  # fmt: skip
    zero = _x(0, span)
    parts.append(element("path", class_="axis", d=path_of([(zero, top), (zero, bottom)])))
    rescue = answer.get("first_rescue_day")
    if not absent(rescue):
        at = _x(min(float(rescue), span[1]), span)  # type: ignore[arg-type]
        line = element("path", class_="rescue", d=path_of([(at, top), (at, bottom)]))
        parts.append(element("g", element("title", f"first rescue, day {int(rescue)}"), line))  # type: ignore[arg-type]
    return parts


def _bleeding(known: Sequence[Row], span: tuple[float, float]) -> list[Markup]:
    y = HEIGHT - _BOTTOM - 6
    parts = []
    for row in known:
        if not absent(row.get("bleeding")) and bool(row["bleeding"]):
            x = _x(float(row["day"]), span)
            cross = f"M{x - 3:.1f} {y - 3}l6 6m0 -6l-6 6"
            words = element("title", f"bleeding, day {int(row['day'])}")
            parts.append(element("g", words, element("path", class_="bleeding", d=cross)))
    return parts


def _counts(known: Sequence[Row], span: tuple[float, float], shape: str) -> list[Markup]:
    points = [(_x(float(r["day"]), span), _y(float(r["platelets_1e9_per_l"]))) for r in known]
    parts = [element("path", class_=f"course {shape}", d=path_of(points))] if len(points) > 1 else []
    for row, (x, y) in zip(known, points, strict=True):
        below = str(row.get("qualifier") or "").startswith("<")
        speaks = not absent(row["eligible"]) and bool(row["eligible"])
        drawn = mark("down" if below else shape, x, y, "after" if speaks else "before", size=2.6)
        words = f"day {int(row['day'])}: {printable(row['decision'], 300)}"
        parts.append(element("g", element("title", words), drawn, class_=shape))
    return parts
