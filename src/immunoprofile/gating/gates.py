"""What a gate is: frozen values in scaled coordinates.

Semantics are those of Gating-ML 2.0: ``min <= x < max`` for rectangles and quadrants, edges inside for polygons,
distance ``<=`` for ellipsoids, NaN outside, also under a complement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from immunoprofile.scales import Scale

UNCOMPENSATED = "uncompensated"
FILE = "file"


@dataclass(frozen=True, slots=True)
class Ratio:
    """``a * (numerator - b) / (denominator - c)`` of two channels, each compensated as its dimension says."""

    numerator: str
    denominator: str
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis of a gate: a channel by its marker's name in the template, its scale, its compensation.

    `compensation` is None (as the template says), ``"uncompensated"``, ``"file"`` or the name of a matrix of the
    template.
    """

    channel: str | Ratio
    scale: Scale
    compensation: str | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels it rests on."""
        if isinstance(self.channel, Ratio):
            return self.channel.numerator, self.channel.denominator
        return (self.channel,)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """``min <= x < max`` in every dimension; None is no bound.

    `divider` names the quadrant gate that it is a part of, if any.
    """

    dimensions: tuple[Dimension, ...]
    bounds: tuple[tuple[float | None, float | None], ...]
    divider: str | None = None

    @property
    def kind(self) -> str:
        """Name for tables and people."""
        return "rectangle" if self.divider is None else "quadrant"


@dataclass(frozen=True, slots=True)
class Polygon:
    """Even-odd inside of an outline in two dimensions, edges and vertices included.

    `bins` is FlowJo's way, for its workspaces only: events and vertices count as the nearest of so many steps of
    their axes. None is the exact outline.
    """

    dimensions: tuple[Dimension, Dimension]
    vertices: tuple[tuple[float, float], ...]
    kind: Literal["polygon"] = "polygon"
    bins: int | None = None


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Squared Mahalanobis distance from `center` under `covariance` at most `distance_square`.

    Gating-ML's own reference gates hold a "covariance" that is none; whatever can be inverted is evaluated.
    `bins` as in `Polygon`, for events alone: an ellipse has no vertices to round.
    """

    dimensions: tuple[Dimension, ...]
    center: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    distance_square: float
    kind: Literal["ellipsoid"] = "ellipsoid"
    bins: int | None = None

    @property
    def is_ellipsoid(self) -> bool:
        """True where the covariance is symmetric and positive definite, so that the gate is bounded."""
        matrix = np.array(self.covariance)
        return bool(np.allclose(matrix, matrix.T, rtol=1e-9, atol=0)) and bool(np.linalg.eigvalsh(matrix).min() > 0)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a boolean: the path of another gate, or its complement."""

    path: str
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Boolean:
    """All (``and``) or any (``or``) of its terms, inside its own parent."""

    operation: Literal["and", "or"]
    terms: tuple[Term, ...]
    kind: Literal["boolean"] = "boolean"

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """None of its own."""
        return ()


Geometry = Rectangle | Polygon | Ellipsoid | Boolean

Method = Literal["valley", "tail", "quantile", "fmo", "mixture", "singlets", "separate"]
Pool = Literal["sample", "subject", "visit", "batch"]
Origin = Literal["template", "auto", "fallback", "override", "frozen"]


@dataclass(frozen=True, slots=True)
class AutoRule:
    """How a gate is found in the data; `docs/explanation/automatic_gates.md` says what each method does.

    Parameters
    ----------
    dimensions
        One axis, or two.
    keep
        Which side of a cut on one axis belongs to the gate.
    between
        A cut outside this stretch of the axis is none.
    pool, fit
        Samples that share one gate, and which of them it is found in.
    quantile
        Of `quantile` and `fmo` the share of events below the cut; of `tail` that of the peak's own events; of a
        `mixture` in two dimensions that of the component's events inside the ellipse.
    components, target
        Of `mixture` how many, and the point nearest to the one that is meant; of `separate` a point on the side meant.
    angles
        Of `separate` the directions tried for the line's normal, degrees from the x axis towards the y axis.
    width
        Of `singlets` half the band's width in standard deviations.
    bandwidth
        Of the density, units of the axis; None: from the number of events.
    drift
        How far a sample's own cut may lie from the pool's before that is a finding, units of the axis; None: a
        twentieth of it.
    min_events
        A sample with fewer in the parent takes no part.
    """

    method: Method
    dimensions: tuple[Dimension, ...]
    keep: Literal["above", "below"] | None = None
    between: tuple[float, float] | None = None
    pool: Pool = "subject"
    fit: Literal["baseline", "all"] = "baseline"
    quantile: float | None = None
    components: int | None = None
    target: tuple[float, ...] | None = None
    angles: tuple[float, float] | None = None
    width: float | None = None
    bandwidth: float | None = None
    drift: float | None = None
    min_events: int = 200


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a template, which is one population.

    Parameters
    ----------
    path, parent
        Own path and the parent's (`paths.ROOT` for the root).
    id
        pop_id in every table, unique.
    auto
        How its geometry is found in the data; until it is, `geometry` is the fallback that the template declares.
    declared
        The geometry of the template where another one took its place.
    origin, reason
        Where its geometry comes from, and why, where that is not the template.
    """

    name: str
    path: str
    parent: str
    id: str
    geometry: Geometry
    label: str = ""
    cell_ontology: str | None = None
    name_hipc: str | None = None
    role: str | None = None
    auto: AutoRule | None = None
    declared: Geometry | None = None
    origin: Origin = "template"
    reason: str = ""

    @property
    def template_geometry(self) -> Geometry:
        """What the template itself says, whatever took its place."""
        return self.geometry if self.declared is None else self.declared

    @property
    def applied_as(self) -> tuple[Origin, str]:
        """Origin and reason for the tables; an automatic gate that nobody fitted is its fallback."""
        if self.auto is not None and self.origin == "template":
            return "fallback", "applied without fitting its automatic rule"
        return self.origin, self.reason
