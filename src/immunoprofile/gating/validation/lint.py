"""What is wrong, doubtful or unfinished about a template that can be read, each with its path and a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from immunoprofile.errors import Problem, printable
from immunoprofile.gating.gates import Boolean, Dimension, Ellipsoid, Gate, Polygon, Rectangle
from immunoprofile.gating.lock import check_lock
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.gating.validation.mutants import axis_ends, name_of
from immunoprofile.gating.validation.outlines import crossing_sides, outline_area
from immunoprofile.scales import Identity, Linear

Level = Literal["error", "warning", "note"]
_LEVELS: tuple[Level, ...] = ("error", "warning", "note")

EDGE_SHARE = 0.02
"""An outer edge that lies within this share of the axis' end was most likely meant to be open (design of `gates`)."""
_FAR = 3.0
"""Lengths of an axis: a place further out than this on a display scale is a place in other units."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A problem and how bad it is.

    ``error``: results would be wrong or empty. ``warning``: most likely not meant. ``note``: unfinished.
    """

    level: Level
    problem: Problem


def check_template(template: GatingTemplate) -> tuple[Remark, ...]:
    """Every remark on a template, errors first, then in the order of the gates.

    Notes
    -----
    A template that cannot be read has errors of its own: `load_template` raises them, all at once.
    """
    lint = _Lint(template)
    for gate in template.gates:
        lint.check_gate(gate)
    lint.check_markers()
    lint.check_reach()
    lint.check_limits()
    lint.check_documents()
    found = [Remark("error", p) for p in check_lock(template)] + lint.remarks
    return tuple(sorted(found, key=lambda r: _LEVELS.index(r.level)))


def check_standing(template: GatingTemplate) -> tuple[Remark, ...]:
    """Remarks on the shapes of the gates that stand although the rest of their template cannot be read."""
    lint = _Lint(template)
    for gate in template.gates:
        lint.check_gate(gate)
    return tuple(sorted(lint.remarks, key=lambda r: _LEVELS.index(r.level)))


class _Lint:
    """Remarks found so far."""

    def __init__(self, template: GatingTemplate) -> None:
        self.template, self.remarks = template, list[Remark]()
        self.file = None if template.source is None else str(template.source)

    def say(self, level: Level, where: str, what: str, remedy: str, code: str) -> None:
        self.remarks.append(Remark(level, Problem(what, self.file, where, remedy=remedy, code=code)))

    def check_gate(self, gate: Gate) -> None:
        geometry = gate.template_geometry
        if isinstance(geometry, Boolean):
            self._check_boolean(gate, geometry)
            return
        if isinstance(geometry, Polygon):
            self._check_outline(gate, geometry)
        if isinstance(geometry, Ellipsoid) and not geometry.is_ellipsoid:
            what = "covariance is not symmetric and positive definite: the gate has no end"
            self.say("error", gate.path, what, "Correct it.", "LINT-COVARIANCE")
        if len(set(geometry.dimensions)) < len(geometry.dimensions):
            self.say("warning", gate.path, "uses one axis twice", "Give two axes.", "LINT-AXIS")
        for dimension, low, high in _extents(geometry):
            self._check_extent(gate, dimension, low, high)

    def _check_outline(self, gate: Gate, geometry: Polygon) -> None:
        crossings = crossing_sides(geometry.vertices)
        if crossings:
            listed = ", ".join(f"side {i + 1} and side {j + 1}" for i, j in crossings[:4])
            what = f"the outline crosses or touches itself ({listed}): what lies inside twice is outside"
            self.say("warning", gate.path, what, "Put the vertices in the order of the outline.", "LINT-CROSSING")
        elif outline_area(geometry.vertices) == 0:
            what = "the outline has no area: all vertices lie on one line"
            self.say("error", gate.path, what, "Correct the vertices.", "LINT-AREA")

    def _check_extent(self, gate: Gate, dimension: Dimension, low: float, high: float) -> None:
        """Places of a gate on one axis, from its lowest to its highest; infinite where it is open."""
        if isinstance(dimension.scale, Identity):
            return
        start, end = axis_ends(dimension, {})
        length = end - start
        axis = f"{name_of(dimension)} ({start:g} to {end:g} on its scale)"
        far = [v for v in (low, high) if math.isfinite(v) and not start - _FAR * length <= v <= end + _FAR * length]
        if far:
            what = f"{far[0]:g} lies far off the axis {axis}"
            self.say("warning", gate.path, what, "Write places on the scale, not linear values.", "LINT-FAR")
        if high <= start or low >= end:
            what = f"lies wholly off the axis {axis}: it will hold hardly any event"
            self.say("warning", gate.path, what, "Correct its places.", "LINT-OFF")
            return
        for value, edge in ((low, start), (high, end)):
            if at_the_end(dimension, value, edge, length):
                what = f"the edge at {value:g} lies at the end of the axis {axis}: events beyond it are lost"
                remedy = (
                    f"Put it off the scale ({start - length:g} or {end + length:g}) if that side is meant to be open."
                )
                self.say("warning", gate.path, what, remedy, "LINT-EDGE")

    def _check_boolean(self, gate: Gate, geometry: Boolean) -> None:
        signs: dict[str, set[bool]] = {}
        for term in geometry.terms:
            signs.setdefault(term.path, set()).add(term.complement)
        both = next((p for p, s in signs.items() if len(s) == 2), None)
        if both is not None:
            result = "never" if geometry.operation == "and" else "always"
            what = f'"{printable(both)}" and its complement are both terms: it is {result} true'
            self.say("error", gate.path, what, "Take one of them out.", "LINT-CONTRADICTION")
        plain = [t.path for t in geometry.terms if not t.complement]
        if geometry.operation == "and":
            apart = next(((a, b) for i, a in enumerate(plain) for b in plain[i + 1 :] if self._apart(a, b)), None)
            if apart is not None:
                what = f'"{printable(apart[0])}" and "{printable(apart[1])}" share no event: the gate is always empty'
                self.say("error", gate.path, what, 'Write "or", or other terms.', "LINT-DISJOINT")
        for path in plain:
            if self._apart(path, gate.parent):
                what = f'"{printable(path)}" shares no event with the parent "{printable(gate.parent)}"'
                self.say("error", gate.path, what, "Give another parent or other terms.", "LINT-DISJOINT")

    def _apart(self, one: str, other: str) -> bool:
        """True where two populations cannot share an event: some gates above them bound one axis on two sides."""
        return any(_excluding(a, b) for a in self._chain(one) for b in self._chain(other) if a.path != b.path)

    def _chain(self, path: str) -> list[Gate]:
        return [self.template.gate(p) for p in (path, *self.template.ancestors(path)) if p != ROOT]

    def check_markers(self) -> None:
        used = {n for g in self.template.gates for d in _axes(g) for n in d.channels}
        by_name: dict[str, str] = {}
        for marker in self.template.markers:
            where = f"markers.{printable(marker.name)}"
            if marker.name not in used:
                self.say("note", where, "no gate uses it", "Take it out, or gate on it.", "LINT-MARKER-UNUSED")
            for name in marker.names:
                other = by_name.setdefault(name.casefold(), marker.name)
                if other != marker.name and self._same_axis(other, marker.name):
                    what = f'is found by the name "{printable(name)}", and so is "{printable(other)}"'
                    self.say("warning", where, what, "Give each marker names of its own.", "LINT-MARKER-TWICE")

    def _same_axis(self, one: str, other: str) -> bool:
        """Two markers of one channel on different scales or compensations are in order: imports need them."""
        axes = {
            n: {(d.scale, d.compensation) for g in self.template.gates for d in _axes(g) if n in d.channels}
            for n in (one, other)
        }
        return not axes[one] or not axes[other] or bool(axes[one] & axes[other])

    def check_reach(self) -> None:
        """Gates that lead to no reported population, and reports without a difference."""
        if not self.template.reports:
            self.say(
                "note",
                "report",
                "there are no [[report]] blocks: every population is reported over its parent",
                "Name the ones that matter.",
                "LINT-REPORT-NONE",
            )
            return
        reached: set[str] = set()
        waiting = [p for r in self.template.reports for p in (r.path, *r.denominators)]
        waiting += [g.path for g in self.template.gates if g.role is not None]
        while waiting:
            path = waiting.pop()
            if path not in reached and path != ROOT:
                reached.add(path)
                gate = self.template.gate(path)
                terms = [t.path for t in gate.geometry.terms] if isinstance(gate.geometry, Boolean) else []
                waiting += [gate.parent, *terms]
        for gate in self.template.gates:
            if gate.path not in reached:
                what = "no reported population rests on it, and it has no role"
                self.say("warning", gate.path, what, "Report it, or take it out.", "LINT-UNUSED")

    def check_limits(self) -> None:
        reported = self.template.reported()
        for path, limit in self.template.limits:
            where = f"limits.{printable(path)}"
            if path not in reported:
                self.say(
                    "warning",
                    where,
                    "the population is not reported",
                    "Report it, or take the limit out.",
                    "LINT-LIMIT",
                )
            warn, refuse = limit.warn_denominator_below, limit.not_evaluable_denominator_below
            if warn is None and refuse is None:
                self.say("warning", where, "sets no limit", "Give a number, or take it out.", "LINT-LIMIT")
            if warn is not None and refuse is not None and warn < refuse:
                what = f"warns below {warn}, where below {refuse} nothing is evaluated any more"
                self.say("warning", where, what, "Warn earlier than you refuse.", "LINT-LIMIT")

    def check_documents(self) -> None:
        """What a reader of the tables will miss."""
        if not self.template.title:
            self.say("note", "template.title", "there is no title", "Say what panel it gates.", "LINT-TITLE")
        bare = [p for p in self.template.reported() if self.template.gate(p).cell_ontology is None]
        if bare:
            shown = ", ".join(printable(self.template.gate(p).id) for p in bare[:8])
            more = f" and {len(bare) - 8} more" if len(bare) > 8 else ""
            number = "1 reported population has" if len(bare) == 1 else f"{len(bare)} reported populations have"
            what = f"{number} no Cell Ontology term: {shown}{more}"
            self.say(
                "note", "gate.cell_ontology", what, 'Write cell_ontology = "CL:0000000" where there is one.', "LINT-CL"
            )
        if not self.template.tests:
            remedy = "Write [[test]] blocks, and run `immunoprofile gates test`."
            self.say("note", "test", "the template has no tests", remedy, "LINT-TESTS")


def _axes(gate: Gate) -> tuple[Dimension, ...]:
    return (*gate.template_geometry.dimensions, *(() if gate.auto is None else gate.auto.dimensions))


def _extents(geometry: Rectangle | Polygon | Ellipsoid) -> Iterator[tuple[Dimension, float, float]]:
    """Each axis of a gate with its lowest and highest place; infinite where it is open."""
    for k, dimension in enumerate(geometry.dimensions):
        if isinstance(geometry, Rectangle):
            low, high = geometry.bounds[k]
            yield dimension, -math.inf if low is None else low, math.inf if high is None else high
        elif isinstance(geometry, Polygon):
            places = [v[k] for v in geometry.vertices]
            yield dimension, min(places), max(places)
        elif geometry.is_ellipsoid:
            half = math.sqrt(geometry.covariance[k][k] * geometry.distance_square)
            yield dimension, geometry.center[k] - half, geometry.center[k] + half


def at_the_end(dimension: Dimension, value: float, edge: float, length: float) -> bool:
    """True where a place lies within 2 % of an end of its axis; of a linear axis only on its inner side.

    Detectors have no events beyond the ends of a linear axis, and compensation puts many below zero.
    """
    # 1 - 0.98 is a little more than 0.02 to a computer.
    if abs(value - edge) > EDGE_SHARE * length * (1 + 1e-9):
        return False
    beyond = value < edge if edge <= 0 else value > edge
    return not (isinstance(dimension.scale, Linear) and beyond)


def _excluding(one: Gate, other: Gate) -> bool:
    """True where two gates bound an axis that they share on two sides of a place."""
    if isinstance(one.template_geometry, Boolean) or isinstance(other.template_geometry, Boolean):
        return False
    if one.auto is not None or other.auto is not None:
        return False
    limits = {d: (low, high) for d, low, high in _extents(one.template_geometry)}
    return any(
        d in limits and _apart(one, other, limits[d], (low, high)) for d, low, high in _extents(other.template_geometry)
    )


def _apart(one: Gate, other: Gate, first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Ranges that only touch share no event where both are rectangles: min belongs to one, max to neither."""
    both = isinstance(one.template_geometry, Rectangle) and isinstance(other.template_geometry, Rectangle)
    if both:
        return first[1] <= second[0] or second[1] <= first[0]
    return first[1] < second[0] or second[1] < first[0]


def worst(remarks: Iterable[Remark]) -> Level | None:
    """The worst level among remarks."""
    levels = {r.level for r in remarks}
    return next((level for level in _LEVELS if level in levels), None)
