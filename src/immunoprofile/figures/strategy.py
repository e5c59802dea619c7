"""The gates of one sample, in the order in which they were applied, on the histograms that the run kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immunoprofile.cohort import Results
from immunoprofile.errors import InputError, closest, printable
from immunoprofile.figures.drawn import Drawn, rows_of, wrapped
from immunoprofile.figures.style import GROUPS, INK, new_figure, title_left
from immunoprofile.report.axes import ticks_of
from immunoprofile.report.numbers import absent
from immunoprofile.report.pictures import Axis, DrawnGate, Picture, Plot, read_pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, ROWS = 4, 5
_PANEL_HEIGHT = 1.85
_LINES = {"template": "-", "auto": "-", "frozen": "-", "fallback": "--", "override": "-."}
_OUTLINE = 90
"""Corners of a drawn ellipse."""
_LETTER, _LINE = 0.037, 0.085
"""Width of a letter and height of a line of a label, as shares of a plot of this size."""

_Box = tuple[float, float, float, float]


def draw_strategy(results: Results, folder: Path, sample: str | None) -> list[Drawn]:
    """The pages of one sample's gates, at most 20 plots each; none where the folder holds no picture.

    Raises
    ------
    InputError
        A sample is asked for that has no picture.
    """
    gated = _in_order(results)
    pictures = {p.sample_id: p for p in read_pictures(folder, gated or None)}
    if not pictures:
        return []
    if sample is not None and sample not in pictures:
        raise InputError(
            f'sample "{printable(sample)}" has no picture', path=folder, code="FIGURES-SAMPLE",
            remedy=closest(sample, sorted(pictures)),
        )  # fmt: skip
    chosen = pictures[sample if sample is not None else next(s for s in (*gated, *sorted(pictures)) if s in pictures)]
    size = COLUMNS * ROWS
    pages = [chosen.plots[i : i + size] for i in range(0, len(chosen.plots), size)]
    return [_page(p, chosen, (i, len(pages)), results) for i, p in enumerate(pages, start=1)]


def _in_order(results: Results) -> list[str]:
    """Samples by subject and day."""
    if not {"sample_id", "subject_id", "day"} <= set(results.populations.columns):
        return []
    rows = rows_of(results.populations[["sample_id", "subject_id", "day"]].drop_duplicates())
    rows.sort(key=lambda r: (str(r["subject_id"]), 1e9 if absent(r["day"]) else float(r["day"]), str(r["sample_id"])))
    return [str(r["sample_id"]) for r in rows if not absent(r["sample_id"])]


def _page(plots: Sequence[Plot], picture: Picture, number: tuple[int, int], results: Results) -> Drawn:
    n_rows = math.ceil(len(plots) / COLUMNS)
    figure = new_figure(_PANEL_HEIGHT * n_rows)
    for place, plot in enumerate(plots):
        axes = figure.add_subplot(n_rows, COLUMNS, place + 1)
        _draw(axes, plot)
        title_left(axes, wrapped(f"{place + 1 + (number[0] - 1) * COLUMNS * ROWS}  {_parent(plot)}", 32, 1))
    name = "strategy" if number[1] == 1 else f"strategy-{number[0]}"
    return Drawn(name, figure, _caption(plots, picture, number, results))


def _parent(plot: Plot) -> str:
    return printable(plot.parent.replace("\\/", "\0").rpartition("/")[2].replace("\0", "/"), 80)


def _draw(axes: Axes, plot: Plot) -> None:
    if len(plot.axes) == 1:
        _histogram(axes, plot)
    else:
        _density(axes, plot)
    x = plot.axes[0]
    axes.set_xlim(x.low, x.high)
    _scale(axes.xaxis, x, upright=False)
    axes.set_xlabel(printable(x.channel, 30), labelpad=1)
    taken: list[_Box] = []
    for gate in plot.gates:
        _gate(axes, gate, plot, taken)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(True)


def _density(axes: Axes, plot: Plot) -> None:
    x, y = plot.axes
    counts = _joined(plot.counts) if plot.n_drawn < 3_000 else plot.counts
    shade = np.ma.masked_equal(np.sqrt(counts.astype(float)), 0.0)
    axes.imshow(shade, origin="lower", extent=(x.low, x.high, y.low, y.high), aspect="auto", cmap="viridis",
                interpolation="nearest", rasterized=True)  # fmt: skip
    axes.set_ylim(y.low, y.high)
    _scale(axes.yaxis, y, upright=True)
    axes.set_ylabel(printable(y.channel, 30), labelpad=1)


def _joined(counts: Any) -> Any:
    """Neighbouring bins together: single dots of a fine grid would not be seen."""
    rows, columns = counts.shape
    if rows % 2 or columns % 2:
        return counts
    return counts.reshape(rows // 2, 2, columns // 2, 2).sum(axis=(1, 3))


def _histogram(axes: Axes, plot: Plot) -> None:
    edges = np.linspace(plot.axes[0].low, plot.axes[0].high, plot.counts.size + 1)
    axes.stairs(plot.counts, edges, fill=True, color="#9fb8c8", linewidth=0)
    axes.set_ylim(0, max(int(plot.counts.max(initial=0)), 1) * 1.25)
    axes.set_yticks([])
    axes.set_ylabel("events", labelpad=1)


def _scale(axis: Any, scale: Axis, *, upright: bool) -> None:
    ticks = ticks_of(scale.scale, scale.low, scale.high, upright=upright)
    places = [(scale.low + t.place * (scale.high - scale.low), t.label) for t in ticks]
    axis.set_ticks([p for p, label in places if label], [label for _, label in places if label])
    axis.set_ticks([p for p, label in places if not label], minor=True)


def _gate(axes: Axes, gate: DrawnGate, plot: Plot, taken: list[_Box]) -> None:
    style: dict[str, Any] = {"color": GROUPS[1].colour, "linewidth": 0.9, "linestyle": _LINES.get(gate.origin, "-")}
    outline = _outline(gate, plot)
    if outline is None:
        return
    if len(plot.axes) == 1:
        height = axes.get_ylim()[1] * 0.93
        axes.plot([*outline[:, 0]], [height, height], **style)
        for x in outline[:, 0]:
            axes.axvline(x, **style)
    else:
        axes.plot(*np.vstack([outline, outline[:1]]).T, **style)
    _label(axes, gate, plot, outline, taken)


def _outline(gate: DrawnGate, plot: Plot) -> Any:
    """Corners of a gate in the plot's coordinates; open sides end at the plot's edge. None where it has no shape."""
    edges = [(a.low, a.high) for a in plot.axes]
    if "bounds" in gate.shape:
        pairs = [
            [end if b is None else float(b) for b, end in zip(bound, edge, strict=True)]
            for bound, edge in zip(gate.shape["bounds"], edges, strict=False)
        ]
        if len(plot.axes) == 1:
            return np.array([[v, 0.0] for v in pairs[0]])
        (left, right), (bottom, top) = pairs
        return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    if "vertices" in gate.shape:
        return np.array([v[:2] for v in gate.shape["vertices"]], dtype=float)
    if "covariance" in gate.shape and len(plot.axes) == 2:
        return _ellipse(gate)
    return None


def _ellipse(gate: DrawnGate) -> Any:
    matrix = np.array(gate.shape["covariance"], dtype=float)[:2, :2]
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    turns = np.linspace(0, 2 * np.pi, _OUTLINE, endpoint=False)
    circle = np.column_stack([np.cos(turns), np.sin(turns)])
    radius = np.sqrt(float(gate.shape["distance_square"]) * np.maximum(values, 0.0))
    return circle * radius @ vectors.T + np.array(gate.shape["center"][:2], dtype=float)


def _label(axes: Axes, gate: DrawnGate, plot: Plot, outline: Any, taken: list[_Box]) -> None:
    """Name and share of the parent, inside the gate where the fewest events are hidden and no other label stands."""
    lines = [*wrapped(printable(gate.name, 60), 14).split("\n"), _share(gate, plot)]
    size = (max(map(len, lines)) * _LETTER / 2, len(lines) * _LINE / 2)
    spots = [
        _box_at(x, y, size) for x in _places(outline, plot, 0, size[0]) for y in _places(outline, plot, 1, size[1])
    ]
    box = min(spots, key=lambda b: (any(_touch(b, t) for t in taken), _hidden(plot, b)))
    taken.append(box)
    spot = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}
    x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    axes.text(x, y, "\n".join(lines), transform=axes.transAxes, ha="center", va="center", fontsize=5.5, color=INK,
              bbox=spot, linespacing=1.05)  # fmt: skip


def _places(outline: Any, plot: Plot, axis: int, half: float) -> list[float]:
    """Shares of an axis at which a label may be centred: the middle of the gate first, then towards its sides."""
    if axis >= len(plot.axes):
        return [0.82]  # below the bar of a range
    a = plot.axes[axis]
    ends = np.clip((outline[:, axis] - a.low) / (a.high - a.low), 0.0, 1.0)
    low, high = float(ends.min()), float(ends.max())
    # A gate that is wide enough holds its label whole.
    low, high = (low + half + 0.02, high - half - 0.02) if high - low > 2 * half + 0.04 else ((low + high) / 2,) * 2
    return [low + share * (high - low) for share in (0.5, 0.25, 0.75, 0.0, 1.0)]


def _box_at(x: float, y: float, half: tuple[float, float]) -> _Box:
    """A label's box in shares of the plot, moved inside it."""
    x, y = (min(max(v, h + 0.015), 1 - h - 0.015) for v, h in zip((x, y), half, strict=True))
    return x - half[0], x + half[0], y - half[1], y + half[1]


def _touch(one: _Box, other: _Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _hidden(plot: Plot, box: _Box) -> int:
    """Bins with events under a label: rare events must not vanish behind it."""
    if plot.counts.ndim == 1:
        return 0
    rows, columns = plot.counts.shape
    x0, x1 = (round(v * columns) for v in box[:2])
    y0, y1 = (round(v * rows) for v in box[2:])
    return int(np.count_nonzero(plot.counts[y0:y1, x0:x1]))


def _share(gate: DrawnGate, plot: Plot) -> str:
    return "no events" if plot.n_parent == 0 else f"{100 * gate.n / plot.n_parent:.3g} %"


def _caption(plots: Sequence[Plot], picture: Picture, number: tuple[int, int], results: Results) -> tuple[str, ...]:
    part = f" (part {number[0]} of {number[1]})" if number[1] > 1 else ""
    head = (
        f"Gating of sample {printable(picture.sample_id, 100)} by template {printable(picture.template, 60)}{part}. "
        "Each plot shows the events of one parent, named above it; darker to brighter: fewer to more events (square "
        "root of counts). Axes are those of the gates, in the template's scales, after compensation where a matrix was "
        "used. Lines: gates, with the share of the parent's events inside. Dashed: an automatic gate that fell back to "
        "the template; dots and dashes: moved by a person."
    )
    matrix = (
        "no matrix was applied" if picture.spillover is None else f"{len(picture.spillover[0])} detectors compensated"
    )
    lines = [f"Spillover: {matrix}. Study {printable(results.study_id or 'not named', 80)}."]
    first = (number[0] - 1) * COLUMNS * ROWS + 1
    for place, plot in enumerate(plots, start=first):
        drawn = "all drawn" if plot.n_drawn >= plot.n_parent else f"{plot.n_drawn:,} drawn"
        gates = "; ".join(f"{printable(g.name, 80)} {g.n:,} ({_share(g, plot)}, {g.origin})" for g in plot.gates)
        lines.append(f"{place}. {_parent(plot)}, {plot.n_parent:,} events, {drawn}: {gates}.")
    return (head, *lines)
