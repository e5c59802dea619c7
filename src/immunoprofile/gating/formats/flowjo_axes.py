"""The axes of one sample of a FlowJo workspace: channels, matrices and scales by the names that its gates use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunoprofile.errors import ImmunoprofileError, printable
from immunoprofile.gating.gates import UNCOMPENSATED, Dimension
from immunoprofile.scales import Asinh, FlowJoBiex, Hyperlog, Identity, Linear, Log, Logicle, Scale
from immunoprofile.spillover import Spillover

_BASE = "http://www.isac-net.org/std/Gating-ML/v2.0/"
G, T, D = (f"{{{_BASE}{part}}}" for part in ("gating", "transformations", "datatypes"))
# A bound that its scale gives back this nearly is the bound: float64 through a table of 4096 steps keeps more.
_BACK_RELATIVE, _BACK_ABSOLUTE = 1e-9, 1e-6


class RefusalError(Exception):
    """One part of a workspace cannot be carried: the reason, as a sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis as gates name it.

    Parameters
    ----------
    detector
        The channel: ``$PnN``, or a fluorochrome of `matrix`.
    matrix
        Name of the matrix that it is compensated with; None for none.
    scale
        None where it is of a kind that is not known; `reason` says which.
    seconds
        FlowJo's unit of time in ours; 1 for other channels.
    origin, length
        Scaled values of the two ends of FlowJo's display.
    """

    detector: str
    matrix: str | None
    scale: Scale | None
    reason: str = ""
    seconds: float = 1.0
    origin: float = 0.0
    length: float = 1.0

    @property
    def is_binned(self) -> bool:
        """True where the engine's bins fall where FlowJo's do: the display begins at the scale's zero."""
        return self.origin == 0.0

    def dimension(self, scale: Scale) -> Dimension:
        """This axis with a scale."""
        return Dimension(self.detector, scale, self.matrix or UNCOMPENSATED)

    def known_scale(self) -> Scale:
        """The scale, which a polygon or an ellipse cannot do without."""
        if self.scale is None:
            raise RefusalError(f'the scale of "{printable(self.detector)}" cannot be carried: {self.reason}')
        return self.scale

    def scaled(self, value: float) -> float:
        """Where a stored coordinate lies on the scale."""
        return float(self.known_scale()(value * self.seconds))

    def bounded(self, low: float | None, high: float | None) -> tuple[Dimension, tuple[float | None, float | None]]:
        """A dimension and scaled bounds that mean the stored linear ones exactly.

        The linear value itself is the scale where the axis's own would lose a bound (off its ends, unknown kind), and
        for time, whose display differs from sample to sample.
        """
        given = [None if v is None else v * self.seconds for v in (low, high)]
        own = self.scale
        if own is None or self.seconds != 1.0 or not all(v is None or _is_kept(own, v) for v in given):
            return self.dimension(Identity()), (given[0], given[1])
        found = [None if v is None else float(own(v)) for v in given]
        return self.dimension(own), (found[0], found[1])


def _is_kept(scale: Scale, value: float) -> bool:
    there = scale(value)
    back = float(scale.inverse(there)) if np.isfinite(there) else math.nan
    return math.isclose(back, value, rel_tol=_BACK_RELATIVE, abs_tol=_BACK_ABSOLUTE)


class Axes:
    """Every axis of one ``<Sample>``, found by the name in a gate (``FSC-A``, ``Comp-PE-A``, ``Time``)."""

    def __init__(self, sample: Any) -> None:
        self.keywords = {
            str(k.get("name", "")).upper(): str(k.get("value", "")) for k in sample.iterfind("Keywords/Keyword")
        }
        self.detectors = self._detectors()
        self.matrices: dict[str, Spillover] = {}
        self.compensated: dict[str, tuple[str, str]] = {}
        self.broken: dict[str, str] = {}
        for element in sample.iterfind(T + "spilloverMatrix"):
            self._matrix(element)
        self.scales = {
            str(p.get(D + "name")): e for e in sample.iterfind("Transformations/*") for p in e.iterfind(D + "parameter")
        }

    def _detectors(self) -> dict[str, str]:
        """``$PnN`` by FlowJo's spelling of it, which writes ``_`` for ``/``."""
        names = [v for k, v in self.keywords.items() if k.startswith("$P") and k.endswith("N") and k[2:-1].isdigit()]
        found = {n.replace("/", "_"): n for n in names}
        return found | {n: n for n in names}

    def _matrix(self, element: Any) -> None:
        name, (prefix, suffix) = (
            str(element.get("name", "")),
            (str(element.get(k, "")) for k in ("prefix", "suffix")),
        )
        fluorochromes = [str(p.get(D + "name")) for p in element.iterfind(f"{D}parameters/{D}parameter")]
        while name in self.matrices or not name:
            name += "'"
        try:
            self.matrices[name] = _spillover(element, fluorochromes, self.detectors)
        except RefusalError as refusal:
            self.broken |= {prefix + f + suffix: str(refusal) for f in fluorochromes}
            return
        for own, f in zip(self.matrices[name].fluorochromes, fluorochromes, strict=True):
            self.compensated[prefix + f + suffix] = (name, own)

    def find(self, name: str) -> Axis:
        """The axis by its name in a gate.

        Raises
        ------
        RefusalError
            No channel of the file and no compensated one; or its matrix cannot be used.
        """
        if name in self.broken:
            raise RefusalError(f'"{printable(name)}" is compensated with a matrix that {self.broken[name]}')
        matrix, detector = self.compensated.get(name, (None, self.detectors.get(name, name)))
        if matrix is None and self.detectors and name not in self.detectors:
            raise RefusalError(f'"{printable(name)}" is no channel of the file (a derived parameter?)')
        element = self.scales.get(name, self.scales.get(detector))
        if element is None:
            return Axis(detector, matrix, None, "the workspace gives none")
        return self._scaled(detector, matrix, element)

    def _scaled(self, detector: str, matrix: str | None, element: Any) -> Axis:
        kind = element.tag.removeprefix(T)
        if kind == "linear":
            return self._linear(detector, matrix, element)
        if kind not in _SCALES:
            return Axis(detector, matrix, None, f"{printable(kind, 40)} is not known here")
        try:
            scale = _SCALES[kind](lambda key: number(element, T + key))
        except (RefusalError, ValueError) as problem:
            return Axis(detector, matrix, None, str(problem))
        return Axis(detector, matrix, scale, length=4096.0 if isinstance(scale, FlowJoBiex) else 1.0)

    def _linear(self, detector: str, matrix: str | None, element: Any) -> Axis:
        try:
            seconds = self._seconds(element) if detector.casefold() == "time" else 1.0
            low, high = (number(element, T + k) * seconds for k in ("minRange", "maxRange"))
            scale = Linear(high, max(-low, 0.0))
        except (RefusalError, ValueError) as problem:
            return Axis(detector, matrix, None, str(problem))
        origin = float(scale(low))
        return Axis(detector, matrix, scale, seconds=seconds, origin=origin, length=1.0 - origin)

    def _seconds(self, element: Any) -> float:
        """FlowJo's unit of time in ours: it stretches raw times by `gain` to the clock, we by ``$TIMESTEP``."""
        try:
            step = float(self.keywords.get("$TIMESTEP", "1"))
            ratio = step / float(element.get("gain", step))
        except (ValueError, ZeroDivisionError):
            ratio = math.nan
        if not (math.isfinite(ratio) and ratio > 0):
            raise RefusalError("the unit of time cannot be told from its gain and $TIMESTEP")
        return ratio


Read = Callable[[str], float]


def _log(read: Read) -> Scale:
    # FlowJo: log10(max(x, offset) / offset) / decades, which is Gating-ML's logarithm of that top, cut off at zero.
    offset, decades = read("offset"), read("decades")
    return Log(offset * 10**decades, decades, low=0.0)


_SCALES: dict[str, Callable[[Read], Scale]] = {
    "log": _log,
    # `length` is the size of the display alone; `maxRange` and `W` of fasinh have no part in its curve.
    "biex": lambda read: FlowJoBiex(read("neg"), read("width"), read("pos"), read("maxRange")),
    "fasinh": lambda read: Asinh(read("T"), read("M"), read("A")),
    "logicle": lambda read: Logicle(read("T"), read("W"), read("M"), read("A")),
    "hyperlog": lambda read: Hyperlog(read("T"), read("W"), read("M"), read("A")),
}


def _spillover(element: Any, fluorochromes: list[str], real: dict[str, str]) -> Spillover:
    if element.get("spectral") == "1" and element.get("weightOptAlgorithmType", "OLS") != "OLS":
        raise RefusalError(f"is unmixed by {printable(element.get('weightOptAlgorithmType'), 40)}, not least squares")
    rows = [list(r.iterfind(T + "coefficient")) for r in element.iterfind(T + "spillover")]
    detectors = [[str(c.get(D + "parameter")) for c in row] for row in rows]
    if not rows or any(names != detectors[0] for names in detectors) or len(rows) != len(fluorochromes):
        raise RefusalError("has rows that do not go with its parameters")
    owners = [str(r.get(D + "parameter")) for r in element.iterfind(T + "spillover")]
    square = set(detectors[0]) == set(fluorochromes)
    if square and owners != fluorochromes:
        raise RefusalError("has its rows in another order than its parameters")
    values = np.array([[number(c, T + "value") for c in row] for row in rows])
    columns = tuple(real.get(d, d) for d in detectors[0])
    try:
        return Spillover(columns, values, tuple(real.get(f, f) for f in fluorochromes))
    except ImmunoprofileError as problem:
        raise RefusalError(f"cannot be used: {problem.problems[0].what}") from None


def number(element: Any, name: str) -> float:
    """A finite number in an attribute."""
    text = element.get(name)
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        short = name.rpartition("}")[2]
        raise RefusalError(f'"{printable(text, 40)}" is no number for {short} (line {element.sourceline})')
    return value
