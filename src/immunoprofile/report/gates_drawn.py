"""One plot as a drawing: the density as a small PNG, gates and axes on top of it as lines and text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from immunoprofile.report.axes import ticks_of
from immunoprofile.report.pictures import Axis, Behind, DrawnGate, Plot
from immunoprofile.report.png import DENSITY, data_uri, density_levels, write_png
from immunoprofile.report.svg import drawing, element, number, path_of, together

SIZE = 240
"""Width and height of a plot; the square of the data is what the margins leave."""
LEFT, TOP, INNER = 44, 6, 190
_FEW = 3_000
"""Below this many events neighbouring bins are joined: single dots of a fine grid would not be seen."""
_BACK_COLOUR = (0xD5, 0x5E, 0x00)
_KEPT = 0.95
"""Back-gating marks the fewest cells that hold this share of a population: stray events would fill the plot."""
_OUTLINE = 60
"""Corners of a drawn ellipse."""

Point = tuple[float, float]


def is_sparse(n_events: float) -> bool:
    """Are these so few events that neighbouring bins are drawn as one?"""
    return n_events < _FEW


def draw_plot(plot: Plot, title: str, frame: str, *, coarse: bool = False) -> Markup:
    """A plot with its gates.

    Parameters
    ----------
    frame
        Id of its axes, which plots share.
    coarse
        Draw neighbouring bins as one: alike for all plots that are compared.
    """
    inner = element(
        "svg",
        _density(plot, coarse=coarse),
        *(_behind(b, plot) for b in plot.back),
        *(_gate(g, plot) for g in plot.gates),
        x=LEFT, y=TOP, width=INNER, height=INNER, viewBox="0 0 100 100", overflow="hidden",
        preserveAspectRatio="none",
    )  # fmt: skip
    labels = together(_labels(plot))
    return drawing(SIZE, SIZE, title, inner, element("use", href=f"#{frame}"), labels, class_="plot")


def draw_frame(axes: Sequence[Axis], anchor: str) -> Markup:
    """Axes, ticks and names, drawn once for all plots that share them."""
    x, bottom = axes[0], TOP + INNER
    parts = [element("path", class_="frame", d=f"M{LEFT} {TOP}V{bottom}H{LEFT + INNER}")]
    for tick in ticks_of(x.scale, x.low, x.high):
        at = LEFT + tick.place * INNER
        parts.append(element("path", class_="frame", d=f"M{number(at)} {bottom}v{5 if tick.label else 2.5}"))
        if tick.label:
            parts.append(element("text", tick.label, x=at, y=bottom + 15, text_anchor="middle"))
    parts.append(element("text", x.channel, x=LEFT + INNER / 2, y=SIZE - 8, text_anchor="middle", class_="name"))
    if len(axes) == 2:
        parts += _upright(axes[1])
    else:
        parts.append(element("text", "events", transform=f"translate(12 {TOP + INNER / 2}) rotate(-90)",
                             text_anchor="middle", class_="name"))  # fmt: skip
    return element("g", *parts, id=anchor, class_="axes")


def _upright(axis: Axis) -> list[Markup]:
    parts = []
    for tick in ticks_of(axis.scale, axis.low, axis.high, upright=True):
        at = TOP + (1 - tick.place) * INNER
        parts.append(element("path", class_="frame", d=f"M{LEFT} {number(at)}h{-5 if tick.label else -2.5}"))
        if tick.label:
            parts.append(element("text", tick.label, x=LEFT - 7, y=at + 4, text_anchor="end"))
    name = element("text", axis.channel, transform=f"translate(10 {TOP + INNER / 2}) rotate(-90)",
                   text_anchor="middle", class_="name")  # fmt: skip
    return [*parts, name]


def _density(plot: Plot, *, coarse: bool) -> Markup:
    counts = plot.counts
    if counts.ndim == 1:
        return _histogram(_joined(counts, 2), "density")
    levels = density_levels(_joined(counts, 2) if coarse else counts)
    return _image(write_png(levels[::-1], DENSITY), "density")


def _joined(counts: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    if any(n % step for n in counts.shape):
        return counts
    for axis in range(counts.ndim):
        shape = (*counts.shape[:axis], counts.shape[axis] // step, step, *counts.shape[axis + 1 :])
        counts = counts.reshape(shape).sum(axis=axis + 1)
    return counts


def _image(png: bytes, class_: str, pop_id: str | None = None) -> Markup:
    return element(
        "image", href=data_uri(png), width=100, height=100, preserveAspectRatio="none", class_=class_, data_back=pop_id
    )


def _histogram(counts: NDArray[np.int64], class_: str, pop_id: str | None = None) -> Markup:
    top = max(int(counts.max(initial=0)), 1)
    step = 100 / counts.size
    points: list[Point] = [(0.0, 100.0)]
    for i, count in enumerate(counts):
        height = 100 - 92 * int(count) / top
        points += [(i * step, height), ((i + 1) * step, height)]
    return element("path", class_=class_, d=path_of([*points, (100.0, 100.0)], closed=True), data_back=pop_id)


def _behind(behind: Behind, plot: Plot) -> Markup:
    counts = behind.counts
    if not counts.any():
        return Markup("")
    if plot.counts.ndim == 1:
        return _histogram(counts, "back", behind.pop_id)
    return _image(write_png(_densest(counts)[::-1].astype(np.uint8), (_BACK_COLOUR,)), "back", behind.pop_id)


def _densest(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The fewest cells that hold nearly all events; cells as full as the last of them are among them."""
    falling = np.sort(counts.ravel())[::-1]
    enough = int(np.searchsorted(np.cumsum(falling), _KEPT * falling.sum()))
    least = max(int(falling[min(enough, falling.size - 1)]), 1)
    return counts >= least


def _gate(gate: DrawnGate, plot: Plot) -> Markup:
    return element("path", class_=f"gate {_origin(gate)}", d=_outline(gate, plot), data_gate=gate.pop_id)


def _origin(gate: DrawnGate) -> str:
    return gate.origin if gate.origin in {"template", "auto", "fallback", "override", "frozen"} else "template"


def _outline(gate: DrawnGate, plot: Plot) -> str:
    """The ``d`` of a gate's path in percent of the plot; empty where its shape cannot be drawn here."""
    if "vertices" in gate.shape:
        return path_of([_at(plot, v) for v in gate.shape["vertices"]], closed=True)
    if "bounds" in gate.shape:
        return _box(gate.shape["bounds"], plot)
    if "covariance" in gate.shape and len(plot.axes) == 2:
        return _ellipse(gate, plot)
    return ""


def _share(axis: Axis, value: float) -> float:
    """Percent of the axis; far outside is just outside, so that open sides stay drawable."""
    return min(max(100 * (float(value) - axis.low) / (axis.high - axis.low), -20.0), 120.0)


def _at(plot: Plot, point: Sequence[float]) -> Point:
    return _share(plot.axes[0], point[0]), 100 - _share(plot.axes[1], point[1])


def _box(bounds: Sequence[Sequence[float | None]], plot: Plot) -> str:
    x = [_bound(plot.axes[0], b, side) for b, side in zip(bounds[0], (-20.0, 120.0), strict=True)]
    if len(plot.axes) == 1:
        # A range: its ends as full lines, and a bar between them that says which side is in.
        ends = "".join(f"M{number(v)} 0V100" for v in x if 0 <= v <= 100)
        return f"{ends}M{number(max(x[0], 0))} 4H{number(min(x[1], 100))}"
    y = [100 - _bound(plot.axes[1], b, side) for b, side in zip(bounds[1], (-20.0, 120.0), strict=True)]
    return path_of([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], closed=True)


def _bound(axis: Axis, bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else _share(axis, bound)


def _ellipse(gate: DrawnGate, plot: Plot) -> str:
    """The outline in the first two dimensions: that of the shadow, where there are more."""
    matrix = np.array(gate.shape["covariance"], dtype=float)[:2, :2]
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if not (values > 0).all():
        return ""
    radius = np.sqrt(float(gate.shape["distance_square"]) * values)
    centre = gate.shape["center"][:2]
    turns = [2 * math.pi * k / _OUTLINE for k in range(_OUTLINE)]
    points = [vectors @ (radius * (math.cos(t), math.sin(t))) + centre for t in turns]
    return path_of([_at(plot, p) for p in points], closed=True)


def _labels(plot: Plot) -> list[Markup]:
    """The share of the parent beside each gate: inside the plot, apart from one another."""
    placed: list[Point] = []
    found = []
    for gate in plot.gates:
        x, y = _apart(_label_place(gate, plot), placed)
        placed.append((x, y))
        text = share_of(gate, plot)
        found.append(element("text", text, x=LEFT + x * INNER / 100, y=TOP + y * INNER / 100, class_="share",
                             text_anchor="middle"))  # fmt: skip
    return found


def share_of(gate: DrawnGate, plot: Plot) -> str:
    """A gate's events in percent of its parent's."""
    return "no events" if plot.n_parent == 0 else f"{100 * gate.n / plot.n_parent:.3g} %"


def _label_place(gate: DrawnGate, plot: Plot) -> Point:
    if "bounds" in gate.shape:
        bounds = gate.shape["bounds"]
        x = _middle(plot.axes[0], bounds[0])
        return (x, 14.0) if len(plot.axes) == 1 else (x, 100 - _middle(plot.axes[1], bounds[1]))
    if "vertices" in gate.shape:
        points = [_at(plot, v) for v in gate.shape["vertices"]]
        xs, ys = ([min(max(p[i], 0.0), 100.0) for p in points] for i in range(2))
        return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    if "center" in gate.shape and len(plot.axes) == 2:
        return _at(plot, gate.shape["center"])
    return 50.0, 50.0


def _middle(axis: Axis, bound: Sequence[float | None]) -> float:
    low = max(_bound(axis, bound[0], 0.0), 0.0)
    high = min(_bound(axis, bound[1], 100.0), 100.0)
    return (low + high) / 2


def _apart(place: Point, others: Sequence[Point]) -> Point:
    x, y = min(max(place[0], 13.0), 87.0), min(max(place[1], 10.0), 96.0)
    while any(abs(x - u) < 24 and abs(y - v) < 8 for u, v in others) and y > 10:
        y -= 8
    return x, y
