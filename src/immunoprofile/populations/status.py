"""How much each row can carry: its status, and the flags that say why.

Only the denominator, the biology or the panel makes a fraction `not_evaluable`; a small count keeps its fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immunoprofile.populations.layout import Layout, Mask
from immunoprofile.populations.settings import TableSettings
from immunoprofile.populations.states import Holding


@dataclass
class Verdict:
    """Rows that are not evaluable, rows whose concentration is void too, and flags by code, row by row."""

    n_rows: int
    void: Mask = field(init=False)
    void_cells: Mask = field(init=False)
    flags: dict[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.void, self.void_cells = np.zeros((2, self.n_rows), dtype=np.bool_)

    def flag(self, code: str, rows: Mask) -> None:
        """Put a flag on some rows."""
        if rows.any():
            self.flags[code] = self.flags.get(code, np.zeros(self.n_rows, dtype=np.bool_)) | rows

    def joined(self) -> NDArray[np.object_]:
        """(n_rows,) flags in alphabetical order, joined by ';'."""
        texts = np.full(self.n_rows, "", dtype=object)
        for code in sorted(self.flags):
            rows = self.flags[code]
            texts[rows] = [f"{text};{code}" if text else code for text in texts[rows]]
        return texts


def judge(
    layout: Layout,
    count: NDArray[np.int64],
    total: NDArray[np.int64],
    held: Sequence[Holding],
    b_cells: str | None,
    settings: TableSettings,
) -> Verdict:
    """What keeps each row from being evaluated, and what should be known about it.

    Parameters
    ----------
    count, total : (n_rows,)
        Events of population and denominator; -1 where one was left out.
    b_cells
        Why the sample's B cells cannot be divided among subsets (`b_cell_flag`), if so.
    """
    verdict = Verdict(layout.n_rows)
    missing = (count < 0) | (total < 0)
    verdict.flag("MISSING_MARKER", missing)
    least = np.where(np.isnan(layout.least), settings["min_denominator"], layout.least)
    small = ~missing & (total < np.maximum(least, 1))
    verdict.flag("DENOMINATOR_TOO_SMALL", small)
    with np.errstate(invalid="ignore"):
        verdict.flag("LOW_DENOMINATOR", ~missing & ~small & (total < layout.warn_below))
    verdict.void |= missing | small
    parent = layout.path_of_role("b")
    if b_cells is not None and parent is not None:
        of_b = layout.rows_within(parent)
        verdict.flag(b_cells, of_b)
        verdict.void |= of_b
    for holding in held:
        _apply_state(verdict, layout, holding, b_cells == "B_DEPLETED")
    return verdict


def _apply_state(verdict: Verdict, layout: Layout, holding: Holding, depleted: bool) -> None:
    state = holding.state
    if state.when == "b_not_depleted" and depleted:
        return
    rows, by_exclusion = layout.concerned(state)
    verdict.flag(state.flag, rows | by_exclusion)
    if state.effect == "invalidate":
        verdict.void |= rows
        verdict.void_cells |= rows


def b_cell_flag(layout: Layout, counts: NDArray[np.int64], cells: float, settings: TableSettings) -> str | None:
    """Why there are too few B cells to divide among subsets: ``B_DEPLETED``, ``FEW_B_EVENTS`` or None.

    Parameters
    ----------
    counts : (n_paths,)
        Events by the layout's paths.
    cells
        B cells per microlitre; NaN where unknown.

    Notes
    -----
    Depleted: a smaller share of lymphocytes than `b_depleted_frac`, where there are enough lymphocytes to tell, or
    fewer per microlitre than `b_depleted_cells_per_ul`. Otherwise few: fewer events than `b_depleted_events`. A
    template without a gate of the role ``b`` says nothing.
    """
    b_cells, lymphocytes = layout.path_of_role("b"), layout.path_of_role("lymphocytes")
    count = -1 if b_cells is None else int(counts[layout.paths.index(b_cells)])
    if count < 0:
        return None
    total = -1 if lymphocytes is None else int(counts[layout.paths.index(lymphocytes)])
    share_known = total >= max(settings["min_denominator"], 1)
    if (share_known and count < settings["b_depleted_frac"] * total) or cells < settings["b_depleted_cells_per_ul"]:
        return "B_DEPLETED"
    return "FEW_B_EVENTS" if count < settings["b_depleted_events"] else None


def statuses(count: NDArray[np.int64], void: Mask, settings: TableSettings) -> NDArray[np.object_]:
    """(n_rows,) status of each row."""
    words = np.full(count.size, "ok", dtype=object)
    words[count < settings["lloq_events"]] = "below_lloq"
    words[count < settings["lod_events"]] = "below_lod"
    words[void] = "not_evaluable"
    return words
