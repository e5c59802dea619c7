"""How much a count and its denominator can carry."""

from __future__ import annotations

from typing import Literal

from immunoprofile.gating import Limit

Status = Literal["ok", "below_lloq", "below_lod", "not_evaluable"]

LOD_EVENTS = 20
"""Fewer events than this are not told from none (convention of rare-event cytometry, domain.md 5)."""
LLOQ_EVENTS = 50
"""Fewer than this are seen but not measured: a coefficient of variation above 14 % from counting alone."""
MIN_DENOMINATOR = 100
"""Below this a denominator gives no fraction, unless the template sets its own limit (domain.md 0.4)."""


def status_of(count: int, denom_count: int, limit: Limit) -> tuple[Status, tuple[str, ...]]:
    """Status of one fraction, and the flags that say why.

    Only the denominator can make it `not_evaluable`; a small count keeps its fraction.
    """
    least = MIN_DENOMINATOR
    if limit.not_evaluable_denominator_below is not None:
        least = limit.not_evaluable_denominator_below
    if denom_count < max(least, 1):
        return "not_evaluable", ("DENOMINATOR_TOO_SMALL",)
    warn = limit.warn_denominator_below
    flags = ("LOW_DENOMINATOR",) if warn is not None and denom_count < warn else ()
    if count < LOD_EVENTS:
        return "below_lod", flags
    return ("below_lloq" if count < LLOQ_EVENTS else "ok"), flags
