"""Contact sheets: one gate in all samples, side by side. The same plots, taken by sample, are its gating tree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunoprofile.errors import printable
from immunoprofile.gating import split_path
from immunoprofile.report.gates_drawn import draw_frame, draw_plot, is_sparse, share_of
from immunoprofile.report.numbers import absent
from immunoprofile.report.pictures import Picture, Plot
from immunoprofile.report.svg import element

# Makes the median absolute deviation of a normal distribution its standard deviation: 1 / (its third quartile).
_NORMAL = 1.4826
_MAD_FLOOR = 0.05
"""Log-odds: where nearly all samples agree, a difference below this is not called large."""


@dataclass(frozen=True)
class Panel:
    """One plot in a sheet: whose it is, what is drawn, what it says in words, how far it lies from the others."""

    sample_id: str
    subject_id: str
    visit: str
    title: str
    gate: str
    words: str
    svg: Markup
    populations: str
    flags: str
    distance: float


@dataclass(frozen=True)
class Sheet:
    """One plot of all samples."""

    anchor: str
    title: str
    depth: int
    panels: tuple[Panel, ...]
    note: str


@dataclass(frozen=True)
class Gallery:
    """All sheets in template order, the axes that their plots share, and what the selectors offer."""

    sheets: tuple[Sheet, ...]
    frames: Markup
    samples: tuple[tuple[str, str], ...]
    back: tuple[tuple[str, str], ...]

    @property
    def n_plots(self) -> int:
        """Plots in all sheets."""
        return sum(len(s.panels) for s in self.sheets)


@dataclass(frozen=True)
class _Who:
    subject: str
    visit: str
    order: tuple[Any, ...]
    flags: str


def empty_gallery() -> Gallery:
    """No plots: of results whose folder has no pictures."""
    return Gallery((), Markup(""), (), ())


def build_gallery(pictures: Sequence[Picture], populations: pd.DataFrame) -> Gallery:
    """Sheets of all plots, samples by panel, subject and day."""
    who = _samples(populations)
    nobody = _Who("", "", ("", math.inf), "")
    ordered = sorted(pictures, key=lambda p: (p.template, who.get(p.sample_id, nobody).order, p.sample_id))
    groups: dict[tuple[str, str], list[tuple[Picture, Plot]]] = {}
    for picture in ordered:
        for plot in picture.plots:
            groups.setdefault((picture.template, plot.key), []).append((picture, plot))
    frames: dict[Any, str] = {}
    several = len({p.template for p in pictures}) > 1
    sheets = [
        _sheet(number, members, who, frames, several=several)
        for number, members in enumerate(_template_order(groups, ordered), start=1)
    ]
    drawn = Markup("").join(draw_frame(axes, anchor) for axes, anchor in frames.items())
    back = {b.pop_id: b.name for p in pictures for plot in p.plots for b in plot.back}
    named = tuple((printable(p.sample_id, 80), _named(p.sample_id, who.get(p.sample_id, nobody))) for p in ordered)
    shown = tuple((printable(k, 80), printable(v, 80)) for k, v in back.items())
    return Gallery(tuple(sheets), drawn, named, shown)


def _template_order(
    groups: Mapping[tuple[str, str], list[tuple[Picture, Plot]]], ordered: Sequence[Picture]
) -> list[list[tuple[Picture, Plot]]]:
    """Groups in the order in which the templates draw them; what only some samples have takes its place among them."""
    place = {(p.template, plot.key): i for p in reversed(ordered) for i, plot in enumerate(p.plots)}
    return [groups[k] for k in sorted(groups, key=lambda k: (k[0], place[k]))]


def _named(sample: str, who: _Who) -> str:
    return printable(f"{who.subject} {who.visit} ({sample})" if who.subject else sample, 120)


def _samples(populations: pd.DataFrame) -> dict[str, _Who]:
    if not {"sample_id", "subject_id", "visit"} <= set(populations.columns):
        return {}
    flags: dict[str, set[str]] = {}
    if "flags" in populations.columns:
        pairs = populations[["sample_id", "flags"]].dropna().drop_duplicates()
        for sample, text in zip(pairs["sample_id"], pairs["flags"], strict=True):
            flags.setdefault(str(sample), set()).update(f for f in str(text).split(";") if f)
    days = "day" in populations.columns
    found = {}
    for row in populations.drop_duplicates("sample_id").to_dict("records"):
        sample, subject = str(row["sample_id"]), "" if absent(row["subject_id"]) else str(row["subject_id"])
        day = math.inf if not days or absent(row["day"]) else float(row["day"])
        visit = "" if absent(row["visit"]) else str(row["visit"])
        found[sample] = _Who(subject, visit, (subject, day), " ".join(sorted(flags.get(sample, ()))))
    return found


def _sheet(
    number: int,
    members: Sequence[tuple[Picture, Plot]],
    who: Mapping[str, _Who],
    frames: dict[Any, str],
    *,
    several: bool,
) -> Sheet:
    first = members[0][1]
    distances = outlying([plot for _, plot in members])
    coarse = is_sparse(median(plot.n_drawn for _, plot in members))
    panels = tuple(
        _panel(picture, plot, who.get(picture.sample_id, _Who("", "", (), "")), frames, distance, coarse=coarse)
        for (picture, plot), distance in zip(members, distances, strict=True)
    )
    template = f"{printable(members[0][0].template, 40)}: " if several else ""
    title = f"{template}{_gate_title(first)}"
    return Sheet(f"sheet-{number}", title, first.parent.count("/"), panels, _note(members))


def _gate_title(plot: Plot) -> str:
    names = ", ".join(printable(g.name, 80) for g in plot.gates)
    return f"{names} in {printable((split_path(plot.parent) or ('',))[-1], 80)}"


def _note(members: Sequence[tuple[Picture, Plot]]) -> str:
    shares = [100 * g.n / p.n_parent for _, p in members for g in p.gates[:1] if p.n_parent]
    if not shares:
        return "no events in the parent of any sample"
    name = printable(members[0][1].gates[0].name, 80)
    return f"{name}: median {median(shares):.3g} %, {min(shares):.3g} to {max(shares):.3g} %"


def outlying(plots: Sequence[Plot]) -> list[float]:
    """How far each plot's gates lie from those of the other samples: the largest robust z of the log-odds.

    A description that orders plots, not a test. Half an event is added to both counts, so that none is infinite.
    """
    scores = [0.0] * len(plots)
    for number in range(len(plots[0].gates)):
        odds = [
            math.log((p.gates[number].n + 0.5) / (p.n_parent - p.gates[number].n + 0.5))
            if p.n_parent >= p.gates[number].n
            else 0.0
            for p in plots
        ]
        centre = median(odds)
        spread = max(_NORMAL * median([abs(o - centre) for o in odds]), _MAD_FLOOR)
        scores = [max(s, abs(o - centre) / spread) for s, o in zip(scores, odds, strict=True)]
    return scores


def _panel(picture: Picture, plot: Plot, who: _Who, frames: dict[Any, str], distance: float, *, coarse: bool) -> Panel:
    frame = frames.setdefault(plot.axes, f"axes-{len(frames) + 1}")
    title = _named(picture.sample_id, who)
    words = "; ".join(_gate_words(g, plot) for g in plot.gates)
    drawn = "" if plot.n_drawn >= plot.n_parent else f" {plot.n_drawn:,} of {plot.n_parent:,} events drawn."
    return Panel(
        sample_id=printable(picture.sample_id, 80),
        subject_id=printable(who.subject, 80),
        visit=printable(who.visit, 40),
        title=title,
        gate=_gate_title(plot),
        words=f"{words}.{drawn}",
        svg=draw_plot(plot, f"{title}: {words}", frame, coarse=coarse),
        populations=" ".join(dict.fromkeys((*(g.pop_id for g in plot.gates), plot.parent_id))),
        flags=printable(who.flags, 400),
        distance=distance,
    )


def _gate_words(gate: Any, plot: Plot) -> str:
    origin = "" if gate.origin == "template" else f", {printable(gate.origin, 20)}"
    return f"{printable(gate.name, 80)} {share_of(gate, plot)} ({gate.n:,} of {plot.n_parent:,}{origin})"


def sheet_frames(frames: Markup) -> Markup:
    """The shared axes as a drawing that takes no room."""
    return element("svg", element("defs", frames), width=0, height=0, aria_hidden="true", class_="shared")
