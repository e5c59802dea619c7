"""Elements of a drawing, text and attributes escaped: what a file says can never become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from markupsafe import Markup

Attribute = str | float | int | None


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """One element.

    Parameters
    ----------
    children
        Text, which is escaped, or elements.
    attributes
        ``text_anchor`` is written ``text-anchor``, ``class_`` is written ``class``; None leaves it out; numbers are
        rounded to a hundredth.
    """
    named = "".join(f' {_name(k)}="{_value(v)}"' for k, v in attributes.items() if v is not None)
    inner = "".join(c if isinstance(c, Markup) else escape(c) for c in children)
    # What this puts together is escaped piece by piece just above.
    return Markup(f"<{tag}{named}>{inner}</{tag}>" if inner else f"<{tag}{named}/>")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else number(float(value or 0))


def number(value: float) -> str:
    """A coordinate: a hundredth is less than any screen shows."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def together(parts: Iterable[str]) -> Markup:
    """Elements one after another; plain text among them is escaped."""
    return Markup("").join(parts)


def path_of(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """The ``d`` of a path through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + ("Z" if closed else "")


def drawing(width: float, height: float, title: str, *children: str, class_: str = "chart") -> Markup:
    """A whole drawing with its name for screen readers."""
    return element(
        "svg", *children, viewBox=f"0 0 {number(width)} {number(height)}", role="img", aria_label=title, class_=class_,
        width=width, height=height,
    )  # fmt: skip


def mark(shape: str, x: float, y: float, class_: str, *, size: float = 4.0) -> Markup:
    """A point of a chart: circle, triangle, square, diamond, or a triangle that points down."""
    if shape == "circle":
        return element("circle", class_=class_, cx=x, cy=y, r=size)
    outline = {
        "triangle": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
        "down": ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
        "diamond": ((0, -1.3), (1.2, 0), (0, 1.3), (-1.2, 0)),
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    }[shape]
    return element("path", class_=class_, d=path_of([(x + size * u, y + size * v) for u, v in outline], closed=True))
