"""Every hypothesis strategy: scales, panels, events, gates, templates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from immunoprofile.fcs import Channel
from immunoprofile.gating import (
    ROOT,
    Boolean,
    Compensation,
    Dimension,
    Ellipsoid,
    Gate,
    GatingTemplate,
    Marker,
    Polygon,
    Ratio,
    Rectangle,
    Term,
    join_path,
)
from immunoprofile.scales import Asinh, Hyperlog, Identity, Linear, Log, Logicle, Scale
from immunoprofile.spillover import Spillover
from twins import ArrayEvents

TOP = 262144.0
DETECTORS = ("FSC-A", "A1-A", "A2-A", "A3-A", "A4-A")


@st.composite
def scales(draw: Any) -> Scale:
    """Any scale of Gating-ML with parameters that instruments have, some clipped."""
    kind = draw(st.sampled_from([Identity, Linear, Log, Asinh, Logicle, Hyperlog]))
    clip: dict[str, float] = {}
    if draw(st.booleans()) and draw(st.booleans()):
        clip = {"low": 0.1, "high": 0.9}
    if kind is Identity:
        return Identity(**clip)
    m = draw(st.sampled_from([3.0, 4.5, 5.0]))
    if kind is Linear:
        return Linear(TOP, draw(st.sampled_from([0.0, 1000.0])), **clip)
    if kind is Log:
        return Log(TOP, m, **clip)
    if kind is Asinh:
        return Asinh(TOP, m, draw(st.sampled_from([0.0, 0.5, 1.0])), **clip)
    w = draw(st.sampled_from([0.25, 0.5, 1.0]))
    return kind(TOP, w, m, draw(st.sampled_from([0.0, 0.5, -w / 2])), **clip)


@st.composite
def spillovers(draw: Any, detectors: tuple[str, ...] = DETECTORS[1:]) -> Spillover:
    """Square matrices with a unit diagonal and up to 30 % of spill."""
    size = len(detectors)
    seed = draw(st.integers(0, 2**32 - 1))
    matrix = np.random.default_rng(seed).uniform(0, 0.3, (size, size))
    np.fill_diagonal(matrix, 1.0)
    return Spillover(detectors, matrix)


def panel() -> tuple[Channel, ...]:
    """A scatter channel and four fluorochromes."""
    return tuple(
        Channel(name, None if i == 0 else f"M{i}", i, 262144, 32, "scatter" if i == 0 else "fluorescence")
        for i, name in enumerate(DETECTORS)
    )


@st.composite
def events(draw: Any, bounds: tuple[float, ...] = ()) -> ArrayEvents:
    """Up to 300 events: log-normal and negative values, NaN, infinities, zeros, and values on the given bounds."""
    n = draw(st.integers(0, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.exp(rng.normal(7, 2.5, (n, len(DETECTORS)))) * rng.choice([1.0, 1.0, 1.0, -0.1], (n, len(DETECTORS)))
    odd = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, TOP, 1e300, -1e300, 5e-324, *bounds])
    where = rng.random(values.shape) < draw(st.sampled_from([0.0, 0.05, 0.5]))
    values[where] = rng.choice(odd, int(where.sum()))
    return ArrayEvents(values, panel(), draw(st.none() | spillovers()))


@st.composite
def _geometry(draw: Any, known: list[str], compensations: list[str | None]) -> Any:
    kinds = ["range", "rectangle", "polygon", "ellipsoid"] + (["boolean"] if known else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "boolean":
        terms = draw(st.lists(st.tuples(st.sampled_from(known), st.booleans()), min_size=1, max_size=3))
        return Boolean(draw(st.sampled_from(["and", "or"])), tuple(Term(p, c) for p, c in terms))
    size = {"range": 1, "polygon": 2}.get(kind) or draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dimensions = tuple(draw(_dimension(compensations)) for _ in range(size))
    grid = [_axis_grid(d.scale) for d in dimensions]
    if kind == "polygon":
        n = draw(st.integers(3, 8))
        return Polygon(dimensions, tuple((float(rng.choice(grid[0])), float(rng.choice(grid[1]))) for _ in range(n)))
    if kind == "ellipsoid":
        spread = np.array([g[-1] - g[0] for g in grid]) / 3
        lower = np.tril(rng.uniform(-0.5, 0.5, (size, size)), -1) + np.eye(size)
        factor = np.diag(spread) @ lower
        center = tuple(float(rng.choice(g)) for g in grid)
        return Ellipsoid(dimensions, center, tuple(map(tuple, (factor @ factor.T).tolist())), 1.0)
    bounds = []
    for g in grid:
        low, high = sorted(rng.choice(g, 2, replace=False).tolist())
        bounds.append(draw(st.sampled_from([(low, high), (None, high), (low, None)])))
    return Rectangle(dimensions, tuple(bounds))


def _axis_grid(scale: Scale) -> np.ndarray:
    if isinstance(scale, Identity):
        return np.array([-1000.0, 0.0, 64.0, 1000.0, 4096.0, 50000.0, 200000.0, 262144.0])
    return np.array([-0.2, 0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.8, 0.95, 1.1])


@st.composite
def _dimension(draw: Any, compensations: list[str | None]) -> Dimension:
    comp = draw(st.sampled_from(compensations))
    names = ["FSC-A", "M1", "M2", "M3", "M4"]
    if draw(st.integers(0, 9)) == 0:
        ratio = Ratio("M1", "M2", 2.0, 10.0, -5.0)
        return Dimension(ratio, draw(scales()), comp)
    return Dimension(draw(st.sampled_from(names)), draw(scales()), comp)


@st.composite
def templates(draw: Any, max_gates: int = 10) -> GatingTemplate:
    """Random trees of all gate kinds, scales and compensations, over the panel of `panel`."""
    matrix = draw(spillovers(DETECTORS[1:4]))
    compensations: list[str | None] = ["uncompensated", "M", None]
    gates: list[Gate] = []
    for i in range(draw(st.integers(1, max_gates))):
        known = [g.path for g in gates]
        parent = draw(st.sampled_from([ROOT, *known]))
        name = f"g{i}"
        path = name if parent == ROOT else f"{parent}/{name}"
        gates.append(Gate(name, path, parent, name, draw(_geometry(known, compensations))))
    markers = (Marker("FSC-A", ("FSC-A",)), *(Marker(f"M{i}", (f"M{i}",)) for i in range(1, 5)))
    source = draw(st.sampled_from(["none", "matrix", "file"]))
    comp = Compensation(source, "M" if source == "matrix" else None, "allow", (("M", matrix),))
    return GatingTemplate("random", "1", "", "draft", markers, comp, tuple(gates))


def chain(*names: str) -> str:
    """Shorthand for a path."""
    return join_path(names)
