"""Memberships become tables: counts with every denominator, fractions with intervals, and what they can carry."""

from immunoprofile.populations.status import LLOQ_EVENTS, LOD_EVENTS, Status, status_of
from immunoprofile.populations.tabulate import add_flags, resolved_gates, tabulate

__all__ = ["LLOQ_EVENTS", "LOD_EVENTS", "Status", "add_flags", "resolved_gates", "status_of", "tabulate"]
