"""The names that a template's parts are looked up by: markers on their scales, and matrices."""

from __future__ import annotations

from pathlib import Path

from immunoprofile.errors import Problem, SpilloverError, closest, printable
from immunoprofile.gating.formats.parts import Parts
from immunoprofile.gating.formats.shape import MarkerShape, MatrixShape
from immunoprofile.gating.formats.shape_scales import ScaleShape
from immunoprofile.gating.gates import FILE, UNCOMPENSATED, Dimension, Ratio
from immunoprofile.scales import KINDS, Scale
from immunoprofile.spillover import Spillover, read_spillover


class Sense:
    """The names a template's parts are looked up by, and the problems found on the way.

    What is ill-formed is known by name and complained of no second time.
    """

    def __init__(self, parts: Parts, path: Path) -> None:
        self.path, self.problems = path, list[Problem]()
        self.scales = {n: s for n, found in parts.scales.items() if (s := self.scale(n, found)) is not None}
        self.known = list(parts.known_markers)
        self.matrices = _matrices(self, parts)
        self.axes: dict[str, Dimension] = {}
        for name, marker in parts.markers.items():
            axis = self._dimension(name, marker, parts)
            if axis is not None:
                self.axes[name] = axis

    def _dimension(self, name: str, marker: MarkerShape, parts: Parts) -> Dimension | None:
        where, sound = f"markers.{name}", True
        if marker.scale not in parts.known_scales:
            hint = closest(marker.scale, parts.known_scales)
            self.problem(f"{where}.scale", f'no scale named "{printable(marker.scale)}"', hint, "SCALE-UNKNOWN")
            sound = False
        judged = parts.compensation is not None
        if judged and marker.compensation not in {None, FILE, UNCOMPENSATED, *self.matrices}:
            hint = closest(str(marker.compensation), [FILE, UNCOMPENSATED, *self.matrices])
            what = f'no matrix named "{printable(marker.compensation)}"'
            self.problem(f"{where}.compensation", what, hint, "MATRIX-UNKNOWN")
            sound = False
        ratio = marker.ratio
        for end in () if ratio is None else (ratio.top, ratio.bottom):
            of = parts.markers.get(end)
            if end not in self.known or (of is not None and of.ratio is not None):
                hint = closest(end, self.known)
                self.problem(f"{where}.ratio", f'"{printable(end)}" is no marker with names', hint, "MARKER-UNKNOWN")
                sound = False
        if not sound or marker.scale not in self.scales:
            return None
        channel = name if ratio is None else Ratio(ratio.top, ratio.bottom, ratio.a, ratio.b, ratio.c)
        return Dimension(channel, self.scales[marker.scale], marker.compensation)

    def problem(self, where: str, what: str, remedy: str | None, code: str) -> None:
        self.problems.append(Problem(what, str(self.path), where, remedy=remedy, code=code))

    def scale(self, name: str, shape: ScaleShape) -> Scale | None:
        numbers = shape.model_dump(exclude={"kind"}, exclude_none=True)
        try:
            return KINDS[shape.kind](**numbers)
        except ValueError as problem:
            self.problem(f"scales.{name}", str(problem), "Correct its numbers.", "SCALE-INVALID")
            return None

    def axis(self, where: str, name: str) -> Dimension | None:
        if name not in self.known:
            self.problem(where, f'no marker named "{printable(name)}"', closest(name, self.known), "MARKER-UNKNOWN")
        return self.axes.get(name)


def _matrices(sense: Sense, parts: Parts) -> dict[str, Spillover]:
    """The template's matrices by name; one that is named by its file alone is called as the file."""
    comp = parts.compensation
    if comp is None:
        return {}
    wanted: dict[str, str | MatrixShape] = dict(comp.matrices)
    if comp.matrix is not None:
        wanted.setdefault(comp.matrix, comp.matrix)
    found = {}
    for name, given in wanted.items():
        file, rows = (given, ()) if isinstance(given, str) else (given.file, given.fluorochromes)
        try:
            found[name] = read_spillover(sense.path.parent / file, rows)
        except SpilloverError as error:
            first = error.problems[0]
            where = "compensation" + (".matrix" if name == comp.matrix else f".matrices.{printable(name)}")
            remedy = first.remedy or "Correct the file or its name."
            sense.problem(where, f"{printable(file)}: {first.what}", remedy, error.code)
    return found
