"""Platelets over time, a panel a subject: counts, response, rescue and bleeding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.figures.drawn import Drawn, Row, Subjects, rows_of, wrapped
from immunoprofile.figures.style import BLEEDING, FAINT, GROUPS, RESCUE, SOFT, legend_of_groups, new_figure, title_left
from immunoprofile.report.meanings import explain_response
from immunoprofile.report.names import split_definitions
from immunoprofile.report.numbers import absent, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, ROWS = 4, 6
_PANEL_HEIGHT = 1.35
_LOW, _HIGH = 1.0, 1_000.0
"""10^9/L: the axis; counts beyond are drawn at its ends."""
_LEVELS = (30.0, 100.0)
"""10^9/L: response and complete response (Rodeghiero F et al. Blood 2009;113:2386-93)."""


def draw_platelets(results: Results, subjects: Subjects) -> list[Drawn]:
    """A panel a subject, responders first, at most 24 a page; none without the table of counts."""
    counts, response = results.response_counts, results.response
    if counts is None or response is None or counts.empty:
        return []
    mine, _ = split_definitions(response, subjects.definition)
    own = counts if subjects.definition is None else counts[counts["definition_id"] == subjects.definition]
    known = [r for r in rows_of(own) if not absent(r["day"]) and not absent(r["platelets_1e9_per_l"])]
    if not known:
        return []
    of_subject: dict[str, list[Row]] = {}
    for row in known:
        of_subject.setdefault(str(row["subject_id"]), []).append(row)
    answers = sorted(rows_of(mine), key=lambda r: (subjects.group(r["subject_id"]), str(r["subject_id"])))
    days = [float(r["day"]) for r in known]
    span = (min(*days, 0.0), max(*days, 1.0))
    pages = [answers[i : i + COLUMNS * ROWS] for i in range(0, len(answers), COLUMNS * ROWS)]
    return [_page(page, of_subject, span, (i, len(pages)), subjects) for i, page in enumerate(pages, start=1)]


def _page(
    answers: Sequence[Row],
    of_subject: dict[str, list[Row]],
    span: tuple[float, float],
    number: tuple[int, int],
    subjects: Subjects,
) -> Drawn:
    n_rows = math.ceil(len(answers) / COLUMNS)
    figure = new_figure(_PANEL_HEIGHT * n_rows + 0.4)
    for place, answer in enumerate(answers):
        axes = figure.add_subplot(n_rows, COLUMNS, place + 1)
        rows = of_subject.get(str(answer["subject_id"]), [])
        _panel(axes, answer, rows, span, subjects)
        last = place + COLUMNS >= len(answers)
        axes.tick_params(labelbottom=last, labelleft=place % COLUMNS == 0)
        if last:
            axes.set_xlabel("day", labelpad=1)
    figure.supylabel("platelets, 10⁹/L", fontsize=7)
    shown = sorted({subjects.group(a["subject_id"]) for a in answers})
    legend_of_groups(figure, shown, _signs())
    name = "platelets" if number[1] == 1 else f"platelets-{number[0]}"
    return Drawn(name, figure, _caption(answers, of_subject, number, subjects))


def _signs() -> list[object]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=FAINT, label="in response"),
        Line2D([], [], color=RESCUE, linestyle="-.", linewidth=1.2, label="first rescue"),
        Line2D([], [], color=BLEEDING, marker="x", linestyle="", markersize=4, label="bleeding"),
    ]


def _panel(axes: Axes, answer: Row, rows: Sequence[Row], span: tuple[float, float], subjects: Subjects) -> None:
    group = GROUPS[subjects.group(answer["subject_id"])]
    axes.set_yscale("log")
    room = 0.03 * (span[1] - span[0])
    axes.set(xlim=(span[0] - room, span[1] + room), ylim=(_LOW, _HIGH))
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    step = 28 * max(1, round((span[1] - span[0]) / (5 * 28)))
    axes.set_xticks([k * step for k in range(math.ceil(span[0] / step), math.floor(span[1] / step) + 1)])
    for level in _LEVELS:
        axes.axhline(level, color=SOFT, linewidth=0.5, linestyle=(0, (1, 2)))
    axes.axvline(0, color=SOFT, linewidth=0.5)
    _course(axes, answer, span[1])
    days = [float(r["day"]) for r in rows]
    values = [min(max(float(r["platelets_1e9_per_l"]), _LOW), _HIGH) for r in rows]
    axes.plot(days, values, group.line, color=group.colour, linewidth=0.7)
    for row, day, value in zip(rows, days, values, strict=True):
        speaks = not absent(row["eligible"]) and bool(row["eligible"])
        below = not absent(row.get("qualifier")) and str(row["qualifier"]).startswith("<")
        face = group.colour if speaks else "white"
        axes.plot(day, value, "v" if below else group.mark, color=group.colour, markerfacecolor=face, markersize=2.8,
                  markeredgewidth=0.5)  # fmt: skip
    bled = [float(r["day"]) for r in rows if not absent(r.get("bleeding")) and bool(r["bleeding"])]
    axes.plot(bled, [_LOW * 1.6] * len(bled), "x", color=BLEEDING, markersize=3.2, markeredgewidth=0.8)
    title_left(axes, wrapped(_title(answer), 34, 1))


def _course(axes: Axes, answer: Row, end: float) -> None:
    """Response and rescue, behind the counts."""
    onset, loss, rescue = (answer.get(c) for c in ("first_response_day", "loss_day", "first_rescue_day"))
    if not absent(onset):
        axes.axvspan(float(onset), end if absent(loss) else float(loss), color=FAINT, linewidth=0)  # type: ignore[arg-type]
    if not absent(rescue):
        axes.axvline(float(rescue), color=RESCUE, linewidth=1.2, linestyle="-.")  # type: ignore[arg-type]


def _title(answer: Row) -> str:
    best = "NA" if absent(answer["best_response"]) else printable(answer["best_response"], 30)
    return f"{printable(answer['subject_id'], 24)}: {best.replace('_', ' ')}"


def _caption(
    answers: Sequence[Row], of_subject: dict[str, list[Row]], number: tuple[int, int], subjects: Subjects
) -> tuple[str, ...]:
    part = f" (part {number[0]} of {number[1]})" if number[1] > 1 else ""
    rule = "" if subjects.definition is None else f" by {printable(subjects.definition, 60)}"
    who = [a["subject_id"] for a in answers]
    head = (
        f"Platelet counts of {counted(len(answers), 'subject')} ({subjects.split(who)}){part} from the first "
        f"infusion (day 0, upright line), responders first. Response{rule}. Filled marks: the count may speak for the "
        "treatment; open marks: it may not (response_counts.csv says why). Triangles pointing down: below the limit "
        "shown. Shaded: from onset of response to its loss or the end of the axis. Dots: 30 and 100 x 10^9/L. Counts "
        "outside 1 to 1000 are drawn at the ends of the axis. Crosses: a count with bleeding."
    )
    return (head, *(_described(a, of_subject.get(str(a["subject_id"]), [])) for a in answers))


def _described(answer: Row, rows: Sequence[Row]) -> str:
    why = "" if absent(answer.get("reason")) else f" ({explain_response(str(answer['reason']))})"
    days = (
        ("first_response_day", "response from day"),
        ("loss_day", "lost on day"),
        ("first_rescue_day", "rescue on day"),
    )
    told = [f"{words} {int(answer[c])}" for c, words in days if not absent(answer.get(c))]
    return f"{'; '.join([_title(answer) + why, counted(len(rows), 'count'), *told])}."
