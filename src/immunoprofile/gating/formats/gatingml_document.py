"""The elements of a Gating-ML 2.0 file that says a template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from immunoprofile.errors import Problem, printable
from immunoprofile.gating.formats.gatingml_custom import SPACE, is_xml_text, template_compensation
from immunoprofile.gating.formats.gatingml_definitions import SCALE_MARK, SCALES
from immunoprofile.gating.formats.gatingml_info import QuadrantsInfo, axis_info, gate_info, info_text, template_info
from immunoprofile.gating.formats.gatingml_quadrants import dividers_of, part_of, place_between, quadrant_runs
from immunoprofile.gating.formats.gatingml_words import (
    CUSTOM_INFO,
    DATATYPES,
    FCS,
    GATING,
    NAMESPACES,
    TRANSFORMS,
    UNCOMPENSATED_REF,
)
from immunoprofile.gating.gates import (
    FILE,
    UNCOMPENSATED,
    Boolean,
    Dimension,
    Ellipsoid,
    Gate,
    Polygon,
    Ratio,
    Rectangle,
)
from immunoprofile.gating.paths import ROOT, make_id, split_path
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.scales import Identity, Linear, Scale
from immunoprofile.spillover import Spillover

_MAX_ID = 200
_FUNCTIONS = {make: (tag, keys) for tag, (make, keys) in SCALES.items()}


def fluorochromes_of(template: GatingTemplate, dimension: Dimension) -> tuple[str, ...]:
    """Names that the matrix of a dimension gives to what it unmixes; none without a matrix of the template."""
    comp = template.compensation
    matrix = dict(comp.matrices).get(dimension.compensation or template_compensation(comp))
    return () if matrix is None else matrix.fluorochromes


class TemplateDocument:
    """The document while it grows: ids given so far, and what cannot be said."""

    def __init__(self, template: GatingTemplate, names: dict[str, str]) -> None:
        from lxml import etree

        self.template, self.names = template, names
        self.problems: list[Problem] = []
        self.ids: set[str] = {FCS, UNCOMPENSATED_REF}
        self.root = etree.Element(f"{GATING}Gating-ML", nsmap=NAMESPACES | {"immunoprofile": SPACE})
        self.definitions: dict[Any, str] = {}
        self.n_head = 0
        self.matrices = {name: self._id("matrix", name) for name, _ in template.compensation.matrices}
        self.gate_ids = {g.path: self._id(*split_path(g.path)) for g in template.gates}

    def _id(self, *parts: str) -> str:
        """A new id that XML allows (NCName), made from the words of a path."""
        base = ".".join(make_id(p, ()) for p in parts)[:_MAX_ID]
        base = base if base[0].isalpha() else f"_{base}"
        found, number = base, 1
        while found in self.ids:
            number += 1
            found = f"{base}.{number}"
        self.ids.add(found)
        return found

    def refuse(self, gate: Gate | None, what: str, remedy: str, code: str) -> None:
        """Note something that cannot be said."""
        path = None if self.template.source is None else str(self.template.source)
        where = None if gate is None else f'gate "{printable(gate.path)}"'
        problem = Problem(what, path, where, remedy=remedy, code=code)
        if problem not in self.problems:
            self.problems.append(problem)

    # -- the parts of the document ---------------------------------------------------------------------------------

    def fill(self) -> Any:
        """The root with everything under it: template, matrices, transformations, gates."""
        self._info(self.root, "template", template_info(self.template, self.names, self.matrices))
        for name, matrix in self.template.compensation.matrices:
            self._matrix(name, matrix)
        self.n_head = len(self.root)
        for gates in quadrant_runs(self.template.gates):
            dividers = dividers_of(gates)
            if dividers is not None:
                self._quadrant_gate(gates, dividers)
            else:
                for gate in gates:
                    self._gate(gate)
        return self.root

    def _matrix(self, name: str, matrix: Spillover) -> None:
        element = self._add(self.root, f"{TRANSFORMS}spectrumMatrix", {f"{TRANSFORMS}id": self.matrices[name]})
        if len(matrix.fluorochromes) < 2:
            self.refuse(
                None,
                f'matrix "{printable(name)}" has one fluorochrome; the standard holds two or more',
                "Add a second, or keep the template as TOML.",
                "GATINGML-MATRIX",
            )
        for tag, names in (("fluorochromes", matrix.fluorochromes), ("detectors", matrix.detectors)):
            part = self._add(element, TRANSFORMS + tag)
            for n in names:
                self._fcs_dimension(part, n, None)
        for row in matrix.matrix.tolist():
            spectrum = self._add(element, f"{TRANSFORMS}spectrum")
            for value in row:
                self._value(spectrum, f"{TRANSFORMS}coefficient", value, None, TRANSFORMS)

    def _gate(self, gate: Gate) -> None:
        geometry = gate.geometry
        kind = {Rectangle: "Rectangle", Polygon: "Polygon", Ellipsoid: "Ellipsoid", Boolean: "Boolean"}[type(geometry)]
        if isinstance(geometry, Polygon | Ellipsoid) and geometry.bins is not None:
            what = f"its outline counts on FlowJo's grid of {geometry.bins} steps, which Gating-ML 2.0 cannot say"
            remedy = 'Import the workspace with --binning none (binning="none" of read_flowjo).'
            self.refuse(gate, what, remedy, "GATINGML-BINS")
        element = self._gate_element(kind, self.gate_ids[gate.path], gate.parent)
        self._info(element, "gate", gate_info(gate))
        if isinstance(geometry, Boolean):
            self._boolean(element, geometry)
            return
        for k, dimension in enumerate(geometry.dimensions):
            axis = self._dimension(element, "dimension", dimension, gate)
            if isinstance(geometry, Rectangle):
                for name, value in zip(("min", "max"), geometry.bounds[k], strict=True):
                    if value is not None:
                        axis.set(GATING + name, self._number(value, gate))
        if isinstance(geometry, Polygon):
            for vertex in geometry.vertices:
                self._coordinates(self._add(element, f"{GATING}vertex"), vertex, gate)
        elif isinstance(geometry, Ellipsoid):
            self._ellipsoid(element, geometry, gate)

    def _gate_element(self, kind: str, name: str, parent: str) -> Any:
        attributes = {f"{GATING}id": name}
        if parent != ROOT:
            attributes[f"{GATING}parent_id"] = self.gate_ids[parent]
        return self._add(self.root, f"{GATING}{kind}Gate", attributes)

    def _ellipsoid(self, element: Any, geometry: Ellipsoid, gate: Gate) -> None:
        if len(geometry.dimensions) < 2:
            self.refuse(
                gate, "an ellipsoid of the standard has two dimensions or more", "Use a range.", "GATINGML-SHAPE"
            )
        self._coordinates(self._add(element, f"{GATING}mean"), geometry.center, gate)
        matrix = self._add(element, f"{GATING}covarianceMatrix")
        for numbers in geometry.covariance:
            row = self._add(matrix, f"{GATING}row")
            for value in numbers:
                self._value(row, f"{GATING}entry", value, gate)
        self._value(element, f"{GATING}distanceSquare", geometry.distance_square, gate)

    def _boolean(self, element: Any, geometry: Boolean) -> None:
        # The standard's `and` and `or` take two references; one alone is written as the complement of its complement.
        single = len(geometry.terms) == 1
        operation = self._add(element, GATING + ("not" if single else geometry.operation))
        for term in geometry.terms:
            reference = self._add(operation, f"{GATING}gateReference", {f"{GATING}ref": self.gate_ids[term.path]})
            if term.complement != single:
                reference.set(f"{GATING}use-as-complement", "true")

    def _quadrant_gate(self, gates: Sequence[Gate], dividers: dict[Dimension, list[float]]) -> None:
        title = str(part_of(gates[0]).divider)
        above = () if gates[0].parent == ROOT else split_path(gates[0].parent)
        name = self._id(*above, title or "quadrants")
        element = self._gate_element("Quadrant", name, gates[0].parent)
        parts = {self.gate_ids[g.path]: gate_info(g, part=True) for g in gates}
        self._info(
            element, "quadrants", QuadrantsInfo(divider=title, axes=[axis_info(d) for d in dividers], parts=parts)
        )
        ids = {}
        for dimension, values in dividers.items():
            divider = self._dimension(element, "divider", dimension, gates[0])
            ids[dimension] = self._id(f"{name} divider")
            divider.set(f"{GATING}id", ids[dimension])
            for value in values:
                self._add(divider, f"{GATING}value").text = self._number(value, gates[0])
        for gate in gates:
            part = self._add(element, f"{GATING}Quadrant", {f"{GATING}id": self.gate_ids[gate.path]})
            geometry = part_of(gate)
            for dimension, bounds in zip(geometry.dimensions, geometry.bounds, strict=True):
                place = {f"{GATING}divider_ref": ids[dimension], f"{GATING}location": repr(place_between(*bounds))}
                self._add(part, f"{GATING}position", place)

    # -- dimensions and what they refer to -------------------------------------------------------------------------

    def _dimension(self, parent: Any, tag: str, dimension: Dimension, gate: Gate) -> Any:
        element = self._add(parent, GATING + tag)
        element.set(f"{GATING}compensation-ref", self._compensation(dimension))
        scale = self._scale(dimension.scale, gate)
        if scale is not None:
            element.set(f"{GATING}transformation-ref", scale)
        unmixed = fluorochromes_of(self.template, dimension)
        ends = tuple(n if n in unmixed else self.names[n] for n in dimension.channels)
        if isinstance(dimension.channel, Ratio):
            ratio = self._ratio(dimension.channel, ends, gate)
            self._add(element, f"{DATATYPES}new-dimension", {f"{DATATYPES}transformation-ref": ratio})
        else:
            self._fcs_dimension(element, ends[0], gate)
        return element

    def _compensation(self, dimension: Dimension) -> str:
        wanted = dimension.compensation or template_compensation(self.template.compensation)
        return {FILE: FCS, UNCOMPENSATED: UNCOMPENSATED_REF}.get(wanted) or self.matrices[wanted]

    def _scale(self, scale: Scale, gate: Gate) -> str | None:
        if scale == Identity():
            return None
        clipped_identity = isinstance(scale, Identity)
        known = _FUNCTIONS.get(Linear if clipped_identity else type(scale))
        if known is None:
            self.refuse(
                gate,
                f"its {scale.kind} scale is none of Gating-ML 2.0's",
                "Keep the template as TOML, or gate on a logicle scale with bounds found anew.",
                "GATINGML-SCALE",
            )
            return None
        if scale in self.definitions:
            return self.definitions[scale]
        tag, keys = known
        name, element = self._transformation(scale, scale.kind)
        numbers: dict[str, float] = (
            {"T": 1.0, "A": 0.0} if clipped_identity else {k: getattr(scale, k.lower()) for k in keys}
        )
        if clipped_identity:
            element.set(SCALE_MARK, scale.kind)
        for bound, value in (("boundMin", scale.low), ("boundMax", scale.high)):
            if math.isfinite(value):
                element.set(TRANSFORMS + bound, repr(float(value)))
        self._add(element, TRANSFORMS + tag, {TRANSFORMS + k: self._number(v, gate) for k, v in numbers.items()})
        return name

    def _ratio(self, ratio: Ratio, ends: Sequence[str], gate: Gate) -> str:
        key = (*ends, ratio.a, ratio.b, ratio.c)
        if key in self.definitions:
            return self.definitions[key]
        name, element = self._transformation(key, "ratio")
        settings = zip("ABC", (ratio.a, ratio.b, ratio.c), strict=True)
        numbers = {TRANSFORMS + k: self._number(v, gate) for k, v in settings}
        function = self._add(element, f"{TRANSFORMS}fratio", numbers)
        for end in ends:
            self._fcs_dimension(function, end, gate)
        return name

    def _transformation(self, key: Any, kind: str) -> tuple[str, Any]:
        """A new transformation, before the gates, for people who read the file from its top."""
        name = self.definitions[key] = self._id(kind)
        element = self._add(self.root, f"{TRANSFORMS}transformation", {f"{TRANSFORMS}id": name})
        self.root.insert(self.n_head, element)
        self.n_head += 1
        return name, element

    # -- single elements -------------------------------------------------------------------------------------------

    def _add(self, parent: Any, tag: str, attributes: dict[str, str] | None = None) -> Any:
        from lxml import etree

        return etree.SubElement(parent, tag, attributes or {})

    def _info(self, parent: Any, name: str, info: Any) -> None:
        self._add(self._add(parent, CUSTOM_INFO), f"{{{SPACE}}}{name}").text = info_text(info)

    def _fcs_dimension(self, parent: Any, name: str, gate: Gate | None) -> None:
        if not name or not is_xml_text(name):
            self.refuse(gate, f'XML cannot hold the channel name "{printable(name)}"', "Rename it.", "GATINGML-NAME")
            return
        self._add(parent, f"{DATATYPES}fcs-dimension", {f"{DATATYPES}name": name})

    def _coordinates(self, parent: Any, values: Sequence[float], gate: Gate) -> None:
        for value in values:
            self._value(parent, f"{GATING}coordinate", value, gate)

    def _value(self, parent: Any, tag: str, value: float, gate: Gate | None, space: str = DATATYPES) -> None:
        self._add(parent, tag, {f"{space}value": self._number(value, gate)})

    def _number(self, value: float, gate: Gate | None) -> str:
        """The shortest decimal that reads back as the same float64."""
        if not math.isfinite(value):
            self.refuse(gate, f"{value} is no number that a gate can have", "Correct it.", "GATINGML-NUMBER")
        return repr(float(value))
