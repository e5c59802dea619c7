"""Plain NumPy twins of the compiled code: slow, short, written from the rules alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.fcs import Channel
from immunoprofile.gating import ROOT, Boolean, Ellipsoid, GatingTemplate, Polygon, Ratio, Rectangle
from immunoprofile.spillover import Spillover


@dataclass(frozen=True)
class ArrayEvents:
    """Events that live in memory: linear values (n, k) and their channels."""

    values: np.ndarray
    channels: tuple[Channel, ...]
    spillover: Spillover | None = None

    @property
    def n_events(self) -> int:
        return self.values.shape[0]

    def linear(self) -> np.ndarray:
        return self.values.astype(np.float64)

    def linear_blocks(
        self, columns: Sequence[int], size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        stop = self.n_events if stop is None else stop
        for first in range(start, stop, size):
            part = self.values[first : min(first + size, stop)]
            yield first, np.ascontiguousarray(part[:, list(columns)].T, dtype=np.float64)

    def linear_sample(self, columns: Sequence[int], starts: Sequence[int], size: int) -> np.ndarray:
        parts = [self.values[start : start + size, list(columns)] for start in starts]
        return np.vstack(parts).T.astype(np.float64)


def rounded(values: np.ndarray) -> np.ndarray:
    """Values as if written with twelve decimals, where a float64 has that many."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.abs(values) < 2**52 / 1e12, np.floor(values * 1e12 + 0.5) / 1e12, values)


def polygon_mask(px: np.ndarray, py: np.ndarray, vertices: Sequence[tuple[float, float]]) -> np.ndarray:
    """Even-odd, edges inside, for all points at once."""
    inside, on_edge = np.zeros(px.shape, bool), np.zeros(px.shape, bool)
    eps = np.finfo(float).eps
    for (x1, y1), (x2, y2) in zip([vertices[-1], *vertices[:-1]], vertices, strict=True):
        dx, dy = x2 - x1, y2 - y1
        with np.errstate(invalid="ignore", over="ignore"):
            left, right = dx * (py - y1), dy * (px - x1)
            cross = left - right
            near = np.abs(cross) <= 1e-12 * (abs(dx) + abs(dy)) + 8 * eps * (np.abs(left) + np.abs(right))
            within = (min(x1, x2) - 1e-12 <= px) & (px <= max(x1, x2) + 1e-12)
            within &= (min(y1, y2) - 1e-12 <= py) & (py <= max(y1, y2) + 1e-12)
            on_edge |= near & within
            inside ^= ((y1 > py) != (y2 > py)) & ((cross > 0) == (dy > 0))
    return inside | on_edge


class Twin:
    """Memberships of a whole file by whole matrices."""

    def __init__(self, template: GatingTemplate, events: ArrayEvents, replacement: Spillover | None = None) -> None:
        self.template, self.events, self.replacement = template, events, replacement
        self.column = {m.name: self._column(m) for m in template.markers}
        self.masks: dict[str, np.ndarray] = {ROOT: np.ones(events.n_events, bool)}
        self.missing: dict[str, np.ndarray] = {ROOT: np.zeros(events.n_events, bool)}
        for path in template.paths:
            self._evaluate(path)

    def _column(self, marker) -> int:
        names = [c.marker for c in self.events.channels]
        detectors = [c.detector for c in self.events.channels]
        for name in marker.names:
            if not marker.by_detector and name in names:
                return names.index(name)
        return detectors.index(next(n for n in marker.names if n in detectors))

    def _compensated(self, name: str, how: str | None) -> np.ndarray:
        comp = self.template.compensation
        how = how or {"matrix": comp.default, "file": "file", "none": "uncompensated"}[comp.source]
        raw = self.events.linear()
        if how == "uncompensated":
            return raw[:, self.column[name]]
        matrix = self.replacement or (self.events.spillover if how == "file" else dict(comp.matrices)[how])
        if matrix is None:
            return raw[:, self.column[name]]
        detectors = [c.detector for c in self.events.channels]
        target = name if name in matrix.fluorochromes else detectors[self.column[name]]
        if target not in matrix.fluorochromes:
            return raw[:, self.column[name]]
        columns = [detectors.index(d) for d in matrix.detectors]
        total = np.zeros(raw.shape[0])
        with np.errstate(invalid="ignore", over="ignore"):
            for k, column in enumerate(columns):
                total = total + matrix.inverse[k, matrix.fluorochromes.index(target)] * raw[:, column]
        total[~np.isfinite(raw[:, columns]).all(axis=1)] = np.nan
        return total

    def _linear(self, dimension) -> np.ndarray:
        channel = dimension.channel
        if isinstance(channel, Ratio):
            top, bottom = (self._compensated(n, dimension.compensation) for n in dimension.channels)
            with np.errstate(all="ignore"):
                return channel.a * (top - channel.b) / (bottom - channel.c)
        return self._compensated(channel, dimension.compensation)

    def _evaluate(self, path: str) -> None:
        if path in self.masks:
            return
        gate = self.template.gate(path)
        self._evaluate(gate.parent)
        lost = self.missing[gate.parent].copy()
        geometry = gate.geometry
        if isinstance(geometry, Boolean):
            parts = []
            for term in geometry.terms:
                self._evaluate(term.path)
                parts.append(self.masks[term.path] != term.complement)
                lost |= self.missing[term.path]
            inside = np.logical_and.reduce(parts) if geometry.operation == "and" else np.logical_or.reduce(parts)
            inside &= ~lost
        else:
            linear = [self._linear(d) for d in geometry.dimensions]
            own = np.logical_or.reduce([np.isnan(x) for x in linear])
            lost |= own
            scaled = [d.scale(x) for d, x in zip(geometry.dimensions, linear, strict=True)]
            inside = self._shape(geometry, scaled) & ~own
        self.missing[path] = lost
        self.masks[path] = inside & self.masks[gate.parent]

    @staticmethod
    def _shape(geometry, scaled: list[np.ndarray]) -> np.ndarray:
        if isinstance(geometry, Rectangle):
            inside = np.ones(scaled[0].shape, bool)
            for values, (low, high) in zip(scaled, geometry.bounds, strict=True):
                inside &= True if low is None else rounded(values) >= rounded(np.float64(low))
                inside &= True if high is None else rounded(values) < rounded(np.float64(high))
            return inside
        vertices = np.array(getattr(geometry, "vertices", ()))
        if geometry.bins is not None:
            steps = [geometry.bins / (4096 if d.scale.kind == "flowjo_biex" else 1) for d in geometry.dimensions]
            scaled = [np.floor(x * k + 0.5) / k for x, k in zip(scaled, steps, strict=True)]
            vertices = np.floor(vertices * steps + 0.5) / steps if vertices.size else vertices
        if isinstance(geometry, Polygon):
            return polygon_mask(*scaled, [tuple(v) for v in vertices])
        assert isinstance(geometry, Ellipsoid)
        with np.errstate(invalid="ignore", over="ignore"):
            offsets = np.stack(scaled, axis=1) - np.array(geometry.center)
            squared = np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(np.array(geometry.covariance)), offsets)
            return rounded(squared) <= rounded(np.float64(geometry.distance_square))
