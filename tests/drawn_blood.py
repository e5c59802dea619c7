"""A small template of blood and events that fill its populations with given counts."""

from __future__ import annotations

import numpy as np

import strategies as our
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Gate,
    GatingTemplate,
    Marker,
    Rectangle,
    Report,
    compile_plan,
    run_plan,
)
from immunoprofile.gating.gates import Boolean, Term
from twins import ArrayEvents

MARKERS = ("M1", "M2", "M3", "M4")


def _gate(name: str, parent: str, axis: str, low: float, role: str | None = None, cl: str | None = None) -> Gate:
    path = name if parent == ROOT else f"{parent}/{name}"
    shape = Rectangle((our.Dimension(axis, our.Identity()),), ((low, low + 10.0),))
    return Gate(name, path, parent, name.lower(), shape, label=name, role=role, cell_ontology=cl)


def blood(names: dict[str, tuple[str, ...]] | None = None, *, beads: bool = True) -> GatingTemplate:
    """Beads beside cells > leukocytes > lymphocytes > (B > Naive, rest of B without Naive; T).

    M1 tells beads from cells and leukocytes, M2 lymphocytes, M3 B from T, M4 naive B cells. `names` renames markers.
    """
    lymphocytes = "Cells/Leuk/Lymph"
    gates = [
        _gate("Cells", ROOT, "M1", 0.0, "singlets"),
        _gate("Leuk", "Cells", "M1", 0.0, "leukocytes"),
        _gate("Lymph", "Cells/Leuk", "M2", 100.0, "lymphocytes"),
        _gate("B", lymphocytes, "M3", 100.0, "b"),
        _gate("Naive", f"{lymphocytes}/B", "M4", 100.0, cl="CL:0000970"),
        Gate("Rest", f"{lymphocytes}/B/Rest", f"{lymphocytes}/B", "rest",
             Boolean("and", (Term(f"{lymphocytes}/B/Naive", True),))),
        _gate("T", lymphocytes, "M3", 200.0, "t"),
    ]  # fmt: skip
    gates += [_gate("Beads", ROOT, "M1", 500.0, "beads")] if beads else []
    called = names or {}
    markers = tuple(Marker(m, called.get(m, (m,))) for m in MARKERS)
    reports = tuple(Report(g.path, (lymphocytes,) if g.path.startswith(lymphocytes + "/") else ()) for g in gates)
    return GatingTemplate("blood", "1", "", "draft", markers, Compensation("none"), tuple(gates), reports)


def drawn(template: GatingTemplate, *, beads: int = 0, t: int = 0, naive: int = 0, rest: int = 0, other: int = 0):
    """The membership of a tube with so many events of each kind; `other` are leukocytes that are no lymphocytes."""
    kinds = [(beads, (505, 0, 0, 0)), (t, (5, 105, 205, 0)), (naive, (5, 105, 105, 105)), (rest, (5, 105, 105, 0)),
             (other, (5, 0, 0, 0))]  # fmt: skip
    values = np.concatenate([np.tile((0.0, *map(float, row)), (n, 1)) for n, row in kinds])
    channels = our.panel()
    events = ArrayEvents(values, channels)
    return run_plan(compile_plan(template, events.channels), events)
