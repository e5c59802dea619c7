"""Gating-ML 2.0 to a template.

References
----------
Spidlen J, Moore W, ISAC Data Standards Task Force, Brinkman RR. ISAC's Gating-ML 2.0 data exchange standard for gating
description. Cytometry A 2015;87(7):683-687. doi:10.1002/cyto.a.22690
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from immunoprofile.errors import (
    ImmunoprofileError,
    Problem,
    TemplateInvalidError,
    TemplateSyntaxError,
    closest,
    printable,
)
from immunoprofile.gating.formats.assembly import Draft, assemble
from immunoprofile.gating.formats.xmlfile import parse_xml
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    Boolean,
    Dimension,
    Ellipsoid,
    Geometry,
    Polygon,
    Ratio,
    Rectangle,
    Term,
)
from immunoprofile.gating.paths import join_path, make_id
from immunoprofile.gating.template import Compensation, GatingTemplate, Marker
from immunoprofile.scales import Asinh, Hyperlog, Identity, Linear, Log, Logicle, Scale
from immunoprofile.spillover import Spillover

_BASE = "http://www.isac-net.org/std/Gating-ML/v2.0/"
_G, _T, _D = (f"{{{_BASE}{part}}}" for part in ("gating", "transformations", "datatypes"))
_GATES = {_G + n for n in ("RectangleGate", "PolygonGate", "EllipsoidGate", "QuadrantGate", "BooleanGate")}
_SCALES: dict[str, tuple[Callable[..., Scale], tuple[str, ...]]] = {
    "flin": (Linear, ("T", "A")),
    "flog": (Log, ("T", "M")),
    "fasinh": (Asinh, ("T", "M", "A")),
    "logicle": (Logicle, ("T", "W", "M", "A")),
    "hyperlog": (Hyperlog, ("T", "W", "M", "A")),
}


class _RefusalError(Exception):
    """One element cannot be used: what, where, remedy."""

    def __init__(self, element: Any, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.where, self.what, self.remedy = f"line {element.sourceline}", what, remedy


def read_gatingml(path: str | os.PathLike[str], *, missing: Literal["error", "allow"] = "error") -> GatingTemplate:
    """Read a Gating-ML 2.0 file as a template over detectors.

    Parameters
    ----------
    missing
        What dimensions compensated by ``FCS`` are in a file that declares no spillover: an error, or, as the
        standard permits, uncompensated.

    Raises
    ------
    TemplateSyntaxError
        Not readable, not XML, not Gating-ML 2.0.
    TemplateInvalidError
        Unknown references, missing or impossible numbers: all of them, each with its line.
    """
    file = Path(path)
    root = parse_xml(file)
    if root.tag != _G + "Gating-ML":
        raise TemplateSyntaxError(
            f"is not Gating-ML 2.0 (its root is <{printable(root.tag, 80)}>)",
            path=file,
            code="GATINGML-ROOT",
            remedy="Export Gating-ML 2.0.",
        )
    document = _Document(root, file)
    drafts = list(document.drafts())
    assembled = assemble(drafts, [], [], str(file))
    problems = [*document.problems, *assembled.problems]
    if problems:
        raise TemplateInvalidError.of(problems)
    if not drafts:
        raise TemplateInvalidError("holds no gate", path=file, code="GATINGML-EMPTY", remedy="Export the gates too.")
    names = dict.fromkeys(n for g in assembled.gates for d in g.geometry.dimensions for n in d.channels)
    markers = tuple(Marker(n, (n,), by_detector=True) for n in names)
    compensation = Compensation("none", missing=missing, matrices=tuple(document.matrices.items()))
    return GatingTemplate(
        make_id(file.stem, ()), "1", file.stem, "draft", markers, compensation, assembled.gates, source=file
    )


class _Document:
    """One file's transformations and matrices by id, and its gates as drafts."""

    def __init__(self, root: Any, file: Path) -> None:
        self.root, self.file = root, file
        self.problems: list[Problem] = []
        self.scales: dict[str, Scale] = {}
        self.ratios: dict[str, tuple[str, str, float, float, float]] = {}
        self.matrices: dict[str, Spillover] = {}
        for element in root.iter(_T + "transformation"):
            self._try(self._transformation, element)
        for element in root.iter(_T + "spectrumMatrix"):
            self._try(self._matrix, element)
        self.names, self.parents = self._tree()

    def _try(self, read: Callable[[Any], Any], element: Any) -> Any:
        try:
            return read(element)
        except _RefusalError as refusal:
            self.problems.append(
                Problem(refusal.what, str(self.file), refusal.where, remedy=refusal.remedy, code="GATINGML")
            )
            return None

    def _transformation(self, element: Any) -> None:
        name = _attribute(element, _T + "id")
        kinds = [c for c in element if isinstance(c.tag, str) and c.tag.startswith(_T)]
        if len(kinds) != 1:
            raise _RefusalError(element, f'transformation "{printable(name)}" holds no one function of Gating-ML 2.0')
        kind = kinds[0].tag.removeprefix(_T)
        if kind == "fratio":
            ends = [_attribute(d, _D + "name") for d in kinds[0].iter(_D + "fcs-dimension")]
            if len(ends) != 2:
                raise _RefusalError(element, f'ratio "{printable(name)}" needs two channels')
            a, b, c = (_number(kinds[0], _T + k) for k in "ABC")
            self.ratios[name] = ends[0], ends[1], a, b, c
        elif kind in _SCALES:
            make, keys = _SCALES[kind]
            clip = {
                k: float(v)
                for k, bound in (("low", "boundMin"), ("high", "boundMax"))
                if (v := element.get(_T + bound, kinds[0].get(_T + bound))) is not None
            }
            try:
                self.scales[name] = make(*(_number(kinds[0], _T + k) for k in keys), **clip)
            except ValueError as problem:
                raise _RefusalError(element, f'transformation "{printable(name)}": {problem}') from None
        else:
            raise _RefusalError(element, f'transformation "{printable(name)}" is a {kind}, which is not known here')

    def _matrix(self, element: Any) -> None:
        name = _attribute(element, _T + "id")
        rows = [[_number(c, _T + "value") for c in s.iter(_T + "coefficient")] for s in element.iter(_T + "spectrum")]
        fluorochromes, detectors = (
            tuple(
                _attribute(d, _D + "name") for part in element.iter(_T + tag) for d in part.iter(_D + "fcs-dimension")
            )
            for tag in ("fluorochromes", "detectors")
        )
        if len({len(r) for r in rows}) > 1:
            raise _RefusalError(element, f'matrix "{printable(name)}" has rows of different length')
        try:
            self.matrices[name] = Spillover(detectors, np.array(rows), fluorochromes)
        except ImmunoprofileError as problem:
            raise _RefusalError(element, f'matrix "{printable(name)}": {problem.problems[0].what}') from None

    def _gates(self) -> Iterator[Any]:
        return (e for e in self.root.iter() if e.tag in _GATES)

    def _tree(self) -> tuple[dict[str, str], dict[str, str | None]]:
        """Name and parent id of every population by its id."""
        names: dict[str, str] = {}
        parents: dict[str, str | None] = {}
        for element in self._gates():
            parts = element.iter(_G + "Quadrant") if element.tag == _G + "QuadrantGate" else [element]
            for part in parts:
                part_id = part.get(_G + "id", "")
                if part_id in names:
                    self._try(_refuse_twice, part)
                names[part_id] = _custom_name(part) or part_id
                parents[part_id] = element.get(_G + "parent_id")
        return names, parents

    def path(self, element: Any, gate_id: str) -> str:
        """Full path of a gate by its id."""
        chain: list[str] = []
        current: str | None = gate_id
        while current is not None:
            if current not in self.names:
                raise _RefusalError(element, f'no gate with id "{printable(current)}"', closest(current, self.names))
            if len(chain) > len(self.names):
                raise _RefusalError(
                    element, f'the parents of "{printable(gate_id)}" go in a circle', "Break the circle."
                )
            chain.append(self.names[current])
            current = self.parents[current]
        return join_path(reversed(chain))

    def drafts(self) -> Iterator[Draft]:
        """Every gate of the file; those that cannot be read have no geometry and are among `problems`."""
        for element in self._gates():
            found = self._try(lambda e: list(self._drafts(e)), element)
            yield from self._unreadable(element) if found is None else found

    def _unreadable(self, element: Any) -> Iterator[Draft]:
        """Names without shapes, so that references to a refused gate are not refused as well."""
        parts = element.iter(_G + "Quadrant") if element.tag == _G + "QuadrantGate" else [element]
        for part in parts:
            name = self.names.get(part.get(_G + "id", ""))
            if name:
                yield Draft(f"line {element.sourceline}", name, None, None)

    def _drafts(self, element: Any) -> Iterator[Draft]:
        parent_id = element.get(_G + "parent_id")
        parent = None if parent_id is None else self.path(element, parent_id)
        where = f"line {element.sourceline}"
        if element.tag == _G + "QuadrantGate":
            dividers = [self._divider(d) for d in element.iter(_G + "divider")]
            for part in element.iter(_G + "Quadrant"):
                geometry = _quadrant(part, dict(dividers), element.get(_G + "id", ""))
                yield Draft(where, self.names[_attribute(part, _G + "id")], parent, geometry)
            return
        name = self.names[_attribute(element, _G + "id")]
        yield Draft(where, name, parent, self._geometry(element))

    def _geometry(self, element: Any) -> Geometry:
        kind = element.tag.removeprefix(_G)
        if kind == "BooleanGate":
            return self._boolean(element)
        found = list(element.iter(_G + "dimension"))
        dimensions = tuple(self._dimension(d) for d in found)
        if kind == "RectangleGate":
            return Rectangle(dimensions, tuple((_bound(d, "min"), _bound(d, "max")) for d in found))
        if kind == "PolygonGate":
            vertices = tuple(tuple(_coordinates(v)) for v in element.iter(_G + "vertex"))
            if len(dimensions) != 2 or any(len(v) != 2 for v in vertices):
                raise _RefusalError(element, "a polygon has two dimensions and two coordinates a vertex")
            return Polygon((dimensions[0], dimensions[1]), vertices)  # type: ignore[arg-type]
        center = tuple(c for mean in element.iter(_G + "mean") for c in _coordinates(mean))
        rows = tuple(
            tuple(_number(e, _D + "value") for e in row.iter(_G + "entry")) for row in element.iter(_G + "row")
        )
        distance = [_number(d, _D + "value") for d in element.iter(_G + "distanceSquare")]
        if len(distance) != 1:
            raise _RefusalError(element, "an ellipsoid has one distanceSquare")
        return Ellipsoid(dimensions, center, rows, distance[0])

    def _boolean(self, element: Any) -> Boolean:
        operations = [c for c in element if c.tag in {_G + "and", _G + "or", _G + "not"}]
        if len(operations) != 1:
            raise _RefusalError(element, "a boolean gate holds one of and, or, not")
        operation = operations[0].tag.removeprefix(_G)
        references = list(operations[0].iter(_G + "gateReference"))
        if not references or (operation == "not" and len(references) != 1):
            raise _RefusalError(element, f"{operation} has {len(references)} references")
        terms = []
        for reference in references:
            flipped = reference.get(_G + "use-as-complement", "false") in {"true", "1"}
            target = self.path(reference, _attribute(reference, _G + "ref"))
            terms.append(Term(target, flipped != (operation == "not")))
        return Boolean("or" if operation == "or" else "and", tuple(terms))

    def _divider(self, element: Any) -> tuple[str, tuple[Dimension, tuple[float, ...]]]:
        values = tuple(_text_number(v) for v in element.iter(_G + "value"))
        if not values or list(values) != sorted(values):
            raise _RefusalError(element, "a divider needs values in rising order")
        return _attribute(element, _G + "id"), (self._dimension(element), values)

    def _dimension(self, element: Any) -> Dimension:
        reference = _attribute(element, _G + "compensation-ref")
        comp = {"FCS": FILE, "uncompensated": UNCOMPENSATED}.get(reference, reference)
        if reference not in {"FCS", "uncompensated", *self.matrices}:
            raise _RefusalError(
                element,
                f'no spectrum matrix with id "{printable(reference)}"',
                closest(reference, self.matrices),
            )
        scale_ref = element.get(_G + "transformation-ref")
        if scale_ref is not None and scale_ref not in self.scales:
            raise _RefusalError(
                element,
                f'no transformation with id "{printable(scale_ref)}"',
                closest(scale_ref, self.scales),
            )
        scale = Identity() if scale_ref is None else self.scales[scale_ref]
        direct = list(element.iter(_D + "fcs-dimension"))
        if len(direct) == 1:
            return Dimension(_attribute(direct[0], _D + "name"), scale, comp)
        derived = list(element.iter(_D + "new-dimension"))
        ratio = _attribute(derived[0], _D + "transformation-ref") if len(derived) == 1 else ""
        if ratio not in self.ratios:
            raise _RefusalError(element, f'no ratio with id "{printable(ratio)}"', closest(ratio, self.ratios))
        return Dimension(Ratio(*self.ratios[ratio]), scale, comp)


def _quadrant(part: Any, dividers: dict[str, tuple[Dimension, tuple[float, ...]]], name: str) -> Rectangle:
    dimensions, bounds = [], []
    for position in part.iter(_G + "position"):
        reference = _attribute(position, _G + "divider_ref")
        if reference not in dividers:
            raise _RefusalError(position, f'no divider with id "{printable(reference)}"', closest(reference, dividers))
        dimension, values = dividers[reference]
        location = _number(position, _G + "location")
        dimensions.append(dimension)
        bounds.append(
            (
                max((v for v in values if v <= location), default=None),
                min((v for v in values if v > location), default=None),
            )
        )
    return Rectangle(tuple(dimensions), tuple(bounds), name)


def _refuse_twice(element: Any) -> None:
    raise _RefusalError(element, f'the id "{printable(element.get(_G + "id", ""))}" is used twice', "Ids are unique.")


def _custom_name(element: Any) -> str | None:
    """The name that this program or Cytobank keeps beside an id."""
    for info in element.iterchildren(_D + "custom_info"):
        for owner in info.iter("{*}immunoprofile", "{*}cytobank"):
            for name in owner.iterchildren("{*}name"):
                if name.text and name.text.strip():
                    return str(name.text.strip())
    return None


def _attribute(element: Any, name: str) -> str:
    value = element.get(name)
    if not value:
        raise _RefusalError(element, f'<{_short(element.tag)}> lacks its attribute "{_short(name)}"')
    return str(value)


def _short(tag: str) -> str:
    return tag.rpartition("}")[2]


def _number(element: Any, name: str) -> float:
    return _finite(element, _attribute(element, name))


def _text_number(element: Any) -> float:
    return _finite(element, element.text or "")


def _finite(element: Any, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _RefusalError(element, f'"{printable(text, 40)}" in <{_short(element.tag)}> is not a number')
    return value


def _bound(element: Any, name: str) -> float | None:
    return None if element.get(_G + name) is None else _number(element, _G + name)


def _coordinates(element: Any) -> list[float]:
    return [_number(c, _D + "value") for c in element.iter(_G + "coordinate")]
