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


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a template, which is one population.

    Parameters
    ----------
    path, parent
        Own path and the parent's (`paths.ROOT` for the root).
    id
        pop_id in every table, unique.
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
