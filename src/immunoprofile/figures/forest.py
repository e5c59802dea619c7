"""Estimates with their intervals, a row a quantity: the change in all subjects, and the difference by response."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.figures.drawn import Drawn, Row, Subjects, rows_of, tree_order, wrapped
from immunoprofile.figures.style import FAINT, GROUPS, INK, SOFT, TALL, new_figure
from immunoprofile.report.meanings import name_method
from immunoprofile.report.numbers import absent, ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.19
"""Inches a row."""
_MARGIN = 0.85
_ROLES = ("primary", "secondary", "exploratory", "sensitivity")

_QUESTIONS = (
    ("overall_change", "Change in all subjects", "window / baseline"),
    ("group_diff", "Difference by response", "responders / non-responders"),
)

Key = tuple[str, str, str]


def draw_forest(results: Results, subjects: Subjects) -> list[Drawn]:
    """The forests, a page as long as it may be; none where the results hold no estimate."""
    if results.association is None:
        return []
    rows = [r for r in rows_of(results.association) if absent(r.get("sensitivity"))]
    chosen = {q: _chosen([r for r in rows if r["question"] == q]) for q, _, _ in _QUESTIONS}
    keys = _ordered(chosen, tree_order(results))
    if not keys:
        return []
    most = int((TALL - _MARGIN) / _ROW)
    pages = [keys[i : i + most] for i in range(0, len(keys), most)]
    return [_page(page, chosen, number, len(pages), subjects) for number, page in enumerate(pages, start=1)]


def _key(row: Row) -> Key:
    return str(row["pop_id"]), str(row["denom_id"]), str(row["scale"])


def _chosen(rows: Sequence[Row]) -> dict[Key, Row]:
    """One row a quantity: the plan's own answer, never a sensitivity analysis in its place."""
    found: dict[Key, Row] = {}
    for row in sorted(rows, key=_preference):
        if not absent(row["effect"]) and 0 < float(row["effect"]) < math.inf:
            found.setdefault(_key(row), row)
    return found


def _preference(row: Row) -> tuple[int, bool]:
    return _ROLES.index(str(row["role"])), not str(row["method"]).startswith("ancova")


def _ordered(chosen: Mapping[str, Mapping[Key, Row]], place: Mapping[str, int]) -> list[Key]:
    keys = {k for rows in chosen.values() for k in rows}
    named = {k for rows in chosen.values() for k, r in rows.items() if r["role"] in {"primary", "secondary"}}
    return sorted(keys, key=lambda k: (k not in named, place.get(k[0], len(place)), k))


def _page(
    keys: Sequence[Key], chosen: Mapping[str, Mapping[Key, Row]], number: int, of: int, subjects: Subjects
) -> Drawn:
    figure = new_figure(_ROW * len(keys) + _MARGIN)
    grid = figure.add_gridspec(1, 2, wspace=0.0)
    for column, (question, title, unit) in enumerate(_QUESTIONS):
        axes = figure.add_subplot(grid[0, column])
        _panel(axes, keys, chosen[question], title, unit)
        named = [subjects.names.measured(_any(k, chosen)) for k in keys]
        axes.set_yticks(range(len(keys)), [wrapped(n, 52) for n in named] if not column else [], fontsize=6)
    name = "forest" if of == 1 else f"forest-{number}"
    return Drawn(name, figure, _caption(keys, chosen, number, of, subjects))


def _any(key: Key, chosen: Mapping[str, Mapping[Key, Row]]) -> Row:
    return next(rows[key] for rows in chosen.values() if key in rows)


def _panel(axes: Axes, keys: Sequence[Key], rows: Mapping[Key, Row], title: str, unit: str) -> None:
    low, high = _span(list(rows.values()))
    axes.set_xscale("log")
    axes.set(xlim=(low, high), ylim=(len(keys) - 0.4, -0.6))
    axes.axvline(1, color=SOFT, linewidth=0.7)
    for place, key in enumerate(keys):
        if place % 2 == 0:
            axes.axhspan(place - 0.5, place + 0.5, color=FAINT, alpha=0.35, linewidth=0)
        if key in rows:
            _estimate(axes, place, rows[key], low, high)
    _ticks(axes, low, high)
    axes.set_title(title, loc="left", fontweight="bold", pad=11)
    axes.set_xlabel(unit)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.text(1.02, 1.0, "estimate (interval), n", transform=axes.transAxes, va="bottom", fontsize=6, color=SOFT)


def _estimate(axes: Axes, place: int, row: Row, low: float, high: float) -> None:
    effect, adjusted = float(row["effect"]), str(row["method"]).startswith("ancova")
    weight = "bold" if row["role"] in {"primary", "secondary"} else "normal"
    words, usable = f"{ratio(effect)}", not (absent(row["effect_lo"]) or absent(row["effect_hi"]))
    if usable:
        ends = [float(row[c]) for c in ("effect_lo", "effect_hi")]
        words += f" ({ratio(ends[0])} to {ratio(ends[1])})"
        axes.plot([max(ends[0], low), min(ends[1], high)], [place, place], color=INK, linewidth=0.9)
        for end, limit, mark in ((ends[0], low, "<"), (ends[1], high, ">")):
            if (end < low) if mark == "<" else (end > high):
                axes.plot(limit, place, mark, color=INK, markersize=3, clip_on=False)
    mark = "D" if adjusted else "o"
    axes.plot(effect, place, mark, color=GROUPS[0].colour, markersize=4, markeredgecolor=INK, markeredgewidth=0.4)
    told = f"{words}, {int(row['n_total'])}"
    axes.text(1.02, place, told, transform=axes.get_yaxis_transform(), va="center", fontsize=6, fontweight=weight)


def _span(rows: Sequence[Row]) -> tuple[float, float]:
    """The axis: all estimates, and limits as far as a factor of ten beyond them; a longer interval gets an arrow."""
    effects = [float(r["effect"]) for r in rows] or [1.0]
    limits = [float(r[c]) for r in rows for c in ("effect_lo", "effect_hi") if not absent(r[c]) and float(r[c]) > 0]
    low = max(min([*limits, 0.8]), min(effects) / 10)
    high = min(max([*limits, 1.25]), max(effects) * 10)
    return low / 1.08, high * 1.08


def _ticks(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    fine = (1, 1.5, 2, 3, 5) if high / low < 30 else (1, 3) if high / low < 300 else (1,)
    wanted = [m * 10.0**d for d in range(-6, 7) for m in fine]
    if high / low < 3:
        wanted = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2]
    ticks: list[float] = []
    # 1 first, then whatever leaves room for its label.
    for tick in sorted((w for w in wanted if low <= w <= high), key=lambda w: (w != 1, abs(math.log(w)))):
        if all(abs(math.log(tick / t)) > 0.17 * math.log(high / low) for t in ticks):
            ticks.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{t:g}" for t in ticks])


def _caption(
    keys: Sequence[Key], chosen: Mapping[str, Mapping[Key, Row]], number: int, of: int, subjects: Subjects
) -> tuple[str, ...]:
    part = f" (part {number} of {of})" if of > 1 else ""
    head = (
        f"Estimates with their intervals{part}. Odds ratios of fractions, fold changes of anything else, on "
        "logarithmic axes; 1 is no difference. Left: window against baseline in all subjects. Right: the change in "
        "responders divided by the change in non-responders. Diamonds are adjusted for baseline, circles are not. "
        "Arrows: the interval goes on. n: subjects of that row. Endpoints that were named beforehand come first, in "
        "bold; all others are exploratory, in the order of the gating tree. Intervals are not adjusted for the number "
        "of rows. Without a control arm a change is not an effect of treatment."
    )
    lines = [_described(k, question, title, rows, subjects) for question, title, _ in _QUESTIONS
             for rows in (chosen[question],) for k in keys if k in rows]  # fmt: skip
    return (head, *lines)


def _described(key: Key, question: str, title: str, rows: Mapping[Key, Row], subjects: Subjects) -> str:
    row = rows[key]
    n = f"n = {int(row['n_total'])}"
    if question == "group_diff" and not absent(row["n_resp"]) and not absent(row["n_nonresp"]):
        n += f" ({int(row['n_resp'])} responders, {int(row['n_nonresp'])} non-responders)"
    level = "" if absent(row["ci_level"]) else f", interval {100 * float(row['ci_level']):.3g} %"
    how = "" if absent(row["ci_method"]) else f" ({printable(row['ci_method'], 60).replace('_', ' ')})"
    p = "" if absent(row["p_raw"]) else f", p = {float(row['p_raw']):.2g} ({printable(row['p_method'], 40)})"
    adjusted = "" if absent(row["p_adj"]) else f", adjusted p = {float(row['p_adj']):.2g}"
    what = subjects.names.measured(row)
    return f"{title}, {what}, {row['role']}: {name_method(str(row['method']))}, {n}{level}{how}{p}{adjusted}."
