"""Gates as a file gives them, put together into a tree: paths, ids, references, and whether all of it makes sense."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from immunoprofile.errors import Problem, closest, printable
from immunoprofile.gating.expectations import Expectation, TemplateTest
from immunoprofile.gating.gates import AutoRule, Boolean, Ellipsoid, Gate, Geometry, Polygon, Rectangle, Term
from immunoprofile.gating.paths import ROOT, AmbiguousPathError, find_path, join_path, make_id, split_path
from immunoprofile.gating.template import ROOT_ID, Limit, Report


@dataclass(frozen=True, slots=True)
class Draft:
    """A gate before its place in the tree is known; `parent` and a boolean's terms are as written.

    `geometry` is None where it was refused already; `path` is given where the file's ids have settled it.
    """

    where: str
    name: str
    parent: str | None
    geometry: Geometry | None
    id: str | None = None
    label: str | None = None
    cell_ontology: str | None = None
    name_hipc: str | None = None
    role: str | None = None
    path: str | None = None
    auto: AutoRule | None = None


Complain = Callable[[str, str, str | None, str], None]
"""Takes place, sentence, remedy and code of a problem."""

# Stands for a shape that was refused, so that what refers to its gate is not refused as well.
_UNKNOWN = Rectangle((), ())


@dataclass(frozen=True, slots=True)
class Assembled:
    """The tree, or the problems."""

    gates: tuple[Gate, ...]
    reports: tuple[Report, ...]
    limits: tuple[tuple[str, Limit], ...]
    problems: tuple[Problem, ...]
    tests: tuple[TemplateTest, ...] = ()
    named: tuple[tuple[str, str], ...] = ()

    def standing(self) -> tuple[Gate, ...]:
        """The gates with nothing wrong about them nor about any gate they rest on."""
        sound = [g for g in self.gates if g.geometry != _UNKNOWN and not shape_complaints(g.geometry)]
        kept: dict[str, Gate] = {}
        grew = True
        while grew:
            more = {g.path: g for g in sound if g.path not in kept and gate_feet(g) <= {ROOT, *kept}}
            kept |= more
            grew = bool(more)
        return tuple(g for g in self.gates if kept.get(g.path) is g)


def gate_feet(gate: Gate) -> set[str]:
    """The populations that a gate rests on: its parent, and of a boolean its terms."""
    return {gate.parent} | ({t.path for t in gate.geometry.terms} if isinstance(gate.geometry, Boolean) else set())


def assemble(
    drafts: Sequence[Draft],
    reports: Sequence[tuple[str, str, Sequence[str]]],
    limits: Sequence[tuple[str, str, Limit]],
    file: str,
    tests: Sequence[tuple[str, TemplateTest]] = (),
    named: Sequence[tuple[str, str]] = (),
) -> Assembled:
    """Give every draft its path and id, resolve every reference, check every shape.

    Parameters
    ----------
    reports
        (place, population, denominators) as written.
    limits
        (place, population, limit) as written.
    tests
        (place, test) with populations and denominators as written.
    named
        (place, population) of whatever else names one; those that are found come back with their paths.
    """
    problems: list[Problem] = []

    def complain(where: str, what: str, remedy: str | None, code: str) -> None:
        problems.append(Problem(what, file, where, remedy=remedy, code=code))

    paths = _paths(drafts, complain)
    gates = _gates(drafts, paths, complain)
    for draft in drafts:
        if draft.geometry is not None:
            for what, remedy in shape_complaints(draft.geometry):
                complain(draft.where, f'"{printable(draft.name)}": {what}', remedy, "GATE-SHAPE")
    names = _Names(gates)
    found_reports = _reports(names, reports, complain)
    found_limits = []
    for where, query, limit in limits:
        path = names.find(where, query, complain)
        if path is not None:
            found_limits.append((path, limit))
    found_tests = tuple(_test(names, where, test, complain) for where, test in tests)
    found_names = tuple((where, p) for where, q in named if (p := names.find(where, q, complain)) is not None)
    return Assembled(tuple(gates), tuple(found_reports), tuple(found_limits), tuple(problems), found_tests, found_names)


def _paths(drafts: Sequence[Draft], complain: Complain) -> dict[int, str]:
    """Path of each draft by its number, found from the root downwards.

    A draft whose parent cannot be found is complained of once and placed under the name it asks for, so that what hangs
    from it is not complained of as well.
    """
    paths = {number: draft.path for number, draft in enumerate(drafts) if draft.path is not None}
    open_ = {number: draft for number, draft in enumerate(drafts) if draft.path is None}
    while open_:
        placed = [(n, parent) for n, d in open_.items() if (parent := _parent_path(d, paths, open_)) is not None]
        if not placed:
            number = _culprit(open_)
            _complain_parent(open_[number], drafts, paths, open_, complain)
            placed = [(number, str(open_[number].parent))]
        for number, parent in placed:
            names = () if parent == ROOT else split_path(parent)
            paths[number] = join_path((*names, open_.pop(number).name))
    seen = {ROOT: "the root"}
    for number, path in sorted(paths.items()):
        if path in seen:
            complain(
                drafts[number].where,
                f'two gates have the path "{printable(path)}" (also {seen[path]})',
                "Give siblings different names.",
                "GATE-TWICE",
            )
        seen.setdefault(path, drafts[number].where)
    return paths


def _culprit(open_: dict[int, Draft]) -> int:
    """The draft whose parent is none of those still waiting; where there is none they go in a circle: the first."""
    waiting = {d.name for d in open_.values()}
    blamed = (n for n, d in open_.items() if split_path(str(d.parent))[-1] not in waiting)
    return next(blamed, next(iter(open_)))


def _parent_path(draft: Draft, paths: dict[int, str], open_: dict[int, Draft]) -> str | None:
    """The parent's path where it is known and no gate still without a place could be meant as well."""
    if draft.parent is None or draft.parent == ROOT:
        return ROOT
    if draft.parent in paths.values():
        return draft.parent
    last = split_path(draft.parent)[-1:]
    if any((d.name,) == last for d in open_.values() if d is not draft):
        return None
    try:
        return find_path(draft.parent, list(paths.values()))
    except LookupError:
        return None


def _complain_parent(
    draft: Draft,
    drafts: Sequence[Draft],
    paths: dict[int, str],
    open_: dict[int, Draft],
    complain: Complain,
) -> None:
    names = [ROOT, *dict.fromkeys(d.name for d in drafts if d is not draft)]
    where = f"{draft.where}.parent"
    query = str(draft.parent)
    candidates = [p for p in paths.values() if split_path(p)[-1] == split_path(query)[-1]]
    if len(candidates) > 1:
        listed = ", ".join(f'"{printable(p)}"' for p in candidates)
        complain(
            where,
            f'"{printable(query)}" could be any of {listed}',
            "Write the whole path.",
            "PARENT-AMBIGUOUS",
        )
    elif any(d.name == split_path(query)[-1] for d in open_.values()):
        complain(
            where,
            f'"{printable(draft.name)}" hangs from no root: its parents go in a circle',
            "Give one of them a parent outside the circle.",
            "PARENT-CYCLE",
        )
    else:
        complain(where, f'no gate named "{printable(query)}"', closest(query, names), "PARENT-UNKNOWN")


def _gates(drafts: Sequence[Draft], paths: dict[int, str], complain: Complain) -> list[Gate]:
    taken = [ROOT_ID, *(d.id for d in drafts if d.id is not None)]
    for draft in drafts:
        if draft.id is not None and taken.count(draft.id) > 1:
            complain(f"{draft.where}.id", f'"{draft.id}" is used more than once', "Ids are unique.", "ID-TWICE")
    gates = []
    for number, draft in enumerate(drafts):
        if number not in paths:
            continue
        gate_id = draft.id or make_id(draft.name, taken)
        taken.append(gate_id)
        settled = draft.path is not None
        parent = (draft.parent or ROOT) if settled else join_path(split_path(paths[number])[:-1])
        gates.append(
            Gate(
                draft.name,
                paths[number],
                parent,
                gate_id,
                draft.geometry or _UNKNOWN,
                draft.name if draft.label is None else draft.label,
                draft.cell_ontology,
                draft.name_hipc,
                draft.role,
                draft.auto,
            )
        )
    return _resolve_terms(gates, {p: drafts[n].where for n, p in paths.items()}, complain)


def _resolve_terms(gates: list[Gate], places: dict[str, str], complain: Complain) -> list[Gate]:
    names = _Names(gates)
    resolved = []
    for gate in gates:
        if isinstance(gate.geometry, Boolean):
            terms = []
            for term in gate.geometry.terms:
                path = names.find(places[gate.path], term.path, complain)
                if path == ROOT:
                    complain(places[gate.path], f'"{ROOT}" cannot be a term', "Name a gate.", "BOOLEAN-ROOT")
                elif path is not None:
                    terms.append(Term(path, term.complement))
            gate = replace(gate, geometry=replace(gate.geometry, terms=tuple(terms)))  # noqa: PLW2901
        resolved.append(gate)
    _complain_cycles(resolved, places, complain)
    return resolved


def _complain_cycles(gates: list[Gate], places: dict[str, str], complain: Complain) -> None:
    needs = {g.path: gate_feet(g) for g in gates}
    # Parents that were never found are complained of already.
    done, moved = {ROOT} | {p for wanted in needs.values() for p in wanted if p not in needs}, True
    while moved:
        ready = {p for p, wanted in needs.items() if p not in done and wanted <= done}
        done |= ready
        moved = bool(ready)
    for path in needs:
        if path not in done and path in places:
            complain(
                places[path],
                f'"{printable(path)}" rests on itself through its parents or terms',
                "Break the circle.",
                "GATE-CYCLE",
            )


class _Names:
    def __init__(self, gates: Sequence[Gate]) -> None:
        self.paths = [ROOT, *(g.path for g in gates)]
        self.by_id = {g.id: g.path for g in gates}
        self.parent = {g.path: g.parent for g in gates}
        self.astray = {g.name for g in gates if ROOT not in self.ancestors(g.path)}

    def find(self, where: str, query: str, complain: Complain) -> str | None:
        if query in self.parent:
            return query
        try:
            return find_path(query, self.paths)
        except LookupError as problem:
            if query in self.by_id and not isinstance(problem, AmbiguousPathError):
                return self.by_id[query]
            if query and split_path(query)[-1] in self.astray:
                return None  # The parent that was not found is the cause, and was complained of.
            if isinstance(problem, AmbiguousPathError):
                complain(where, str(problem), "Write the whole path.", "POPULATION-UNKNOWN")
            else:
                what = f'no population named "{printable(query)}"'
                complain(where, what, closest(query, self.paths), "POPULATION-UNKNOWN")
            return None

    def ancestors(self, path: str) -> list[str]:
        """Parents up to the root, or up to one that was never found."""
        found = []
        while path != ROOT and path in self.parent:  # a gate named as the root would be its own parent
            path = self.parent[path]
            found.append(path)
        return found


def _reports(names: _Names, reports: Sequence[tuple[str, str, Sequence[str]]], complain: Complain) -> list[Report]:
    found: dict[str, tuple[str, ...]] = {}
    for where, population, denominators in reports:
        path = names.find(f"{where}.population", population, complain)
        tops = [names.find(f"{where}.of", d, complain) for d in denominators]
        if path is None:
            continue
        if path in found:
            complain(where, f'"{printable(population)}" is reported twice', "Join the two.", "REPORT-TWICE")
        for query, top in zip(denominators, tops, strict=True):
            above = names.ancestors(path)
            if top is not None and top not in above and ROOT in above:
                complain(
                    f"{where}.of",
                    f'"{printable(query)}" does not contain "{printable(population)}"',
                    "A denominator is a parent, its parent, and so on.",
                    "REPORT-DENOMINATOR",
                )
        found[path] = tuple(t for t in tops if t is not None)
    return [Report(p, d) for p, d in found.items()]


def _test(names: _Names, where: str, test: TemplateTest, complain: Complain) -> TemplateTest:
    """A test with whole paths; what cannot be found is complained of and left out."""
    found: list[Expectation] = []
    for wanted in test.expectations:
        place = f"{where}.expect.{printable(wanted.path)}"
        path = names.find(place, wanted.path, complain)
        whole = None
        if wanted.denominator is not None:
            whole = names.find(f"{place}.frac_of", wanted.denominator, complain)
        elif wanted.quantity == "frac_of_parent" and path is not None:
            whole = names.parent.get(path)
            if whole is None:
                complain(place, f'"{ROOT}" has no parent', "Give its count.", "TEST-ROOT")
        if path is not None and (whole is not None or wanted.quantity in {"count", "f1"}):
            found.append(replace(wanted, path=path, denominator=whole))
    return replace(test, expectations=tuple(found))


def shape_complaints(geometry: Geometry) -> list[tuple[str, str]]:
    """What is wrong with a gate's numbers: sentences and remedies."""
    if isinstance(geometry, Rectangle):
        return _rectangle_complaints(geometry)
    if isinstance(geometry, Polygon) and len(set(geometry.vertices)) < 3:
        return [("a polygon needs three different vertices", "Add vertices.")]
    if isinstance(geometry, Ellipsoid):
        return _ellipsoid_complaints(geometry)
    return []


def _rectangle_complaints(geometry: Rectangle) -> list[tuple[str, str]]:
    found = []
    if all(low is None and high is None for low, high in geometry.bounds):
        found.append(("has no bound at all", "Give min or max."))
    for dimension, (low, high) in zip(geometry.dimensions, geometry.bounds, strict=True):
        if low is not None and high is not None and not low < high:
            name = printable(dimension.channels[0])
            found.append((f"min {low} of {name} is not below max {high}", "Swap or correct them."))
    return found


def _ellipsoid_complaints(geometry: Ellipsoid) -> list[tuple[str, str]]:
    size = len(geometry.dimensions)
    covariance = geometry.covariance
    if len(geometry.center) != size or len(covariance) != size or any(len(row) != size for row in covariance):
        return [(f"center and covariance must have {size} dimensions", "Give one number a dimension.")]
    if not np.linalg.cond(np.array(covariance)) < 1e15:
        return [("covariance cannot be inverted", "Correct it.")]
    if not (math.isfinite(geometry.distance_square) and geometry.distance_square > 0):
        return [("distance_square is not positive", "Give a positive number.")]
    return []
