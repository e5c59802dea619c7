"""The forest: each population's difference by response, and its change in all, with intervals on one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.charts.chart import Chart
from immunoprofile.report.meanings import name_method
from immunoprofile.report.names import Names
from immunoprofile.report.numbers import absent, counted, effect_interval, p_value, ratio
from immunoprofile.report.sensitivity import name_otherwise
from immunoprofile.report.svg import drawing, element, mark, path_of

WIDTH = 880
_LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 345, 205, 26, 22, 30
_ROLES = ("primary", "secondary", "exploratory", "sensitivity")

Row = Mapping[str, Any]

_QUESTIONS = (
    (
        "group_diff",
        "Difference by response",
        "Ratio of the change in responders to that in non-responders: right of 1, responders rose more. Diamonds are "
        "adjusted for baseline (ANCOVA), circles are not.",
    ),
    ("overall_change", "Change in all subjects", "Window against baseline in all subjects: right of 1 is a rise."),
)


def draw_forests(results: Results, names: Names, order: Sequence[str]) -> list[Chart]:
    """A forest a question; rows in the order of the gating tree, the primary population first."""
    if results.association is None:
        return []
    rows = [{str(k): v for k, v in r.items()} for r in results.association.to_dict("records")]
    place = {p: i for i, p in enumerate(order)}
    charts = []
    for question, title, words in _QUESTIONS:
        asked = _chosen([r for r in rows if r["question"] == question], place)
        drawn = [r for r in asked if not absent(r["effect"]) and float(r["effect"]) > 0]
        if drawn:
            charts.append(_chart(question, title, words, drawn, len(asked) - len(drawn), names))
    return [*charts, *_sensitivity(rows, names)]


def _sensitivity(rows: Sequence[Row], names: Names) -> list[Chart]:
    """The primary question again, asked otherwise: the plan's own answer first."""
    charts = []
    for question, title, _ in _QUESTIONS:
        plan = [r for r in rows if r["question"] == question and r["role"] in {"primary", "secondary"}]
        other = [r for r in rows if r["question"] == question and r["role"] == "sensitivity"]
        drawn = [r for r in (*plan, *other) if _usable(r["effect"])]
        if plan and other and drawn:
            words = (
                "The plan's own answer first, in bold; then the same question asked otherwise, for comparison only. "
                "Diamonds are adjusted for baseline (ANCOVA), circles are not."
            )
            unasked = len(plan) + len(other) - len(drawn)
            charts.append(
                _chart(f"{question}-sensitivity", f"{title}: sensitivity analyses", words, drawn, unasked, names)
            )
    return charts


def _chosen(rows: Sequence[Row], place: Mapping[str, int]) -> list[Row]:
    """One row a quantity: the plan's own answer, never a sensitivity analysis in its place."""
    found: dict[tuple[str, ...], Row] = {}
    for row in sorted(rows, key=_preference):
        if absent(row.get("sensitivity")):
            found.setdefault(tuple(str(row[c]) for c in ("pop_id", "denom_id", "scale")), row)
    named = {k: min(_ROLES.index(str(r["role"])) for r in rows if _key(r) == k) for k in found}
    return sorted(found.values(), key=lambda r: (named[_key(r)] > 1, place.get(str(r["pop_id"]), 10_000), _key(r)))


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[c]) for c in ("pop_id", "denom_id", "scale"))


def _preference(row: Row) -> tuple[int, bool]:
    """By role; of several with one role the adjusted row first, if it has an estimate."""
    usable = str(row["method"]).startswith("ancova") and not absent(row["effect"])
    return _ROLES.index(str(row["role"])), not usable


def _chart(question: str, title: str, words: str, rows: Sequence[Row], undrawn: int, names: Names) -> Chart:
    height = _TOP + _ROW * len(rows) + _BOTTOM
    limits = [float(r[c]) for r in rows for c in ("effect", "effect_lo", "effect_hi") if _usable(r[c])]
    # Beyond a factor of 50 an interval says no more than that it has no end: an arrow shows it.
    low = max(min(*limits, 0.9), min(float(r["effect"]) for r in rows) / 50, 1e-4)
    high = min(max(*limits, 1.1), max(float(r["effect"]) for r in rows) * 50, 1e4)
    span = (math.log(low) - 0.1, math.log(high) + 0.1)
    otherwise = question.endswith("-sensitivity")
    parts = [_axis(span, height)]
    for number, row in enumerate(rows):
        parts.append(_row(row, _TOP + _ROW * (number + 0.5), span, names, otherwise=otherwise))
    without = (
        f" {counted(undrawn, 'quantity', 'quantities')} without an estimate are in the table only." if undrawn else ""
    )
    caption = f"{words} Odds ratios of fractions, fold changes of anything else, with intervals.{without}"
    svg = drawing(WIDTH, height, f"{title}: {len(rows)} estimates with intervals", *parts)
    return Chart(f"forest-{question}", title, svg, caption)


def _usable(value: object) -> bool:
    return not absent(value) and 0 < float(value) < math.inf  # type: ignore[arg-type]


def _x(effect: float, span: tuple[float, float]) -> float:
    share = (math.log(effect) - span[0]) / (span[1] - span[0])
    return _LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)


def _axis(span: tuple[float, float], height: float) -> Markup:
    bottom = height - _BOTTOM
    parts = []
    for value in _ticks(span):
        x = _x(value, span)
        style = "axis strong" if value == 1 else "axis"
        parts.append(element("path", class_=style, d=path_of([(x, _TOP - 4), (x, bottom)])))
        parts.append(element("text", f"{value:g}", x=x, y=bottom + 16, text_anchor="middle", class_="small"))
    head = (("Quantity", 0, "start"), ("Estimate (interval), n", WIDTH - _RIGHT + 8, "start"))
    parts += [element("text", t, x=x, y=12, text_anchor=a, class_="small soft") for t, x, a in head]
    return element("g", *parts)


def _ticks(span: tuple[float, float]) -> list[float]:
    first, last = math.exp(span[0]), math.exp(span[1])
    steps = (1, 2, 5) if last / first < 200 else (1,)
    if last / first < 4:
        steps = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # type: ignore[assignment]
    wanted = [m * 10.0**d for d in range(-5, 5) for m in steps]
    return [w for w in wanted if first <= w <= last]


def _label(row: Row, names: Names, *, otherwise: bool) -> str:
    """The quantity; among analyses of one quantity, what each does otherwise."""
    if not otherwise or row["role"] != "sensitivity":
        return names.measured(row)
    return name_otherwise(row)


def _row(row: Row, y: float, span: tuple[float, float], names: Names, *, otherwise: bool) -> Markup:
    role = str(row["role"])
    adjusted = str(row["method"]).startswith("ancova")
    bold = role in {"primary", "secondary"}
    what = _label(row, names, otherwise=otherwise)
    x = _x(float(row["effect"]), span)
    parts: list[str] = [element("text", _cut(what, 58), x=0, y=y + 4, class_="small bold" if bold else "small")]
    if _usable(row["effect_lo"]) and _usable(row["effect_hi"]):
        ends = [_x(float(row[c]), span) for c in ("effect_lo", "effect_hi")]
        parts.append(element("path", class_="interval", d=path_of([(e, y) for e in ends])))
    parts.append(mark("diamond" if adjusted else "circle", x, y, "estimate", size=4))
    told = f"{ratio(float(row['effect']))} {effect_interval(row)}, {int(row['n_total'])}"
    parts.append(element("text", told, x=WIDTH - _RIGHT + 8, y=y + 4, class_="small"))
    adjusted_p = "" if absent(row["p_adj"]) else f", adjusted {p_value(row['p_adj'])}"
    raw = "not tested" if absent(row["p_raw"]) else p_value(row["p_raw"])
    words = (
        f"{what}: {ratio(float(row['effect']))} {effect_interval(row)}; {raw}{adjusted_p}; "
        f"{printable(role, 20)}, {name_method(str(row['method']))}"
    )
    return element("g", element("title", words), *parts, data_p=printable(row["pop_id"], 80))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
