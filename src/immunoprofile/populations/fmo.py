"""Intensities beside those of a fluorescence-minus-one control: the same population without the marker's own stain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from immunoprofile.gating import GatingTemplate


class Drawn(Protocol):
    """What matching asks of a row of the sample sheet."""

    @property
    def sample_id(self) -> str: ...
    @property
    def subject_id(self) -> str | None: ...
    @property
    def visit(self) -> str | None: ...
    @property
    def panel(self) -> str | None: ...
    @property
    def batch(self) -> str | None: ...
    @property
    def control(self) -> str | None: ...


def fmo_marker(control: str | None, template: GatingTemplate) -> str | None:
    """The marker, as the template names it, that an ``fmo:MARKER`` control leaves out; None for anything else."""
    kind, _, name = (control or "").partition(":")
    if kind != "fmo":
        return None
    wanted = name.strip().casefold()
    called = [m.name for m in template.markers if wanted in {m.name.casefold(), *map(str.casefold, m.names)}]
    return called[0] if called else name.strip()


def compare_fmo(
    intensities: pd.DataFrame,
    sample: Drawn,
    controls: Iterable[tuple[Drawn, str, pd.DataFrame]],
) -> pd.DataFrame:
    """The intensities of one sample with differences from and ratios to its FMO controls.

    Parameters
    ----------
    intensities
        Of the sample, columns of `columns.INTENSITIES`.
    controls
        Each FMO control with the marker it leaves out and its own intensities.

    Notes
    -----
    The control of a marker is that of the same subject and visit; else that of the same batch; else that of the panel,
    unless it is known to be of another subject or batch. Where several are equally near none is taken, and the rows
    say so.
    """
    listed = list(controls)
    table = intensities.copy()
    for marker in dict.fromkeys(m for _, m, _ in listed):
        near = _nearest(sample, [(c, frame) for c, m, frame in listed if m == marker])
        rows = (table["marker"] == marker).to_numpy(dtype=bool)
        if len(near) > 1:
            table.loc[rows, "flags"] = "FMO_AMBIGUOUS"
        elif near:
            _compare(table, rows, marker, *near[0])
    return table


def _nearest(sample: Drawn, controls: Sequence[tuple[Drawn, pd.DataFrame]]) -> list[tuple[Drawn, pd.DataFrame]]:
    """The controls of the nearest kind that has any."""
    of_panel = [c for c in controls if c[0].panel == sample.panel]
    draw = [c for c in of_panel if c[0].subject_id is not None and _same(c[0], sample, "subject_id", "visit")]
    others = [c for c in of_panel if c[0].subject_id is None]
    batch = [c for c in others if c[0].batch is not None and c[0].batch == sample.batch]
    return draw or batch or [c for c in others if c[0].batch is None or sample.batch is None]


def _same(control: Drawn, sample: Drawn, *names: str) -> bool:
    return all(getattr(control, n) == getattr(sample, n) for n in names)


def _compare(table: pd.DataFrame, rows: Any, marker: str, control: Drawn, frame: pd.DataFrame) -> None:
    base = frame[frame["marker"] == marker].set_index("pop_id")["median_fi"]
    median = table.loc[rows, "median_fi"].to_numpy(dtype=np.float64)
    of_control = table.loc[rows, "pop_id"].map(base).to_numpy(dtype=np.float64)
    table.loc[rows, "fmo_sample_id"] = control.sample_id
    table.loc[rows, "delta_median_fi"] = median - of_control
    with np.errstate(divide="ignore", invalid="ignore"):
        table.loc[rows, "ratio_median_fi"] = np.where(of_control > 0, median / of_control, np.nan)
    table.loc[rows, "flags"] = np.where(np.isnan(of_control), "FMO_EMPTY", "")
