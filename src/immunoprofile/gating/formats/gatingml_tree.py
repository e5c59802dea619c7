"""The populations of a Gating-ML file: listed, named, placed in the tree, and sifted from what is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunoprofile.errors import Problem, printable
from immunoprofile.gating.formats.assembly import Draft
from immunoprofile.gating.formats.gatingml_custom import cytobank_text, read_info, rule_of
from immunoprofile.gating.formats.gatingml_definitions import Definitions
from immunoprofile.gating.formats.gatingml_shapes import read_geometry, read_quadrants
from immunoprofile.gating.formats.gatingml_words import (
    CUSTOM_INFO,
    GATES,
    GATING,
    RESTS,
    TRANSFORMS,
    RefusalError,
    attribute,
    check_words,
    is_standard,
    local,
)
from immunoprofile.gating.gates import Boolean, Geometry, Term
from immunoprofile.gating.paths import join_path

if TYPE_CHECKING:
    from immunoprofile.gating.formats.gatingml_info import GateInfo

DEFINITIONS = frozenset(TRANSFORMS + n for n in ("transformation", "spectrumMatrix"))
_QUADRANTS = f"{GATING}QuadrantGate"
# A name longer than this cannot be shown, and a path longer than this is a chain that no person wrote.
_MAX_NAME = 1_000
_MAX_PATH = 4_000


@dataclass(slots=True)
class Population:
    """A gate, or a part of a quadrant gate, on its way into the tree.

    `gate` is the element that holds parent and axes: its own, or the quadrant gate's. Terms of a boolean are ids.
    """

    id: str
    element: Any
    gate: Any
    info: GateInfo | None = None
    name: str = ""
    label: str | None = None
    path: str = ""
    geometry: Geometry | None = None

    @property
    def where(self) -> str:
        """Its place for messages; ids are unique, so places are."""
        return f'gate "{printable(self.id, _MAX_NAME)}" (line {self.element.sourceline})'

    @property
    def parent(self) -> str | None:
        """Id of its parent; None below the root."""
        found = self.gate.get(f"{GATING}parent_id")
        return None if found is None else str(found)

    @property
    def rests_on(self) -> set[str]:
        """Ids of its parent and terms."""
        terms = {t.path for t in self.geometry.terms} if isinstance(self.geometry, Boolean) else set()
        return terms if self.parent is None else terms | {self.parent}


@dataclass(slots=True)
class Refusals:
    """What is wrong with a file so far, and the ids of the populations that cannot be used."""

    file: Path
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def add(self, refusal: RefusalError, population: Population | None = None) -> None:
        """One refusal, with the population that it leaves unusable, if any."""
        where = refusal.line
        if population is not None:
            self.broken.add(population.id)
            own = f"line {population.element.sourceline}"
            where = population.where if where == own else f"{population.where}, {where}"
        self.problems.append(Problem(refusal.what, str(self.file), where, remedy=refusal.remedy, code=refusal.code))


def list_elements(parent: Any, refusals: Refusals) -> Iterator[Any]:
    """Gates and definitions, also inside elements of other programs, never inside ``custom_info``."""
    for element in parent:
        if element.tag in GATES or element.tag in DEFINITIONS:
            yield element
        elif not is_standard(element.tag):
            yield from list_elements(element, refusals)
        elif element.tag != CUSTOM_INFO:
            what = f"<{printable(local(element.tag), 40)}> is no gate, transformation or matrix of Gating-ML 2.0"
            refusals.add(RefusalError(element, what, "Export Gating-ML 2.0."))


def list_populations(gates: Sequence[Any], refusals: Refusals) -> dict[str, Population]:
    """Every population by its id, in the order of the file."""
    listed: list[Population] = []
    ids: list[str] = []
    for gate in gates:
        try:
            parts = _parts(gate)
            listed += [Population(attribute(e, f"{GATING}id"), e, gate) for e in parts]
            ids += [attribute(e, f"{GATING}id") for e in dict.fromkeys([gate, *parts])]
        except RefusalError as refusal:
            refusals.add(refusal)
    first = {p.id: p for p in reversed(listed)}
    populations = {p.id: first[p.id] for p in listed}
    for name, times in Counter(ids).items():
        if times > 1:
            what = f'the id "{printable(name)}" is used {times} times'
            of = populations.get(name)
            refusals.add(RefusalError(of.element if of else gates[0], what, "Ids are unique."), of)
    return populations


def _parts(gate: Any) -> list[Any]:
    if gate.tag != _QUADRANTS:
        return [gate]
    parts = gate.findall(f"{GATING}Quadrant")
    if not parts:
        raise RefusalError(gate, "a quadrant gate needs a Quadrant")
    return list(parts)


def read_populations(populations: Iterable[Population], found: Definitions, refusals: Refusals) -> None:
    """Give every population its geometry and our information; what cannot be read is refused."""
    for gate, parts in groupby(populations, key=lambda p: p.gate):
        own = {p.element: p for p in parts}
        try:
            _check_tailored(gate)
            check_words(gate)
            for element, geometry in _geometries(gate, own, found):
                population = own.get(element)
                if isinstance(geometry, RefusalError):
                    refusals.add(geometry, population)
                elif population is not None:
                    population.geometry = geometry
        except RefusalError as refusal:
            for population in own.values():
                refusals.add(refusal, population)


def _geometries(
    gate: Any, own: dict[Any, Population], found: Definitions
) -> Iterable[tuple[Any, Geometry | RefusalError]]:
    if gate.tag != _QUADRANTS:
        info = own[gate].info = read_info(gate, "gate")
        return [(gate, read_geometry(gate, found, info))]
    quadrants = read_info(gate, "quadrants")
    for population in own.values():
        population.info = quadrants.parts.get(population.id) if quadrants else None
    return read_quadrants(gate, found, quadrants)


def _check_tailored(gate: Any) -> None:
    file = cytobank_text(gate, "fcs_file_filename", "fcs_file_id")
    if file:
        raise RefusalError(
            gate,
            f'Cytobank tailored it to the file "{printable(file, 80)}" alone',
            "A template has one gate for all files: give that file an override.",
            "GATINGML-TAILORED",
        )


def name_populations(populations: Iterable[Population], refusals: Refusals) -> None:
    """Names and labels: ours, else Cytobank's where no sibling has it as well, else the id."""
    alike: dict[tuple[str | None, str], list[Population]] = {}
    for population in populations:
        if population.info is not None:
            population.name, population.label = population.info.name, population.info.label
            continue
        name = cytobank_text(population.element, "name")
        population.name = name or population.id
        if len(name) > _MAX_NAME:
            what = f"its name is longer than {_MAX_NAME:,} characters"
            refusals.add(RefusalError(population.element, what), population)
        elif name and population.id not in refusals.broken:
            alike.setdefault((population.parent, name), []).append(population)
    for (_, name), siblings in alike.items():
        sets = [p for p in siblings if cytobank_text(p.element, "gate_set_id")]
        keeper = sets[0] if len(sets) == 1 else None
        for population in siblings if len(siblings) > 1 else ():
            if population is not keeper:
                population.name, population.label = population.id, name


def place_populations(
    populations: dict[str, Population], quadrant_gates: set[str], found: Definitions, refusals: Refusals
) -> None:
    """Paths by the ids of parents; unknown parents and terms, and parents in a circle, are refused."""
    for population in populations.values():
        for reference in sorted(population.rests_on - populations.keys()):
            refusals.add(_unknown(population, reference, quadrant_gates, found, populations), population)
    for population in populations.values():
        chain = _chain(population, populations)
        if len({p.id for p in chain}) < len(chain):
            refusals.add(RefusalError(chain[-1].element, "its parents go in a circle", "Break the circle."), chain[-1])
        for member in reversed(chain):
            if not member.path:
                _place(member, populations.get(member.parent or ""), refusals)


def _place(population: Population, parent: Population | None, refusals: Refusals) -> None:
    own = join_path([population.name])
    population.path = f"{parent.path}/{own}" if parent is not None and parent.path else own
    if len(population.path) > _MAX_PATH:
        population.path = own
        what = f"its path is longer than {_MAX_PATH:,} characters"
        refusals.add(RefusalError(population.element, what, "Give shorter names."), population)


def _unknown(
    population: Population, reference: str, quadrant_gates: set[str], found: Definitions, known: dict[str, Population]
) -> RefusalError:
    if reference in quadrant_gates:
        what = f'"{printable(reference)}" is a quadrant gate, which is no population itself'
        return RefusalError(population.element, what, "Refer to one of its quadrants.")
    return RefusalError(population.element, f'no gate with id "{printable(reference)}"', found.hint(reference, known))


def _chain(population: Population, populations: dict[str, Population]) -> list[Population]:
    """A population and its parents up to one that has a path or is unknown; in a circle the last stands there twice."""
    chain: list[Population] = []
    seen: set[str] = set()
    current: Population | None = population
    while current is not None and not current.path:
        chain.append(current)
        if current.id in seen:
            break
        seen.add(current.id)
        current = populations.get(current.parent or "")
    return chain


def spread_refusals(populations: Iterable[Population], refusals: Refusals) -> None:
    """Refuse whatever rests on something refused."""
    above: dict[str, list[Population]] = {}
    for population in populations:
        for reference in population.rests_on:
            above.setdefault(reference, []).append(population)
    waiting = sorted(refusals.broken)
    while waiting:
        reason = waiting.pop()
        for population in above.get(reason, ()):
            if population.id not in refusals.broken:
                what = f'rests on the gate "{printable(reason)}", which is refused'
                refusals.add(RefusalError(population.element, what, code=RESTS), population)
                waiting.append(population.id)


def drafts(populations: dict[str, Population], refusals: Refusals) -> list[Draft]:
    """What is left, ready for assembly: parents and terms as full paths."""
    return [_draft(p, populations) for p in populations.values() if p.id not in refusals.broken]


def _draft(population: Population, populations: dict[str, Population]) -> Draft:
    geometry, info = population.geometry, population.info
    if isinstance(geometry, Boolean):
        terms = tuple(Term(populations[t.path].path, t.complement) for t in geometry.terms)
        geometry = replace(geometry, terms=terms)
    parent = None if population.parent is None else populations[population.parent].path
    names = (None,) * 4 if info is None else (info.id, info.cell_ontology, info.name_hipc, info.role)
    return Draft(
        population.where,
        population.name,
        parent,
        geometry,
        names[0],
        population.label,
        *names[1:],
        path=population.path,
        auto=None if geometry is None else rule_of(info, geometry.dimensions),
    )
