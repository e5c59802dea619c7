"""The controls of a run day: unstained cells, single stains, one marker left out, and a donor measured in every run.

All come from one donor with the mean's blood, who is the same person in every run: what differs between two
bridging tubes is the run day (and chance). A single stain is lymphocytes whose T cells carry a bright antibody of
that fluorochrome (for the viability dye: many dead cells), as labs do for markers that are dim or rare.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.simulation.cells import BEAD, DEAD
from immunoprofile.simulation.composition import build_tree, compose
from immunoprofile.simulation.panel import VIABILITY, Panel
from immunoprofile.simulation.parameters import Parameters
from immunoprofile.simulation.sheets import Row
from immunoprofile.simulation.specimen import SimulatedTube
from immunoprofile.simulation.streams import Purpose, key_of, open_stream
from immunoprofile.simulation.tube import draw_tube
from immunoprofile.simulation.visits import batch_shift

BRIGHT = 30_000.0
"""Median of the bright antibody of a single stain [A]: as bright as the brightest marker of the panels, CD45."""
_CARRIER = "CD3"
_CARRIES_FROM = 5_000.0
_FEW_OTHERS = {"monocyte": 0.0, "granulocyte": 0.0, "debris": 0.01, "doublet": 0.01}


@dataclass(frozen=True, slots=True)
class PlannedControl:
    """One control to be measured: its kind as the sample sheet says it, its panel and its run day."""

    sample_id: str
    control: str
    panel: Panel
    batch: str


def plan_controls(panels: Sequence[Panel], batches: Sequence[str]) -> tuple[PlannedControl, ...]:
    """Every control of every panel on every run day."""
    return tuple(
        PlannedControl(f"CONTROL-{batch}_{panel.id}_{kind.replace(':', '-')}", kind, panel, batch)
        for batch in batches
        for panel in panels
        for kind in _kinds(panel)
    )


def _kinds(panel: Panel) -> list[str]:
    stained = [m for m in panel.markers if m != VIABILITY]
    return ["bridge", "unstained", *(f"single:{m}" for m in panel.markers), *(f"fmo:{m}" for m in stained)]


def draw_control(p: Parameters, seed: int, planned: PlannedControl, n_events: int) -> SimulatedTube:
    """The events of one control, with their labels."""
    panel = planned.panel
    kind, _, marker = planned.control.partition(":")
    shares = compose(build_tree(p, panel), _composition(panel, kind, marker))
    shift = np.array([batch_shift(p, seed, planned.batch, panel, m) for m in panel.markers])
    stained = {
        "unstained": [],
        "single": [marker],
        "fmo": [m for m in panel.markers if m != marker],
    }.get(kind)
    drawn = _brighten(panel, marker) if kind == "single" and marker != VIABILITY else panel
    rng = open_stream(seed, Purpose.CONTROL, key_of(planned.batch), key_of(panel.id), key_of(planned.control))
    tube = draw_tube(rng, drawn, shares, n_events, shift, stained=stained)
    return SimulatedTube(panel, tube.values, tube.labels, shares)


def _composition(panel: Panel, kind: str, marker: str) -> dict[str, float]:
    beads = {BEAD: 0.0} if panel.has_beads else {}
    if kind in ("bridge", "fmo"):
        return beads
    return {**beads, **_FEW_OTHERS, DEAD: 0.40 if marker == VIABILITY else 0.01}


def _brighten(panel: Panel, marker: str) -> Panel:
    """The panel with T cells bright in one marker and all other cells without it."""
    column = panel.markers.index(marker)
    carries = [kind.stains.get(_CARRIER, 0.0) > _CARRIES_FROM for kind in panel.kinds]
    log_stain, spread = panel.looks.log_stain.copy(), panel.looks.spread.copy()
    log_stain[:, column] = np.where(carries, np.log(BRIGHT), -np.inf)
    spread[:, column] = 0.25
    return dataclasses.replace(panel, looks=dataclasses.replace(panel.looks, log_stain=log_stain, spread=spread))


def list_control(planned: PlannedControl) -> Row:
    """The control's row of samples.csv."""
    return {
        "sample_id": planned.sample_id,
        "file": f"fcs/{planned.sample_id}.fcs",
        "panel": planned.panel.id,
        "batch": planned.batch,
        "control": planned.control,
        "subject_id": "",
        "note": "simulated",
    }
