"""Numbers in words: counts, ratios, percents, intervals, p-values. Blanks inside are such that no line breaks there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunoprofile.comparison import describe_p

TIE = "\u00a0"
"""A blank at which no line breaks."""


def absent(value: object) -> bool:
    """Is this cell missing?"""
    return value is None or bool(pd.isna(value))


def kept_together(text: str) -> str:
    """The text with blanks at which no line breaks."""
    return text.replace(" ", TIE)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 subject``, ``2 subjects``, ``24,000 events``."""
    return f"{number:,}{TIE}{noun if number == 1 else plural or noun + 's'}"


def ratio(value: float) -> str:
    """A ratio: two decimals, or two digits that count where those would be lost."""
    if value != 0 and not 0.095 <= abs(value) < 99.95:
        return f"{value:.2g}"
    return f"{value:.2f}"


def percent(fraction: float) -> str:
    """A fraction as percent with one decimal."""
    return f"{100 * fraction:.1f}"


def level(row: Mapping[str, Any]) -> str:
    """The level of an interval as achieved: ``96.9 % CI``."""
    return kept_together(f"{100 * float(row['ci_level']):.3g} % CI")


def effect_interval(row: Mapping[str, Any]) -> str:
    """The interval of the effect in brackets, or why there is none."""
    if absent(row["ci_level"]) or absent(row["effect_lo"]) or absent(row["effect_hi"]):
        return "(no interval)"
    limits = kept_together(f"{ratio(row['effect_lo'])} to {ratio(row['effect_hi'])}")
    return f"({level(row)} {limits})"


def p_value(p: object) -> str:
    """``p = 0.016``, never below ``p < 0.0001``, without stars."""
    return kept_together(describe_p(None if absent(p) else float(p)))  # type: ignore[arg-type]


def listed(names: list[str], most: int = 6) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
