"""openCyto's template sheet: what has a counterpart becomes gates here, the rest is listed by name and reason.

The sheet knows no scales and no fallbacks. Scatter and time keep their own units (`identity`); everything else is put
on the usual logicle scale, and positions on it are not carried, because the sheet does not say on which scale they
are. Each automatic gate gets a fallback that keeps nothing but its name, and is listed: a person must place it.

A row may stand for several gates: ``+/-`` for both sides of a cut, a sign an axis for a cut on each and what lies
between them. What reuses the cuts of other gates (`refGate`, the quadrants of two cuts, `polyFunctions`) becomes a
boolean of those gates, where that is the same population: where the gates that the cuts were found in hold it whole.

References
----------
Finak G, Frelinger J, Jiang W, et al. OpenCyto: an open source infrastructure for scalable, robust, reproducible, and
automated, end-to-end flow cytometry data analysis. PLoS Comput Biol 2014;10(8):e1003806.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from immunoprofile.errors import Problem, TemplateInvalidError, printable
from immunoprofile.gating.formats.assembly import Draft, assemble
from immunoprofile.gating.formats.opencyto_methods import (
    BOUNDS,
    CUTS,
    OUTLINES,
    UNMAPPED,
    bounds_of,
    cut_rule,
    kept_side,
    lost_settings,
    method_of,
    outline_rule,
)
from immunoprofile.gating.formats.opencyto_sheet import SIGNS, NotCarriedError, Row, Side, read_rows
from immunoprofile.gating.gates import AutoRule, Boolean, Geometry, Rectangle, Term
from immunoprofile.gating.paths import ROOT, find_path, join_path, split_path
from immunoprofile.gating.template import Compensation, GatingTemplate, Marker

_MOST_COMBINED = 6
"""Gates that `polyFunctions` may combine: 64 populations."""


@dataclass(frozen=True, slots=True)
class _New:
    """A gate to be made; `why` is given instead where it cannot be."""

    name: str
    geometry: Geometry | None
    rule: AutoRule | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A gate whose cut is reused: its path, its axis, the side it keeps."""

    path: str
    axis: str
    kept: Side


def read_opencyto(path: Path) -> GatingTemplate:
    """Read a template sheet.

    Returns
    -------
    A draft; `refused` lists the rows that became no gate, and every gate whose fallback must be placed by hand.

    Raises
    ------
    TemplateSyntaxError
        It is no such sheet.
    TemplateInvalidError
        No row maps.
    """
    sheet = _Sheet(path)
    for row in read_rows(path):
        sheet.add(row)
    if not sheet.drafts:
        raise TemplateInvalidError.of(sheet.refused or [Problem("has no rows", str(path), remedy="Add gates.")])
    built = assemble(list(sheet.drafts.values()), (), (), str(path))
    if built.problems:
        raise TemplateInvalidError.of(built.problems)
    markers = dict.fromkeys(c for g in built.gates for d in g.geometry.dimensions for c in d.channels)
    return GatingTemplate(
        re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")[:64] or "template",
        "1",
        path.stem,
        "draft",
        tuple(Marker(n, (n,)) for n in markers),
        Compensation(),
        built.gates,
        refused=tuple(sheet.refused),
    )


class _Sheet:
    """Gates made so far by their paths, and what was not carried."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.drafts: dict[str, Draft] = {}
        self.refused: list[Problem] = []
        self.lost: set[str] = set()

    def add(self, row: Row) -> None:
        """Turn a row into gates, or list it."""
        made = False
        for written in row["parent"].split(","):
            try:
                parent = self._parent(written.strip())
                for new in list(self._gates(row, parent)):
                    made |= self._make(row, parent, new)
            except NotCarriedError as problem:
                self._refuse(row, row["alias"], str(problem))
        if made:
            self._list_settings(row)

    def _make(self, row: Row, parent: str, new: _New) -> bool:
        path = _below(parent, new.name)
        why = new.why or ("a row above makes a gate of that name there" if path in self.drafts else "")
        if why or new.geometry is None:
            self._refuse(row, new.name, why)
            return False
        above = None if parent == ROOT else parent
        self.drafts[path] = Draft(f"row {row.line}", new.name, above, new.geometry, auto=new.rule, path=path)
        if new.rule is not None:
            self._list_fallback(row, new.name)
        return True

    def _refuse(self, row: Row, name: str, why: str) -> None:
        self.lost |= {name, row["alias"]}
        what = f'"{printable(name)}" ({printable(row["gating_method"])}) is not carried: {why}'
        remedy = "Write this gate by hand."
        self.refused.append(Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-LOSS"))

    def _list_settings(self, row: Row) -> None:
        lost = lost_settings(row)
        if lost:
            what = f'"{printable(row["alias"])}": {", ".join(map(printable, lost))} is not carried'
            remedy = "Compare the gate with the old one on a sample."
            problem = Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-SETTING")
            self.refused.append(problem)

    def _list_fallback(self, row: Row, name: str) -> None:
        what = f'the fallback of "{printable(name)}" stands at an arbitrary place: the sheet has none'
        remedy = "Place it where the gate lies when the data do not show it."
        problem = Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-FALLBACK")
        self.refused.append(problem)

    def _parent(self, written: str) -> str:
        return ROOT if written in {"", "root", "/"} else self._find(written, ROOT, "its parent")

    def _find(self, written: str, near: str, what: str) -> str:
        """The path of a gate made before: below `near` where there is one of that name, else anywhere."""
        name = written.strip().removeprefix("root").strip("/")
        below = name if near == ROOT else f"{near}/{name}"
        if below in self.drafts:
            return below
        try:
            return find_path(name, list(self.drafts))
        except LookupError as problem:
            if split_path(name)[-1:] and split_path(name)[-1] in self.lost:
                raise NotCarriedError(f'{what} "{printable(name)}" is not carried') from None
            raise NotCarriedError(f"{what}: {str(problem).split('. ')[0].rstrip('.')}") from None

    def _gates(self, row: Row, parent: str) -> Iterator[_New]:
        method = method_of(row)
        if method in UNMAPPED:
            raise NotCarriedError(UNMAPPED[method])
        if method == "boolgate":
            yield from self._booleans(row, parent)
        elif method == "polyfunctions":
            yield from self._combinations(row, parent)
        elif method == "refgate":
            yield from self._references(row, parent)
        elif method in CUTS:
            yield from self._cuts(row, parent)
        elif method in BOUNDS:
            yield _New(row["alias"], bounds_of(row))
        elif method in OUTLINES:
            geometry, rule = outline_rule(row)
            yield _New(row["alias"], geometry, rule)
        else:
            raise NotCarriedError("the method is not known here")

    def _cuts(self, row: Row, parent: str) -> Iterator[_New]:
        """A cut on one axis and the sides that are wanted; or one on each of two, and what lies between them."""
        sides = row.sides()
        if len(row.dims) != len(sides):
            raise NotCarriedError(f"pop has {len(sides)} signs, and dims names {len(row.dims)} axes")
        if len(row.dims) == 1:
            yield from self._one_cut(row, parent, list(zip(_names(row, sides), sides[0], strict=True)))
            return
        cuts = []
        for axis in row.dims:
            side = kept_side(row, "above")
            name = f"{axis}{SIGNS[side]}"
            geometry, rule = cut_rule(row, axis, side)
            yield _New(name, geometry, rule)
            cuts.append(_Cut(_below(parent, name), axis, side))
        for name, wanted in zip(_names(row, sides), product(*sides), strict=True):
            yield _New(name, _between(cuts, wanted))

    def _one_cut(self, row: Row, parent: str, wanted: list[tuple[str, Side]]) -> Iterator[_New]:
        """The gate that the rule finds, and what is left of the parent on the other side of its cut."""
        side = kept_side(row, wanted[0][1])
        found = next((name for name, s in wanted if s == side), f"not_{wanted[0][0]}")
        geometry, rule = cut_rule(row, row.dims[0], side)
        yield _New(found, geometry, rule)
        rest = Boolean("and", (Term(_below(parent, found), complement=True),))
        yield from (_New(name, rest) for name, s in wanted if s != side)

    def _references(self, row: Row, parent: str) -> Iterator[_New]:
        paths = [self._find(r, parent, "the gate it refers to") for r in row["gating_args"].split(":")]
        sides = row.sides()
        if len(paths) == 1 and len(row.dims) == 2:
            if sides != [("above",)]:
                raise NotCarriedError("it is the outside of an outline")
            yield self._exact(row["alias"], Boolean("and", (Term(paths[0]),)), parent)
            return
        cuts = [self._cut(p) for p in paths]
        if len(cuts) != len(sides) or len(cuts) != len(row.dims):
            raise NotCarriedError(f"it refers to {len(cuts)} gates for {len(sides)} signs on {len(row.dims)} axes")
        by_axis = {c.axis.casefold(): c for c in cuts}
        if any(d.casefold() not in by_axis for d in row.dims):
            raise NotCarriedError("the gates it refers to are on other axes than its dims")
        ordered = [by_axis[d.casefold()] for d in row.dims]
        for name, wanted in zip(_names(row, sides), product(*_in_order(row, sides)), strict=True):
            yield self._exact(name, _between(ordered, wanted), parent)

    def _cut(self, path: str) -> _Cut:
        """The cut of a gate on one axis."""
        draft = self.drafts[path]
        geometry = draft.geometry
        if isinstance(geometry, Rectangle) and len(geometry.bounds) == 1 and geometry.bounds[0].count(None) == 1:
            kept: Side = "above" if geometry.bounds[0][1] is None else "below"
            return _Cut(path, geometry.dimensions[0].channels[0], kept)
        raise NotCarriedError(f'"{printable(path)}", to which it refers, is no single cut on one axis')

    def _exact(self, name: str, boolean: Boolean, parent: str) -> _New:
        """The boolean of other gates, where no gate above those takes away what the cut alone would keep."""
        held, terms = {ROOT, parent, *self._above(parent)}, list(boolean.terms)
        while ready := [t for t in terms if set(self._above(t.path)) <= held]:
            held |= {t.path for t in ready if not t.complement}
            terms = [t for t in terms if t not in ready]
        if not terms:
            return _New(name, boolean)
        path = terms[0].path
        above = next(p for p in self._above(path) if p not in held)
        why = f'it uses the cut of "{printable(path)}" outside of "{printable(above)}", in which that cut is found'
        return _New(name, None, why=why)

    def _above(self, path: str) -> list[str]:
        found = []
        while path != ROOT:
            path = self.drafts[path].parent or ROOT if path in self.drafts else ROOT
            found.append(path)
        return found

    def _booleans(self, row: Row, parent: str) -> Iterator[_New]:
        """``A&!B|C``: in R ``&`` binds closer than ``|``; groups of several terms become gates of their own."""
        if "(" in row["gating_args"]:
            raise NotCarriedError("its expression has brackets")
        groups = [[part.strip() for part in group.split("&")] for group in row["gating_args"].split("|")]
        if not all(part.lstrip("! ") for group in groups for part in group):
            raise NotCarriedError("its expression cannot be read")
        read = [self._terms(group, parent) for group in groups]
        if len(read) == 1:
            yield _New(row["alias"], Boolean("and", read[0]))
            return
        terms = []
        for number, group in enumerate(read, start=1):
            if len(group) == 1:
                terms.append(group[0])
                continue
            name = f"{row['alias']}_part_{number}"
            yield _New(name, Boolean("and", group))
            terms.append(Term(_below(parent, name)))
        yield _New(row["alias"], Boolean("or", tuple(terms)))

    def _terms(self, parts: Sequence[str], parent: str) -> tuple[Term, ...]:
        return tuple(
            Term(self._find(p.lstrip("! "), parent, "a gate of its expression"), _is_negated(p)) for p in parts
        )

    def _combinations(self, row: Row, parent: str) -> Iterator[_New]:
        """Every combination of gates and their complements."""
        terms = self._terms([p.strip() for p in row["gating_args"].split(":")], parent)
        if len(terms) > _MOST_COMBINED:
            raise NotCarriedError(f"it combines {len(terms)} gates, and {_MOST_COMBINED} are the most here")
        for without in product((False, True), repeat=len(terms)):
            chosen = tuple(Term(t.path, out) for t, out in zip(terms, without, strict=True))
            names = ("!" * t.complement + split_path(t.path)[-1] for t in chosen)
            yield _New("&".join(names), Boolean("and", chosen))


def _is_negated(text: str) -> bool:
    """True of ``!A``; an exclamation mark inside a name is none."""
    return text[: len(text) - len(text.lstrip("! "))].count("!") % 2 == 1


def _below(parent: str, name: str) -> str:
    own = join_path([name])
    return own if parent == ROOT else f"{parent}/{own}"


def _between(cuts: Sequence[_Cut], wanted: Sequence[Side]) -> Boolean:
    return Boolean("and", tuple(Term(c.path, c.kept != side) for c, side in zip(cuts, wanted, strict=True)))


def _in_order(row: Row, sides: list[tuple[Side, ...]]) -> list[tuple[Side, ...]]:
    """The signs in the order of dims: pop may name the axes the other way round."""
    if len(sides) == 2:
        first, second = (d.casefold() for d in row.dims)
        text = row["pop"].casefold()
        if text.startswith(second) and first in text[len(second) :] and not text.startswith(first):
            return sides[::-1]
    return sides


def _names(row: Row, sides: list[tuple[Side, ...]]) -> list[str]:
    """Names of a row's populations: its alias where it is one, else the axes with their signs, else as listed."""
    wanted = list(product(*_in_order(row, sides)))
    if len(wanted) == 1 and row["alias"] not in {"*", ""}:
        return [row["alias"]]
    given = [a.strip() for a in row["alias"].split(",")]
    if len(given) == len(wanted) and "*" not in given:
        return given
    return ["".join(f"{d}{SIGNS[s]}" for d, s in zip(row.dims, one, strict=True)) for one in wanted]
