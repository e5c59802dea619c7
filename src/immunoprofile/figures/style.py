"""One look for all figures, and bytes that are the same for the same results.

Colours are those of Okabe and Ito, each with a shape and a line of its own, so that nothing rests on colour.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("svg", "pdf", "png")

WIDE = 183 / 25.4
"""Inches: two columns of a journal's page (Nature, Science and Cell ask for 180 to 183 mm)."""
TALL = 240 / 25.4
"""Inches: no figure is higher than a page leaves with its caption."""

INK, SOFT, FAINT = "#1a1a1a", "#5c5c5c", "#d9d9d9"


@dataclass(frozen=True, slots=True)
class Group:
    """Subjects of one response: name, colour, mark and line."""

    name: str
    colour: str
    mark: str
    line: str


# Okabe M, Ito K. Color universal design. 2008. Blue, vermilion, and grey for what is not known.
GROUPS = (
    Group("responders", "#0072B2", "o", "-"),
    Group("non-responders", "#D55E00", "^", "--"),
    Group("response not known", "#7f7f7f", "s", ":"),
)
RESCUE, BLEEDING = "#CC79A7", "#A51E22"

_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are alike on all machines
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    # A name such as "$PnS" is a name, not a formula.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "immunoprofile",
    "pdf.fonttype": 42,
}

# What would tell when a file was made, or differ between installations.
_METADATA: Mapping[str, Mapping[str, Any]] = {
    "svg": {"Date": None, "Creator": "immunoprofile"},
    "pdf": {"CreationDate": None, "Creator": "immunoprofile", "Producer": None},
    "png": {"Software": None},
}


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Draw in the one style, whatever the user's own settings of matplotlib are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(height: float, width: float = WIDE) -> Figure:
    """An empty figure, in inches, that no window and no global list knows."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, min(height, TALL)), layout="constrained")


def render(figure: Figure, kind: str) -> bytes:
    """The figure as a file's bytes, without dates."""
    page = io.BytesIO()
    figure.savefig(page, format=kind, metadata=dict(_METADATA[kind]))
    return page.getvalue()


def legend_of_groups(figure: Figure, shown: list[int], extra: list[Any] | None = None) -> None:
    """One legend for all panels, below them."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=g.colour, marker=g.mark, linestyle=g.line, markersize=4, linewidth=0.9, label=g.name)
        for g in (GROUPS[i] for i in shown)
    ]
    handles = [*marks, *(extra or [])]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), handlelength=2.6)


def title_left(axes: Axes, words: str, size: float = 7.0) -> None:
    """A panel's name above its left end, in points."""
    axes.set_title(words, loc="left", pad=4, fontsize=size)
